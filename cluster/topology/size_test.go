package topology_test

import (
	"errors"
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
		"Metadata":        func() { s.Metadata("no such entry") },
		"Hints":           func() { s.Hints("kv", 1) },
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

func BenchmarkApply_kept(b *testing.B) {
	s := kept(b, 10_000, 1000)
	for name, op := range map[string]topology.Op{
		"metadata": topology.PutMetadata{Key: "bucket/005000x", Value: make([]byte, 100)},
		"hint":     topology.OpenHint{Kind: "single", Partition: 5, Node: "n3", Incarnation: 1},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, o := s.Apply(topology.Command{ID: topology.CommandID{Proposer: "p", Seq: 1}, Op: op}); !o.Changed() {
					b.Fatal(o.Err)
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

// kept returns a record of 64 partitions with so many entries of metadata and hints.
func kept(t testing.TB, entries, hints int) topology.State {
	t.Helper()
	s := founded(t, 64)
	seq := uint64(0)
	apply := func(op topology.Op) {
		var o topology.Outcome
		seq++
		if s, o = s.Apply(topology.Command{ID: topology.CommandID{Proposer: "kept", Seq: seq}, Op: op}); !o.Changed() {
			t.Fatalf("%v: %v", o.Code, o.Err)
		}
	}
	for i := range entries {
		apply(topology.PutMetadata{Key: fmt.Sprintf("bucket/%06d", i*7919%entries), Value: make([]byte, 100)})
	}
	for i := range hints {
		node := ring.NodeID(fmt.Sprintf("n%d", i/64))
		if i%64 == 0 {
			apply(topology.Join{Node: node, Kinds: lawKinds})
			apply(topology.StagePlan{Ring: s.Ring(), BasedOn: s.Membership()})
			apply(topology.CommitPlan{PlanVersion: s.Version()})
		}
		apply(topology.OpenHint{Kind: "kv", Partition: ring.Partition(i % 64), Node: node, Incarnation: 1})
	}
	return s
}

// A change of a record with 10,000 entries of metadata and 1,000 hints copies a small part of it, and the
// whole is small for what keeps it: raft sends a snapshot of any size in pieces, Consul keeps it in
// chunks of 368 KiB.
func TestState_kept(t *testing.T) {
	const entries, hints, perChange, most = 10_000, 1000, 64 << 10, 4 << 20
	s := kept(t, entries, hints)
	if n := len(encode(t, s)); n > most {
		t.Errorf("the record has %d bytes, the limit is %d", n, most)
	} else {
		t.Logf("the record has %d bytes", n)
	}
	_, version := s.Metadata("bucket/005000")
	h := s.Hints("kv", 32)[3]
	for name, op := range map[string]topology.Op{
		"change": topology.PutMetadata{Key: "bucket/005000", Value: make([]byte, 100), Expect: version},
		"insert": topology.PutMetadata{Key: "bucket/005000x", Value: make([]byte, 100)},
		"delete": topology.PutMetadata{Key: "bucket/005000", Expect: version},
		"open":   topology.OpenHint{Kind: "single", Partition: 5, Node: "n3", Incarnation: 1},
		"close":  topology.CloseHint{Kind: h.Kind, Partition: h.Partition, Node: h.Node, Opened: h.Opened},
	} {
		const runs = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			if _, o := s.Apply(topology.Command{ID: topology.CommandID{Proposer: "p", Seq: 1}, Op: op}); !o.Changed() {
				t.Fatalf("%s: %v", name, o.Err)
			}
		}
		runtime.ReadMemStats(&after)
		copied := (after.TotalAlloc - before.TotalAlloc) / runs
		t.Logf("%s copies %d bytes", name, copied)
		if copied > perChange {
			t.Errorf("%s copies %d bytes, the limit is %d", name, copied, perChange)
		}
	}
}

// What does not fit is refused by its limit.
func TestPutMetadata_full(t *testing.T) {
	s := founded(t, 8)
	seq := uint64(0)
	put := func(op topology.PutMetadata) error {
		var o topology.Outcome
		seq++
		s, o = s.Apply(topology.Command{ID: topology.CommandID{Proposer: "p", Seq: seq}, Op: op})
		return o.Err
	}
	value := make([]byte, topology.MaxMetadataValue)
	n := 0
	for ; n <= topology.MaxMetadata/topology.MaxMetadataValue; n++ {
		if err := put(topology.PutMetadata{Key: fmt.Sprintf("key %d", n), Value: value}); errors.Is(err, topology.ErrRecordFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n != topology.MaxMetadata/topology.MaxMetadataValue-1 {
		t.Errorf("full with %d entries", n)
	}
	_, version := s.Metadata("key 3")
	if err := put(topology.PutMetadata{Key: "key 3", Value: value, Expect: version}); err != nil {
		t.Errorf("a change that takes no more room: %v", err)
	}
	_, version = s.Metadata("key 3")
	if err := put(topology.PutMetadata{Key: "key 3", Expect: version}); err != nil {
		t.Errorf("a deletion: %v", err)
	}
	if err := put(topology.PutMetadata{Key: "one more", Value: value}); err != nil {
		t.Errorf("after a deletion: %v", err)
	}
	if err := put(topology.PutMetadata{Key: "long", Value: make([]byte, topology.MaxMetadataValue+1)}); !errors.Is(err, topology.ErrInvalid) {
		t.Errorf("a value too long: %v", err)
	}
	decoded, err := topology.DecodeState(encode(t, s))
	if err != nil || decoded.MetadataVersion() != s.MetadataVersion() {
		t.Errorf("version %d became %d: %v", s.MetadataVersion(), decoded.MetadataVersion(), err)
	}
}

func TestOpenHint_full(t *testing.T) {
	s := topology.WithHints(founded(t, ring.MaxSize), "a")
	open := topology.OpenHint{Kind: "single", Partition: 9, Node: "a", Incarnation: 1}
	if _, o := s.Apply(topology.Command{ID: topology.CommandID{Proposer: "p", Seq: 1}, Op: open}); !errors.Is(o.Err, topology.ErrRecordFull) {
		t.Errorf("with %d hints: %v", topology.MaxHints, o.Err)
	}
	h := s.Hints("kv", 7)[0]
	s, _ = s.Apply(topology.Command{ID: topology.CommandID{Proposer: "p", Seq: 2}, Op: topology.CloseHint{Kind: h.Kind, Partition: h.Partition, Node: h.Node, Opened: h.Opened}})
	if _, o := s.Apply(topology.Command{ID: topology.CommandID{Proposer: "p", Seq: 3}, Op: open}); o.Err != nil {
		t.Errorf("with one hint less: %v", o.Err)
	}
}
