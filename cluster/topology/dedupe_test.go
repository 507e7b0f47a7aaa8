package topology_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/topology"
)

// founded returns a record with one member.
func founded(t testing.TB, size int) topology.State {
	t.Helper()
	s, out := topology.State{}.Apply(topology.Command{
		ID: topology.CommandID{Proposer: "founder", Seq: 1},
		Op: topology.CreateCluster{ClusterID: topology.ClusterID{1}, RingSize: size, TargetN: 2, NVal: 2, Kinds: lawKinds, Member: topology.Member{Node: "a"}},
	})
	if out.Err != nil {
		t.Fatal(out.Err)
	}
	return s
}

func begin(proposer string, seq uint64) topology.Command {
	return topology.Command{ID: topology.CommandID{Proposer: proposer, Seq: seq}, Op: topology.BeginTerm{Node: "a"}}
}

var sameError = cmp.Comparer(func(a, b *topology.Error) bool { return a == b || a != nil && b != nil && *a == *b })

// I2: commands that arrive out of order are all applied once, and all are answered again.
func TestApply_dedupeOutOfOrder(t *testing.T) {
	s := founded(t, 8)
	seqs := []uint64{3, 1, 2, 5, 4}
	var outs []topology.Outcome
	for _, seq := range seqs {
		var o topology.Outcome
		s, o = s.Apply(begin("p", seq))
		outs = append(outs, o)
	}
	for i, seq := range seqs {
		again, o := s.Apply(begin("p", seq))
		if diff := cmp.Diff(outs[i], o, sameError); diff != "" || again != s {
			t.Errorf("command %d (-first +again):\n%s", seq, diff)
		}
	}
	if term, _ := s.Term(); term != uint64(len(seqs)) {
		t.Errorf("term %d after %d commands", term, len(seqs))
	}
}

// I2: beyond the window the record says that it does not know any more, and does nothing.
func TestApply_dedupeWindow(t *testing.T) {
	s := founded(t, 8)
	for seq := range uint64(topology.Window + 10) {
		s, _ = s.Apply(begin("p", seq+1))
	}
	for _, c := range []struct {
		seq     uint64
		applied bool
	}{{1, false}, {10, false}, {11, true}, {topology.Window + 10, true}} {
		again, o := s.Apply(begin("p", c.seq))
		if again != s {
			t.Errorf("command %d changed the record", c.seq)
		}
		if c.applied && (o.Term != c.seq || o.Err != nil) || !c.applied && !errors.Is(o.Err, topology.ErrForgotten) {
			t.Errorf("command %d: term %d, %v", c.seq, o.Term, o.Err)
		}
	}
}

// A proposer that was silent for long is forgotten; its later commands are refused, not applied twice.
func TestApply_dedupeProposers(t *testing.T) {
	s := founded(t, 8)
	for seq := range uint64(topology.Window + 1) {
		s, _ = s.Apply(begin("silent", seq+1))
	}
	for i := range topology.MaxProposers {
		s, _ = s.Apply(begin(fmt.Sprintf("p%d", i), 1))
	}
	again, o := s.Apply(begin("silent", topology.Window+1))
	if !errors.Is(o.Err, topology.ErrForgotten) || again != s {
		t.Errorf("a forgotten proposer's command: %v", o.Err)
	}
	if _, o := s.Apply(begin("p0", 1)); o.Err != nil || o.Term == 0 {
		t.Errorf("a remembered proposer's command: %v", o)
	}
}

func TestApply_invalidCommand(t *testing.T) {
	s := founded(t, 8)
	for _, c := range []topology.Command{
		begin("", 1), begin("p", 0), begin(string(make([]byte, topology.MaxProposer+1)), 1), {ID: topology.CommandID{Proposer: "p", Seq: 1}},
	} {
		again, o := s.Apply(c)
		if !errors.Is(o.Err, topology.ErrInvalid) || again != s {
			t.Errorf("%v: %v", c.ID, o.Err)
		}
	}
}

// Whatever a command brings along, the text of its refusal stays small: it is kept in the record.
func TestApply_boundedText(t *testing.T) {
	s := founded(t, 8)
	long := string(make([]byte, 4000))
	_, o := s.Apply(topology.Command{ID: topology.CommandID{Proposer: "p", Seq: 1}, Op: topology.OpenTransfer{Type: topology.Swap, Kind: long}})
	if o.Err == nil || len(o.Err.Error()) > 1024 {
		t.Errorf("a text of %d bytes", len(o.Err.Error()))
	}
}
