package demo

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// record is a cluster's record under test: a, with eight partitions of kv and
// pipe, and b, which is to get the odd ones and 0.
type record struct {
	t     *testing.T
	state topology.State
	seq   uint64
}

func newRecord(t *testing.T) *record {
	t.Helper()
	r := &record{t: t}
	r.do(topology.CreateCluster{
		ClusterID: topology.ClusterID{1}, RingSize: 8, TargetN: 1, NVal: 1,
		Kinds:  []topology.KindSpec{{Name: "kv"}, {Name: "pipe"}},
		Member: topology.Member{Node: "a", Addr: "127.0.0.1:1", Nonce: 1},
	})
	r.do(topology.Join{Node: "b", Addr: "127.0.0.1:2", Nonce: 2, Kinds: r.state.Kinds()})
	r.do(topology.BeginTerm{Node: "a"})
	odd := map[ring.Partition]ring.NodeID{0: "b", 1: "b", 3: "b", 5: "b", 7: "b"}
	r.do(topology.StagePlan{Ring: r.state.Ring().With(odd), BasedOn: r.state.Membership()})
	r.do(topology.CommitPlan{PlanVersion: r.state.Plan().Version})
	return r
}

func (r *record) do(op topology.Op) topology.Outcome {
	r.t.Helper()
	r.seq++
	term, _ := r.state.Term()
	next, out := r.state.Apply(topology.Command{ID: topology.CommandID{Proposer: "test", Seq: r.seq}, Term: term, Op: op})
	if out.Err != nil {
		r.t.Fatal(out.Err)
	}
	r.state = next
	return out
}

// open opens a transfer and returns its session.
func (r *record) open(kind topology.Kind, p ring.Partition) uint64 {
	r.t.Helper()
	out := r.do(topology.OpenTransfer{Type: topology.Swap, Kind: kind, Partition: p, Target: "b", ExpectEpoch: r.state.Part(kind, p).Epoch})
	return out.Session
}

func (r *record) reports(session uint64) (source, target topology.Report) {
	a, _ := r.state.Member("a")
	b, _ := r.state.Member("b")
	return topology.Report{Session: session, Node: "a", Incarnation: a.Incarnation},
		topology.Report{Session: session, Node: "b", Incarnation: b.Incarnation}
}

// flip brings a transfer of that many bytes to the change of its owner.
func (r *record) flip(session, bytes uint64) {
	r.t.Helper()
	source, target := r.reports(session)
	seal := topology.Seal{LastSeq: 1, Items: 1, Bytes: bytes, Digest: topology.Digest{byte(session)}}
	r.do(topology.SourceReady{Report: source})
	r.do(topology.TargetReady{Report: target})
	r.do(topology.ReadyToSeal{Report: source})
	r.do(topology.SourceFrozen{Report: source, Seal: seal})
	r.do(topology.TargetSealed{Report: target, Seal: seal})
}

// finish brings a flipped transfer to its end.
func (r *record) finish(session uint64) {
	r.t.Helper()
	source, target := r.reports(session)
	r.do(topology.TargetActivated{Report: target})
	r.do(topology.SourceDrained{Report: source})
	r.do(topology.SourceCleaned{Report: source})
}

func TestTracker(t *testing.T) {
	r := newRecord(t)
	track := newTracker()
	expect := func(want []Event, got []Event) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	version := func() uint64 { return r.state.Version() }
	shares := func(a, b int) []Share { return []Share{{"a", a}, {"b", b}} }
	moved := func(session uint64, kind string, p uint32, bytes uint64, during bool) Moved {
		return Moved{
			Session: session, Kind: kind, Partition: p, From: "a", To: "b", Items: 1, Bytes: bytes,
			Digest: topology.Digest{byte(session)}.String(), Match: true, DuringJob: during,
		}
	}

	// What moved before the beginning does not count.
	early := r.open("kv", 0)
	r.flip(early, 10)
	r.finish(early)
	expect([]Event{Owning{Version: version(), Shares: shares(7, 1)}}, []Event{track.begin(r.state)})
	expect(nil, track.see(r.state, false))

	first, empty, pipe := r.open("kv", 1), r.open("kv", 3), r.open("pipe", 1)
	expect([]Event{Moving{Opened: 3}}, track.see(r.state, true))

	// A flip is seen while the transfer is active, with data during the job.
	r.flip(first, 100)
	expect([]Event{Moving{Opened: 3, Flipped: 1}, Owning{Version: version(), Shares: shares(6, 2)}}, track.see(r.state, true))

	// A flip and the end within one step; no data, and another kind.
	r.flip(empty, 0)
	r.finish(empty)
	r.flip(pipe, 50)
	r.finish(pipe)
	expect([]Event{
		moved(empty, "kv", 3, 0, true), moved(pipe, "pipe", 1, 50, true),
		Moving{Opened: 3, Flipped: 3, Ended: 2},
		Owning{Version: version(), Shares: shares(5, 3)},
	}, track.see(r.state, true))

	// The end of what flipped during the job, seen after it.
	r.finish(first)
	expect([]Event{moved(first, "kv", 1, 100, true), Moving{Opened: 3, Flipped: 3, Ended: 3}}, track.see(r.state, false))

	// A flip after the job; and one that is aborted, which counts no more.
	late, lost := r.open("kv", 5), r.open("kv", 7)
	r.flip(late, 70)
	r.finish(late)
	expect([]Event{moved(late, "kv", 5, 70, false), Moving{Opened: 5, Flipped: 4, Ended: 4}, Owning{Version: version(), Shares: shares(4, 4)}}, track.see(r.state, false))
	source, _ := r.reports(lost)
	r.do(topology.AbortTransfer{Session: lost, Reason: topology.ReasonCancelled})
	r.do(topology.SourceReleased{Report: source})
	expect([]Event{Moving{Opened: 4, Flipped: 4, Ended: 4}}, track.see(r.state, false))

	if diff := cmp.Diff(Transfers{Ended: 4, Matching: 4}, track.transfers()); diff != "" {
		t.Error(diff)
	}
	if track.moved != 1 || track.bytes != 220 || track.differing != 0 {
		t.Errorf("moved %d with %d bytes, %d differing; want 1, 220, 0", track.moved, track.bytes, track.differing)
	}
}

func TestSettled(t *testing.T) {
	r := newRecord(t)
	for p := range ring.Partition(8) {
		for _, kind := range []topology.Kind{"kv", "pipe"} {
			if p%2 == 0 && p != 0 {
				continue
			}
			if r.state.Settled() {
				t.Fatalf("settled before %s %d has moved", kind, p)
			}
			session := r.open(kind, p)
			r.flip(session, 1)
			r.finish(session)
		}
	}
	if !r.state.Settled() {
		t.Error("not settled although everything has moved")
	}
}
