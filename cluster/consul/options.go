package consul

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Options says which server, which record and which node.
type Options struct {
	// Address is the host and port of the agent's HTTP API. What is empty here and below down to
	// TLS comes from Consul's own environment variables, and then from its defaults.
	Address    string
	Scheme     string // "http" or "https"
	Token      string // of the ACL system
	Datacenter string
	TLS        TLS

	// Prefix is the folder of keys that holds the record. Default "baton". Clusters that share a
	// server need prefixes of their own. With "/" replaced by "-" it is also the service's name.
	Prefix string
	// Node is this node's name, and Addr the address at which others reach it.
	Node ring.NodeID
	Addr string
	// ClusterID is the cluster that this node is known to belong to, or zero. A server without that
	// cluster's record has lost it.
	ClusterID topology.ClusterID

	// RequestTimeout bounds each request to the server. Default 5 s.
	RequestTimeout time.Duration
	// CheckTTL is how long a node may be silent before its check fails and its session with it; it
	// renews three times as often. Default 3 s.
	CheckTTL time.Duration
	// UnreachableAfter is how long a node is Suspect before it is Unreachable. Default 10 s.
	UnreachableAfter time.Duration
	// SnapshotEvery is the number of entries between snapshots, and Tail how many entries before the
	// newest snapshot are kept for slow followers. Defaults 1,024 and 256.
	SnapshotEvery, Tail uint64
	// Logger gets what an operator would want to know. Default: nothing is logged.
	Logger *slog.Logger
}

// TLS names the files and the checks of an encrypted connection to the server.
type TLS struct {
	CAFile, CertFile, KeyFile string
	ServerName                string
	InsecureSkipVerify        bool
}

func (o Options) withDefaults() (Options, error) {
	if o.Node == "" || o.Addr == "" {
		return o, errors.New("consul options: need the node's name and address")
	}
	if strings.Contains(string(o.Node), "/") {
		return o, fmt.Errorf("consul options: node %q: the name must not contain a slash", o.Node)
	}
	if o.RequestTimeout < 0 || o.CheckTTL < 0 || o.UnreachableAfter < 0 {
		return o, errors.New("consul options: a time is negative")
	}
	o.Prefix = strings.Trim(orDefault(o.Prefix, "baton"), "/")
	o.RequestTimeout = orDefault(o.RequestTimeout, 5*time.Second)
	o.CheckTTL = orDefault(o.CheckTTL, 3*time.Second)
	o.UnreachableAfter = orDefault(o.UnreachableAfter, 10*time.Second)
	o.SnapshotEvery = orDefault(o.SnapshotEvery, 1024)
	o.Tail = orDefault(o.Tail, 256)
	o.Logger = orDefault(o.Logger, slog.New(slog.DiscardHandler))
	return o, nil
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// service returns the name under which all nodes of the cluster are registered.
func (o Options) service() string { return strings.ReplaceAll(o.Prefix, "/", "-") }

// serviceID returns the id of this node's registration, the same in every life of the node.
func (o Options) serviceID() string { return o.service() + "-" + string(o.Node) }

func (o Options) checkID() string { return "service:" + o.serviceID() }

func (o Options) headKey() string   { return o.Prefix + "/head" }
func (o Options) leaderKey() string { return o.Prefix + "/leader" }
func (o Options) logFolder() string { return o.Prefix + "/log/" }
func (o Options) snapshots() string { return o.Prefix + "/snapshot/" }

func (o Options) entryKey(index uint64) string { return fmt.Sprintf("%s%020d", o.logFolder(), index) }

func (o Options) chunkKey(name string, i int) string {
	return fmt.Sprintf("%s%s/%06d", o.snapshots(), name, i)
}

func (o Options) presenceKey(life string) string {
	return fmt.Sprintf("%s/presence/%s.%s", o.Prefix, o.Node, life)
}
