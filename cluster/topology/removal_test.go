package topology_test

import (
	"fmt"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// TestForced_everyStage removes the source, the target, or both by force at every point of a transfer
// of every kind, and lets the survivors go on. The partition is bound for c.
//
//	who owns it after the commit    source gone   target gone   both gone
//	before the target sealed        c             source        c
//	the target sealed               target        source        c
//	after the flip                  target        source        c
//	activated                       target        c             c
//	aborted                         c             source        c
func TestForced_everyStage(t *testing.T) {
	type point struct {
		name                 string
		steps                []string
		source, target, both ring.NodeID
	}
	begun := []string{"source ready", "target ready", "ready to seal"}
	flipped := append(begun[:3:3], "target sealed", "source frozen")
	for _, at := range []point{
		{"prepare", nil, "c", "s", "c"},
		{"prepare, source ready", begun[:1], "c", "s", "c"},
		{"fold", begun[:2], "c", "s", "c"},
		{"seal", begun, "c", "s", "c"},
		{"seal, source frozen", append(begun[:3:3], "source frozen"), "c", "s", "c"},
		{"seal, target sealed", append(begun[:3:3], "target sealed"), "t", "s", "c"},
		{"drain", flipped, "t", "s", "c"},
		{"drain, source drained", append(flipped[:5:5], "source drained"), "t", "s", "c"},
		{"drain, target activated", append(flipped[:5:5], "target activated"), "t", "c", "c"},
		{"clean", append(flipped[:5:5], "target activated", "source drained"), "t", "c", "c"},
		{"abort", append(begun[:3:3], "refuse"), "c", "s", "c"},
	} {
		for _, kind := range lawKinds {
			for _, gone := range []struct {
				nodes []ring.NodeID
				want  ring.NodeID
			}{{[]ring.NodeID{"s"}, at.source}, {[]ring.NodeID{"t"}, at.target}, {[]ring.NodeID{"s", "t"}, at.both}} {
				t.Run(fmt.Sprintf("%s/%s/%v", at.name, kind.Name, gone.nodes), func(t *testing.T) {
					m := &mover{t: t, kind: kind.Name}
					m.begin()
					for _, step := range at.steps {
						m.step(step)
					}
					m.force(gone.nodes, gone.want)
					m.finish()
				})
			}
		}
	}
}

// A mover runs the transfer of partition 0 of one kind from s to t.
type mover struct {
	t    *testing.T
	s    topology.State
	seq  uint64
	kind topology.Kind
}

func (m *mover) do(op topology.Op) {
	m.t.Helper()
	m.seq++
	cmd := topology.Command{ID: topology.CommandID{Proposer: "p", Seq: m.seq}, Op: op}
	cmd.Term, _ = m.s.Term()
	next, out := applyChecked(m.t, m.s, cmd)
	if out.Err != nil {
		m.t.Fatal(out.Err)
	}
	m.s = next
}

func (m *mover) plan(owners ...ring.NodeID) {
	m.t.Helper()
	r, err := ring.New(owners)
	if err != nil {
		m.t.Fatal(err)
	}
	m.do(topology.StagePlan{Ring: r, BasedOn: m.s.Membership()})
	m.do(topology.CommitPlan{PlanVersion: m.s.Plan().Version})
}

func (m *mover) begin() {
	m.do(topology.CreateCluster{ClusterID: topology.ClusterID{1}, RingSize: 8, TargetN: 2, NVal: 2, Kinds: lawKinds, Member: topology.Member{Node: "s"}})
	m.do(topology.Join{Node: "t", Kinds: lawKinds})
	m.do(topology.Join{Node: "c", Kinds: lawKinds})
	m.plan("t", "s", "s", "s", "s", "s", "s", "s")
	m.open("t")
}

func (m *mover) open(to ring.NodeID) {
	m.t.Helper()
	_, epoch := m.s.Owner(m.kind, 0)
	m.do(topology.OpenTransfer{Type: topology.Swap, Kind: m.kind, Partition: 0, Target: to, ExpectEpoch: epoch})
}

func (m *mover) step(name string) {
	m.t.Helper()
	tr := m.s.Part(m.kind, 0).Transfer
	src := topology.Report{Session: tr.Session, Node: tr.Source, Incarnation: tr.SourceIncarnation}
	dst := topology.Report{Session: tr.Session, Node: tr.Target, Incarnation: tr.TargetIncarnation}
	seal := topology.Seal{LastSeq: 1, Items: 1}
	m.do(map[string]topology.Op{
		"source ready": topology.SourceReady{Report: src}, "target ready": topology.TargetReady{Report: dst},
		"ready to seal": topology.ReadyToSeal{Report: src}, "source frozen": topology.SourceFrozen{Report: src, Seal: seal},
		"target sealed": topology.TargetSealed{Report: dst, Seal: seal}, "target activated": topology.TargetActivated{Report: dst},
		"source drained": topology.SourceDrained{Report: src}, "source cleaned": topology.SourceCleaned{Report: src},
		"source released": topology.SourceReleased{Report: src}, "refuse": topology.Refuse{Report: src, Reason: topology.ReasonBusy},
	}[name])
}

// force removes the nodes and checks who owns the partition in the same version.
func (m *mover) force(nodes []ring.NodeID, want ring.NodeID) {
	m.t.Helper()
	for _, n := range nodes {
		m.do(topology.StageForceRemove{Node: n})
	}
	_, epoch := m.s.Owner(m.kind, 0)
	m.plan("c", "c", "c", "c", "c", "c", "c", "c")
	owner, now := m.s.Owner(m.kind, 0)
	if owner != want || now < epoch || now > epoch+1 {
		m.t.Fatalf("%s owns it at epoch %d, want %s; the epoch was %d", owner, now, want, epoch)
	}
	if x := m.s.Part(m.kind, 0); (want == "c") != (x.Reassigned != nil) {
		m.t.Fatalf("owned by %s, but reassigned: %+v", want, x.Reassigned)
	}
	for _, n := range nodes {
		for _, k := range lawKinds {
			if m.s.Owners(k.Name).Count(n) > 0 {
				m.t.Fatalf("%s still owns partitions of %s", n, k.Name)
			}
		}
		m.fenced(n)
	}
}

// fenced checks that a removed node's process is refused whatever it says.
func (m *mover) fenced(n ring.NodeID) {
	m.t.Helper()
	old, _ := m.s.Member(n)
	for _, op := range []topology.Op{
		topology.StartNode{ClusterID: m.s.ClusterID(), Node: n, Kinds: lawKinds},
		topology.BeginTerm{Node: n},
		topology.SourceReleased{Report: topology.Report{Session: 1, Node: n, Incarnation: old.Incarnation}},
		topology.TargetActivated{Report: topology.Report{Session: 1, Node: n, Incarnation: old.Incarnation}},
	} {
		if _, out := m.s.Apply(topology.Command{ID: topology.CommandID{Proposer: "removed", Seq: 1}, Op: op}); out.OK() {
			m.t.Fatalf("%s of the removed %s was accepted", topology.OpName(op), n)
		}
	}
}

// finish lets the survivors end what is left, until c has the partition.
func (m *mover) finish() {
	m.t.Helper()
	for range 20 {
		x := m.s.Part(m.kind, 0)
		switch tr := x.Transfer; {
		case tr == nil && x.Owner == "c":
			return
		case tr == nil:
			m.open("c")
		case tr.Stage == topology.StagePrepare && !tr.SourceReady:
			m.step("source ready")
		case tr.Stage == topology.StagePrepare:
			m.step("target ready")
		case tr.Stage == topology.StageFold:
			m.step("ready to seal")
		case tr.Stage == topology.StageSeal && tr.Frozen == nil:
			m.step("source frozen")
		case tr.Stage == topology.StageSeal:
			m.step("target sealed")
		case tr.Stage == topology.StageDrain && !tr.Activated:
			m.step("target activated")
		case tr.Stage == topology.StageDrain:
			m.step("source drained")
		case tr.Stage == topology.StageClean:
			m.step("source cleaned")
		default:
			m.step("source released")
		}
	}
	m.t.Fatalf("not at rest: %+v", m.s.Part(m.kind, 0))
}
