package baton

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/vnode"
)

// Engines that keep a node's partitions.
const (
	EngineMemory = "memory" // volatile
	EnginePebble = "pebble" // durable, under DataDir
)

// Defaults of Options.
const (
	DefaultRingSize = 64
	DefaultTargetN  = 4
)

// Options configures a node. The zero value of a field means its default.
type Options struct {
	// Name is the node's name, unique in the cluster; required.
	Name string
	// Record is the replicated record that the nodes of one process share; the
	// first node to start on it creates the cluster, the others ask to join it.
	// Default: a record of its own, a cluster of one.
	Record *memory.Log
	// Addr is where the node listens for the others; default "127.0.0.1:0".
	Addr string
	// Engine is EngineMemory (default) or EnginePebble.
	Engine string
	// DataDir is where EnginePebble keeps the node's partitions; required for it.
	DataDir string
	// RingSize is the number of partitions, a power of two from 8 to 65,536,
	// fixed when the cluster is created; default 64. A node that joins takes the
	// cluster's when it is 0, and is refused when it differs.
	RingSize int
	// TargetN is the number of consecutive partitions that a plan keeps on
	// distinct nodes; default 4. Taken when the cluster is created.
	TargetN int
	// Weight is the node's relative share of partitions; default 1.
	Weight int
	// Location is the rack or zone that the node stands in; optional.
	Location string
	// Kinds are vnode kinds beside kv and pipe.
	Kinds []vnode.Kind
	// Jobs are the MapReduce jobs that this node can run parts of.
	Jobs []mapreduce.Definition
	// Fittings are the pipe workers of one's own, by name.
	Fittings map[string]pipe.Factory
	// Hashes are hash functions for routes of one's own, by name.
	Hashes map[string]pipe.HashFunc
	// Transport makes the way to other nodes; default: gRPC on Addr.
	Transport func(actors.TransportOptions) (actors.Transport, error)
	// RetryAfter is how long the node waits before it repeats a message that
	// was not answered; default 1 s.
	RetryAfter time.Duration
	// Events are told of transfers and workers; optional.
	Events actors.Events
	// Logger gets what an operator wants to see; default: nothing is logged.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Record == nil {
		o.Record = memory.New()
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Engine == "" {
		o.Engine = EngineMemory
	}
	if o.TargetN == 0 {
		o.TargetN = DefaultTargetN
	}
	if o.RetryAfter == 0 {
		o.RetryAfter = time.Second
	}
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
	case o.TargetN < 0:
		return &OptionError{"TargetN", fmt.Sprint(o.TargetN), "use a positive number"}
	case o.Weight < 0:
		return &OptionError{"Weight", fmt.Sprint(o.Weight), "use a positive number"}
	}
	return nil
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
