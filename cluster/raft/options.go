package raft

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Options configures a Store.
type Options struct {
	Node ring.NodeID
	// Nonce is the one the node joins with. Node and nonce name the server: a node that lost its
	// data comes back under another nonce and is another server.
	Nonce uint64
	// Dir holds log, term and snapshots. Only one process may have it open. Empty: in memory.
	Dir string
	// Addr is where others reach this node, host:port.
	Addr string
	// Seeds are addresses of members to ask when no member of this node's record answers.
	Seeds []string
	// RaftListener and RecordListener accept what other nodes dial by DialRaft and DialRecord. The
	// store closes them, also when Open fails.
	RaftListener, RecordListener net.Listener
	DialRaft, DialRecord         func(ctx context.Context, addr string) (net.Conn, error)
	Timeouts                     Timeouts
	// SnapshotEvery is the number of log entries after which the record is written as a snapshot.
	// Default: 8192.
	SnapshotEvery uint64
	// Trailing is the number of log entries kept behind a snapshot, for followers that lag.
	// Default: 4096.
	Trailing uint64
	// Logger gets what an operator would want to know. Default: nothing is logged.
	Logger *slog.Logger
}

// Timeouts of a Store; zero fields take their defaults.
type Timeouts struct {
	// Election is how long a follower hears nothing before it stands for election; it waits up to
	// twice that, and up to as long again when votes split. A process that works with all its cores
	// is late by some hundred milliseconds at times. Default: 900 ms.
	Election time.Duration
	// Commit is how long the leader waits for more entries before it tells followers what is
	// committed; up to twice that. Default: 15 ms.
	Commit time.Duration
	// Dial bounds one connection attempt. Default: 1 s.
	Dial time.Duration
	// Request bounds one request to another node; when it ends after a proposal was sent, its
	// outcome is unknown. Default: 10 s.
	Request time.Duration
	// Patience is how long a call looks for a leader before it returns cluster.ErrUnavailable.
	// Default: 5 s.
	Patience time.Duration
	// Poll is the pause between attempts to hear of the record while no leader speaks to this
	// server, and between attempts to change the voters. Default: 1 s.
	Poll time.Duration
	// Snapshot is how often the log's length is looked at; up to twice that. Default: 30 s.
	Snapshot time.Duration
}

var discard = slog.New(slog.DiscardHandler)

func (o *Options) complete() error {
	switch {
	case o.Node == "" || o.Addr == "":
		return errors.New("raft options: need a node name and its address")
	case len(ServerID(o.Node, o.Nonce)) > maxName:
		return fmt.Errorf("raft options: node %.20s...: the name is longer than %d bytes", o.Node, maxName-20)
	case o.RaftListener == nil || o.RecordListener == nil || o.DialRaft == nil || o.DialRecord == nil:
		return fmt.Errorf("raft options of %s: need listeners and dialers for raft and record", o.Node)
	}
	t := &o.Timeouts
	t.Election = cmp.Or(t.Election, 900*time.Millisecond)
	t.Commit = cmp.Or(t.Commit, 15*time.Millisecond)
	t.Dial = cmp.Or(t.Dial, time.Second)
	t.Request = cmp.Or(t.Request, 10*time.Second)
	t.Patience = cmp.Or(t.Patience, 5*time.Second)
	t.Poll = cmp.Or(t.Poll, time.Second)
	t.Snapshot = cmp.Or(t.Snapshot, 30*time.Second)
	o.SnapshotEvery = cmp.Or(o.SnapshotEvery, 8192)
	o.Trailing = cmp.Or(o.Trailing, 4096)
	o.Logger = cmp.Or(o.Logger, discard)
	return nil
}

// ServerID returns the name of a node's server in raft's configuration.
func ServerID(node ring.NodeID, nonce uint64) string { return fmt.Sprintf("%s/%x", node, nonce) }

// NodeOf returns the node of a server that ServerID named, and the empty name for "".
func NodeOf(server string) ring.NodeID {
	return ring.NodeID(server[:max(strings.LastIndexByte(server, '/'), 0)])
}

func serverOf(m topology.Member) string { return ServerID(m.Node, m.Nonce) }
