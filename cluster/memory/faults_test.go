package memory_test

import (
	"context"
	"errors"
	"testing"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

var kinds = []topology.KindSpec{{Name: "kv"}, {Name: "queue", Volatile: true, Activate: true}}

// founded returns a record in which the first node owns everything and all are members.
func founded(t *testing.T, size int, nodes ...ring.NodeID) topology.State {
	t.Helper()
	ops := []topology.Op{topology.CreateCluster{
		ClusterID: topology.ClusterID{1}, RingSize: size, TargetN: 2, NVal: 2, Kinds: kinds, Member: topology.Member{Node: nodes[0]},
	}}
	for _, n := range nodes[1:] {
		ops = append(ops, topology.Join{Node: n, Kinds: kinds})
	}
	var s topology.State
	for i, op := range ops {
		var o topology.Outcome
		s, o = s.Apply(topology.Command{ID: topology.CommandID{Proposer: "founder", Seq: uint64(i + 1)}, Op: op})
		if o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	return s
}

// cluster2 returns a log with two members and their handles.
func cluster2(t *testing.T) (log *memory.Log, a, b *memory.Store) {
	t.Helper()
	log = memory.From(founded(t, 8, "a", "b"))
	a, b = log.Store("a"), log.Store("b")
	t.Cleanup(func() { a.Close(); b.Close() })
	return log, a, b
}

func term(node ring.NodeID, seq uint64) topology.Command {
	return topology.Command{ID: topology.CommandID{Proposer: "test", Seq: seq}, Op: topology.BeginTerm{Node: node}}
}

func next(t *testing.T, ch <-chan cluster.Update) cluster.Update {
	t.Helper()
	select {
	case u, ok := <-ch:
		if !ok {
			t.Fatal("watch closed")
		}
		return u
	case <-t.Context().Done():
		t.Fatal("no update")
	}
	return cluster.Update{}
}

func empty(t *testing.T, ch <-chan cluster.Update) {
	t.Helper()
	select {
	case u := <-ch:
		t.Fatalf("update to version %d", u.State.Version())
	default:
	}
}

func TestStore_Cut(t *testing.T) {
	log, a, b := cluster2(t)
	seenByA, seenByB := a.Watch(t.Context()), b.Watch(t.Context())
	if !next(t, seenByA).Leader || next(t, seenByB).Leader {
		t.Fatal("the first handle does not lead")
	}
	a.Cut()
	if !next(t, seenByB).Leader {
		t.Error("the other handle does not lead after the cut")
	}
	empty(t, seenByA)
	if _, err := a.Propose(t.Context(), term("a", 1)); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("propose: %v, want %v", err, cluster.ErrUnavailable)
	}
	if _, err := a.Read(t.Context()); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("read: %v, want %v", err, cluster.ErrUnavailable)
	}
	if _, err := b.Propose(t.Context(), term("b", 1)); err != nil {
		t.Fatal(err)
	}
	a.Heal()
	u := next(t, seenByA)
	if u.State.Version() != log.State().Version() || u.Leader {
		t.Errorf("after the heal: version %d leader %t, want version %d", u.State.Version(), u.Leader, log.State().Version())
	}
}

func TestStore_Lag(t *testing.T) {
	log, a, b := cluster2(t)
	ch := b.Watch(t.Context())
	next(t, ch)
	b.Lag(true)
	for seq := range uint64(3) {
		if _, err := a.Propose(t.Context(), term("a", seq+1)); err != nil {
			t.Fatal(err)
		}
	}
	empty(t, ch)
	if s, err := b.Read(t.Context()); err != nil || s.Version() != log.State().Version() {
		t.Errorf("a lagging handle reads version %d, %v; want %d", s.Version(), err, log.State().Version())
	}
	b.Lag(false)
	if v := next(t, ch).State.Version(); v != log.State().Version() {
		t.Errorf("version %d, want %d", v, log.State().Version())
	}
}

func TestLog_Lead(t *testing.T) {
	log, a, b := cluster2(t)
	ca, cb := a.Watch(t.Context()), b.Watch(t.Context())
	next(t, ca)
	next(t, cb)
	if !log.Lead("b") {
		t.Fatal("b may not lead")
	}
	if next(t, ca).Leader || !next(t, cb).Leader {
		t.Error("b does not lead")
	}
	if log.Lead("nobody") {
		t.Error("a node without a handle leads")
	}
	b.Close()
	if !next(t, ca).Leader {
		t.Error("a does not lead after b closed")
	}
}

// A handle whose node is no member must not lead: nobody would coordinate.
func TestLog_membersLead(t *testing.T) {
	log, a, b := cluster2(t)
	ca, cb := a.Watch(t.Context()), b.Watch(t.Context())
	next(t, ca)
	next(t, cb)
	out, err := b.Propose(t.Context(), topology.Command{ID: topology.CommandID{Proposer: "test", Seq: 1}, Op: topology.MarkDown{Node: "a"}})
	if err != nil || out[0].Err != nil {
		t.Fatal(err, out)
	}
	if next(t, ca).Leader || !next(t, cb).Leader {
		t.Error("a leads although it is down")
	}
	stranger := log.Store("stranger")
	defer stranger.Close()
	b.Cut()
	if next(t, stranger.Watch(t.Context())).Leader {
		t.Error("a stranger leads")
	}
}

func TestStore_loseProposal(t *testing.T) {
	log, a, _ := cluster2(t)
	before := log.State()
	a.LoseProposals(1)
	if _, err := a.Propose(t.Context(), term("a", 1)); !errors.Is(err, cluster.ErrUnknown) {
		t.Errorf("propose: %v, want %v", err, cluster.ErrUnknown)
	}
	if log.State() != before {
		t.Error("a lost proposal took effect")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cluster.NewProposer(a, "p").Propose(ctx, 0, topology.BeginTerm{Node: "a"}); !errors.Is(err, cluster.ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("propose: %v, want unknown and canceled", err)
	}
}
