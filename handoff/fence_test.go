package handoff_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

func TestCheckEnvelope(t *testing.T) {
	local := handoff.Local{ClusterID: topology.ClusterID{1}, Node: "b", Incarnation: 5, PeerIncarnation: 3}
	for _, tc := range []struct {
		name   string
		change func(*messages.Header)
		want   error
	}{
		{"good", func(*messages.Header) {}, nil},
		{"peer restarted since", func(h *messages.Header) { h.FromIncarnation = 9 }, nil},
		{"F1 other cluster", func(h *messages.Header) { h.ClusterID[0] = 2 }, messages.ErrClusterMismatch},
		{"F1 no cluster", func(h *messages.Header) { h.ClusterID = [16]byte{} }, messages.ErrClusterMismatch},
		{"other node", func(h *messages.Header) { h.To = "c" }, messages.ErrWrongNode},
		{"looped back to the source", func(h *messages.Header) { h.To = "a" }, messages.ErrWrongNode},
		{"F2 for an earlier life of mine", func(h *messages.Header) { h.ToIncarnation = 4 }, messages.ErrIncarnation},
		{"F2 for a later life of mine", func(h *messages.Header) { h.ToIncarnation = 6 }, messages.ErrIncarnation},
		{"F2 from an earlier life of the peer", func(h *messages.Header) { h.FromIncarnation = 2 }, messages.ErrIncarnation},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := messages.Header{ClusterID: [16]byte{1}, From: "a", FromIncarnation: 3, To: "b", ToIncarnation: 5}
			tc.change(&h)
			err := handoff.CheckEnvelope(&h, local)
			if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Errorf("CheckEnvelope = %v, want %v", err, tc.want)
			}
		})
	}
}

func TestCheckEnvelope_allocations(t *testing.T) {
	h := messages.Header{From: "a", To: "b"}
	local := handoff.Local{Node: "b"}
	if n := testing.AllocsPerRun(100, func() {
		if err := handoff.CheckEnvelope(&h, local); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a good frame allocates %v times", n)
	}
}

func TestNewView(t *testing.T) {
	seal := &topology.Seal{Items: 3}
	part := topology.Part{Owner: "a", LastSession: 7}
	for _, tc := range []struct {
		name   string
		rec    store.Record
		staged uint64
		sealed *topology.Seal
	}{
		{"nothing staged", store.Record{MaxSession: 7}, 0, nil},
		{"staged, not sealed", store.Record{MaxSession: 7}, 7, nil},
		{"sealed", store.Record{MaxSession: 7, Sealed: 7, Seal: seal}, 7, seal},
		{"an earlier session's seal is none", store.Record{MaxSession: 7, Sealed: 6, Seal: seal}, 7, nil},
		{"a source's frozen seal is none", store.Record{MaxSession: 7, Frozen: 7, Seal: seal}, 7, nil},
		{"sealed by record, staging gone", store.Record{MaxSession: 7, Sealed: 7, Seal: seal}, 0, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := handoff.View{Node: "b", RingVersion: 40, Part: part, MaxSession: 7, Staged: tc.staged, Sealed: tc.sealed}
			if diff := cmp.Diff(want, handoff.NewView("b", 40, part, tc.rec, tc.staged)); diff != "" {
				t.Errorf("NewView (-want +got):\n%s", diff)
			}
		})
	}
}

// An answer that refuses says how far this node is, so that the source can tell
// a lagging target from a lagging self.
func TestAdmit_refusalNamesTheView(t *testing.T) {
	v := handoff.View{Node: "b", RingVersion: 40, MaxSession: 9, Part: topology.Part{LastSession: 11}}
	admission, err := handoff.Admit(8, "a", v)
	if admission != handoff.Refused || !errors.Is(err, messages.ErrStaleSession) {
		t.Fatalf("Admit = %v, %v", admission, err)
	}
	if err.GetRingVersion() != 40 || err.GetSession() != 11 {
		t.Errorf("refusal names version %d and session %d, want 40 and 11", err.GetRingVersion(), err.GetSession())
	}
}

func TestOpenSessions(t *testing.T) {
	at := func(session uint64, stage topology.Stage, source, target ring.NodeID) *topology.Transfer {
		return &topology.Transfer{Session: session, Stage: stage, Source: source, Target: target}
	}
	transfers := []*topology.Transfer{
		at(1, topology.StagePrepare, "a", "b"),
		at(2, topology.StageFold, "b", "a"),
		at(3, topology.StageSeal, "a", "c"),
		at(4, topology.StageDrain, "a", "b"),
		at(5, topology.StageClean, "b", "a"),
		at(6, topology.StageAbort, "a", "b"),
		at(7, topology.StageFold, "b", "c"),
	}
	if diff := cmp.Diff([]uint64{1, 2, 3}, handoff.OpenSessions(transfers, "a")); diff != "" {
		t.Errorf("sessions of a (-want +got):\n%s", diff)
	}
	if got := handoff.OpenSessions(transfers, "d"); got != nil {
		t.Errorf("sessions of a bystander = %v", got)
	}
}
