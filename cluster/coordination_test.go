package cluster_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// TestCoordination_transcripts tells the machine what testdata says, and shows what it asks for. The
// commands are:
//
//	create nodes=(a,b)     a record of 8 partitions, n 2
//	bound p=1 to=b         commit a ring
//	report [n=2]           let participants report, n times
//	only by=a session=1    let one participant of a transfer report
//	refuse session=1       let the source refuse
//	down|start node=b      what happens to members
//	update [leader]        the machine sees the record
//	answer [err=...]       apply the outstanding proposal, or let it fail
//	cancel session=1       the operator aborts a transfer, and its source releases it
//	health b=suspect       what liveness believes; nodes not named are reachable
//	elapse 1s              the time comes
//	show                   owners and transfers
func TestCoordination_transcripts(t *testing.T) {
	datadriven.Walk(t, "testdata/coordination", func(t *testing.T, path string) {
		x := &coordination{record: &record{fataler: t}, t: t, m: cluster.NewCoordination(cluster.CoordinationOptions{Node: "a"})}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			x.fataler = t
			return x.run(d)
		})
	})
}

type coordination struct {
	*record
	t           *testing.T
	m           *cluster.Coordination
	now         time.Time
	outstanding *cluster.Propose
}

func (x *coordination) run(d *datadriven.TestData) string {
	var node, to, by string
	var p, session, n int
	n = 1
	for key, dst := range map[string]any{"node": &node, "to": &to, "by": &by, "p": &p, "session": &session, "n": &n} {
		d.MaybeScanArgs(x.t, key, dst)
	}
	switch d.Cmd {
	case "create":
		var nodes []ring.NodeID
		for _, v := range d.CmdArgs[0].Vals {
			nodes = append(nodes, ring.NodeID(v))
		}
		x.create(8, 2, nodes...)
	case "bound":
		bound(x.record, map[ring.Partition]ring.NodeID{ring.Partition(p): ring.NodeID(to)})
	case "report":
		for range n {
			x.must(x.reports()...)
		}
	case "only":
		x.must(x.report(x.s.Transfer(uint64(session)), ring.NodeID(by)))
	case "refuse":
		tr := x.s.Transfer(uint64(session))
		m, _ := x.s.Member(tr.Source)
		x.must(topology.Refuse{Report: topology.Report{Session: tr.Session, Node: m.Node, Incarnation: m.Incarnation}, Reason: topology.ReasonRefused})
		x.must(x.reports()...)
	case "cancel":
		x.must(topology.AbortTransfer{Session: uint64(session), Reason: topology.ReasonCancelled})
		x.must(x.reports()...)
	case "down":
		x.must(topology.MarkDown{Node: ring.NodeID(node)})
	case "start":
		x.start(ring.NodeID(node))
	case "other-term":
		x.must(topology.BeginTerm{Node: ring.NodeID(node)})
	case "update":
		return x.step(cluster.Changed{At: x.now, Update: cluster.Update{State: x.s, Leader: d.HasArg("leader")}})
	case "answer":
		return x.answer(d)
	case "health":
		reach := map[ring.NodeID]cluster.Reach{}
		for _, a := range d.CmdArgs {
			for _, r := range []cluster.Reach{cluster.Suspect, cluster.Unreachable} {
				if a.Vals[0] == r.String() {
					reach[ring.NodeID(a.Key)] = r
				}
			}
		}
		return x.step(cluster.HealthChanged{At: x.now, Health: cluster.NewHealth(reach)})
	case "show":
		return x.show()
	case "elapse":
		wait, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			x.t.Fatal(err)
		}
		x.now = x.now.Add(wait)
		return x.step(cluster.Elapsed{At: x.now})
	default:
		x.t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	}
	return fmt.Sprintf("version %d\n", x.s.Version())
}

func (x *coordination) show() string {
	var b strings.Builder
	for _, k := range x.s.Kinds() {
		fmt.Fprintf(&b, "%s %v\n", k.Name, x.s.Owners(k.Name).Owners())
	}
	for _, t := range x.s.Transfers() {
		fmt.Fprintf(&b, "session %d %s/%d %s to %s in %s\n", t.Session, t.Kind, t.Partition, t.Source, t.Target, t.Stage)
	}
	return b.String()
}

func (x *coordination) answer(d *datadriven.TestData) string {
	if x.outstanding == nil {
		x.t.Fatalf("%s: nothing was proposed", d.Pos)
	}
	p := x.outstanding
	x.outstanding = nil
	e := cluster.Answered{At: x.now}
	if d.HasArg("err") {
		e.Err = errors.New("err")
	} else {
		e.Outcomes = x.try(p.Term, p.Ops...)
	}
	var b strings.Builder
	for i, o := range e.Outcomes {
		fmt.Fprintf(&b, "%s: v%d %s\n", tellOp(p.Ops[i]), o.Version, o.Code)
	}
	return b.String() + x.step(e)
}

func (x *coordination) step(e cluster.Event) string {
	var b strings.Builder
	for _, a := range x.m.Step(e) {
		switch a := a.(type) {
		case cluster.Propose:
			if x.outstanding != nil {
				x.t.Fatal("a proposal while another is outstanding")
			}
			x.outstanding = &a
			fmt.Fprintf(&b, "propose in term %d\n", a.Term)
			for _, op := range a.Ops {
				fmt.Fprintf(&b, "  %s\n", tellOp(op))
			}
		case cluster.Wake:
			fmt.Fprintf(&b, "wake after %v\n", a.After)
		}
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}
