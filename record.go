package baton

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/consul"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/port"
	"github.com/dee2748c/baton/cluster/raft"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// agreement is a store of the replicated record, with what a node asks of it
// beyond agreement itself.
type agreement interface {
	cluster.Store
	Close() error
	// HandOver gives the lead away before a graceful stop.
	HandOver(ctx context.Context) error
	// describe says who leads and who votes, without waiting.
	describe() admin.Agreement
}

// memoryRecord is the record of one process.
type memoryRecord struct{ *memory.Store }

func (memoryRecord) HandOver(context.Context) error { return nil }
func (memoryRecord) describe() admin.Agreement      { return admin.Agreement{Store: StoreMemory} }

// raftRecord is the record among the nodes.
type raftRecord struct{ *raft.Store }

func (r raftRecord) describe() admin.Agreement {
	s := r.Status()
	a := admin.Agreement{
		Store: StoreRaft, Leader: raft.NodeOf(s.Leader), LeaderAddr: s.LeaderAddr, Term: s.Term, Applied: s.Applied,
		Voters: raftNodes(s.Voters), NonVoters: raftNodes(s.Nonvoters),
	}
	switch {
	case s.Err != nil:
		a.Problem = s.Err.Error()
	case s.Leader == "":
		a.Problem = "no leader is known: a majority of the voters has to run and to reach each other"
	}
	return a
}

func raftNodes(servers []raft.Member) []ring.NodeID {
	var out []ring.NodeID
	for _, m := range servers {
		out = append(out, raft.NodeOf(m.Server))
	}
	return out
}

// consulRecord is the record in a Consul server.
type consulRecord struct{ *consul.Store }

// HandOver: the lead is a lock that closing releases.
func (consulRecord) HandOver(context.Context) error { return nil }

func (r consulRecord) describe() admin.Agreement {
	s := r.Status()
	a := admin.Agreement{Store: StoreConsul, Leader: s.Leader, Applied: s.Applied}
	if s.Err != nil {
		a.Problem = s.Err.Error()
	}
	return a
}

// openRecord opens the node's handle on the record. seeds are asked while the
// node itself knows no member.
func (n *Node) openRecord(ctx context.Context, seeds []string) error {
	switch n.opts.Store {
	case StoreMemory:
		n.record = memoryRecord{n.opts.Record.Store(n.self)}
	case StoreConsul:
		c := n.opts.Consul
		s, err := consul.Open(ctx, consul.Options{
			Address: c.Address, Scheme: c.Scheme, Token: c.Token, Datacenter: c.Datacenter, Prefix: c.Prefix,
			TLS:  consul.TLS{CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile, ServerName: c.ServerName, InsecureSkipVerify: c.InsecureSkipVerify},
			Node: n.self, Addr: n.addr(), ClusterID: n.id.ClusterID, Logger: n.opts.Logger,
		})
		if err != nil {
			return err
		}
		n.record = consulRecord{s}
	default:
		o := raft.Options{
			Node: n.self, Nonce: n.id.Nonce, Addr: n.addr(), Seeds: seeds, Logger: n.opts.Logger,
			RaftListener: n.port.Listener(port.Raft), RecordListener: n.port.Listener(port.Record),
			DialRaft: n.dial(port.Raft), DialRecord: n.dial(port.Record),
		}
		if n.opts.DataDir != "" {
			o.Dir = filepath.Join(n.opts.DataDir, recordDir)
			if err := n.remembers(o.Dir); err != nil {
				return err
			}
		}
		s, err := raft.Open(o)
		if err != nil {
			return err
		}
		n.record = raftRecord{s}
	}
	n.proposer = cluster.NewProposer(n.record, n.life)
	n.up.Store(&reached{record: n.record, proposer: n.proposer})
	return nil
}

// remembers refuses to go on as a member whose log and vote are lost: as a voter
// it could help to decide a second time what was decided.
func (n *Node) remembers(dir string) error {
	if n.id.ClusterID.IsZero() || n.id.Founder {
		return nil
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w: put it back, or start with an empty data directory and join as a new node", dir, ErrRecordLost)
	}
	return nil
}

// closeRecord takes openRecord back.
func (n *Node) closeRecord() {
	n.up.Store(nil)
	if err := n.record.Close(); err != nil {
		n.opts.Logger.Warn("record not closed", "err", err)
	}
	n.record, n.proposer = nil, nil
}

// The pauses of insist.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// undecided reports whether an error only says that nothing can be decided yet:
// nobody leads, no member can be reached, or a founder has not come further.
func undecided(err error) bool {
	return errors.Is(err, cluster.ErrUnavailable) || errors.Is(err, cluster.ErrUnknown) || errors.Is(err, topology.ErrNoCluster)
}

// insist repeats f while nothing can be decided. Other errors, and the end of
// ctx, end it.
func (n *Node) insist(ctx context.Context, what string, f func() error) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := f()
		if err == nil || !undecided(err) {
			return err
		}
		n.opts.Logger.Info("waiting for the record", "to", what, "err", err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: %w: %w", what, context.Cause(ctx), err)
		case <-n.ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: %w", what, cluster.ErrClosed)
		}
	}
}

// ask proposes one operation until its outcome is known, and returns it.
func (n *Node) ask(ctx context.Context, op topology.Op) (out topology.Outcome, err error) {
	err = n.insist(ctx, topology.OpName(op), func() error {
		outcomes, err := n.proposer.Propose(ctx, 0, op)
		if err == nil {
			out, err = outcomes[0], outcomes[0].Err
		}
		return err
	})
	return out, err
}

// read reads the record until it can be read.
func (n *Node) read(ctx context.Context) (s topology.State, err error) {
	err = n.insist(ctx, "read the record", func() error {
		s, err = n.record.Read(ctx)
		return err
	})
	return s, err
}
