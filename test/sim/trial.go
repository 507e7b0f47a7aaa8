package sim

import (
	"fmt"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// A Point is where a transfer stands when a fault strikes.
type Point uint8

// The points, in the order in which a transfer passes them.
const (
	Preparing Point = iota // PREPARE in the record
	Copying                // FOLD, and some of the data has arrived
	Sealing                // SEAL, the source is frozen and the target has not sealed
	Sealed                 // the target's seal is durable and the owner has not changed
	Draining               // DRAIN: the target owns
	Cleaning               // CLEAN
	Points
)

// String names the point.
func (p Point) String() string {
	return [...]string{"preparing", "copying", "sealing", "sealed", "draining", "cleaning", "?"}[min(p, Points)]
}

// A Trial is one transfer that a test follows.
type Trial struct {
	Kind           topology.Kind
	Partition      ring.Partition
	Source, Target *Node
	// Session is that of the first transfer, once At has seen it.
	Session uint64

	c        *Cluster
	from, to *Node // asked for
}

// Try lets the cluster come to rest, picks a partition of the kind and two nodes, neither of which leads, and
// asks for the move of that partition from the one to the other.
func (c *Cluster) Try(kind topology.Kind) (*Trial, error) { return c.TryBetween(kind, nil, nil) }

// TryBetween is Try with the participants that are not nil.
func (c *Cluster) TryBetween(kind topology.Kind, source, target *Node) (*Trial, error) {
	t := &Trial{Kind: kind, c: c, from: source, to: target}
	if err := c.Run(func() bool { return t.pick() && c.Settled() }, time.Minute); err != nil {
		return nil, err
	}
	c.Operate(moveTo(t.Partition, t.Target.ID))
	return t, nil
}

// pick finds the participants.
func (t *Trial) pick() bool {
	leader := t.c.Leader()
	if leader == nil {
		return false
	}
	for p := range t.c.base.RingSize() {
		owner, _ := t.c.Newest().Owner(t.Kind, ring.Partition(p))
		if owner == leader.ID || t.from != nil && owner != t.from.ID {
			continue
		}
		t.Partition, t.Source = ring.Partition(p), t.c.Node(owner)
		for _, n := range t.c.Nodes {
			if n != leader && n != t.Source && (t.to == nil || n == t.to) {
				t.Target = n
				return true
			}
		}
	}
	return false
}

// At is a condition for Run: the transfer stands at the point.
func (t *Trial) At(p Point) func() bool {
	return func() bool { return t.Point() == p }
}

// Point tells where the transfer stands; Points if there is none, or it stands between two.
func (t *Trial) Point() Point {
	x := t.c.check.newest.Part(t.Kind, t.Partition).Transfer
	if x == nil || x.Target != t.Target.ID {
		return Points
	}
	if t.Session == 0 {
		t.Session = x.Session
	}
	if x.Session != t.Session {
		return Points
	}
	source, target := t.state(t.Source), t.state(t.Target)
	_, frozen := source.(vnode.Frozen)
	_, sealed := target.(vnode.Sealed)
	switch x.Stage {
	case topology.StagePrepare:
		return Preparing
	case topology.StageFold:
		if _, folding := source.(vnode.Folding); folding && t.arrived() {
			return Copying
		}
	case topology.StageSeal:
		if sealed {
			return Sealed
		}
		if frozen {
			return Sealing
		}
	case topology.StageDrain:
		return Draining
	case topology.StageClean:
		return Cleaning
	}
	return Points
}

func (t *Trial) arrived() bool {
	for _, s := range t.Target.incoming {
		if s.session == t.Session && s.machine.Stats().Applied > 0 {
			return true
		}
	}
	return false
}

// state is that of the partition's vnode on a node, nil if there is none.
func (t *Trial) state(n *Node) vnode.State {
	if !n.up || n.parts == nil {
		return nil
	}
	x := n.parts[t.c.kindIndex(t.Kind)][t.Partition]
	if x == nil {
		return nil
	}
	return x.life.State()
}

// An Ending is what became of a session.
type Ending struct {
	Over      bool
	Committed bool
	Reason    topology.Reason // of one that was given up
}

// Again follows the next transfer of the partition to the target.
func (t *Trial) Again() { t.Session = 0 }

// Ending tells what became of the first transfer.
func (t *Trial) Ending() Ending { return t.c.check.endings[t.Session] }

// Owner tells who owns the partition in the newest record, and at which epoch.
func (t *Trial) Owner() (ring.NodeID, uint64) { return t.c.check.newest.Owner(t.Kind, t.Partition) }

// Staged tells which session's staging generation a node holds for the partition, 0 for none.
func (t *Trial) Staged(n *Node) uint64 {
	x := n.parts[t.c.kindIndex(t.Kind)][t.Partition]
	if x == nil {
		return 0
	}
	session, _ := x.vault.Staged(x.id)
	return session
}

// Cancel gives the transfer up as an operator does, and calls done with the outcome.
func (t *Trial) Cancel(done func(topology.Outcome)) {
	t.c.propose(topology.AbortTransfer{Session: t.Session, Reason: topology.ReasonCancelled}, done)
}

// Second asks for another transfer of the partition, while there is one.
func (t *Trial) Second(done func(topology.Outcome)) {
	_, epoch := t.Owner()
	t.c.propose(topology.OpenTransfer{
		Type: topology.Swap, Kind: t.Kind, Partition: t.Partition, Target: t.Target.ID, ExpectEpoch: epoch,
	}, done)
}

// propose puts an operation in the record in the present term.
func (c *Cluster) propose(op topology.Op, done func(topology.Outcome)) {
	term, _ := c.check.newest.Term()
	c.op.propose(term, []topology.Op{op}, func(out []topology.Outcome, err error) {
		if err != nil {
			out = []topology.Outcome{{Err: err}}
		}
		done(out[0])
	})
}

// Spoil makes the last item of the partition unreadable on the source, and returns what mends it.
func (t *Trial) Spoil() (mend func()) {
	x := t.Source.parts[t.c.kindIndex(t.Kind)][t.Partition]
	s := x.part.Snapshot()
	defer s.Close()
	it := s.Scan(nil, nil)
	defer it.Close()
	var key string
	for it.Next() {
		key = string(it.Item().Key)
	}
	x.vault.Unreadable = map[string]bool{key: true}
	return func() { delete(x.vault.Unreadable, key) }
}

// Outlive raises the fence of the target above the session of the transfer, durably, as that of a node is which
// had a later session before its record was set back.
func (t *Trial) Outlive() {
	x := t.Target.parts[t.c.kindIndex(t.Kind)][t.Partition]
	x.record.MaxSession = t.Session + 1
	if err := x.vault.SetRecord(x.id, x.record); err != nil {
		t.c.W.Failf("%s: record of %v: %v", x.n.ID, x.id, err)
	}
}

// Rot makes the target lose an item of the copy that it has just verified, and then say truly what it has.
func (t *Trial) Rot() {
	t.c.hooks.seals = func(s *targetStream, seal topology.Seal) topology.Seal {
		if s.session != t.Session {
			return seal
		}
		snapshot := s.part.Snapshot()
		defer snapshot.Close()
		it := snapshot.Scan(nil, nil)
		defer it.Close()
		if snapshot.Summary().Items == seal.Items && it.Next() {
			var b store.Batch
			b.Delete(it.Item().Key)
			if err := s.part.Write(&b); err != nil {
				t.c.W.Failf("%s: %v", s.n.ID, err)
			}
		}
		return s.part.Summary().Seal(seal.LastSeq)
	}
}

// Fill makes the disk of a node take nothing more, or lets it.
func (n *Node) Fill(full bool) { n.vault.Full, n.volatile.Full = full, full }

// FailSync makes the next sync of the node's partitions fail: the process ends, and starts again.
func (n *Node) FailSync() { n.data.FailNext = true }

// Refused is why the record did not take the process, nil if it did or has not said.
func (n *Node) Refused() error { return n.refused }

// Envelope returns the header of a message between vnodes, for Network.Tamper; nil for others.
func Envelope(msg any) *messages.Header {
	switch m := msg.(type) {
	case *frame:
		return &m.Header
	case *request:
		return &m.Header
	case *response:
		return &m.Header
	}
	return nil
}

// Tampers makes Tamper give a fate to the frames of a type that one node sends, as often as count says; a
// negative one is always. It returns what tells how often that was.
func (c *Cluster) Tampers(from *Node, t messages.Type, count int, fate Fate) (done func() int) {
	times := 0
	c.Net.Tamper = func(sender, _ ring.NodeID, msg any) Fate {
		if h := Envelope(msg); h == nil || h.Type != t || sender != from.ID || times == count {
			return Arrives
		}
		times++
		return fate
	}
	return func() int { return times }
}

// moveTo gives one partition of the ring to another node.
func moveTo(p ring.Partition, to ring.NodeID) Step {
	return Step{fmt.Sprintf("move %d to %s", p, to), func(s topology.State) ([]topology.Op, bool) {
		owner := s.Ring().Owner(p)
		return []topology.Op{topology.MovePartition{Partition: p, Target: to, ExpectOwner: owner}}, owner == to
	}}
}
