package baton

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/vnode"
)

// Engines that keep a node's partitions.
const (
	EngineMemory = "memory" // volatile
	EnginePebble = "pebble" // durable, under DataDir
)

// Stores that keep the replicated record: who is a member, who owns what.
const (
	StoreRaft   = "raft"   // among the nodes themselves
	StoreConsul = "consul" // in a Consul server
	StoreMemory = "memory" // within one process, for tests
)

// Defaults of Options.
const (
	DefaultRingSize = 64
	DefaultTargetN  = 4
	DefaultListings = 32
	DefaultNVal     = 3
	MaxNVal         = 16
)

// Options configures a node. The zero value of a field means its default.
type Options struct {
	// Name is the node's name, unique in the cluster; required.
	Name string
	// Store is StoreRaft (default), StoreConsul, or StoreMemory (default with a
	// Record).
	Store string
	// Record is the replicated record that the nodes of one process share with
	// StoreMemory; the first node to start on it creates the cluster, the others
	// ask to join it.
	Record *memory.Log
	// Consul says where the record is with StoreConsul.
	Consul ConsulOptions
	// Bootstrap creates a new cluster with this node as its only member. A node
	// whose DataDir holds a member takes part in its cluster again, with or
	// without it.
	Bootstrap bool
	// BootstrapExpect creates a cluster unattended when that many nodes, those
	// that Join names (this one included), run and agree on the list; whoever of
	// them finds a cluster joins it. 0 means not.
	BootstrapExpect int
	// Join are cluster addresses of nodes to ask for admission. Joining only
	// stages: partitions move after a committed plan.
	Join []string
	// CommitJoin plans and commits as soon as the join is staged.
	CommitJoin bool
	// Addr is where the node listens for the others, on one port for all
	// protocols; default "127.0.0.1:0".
	Addr string
	// Advertise is where the others reach it; default: the address listened at.
	Advertise string
	// AdminAddr is where the admin API listens, all of it; default: nowhere. It
	// has no authentication: keep it on the loopback.
	AdminAddr string
	// HTTPAddr is where its reads and the health endpoints listen; default:
	// nowhere.
	HTTPAddr string
	// Settings are shown by the admin API as this node's configuration.
	Settings []admin.Setting
	// Engine is EngineMemory (default) or EnginePebble.
	Engine string
	// MemoryLimit is how many bytes the partitions may take with EngineMemory;
	// writes beyond it fail with messages.ErrNoSpace. 0 means no limit.
	MemoryLimit int64
	// VnodeQueue is how many requests may wait for one vnode; more are refused
	// with vnode.ErrOverloaded. Default actors.DefaultQueue; negative means no limit.
	VnodeQueue int
	// VnodeSlow is how long a request may wait for a vnode before the node says
	// that it does not keep up, so that others stand in for it until it does.
	// Default actors.DefaultSlow.
	VnodeSlow time.Duration
	// DataDir is where the node keeps what must survive its process: its
	// identity, its part of the record, and with EnginePebble its partitions.
	// Required for EnginePebble. Without it the node is gone when it stops.
	DataDir string
	// RingSize is the number of partitions, a power of two from 8 to 65,536,
	// fixed when the cluster is created; default 64. A node that joins takes the
	// cluster's when it is 0, and is refused when it differs.
	RingSize int
	// TargetN is the number of consecutive partitions that a plan keeps on
	// distinct nodes; default 4. Taken when the cluster is created.
	TargetN int
	// NVal is the number of copies of a key in buckets that do not say
	// otherwise, from 1 to MaxNVal and at most RingSize; default DefaultNVal.
	// Taken when the cluster is created.
	NVal int
	// Weight is the node's relative share of partitions; default 1.
	Weight int
	// Location is the rack or zone that the node stands in; optional.
	Location string
	// Kinds are vnode kinds beside kv and pipe.
	Kinds []vnode.Kind
	// Listings is how many listings and index queries the node works on at once;
	// default 32. More are refused with kv.ErrListings.
	Listings int
	// Jobs are the MapReduce jobs that this node can run parts of.
	Jobs []mapreduce.Definition
	// Functions are what queries may name on this node, beside Riak's own.
	Functions []mapreduce.Function
	// Engines run functions that come with a query as source text; default: such
	// queries are refused.
	Engines []mapreduce.Engine
	// PipeWorkers is how many workers of pipes run at a partition at a time; the
	// others take turns. Default 64.
	PipeWorkers int
	// Fittings are the pipe workers of one's own, by name.
	Fittings map[string]pipe.Factory
	// Hashes are hash functions for routes of one's own, by name.
	Hashes map[string]pipe.HashFunc
	// Hooks are run at the writes of buckets whose properties name them.
	Hooks Hooks
	// BucketTypes are created and activated if the record has none of the name;
	// what it has stays as it is.
	BucketTypes map[string]bucket.Changes
	// Transport makes the way to other nodes; default: gRPC on Addr.
	Transport func(actors.TransportOptions) (actors.Transport, error)
	// RetryAfter is how long the node waits before it repeats a message that
	// was not answered; default 1 s.
	RetryAfter time.Duration
	// SealBudget is how long a partition that moves may stay frozen before the
	// coordinator, if it is this node, decides by what the record has: the target
	// serves if it has sealed its copy, else the source again. It doubles with
	// each failed move of the partition. Default cluster.DefaultSealBudget.
	SealBudget time.Duration
	// Unjoined is called when the node waits to be told which cluster to join;
	// optional.
	Unjoined func(Addresses)
	// Events are told of transfers and workers; optional.
	Events actors.Events
	// Entropy says how copies are compared and repaired; optional.
	Entropy EntropyOptions
	// Logger gets what an operator wants to see; default: nothing is logged.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	switch {
	case o.Store == "" && o.Record != nil:
		o.Store = StoreMemory
	case o.Store == "":
		o.Store = StoreRaft
	case o.Store == StoreMemory && o.Record == nil:
		o.Record = memory.New()
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Engine == "" {
		o.Engine = EngineMemory
	}
	if o.Listings == 0 {
		o.Listings = DefaultListings
	}
	if o.TargetN == 0 {
		o.TargetN = DefaultTargetN
	}
	if o.NVal == 0 {
		o.NVal = DefaultNVal
	}
	if o.RetryAfter == 0 {
		o.RetryAfter = time.Second
	}
	o.Entropy = o.Entropy.withDefaults()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Validate reports what is wrong with the options, as an *OptionError.
func (o Options) Validate() error {
	switch {
	case o.Name == "" || len(o.Name) > 255:
		return &OptionError{"Name", o.Name, "give the node a name of 1 to 255 bytes"}
	case o.RingSize != 0 && !ring.ValidSize(o.RingSize):
		return &OptionError{"RingSize", fmt.Sprint(o.RingSize), "use a power of two from 8 to 65,536"}
	case o.Engine != "" && o.Engine != EngineMemory && o.Engine != EnginePebble:
		return &OptionError{"Engine", o.Engine, "use " + EngineMemory + " or " + EnginePebble}
	case o.Engine == EnginePebble && o.DataDir == "":
		return &OptionError{"DataDir", "", "name a directory for the node's data"}
	case !slices.Contains([]string{"", StoreRaft, StoreConsul, StoreMemory}, o.Store):
		return &OptionError{"Store", o.Store, "use " + StoreRaft + " or " + StoreConsul}
	case o.Record != nil && o.Store != "" && o.Store != StoreMemory:
		return &OptionError{"Record", o.Store, "a shared record is for " + StoreMemory + ": leave one of the two out"}
	case o.Transport != nil && o.Record == nil && o.Store != StoreMemory:
		return &OptionError{"Transport", o.Store, "a transport of one's own needs a Record: the other stores use the cluster port"}
	case o.Bootstrap && (len(o.Join) > 0 || o.BootstrapExpect > 0):
		return &OptionError{"Bootstrap", strings.Join(o.Join, ","), "a node creates a cluster or joins one: leave Join and BootstrapExpect out, or Bootstrap"}
	case o.BootstrapExpect < 0 || o.BootstrapExpect > 0 && o.BootstrapExpect != distinct(o.Join):
		return &OptionError{"BootstrapExpect", fmt.Sprint(o.BootstrapExpect), fmt.Sprintf("Join names %d nodes: name all that are expected, this one included", distinct(o.Join))}
	case o.TargetN < 0:
		return &OptionError{"TargetN", fmt.Sprint(o.TargetN), "use a positive number"}
	case o.MemoryLimit < 0:
		return &OptionError{"MemoryLimit", fmt.Sprint(o.MemoryLimit), "use a positive number of bytes, or 0 for no limit"}
	case o.MemoryLimit > 0 && o.Engine == EnginePebble:
		return &OptionError{"MemoryLimit", fmt.Sprint(o.MemoryLimit), "it is for " + EngineMemory + ": leave it out"}
	case o.Listings < 0:
		return &OptionError{"Listings", fmt.Sprint(o.Listings), "use a positive number"}
	case o.NVal < 0 || o.NVal > MaxNVal || o.RingSize != 0 && o.NVal > o.RingSize:
		return &OptionError{"NVal", fmt.Sprint(o.NVal), fmt.Sprintf("use a number from 1 to %d, at most the ring's size", MaxNVal)}
	case o.Weight < 0:
		return &OptionError{"Weight", fmt.Sprint(o.Weight), "use a positive number"}
	}
	return nil
}

// distinct returns how many different strings there are.
func distinct(all []string) int {
	seen := make(map[string]bool)
	for _, s := range all {
		seen[s] = true
	}
	return len(seen)
}

// Addresses are where a node listens; empty for what it does not serve.
type Addresses struct{ Cluster, Admin, HTTP string }

// ConsulOptions says how to reach the Consul server that keeps the record.
type ConsulOptions struct {
	// Address is host:port of a server or agent; default 127.0.0.1:8500.
	Address string
	// Scheme is http (default) or https.
	Scheme string
	// Token is the ACL token; optional. It is never logged.
	Token string
	// Datacenter is the server's own if empty.
	Datacenter string
	// Prefix is the key under which the cluster's record is; default "baton".
	Prefix string
	// CAFile, CertFile, KeyFile and ServerName configure TLS; optional.
	CAFile, CertFile, KeyFile, ServerName string
	// InsecureSkipVerify turns the check of the server's certificate off.
	InsecureSkipVerify bool
}

// OptionError says which option can't be used, and what to do.
type OptionError struct {
	Option string
	Value  string
	Remedy string
}

// Error names the option, its value and the remedy.
func (e *OptionError) Error() string {
	return fmt.Sprintf("option %s %q: %s", e.Option, e.Value, e.Remedy)
}
