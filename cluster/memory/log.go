package memory

import (
	"slices"
	"sync"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// A Log is one replicated record, shared by the handles opened on it. It is safe for concurrent use.
type Log struct {
	mu      sync.Mutex
	state   topology.State
	handles []*Store // open ones, in the order of their opening
	leader  *Store
}

// New returns a log with an empty record.
func New() *Log { return &Log{} }

// From returns a log that continues from a record.
func From(s topology.State) *Log { return &Log{state: s} }

// Store opens a handle for a node. A node that restarts closes its handle and opens another.
func (l *Log) Store(node ring.NodeID) *Store {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &Store{log: l, node: node}
	l.handles = append(l.handles, s)
	l.elect()
	l.publish()
	return s
}

// State returns the record as it is now.
func (l *Log) State() topology.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Lead makes the node's handle the leader, if it may lead, and reports whether it does.
func (l *Log) Lead(node ring.NodeID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.handles {
		if s.node == node && l.mayLead(s) {
			l.leader = s
			l.publish()
			return true
		}
	}
	return false
}

// Cut separates a node's open handles from the log, as Store.Cut does.
func (l *Log) Cut(node ring.NodeID) { l.each(node, (*Store).Cut) }

// Heal takes a Cut back.
func (l *Log) Heal(node ring.NodeID) { l.each(node, (*Store).Heal) }

func (l *Log) each(node ring.NodeID, f func(*Store)) {
	l.mu.Lock()
	all := slices.DeleteFunc(slices.Clone(l.handles), func(s *Store) bool { return s.node != node })
	l.mu.Unlock()
	for _, s := range all {
		f(s)
	}
}

// elect keeps the leader while it may lead, and else takes the first handle that may: one that can be
// reached and whose node is a member. Before there is a cluster, any handle that can be reached leads.
func (l *Log) elect() {
	if l.leader != nil && slices.Contains(l.handles, l.leader) && l.mayLead(l.leader) {
		return
	}
	l.leader = nil
	if i := slices.IndexFunc(l.handles, l.mayLead); i >= 0 {
		l.leader = l.handles[i]
	}
}

func (l *Log) mayLead(s *Store) bool {
	if s.cut {
		return false
	}
	if l.state.Ring() == nil {
		return true
	}
	m, ok := l.state.Member(s.node)
	return ok && m.Status != topology.Down && m.Status != topology.Removed
}

// publish shows every reachable handle the record.
func (l *Log) publish() {
	for _, s := range l.handles {
		if !s.cut && !s.lagging {
			s.notify.Publish(cluster.Update{State: l.state, Leader: l.leader == s})
		}
	}
}

// apply applies one proposal.
func (l *Log) apply(cmds []topology.Command) []topology.Outcome {
	out := make([]topology.Outcome, len(cmds))
	for i, c := range cmds {
		l.state, out[i] = l.state.Apply(c)
	}
	l.elect()
	l.publish()
	return out
}
