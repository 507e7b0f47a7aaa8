package topology_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// sealing returns a record in which the last report of a transfer is to come, and that report.
func sealing(t testing.TB, size int) (topology.State, topology.Command) {
	t.Helper()
	s := founded(t, size)
	seq := uint64(0)
	numbered := func(op topology.Op) topology.Command {
		seq++
		return topology.Command{ID: topology.CommandID{Proposer: "p", Seq: seq}, Op: op}
	}
	do := func(op topology.Op) {
		t.Helper()
		var o topology.Outcome
		if s, o = s.Apply(numbered(op)); o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	do(topology.Join{Node: "b", Kinds: lawKinds})
	do(topology.StagePlan{Ring: s.Ring().With(map[ring.Partition]ring.NodeID{1: "b"}), BasedOn: s.Membership()})
	do(topology.CommitPlan{PlanVersion: s.Version()})
	do(topology.OpenTransfer{Type: topology.Swap, Kind: "kv", Partition: 1, Target: "b", ExpectEpoch: 1})
	src, dst := topology.Report{Session: 1, Node: "a", Incarnation: 1}, topology.Report{Session: 1, Node: "b", Incarnation: 1}
	do(topology.SourceReady{Report: src})
	do(topology.TargetReady{Report: dst})
	do(topology.ReadyToSeal{Report: src})
	do(topology.SourceFrozen{Report: src})
	return s, numbered(topology.TargetSealed{Report: dst})
}

// TestState_memory holds a record of 65,536 partitions of three kinds, each with a certificate, and
// the copy of it that a change makes, to 64 MiB.
func TestState_memory(t *testing.T) {
	const limit = 64 << 20
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := topology.WithCertificates(founded(t, ring.MaxSize))
	next, _ := s.Apply(begin("p", 1))
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d partitions of %d kinds: %.1f MiB", s.RingSize(), len(s.Kinds()), float64(used)/(1<<20))
	if used > limit {
		t.Errorf("%d bytes, the limit is %d", used, limit)
	}
	runtime.KeepAlive(s)
	runtime.KeepAlive(next)
}

// A lookup of the data path allocates nothing.
func TestState_lookupsDoNotAllocate(t *testing.T) {
	s, _ := sealing(t, 64)
	dst := make([]ring.Entry, 0, 3)
	up := func(n ring.NodeID) bool { return n != "b" }
	for name, f := range map[string]func(){
		"Owner":           func() { s.Owner("single", 63) },
		"Part":            func() { s.Part("kv", 1) },
		"Member":          func() { s.Member("b") },
		"Preflist":        func() { s.Preflist("kv", 62, 3, dst) },
		"ActivePreflist":  func() { s.ActivePreflist("kv", 62, 3, up, dst) },
		"PrimaryPreflist": func() { s.PrimaryPreflist("kv", 62, 3, up, dst) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func BenchmarkApply_flip(b *testing.B) {
	for _, size := range []int{64, 1024, ring.MaxSize} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			s, cmd := sealing(b, size)
			b.ReportAllocs()
			for b.Loop() {
				if _, o := s.Apply(cmd); o.Stage != topology.StageDrain {
					b.Fatal(o)
				}
			}
		})
	}
}

func BenchmarkState_Owner(b *testing.B) {
	s, _ := sealing(b, ring.MaxSize)
	p := ring.Partition(0)
	for b.Loop() {
		if n, _ := s.Owner("single", p); n != "a" {
			b.Fatal(n)
		}
		p = (p + 4099) % ring.MaxSize
	}
}

func BenchmarkState_codec(b *testing.B) {
	s := topology.WithCertificates(founded(b, ring.MaxSize))
	enc := encode(b, s)
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(enc)))
		for b.Loop() {
			encode(b, s)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(enc)))
		for b.Loop() {
			if _, err := topology.DecodeState(enc); err != nil {
				b.Fatal(err)
			}
		}
	})
}
