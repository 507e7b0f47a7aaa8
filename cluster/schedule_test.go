package cluster_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

func schedule(r *record, limits cluster.Limits) []string {
	var out []string
	for _, op := range cluster.Schedule(r.s, limits) {
		out = append(out, tellOp(op))
	}
	return out
}

func bound(r *record, to map[ring.Partition]ring.NodeID) {
	r.Helper()
	r.must(topology.StagePlan{Ring: r.s.Ring().With(to), BasedOn: r.s.Membership()})
	r.must(topology.CommitPlan{PlanVersion: r.s.Plan().Version})
}

// run drives the transfer of a partition until its stage.
func (r *record) run(session uint64, stage topology.Stage) {
	r.Helper()
	for {
		t := r.s.Transfer(session)
		if t == nil || t.Stage == stage {
			return
		}
		for _, n := range []ring.NodeID{t.Source, t.Target} {
			if u := r.s.Transfer(session); u != nil && u.Stage != stage {
				if op := r.report(u, n); op != nil {
					r.must(op)
				}
			}
		}
	}
}

// waiting moves kv/1 and kv/4 to b up to a stage, and lets the transfers of kv/2 and kv/3 to c wait for them.
func waiting(r *record, stage topology.Stage) {
	r.Helper()
	r.must(topology.SetTransferLimit{Limit: 2})
	bound(r, map[ring.Partition]ring.NodeID{1: "b", 4: "b", 2: "c", 3: "c"})
	r.run(r.open("kv", 1, "b"), topology.StageSeal)
	r.run(r.open("kv", 4, "b"), topology.StageSeal)
	for _, p := range []ring.Partition{2, 3} {
		session := r.open("kv", p, "c")
		r.run(session, topology.StageFold)
		r.must(topology.ReadyToSeal{Report: topology.Report{Session: session, Node: "a", Incarnation: 1}})
	}
	r.run(1, stage)
	r.run(2, stage)
}

// sealed moves partition 1 of both kinds to b as far as the target's seal.
func sealed(r *record) {
	r.Helper()
	bound(r, map[ring.Partition]ring.NodeID{1: "b"})
	for _, k := range kinds {
		session := r.open(k.Name, 1, "b")
		r.run(session, topology.StageSeal)
		r.must(r.report(r.s.Transfer(session), "b"))
	}
}

func (r *record) open(kind topology.Kind, p ring.Partition, to ring.NodeID) uint64 {
	r.Helper()
	r.must(topology.OpenTransfer{Type: topology.Swap, Kind: kind, Partition: p, Target: to, ExpectEpoch: r.s.Part(kind, p).Epoch})
	return r.s.LastSession()
}

func TestSchedule(t *testing.T) {
	one := map[ring.Partition]ring.NodeID{1: "b"}
	for _, c := range []struct {
		name   string
		setup  func(*record)
		limits cluster.Limits
		want   []string
	}{{
		name:  "an empty record",
		setup: func(r *record) { r.s = topology.State{} },
	}, {
		name:  "a settled ring",
		setup: func(*record) {},
	}, {
		name:  "each kind moves",
		setup: func(r *record) { bound(r, one) },
		want:  []string{"open kv/1 to b at epoch 1", "open queue/1 to b at epoch 1"},
	}, {
		name:  "those of one preflist after the others, also around the end of the ring",
		setup: func(r *record) { bound(r, map[ring.Partition]ring.NodeID{0: "b", 1: "b", 2: "c", 5: "b", 7: "c"}) },
		want:  []string{"open kv/0 to b at epoch 1", "open queue/0 to b at epoch 1", "open kv/2 to c at epoch 1", "open queue/2 to c at epoch 1", "open kv/5 to b at epoch 1", "open queue/5 to b at epoch 1", "open kv/1 to b at epoch 1", "open queue/1 to b at epoch 1"},
	}, {
		name: "a transfer on its way puts its neighbours last, one being cleaned does not",
		setup: func(r *record) {
			bound(r, map[ring.Partition]ring.NodeID{1: "b", 2: "c"})
			r.open("kv", 1, "b")
			r.run(r.open("queue", 1, "b"), topology.StageClean)
		},
		want: []string{"open queue/2 to c at epoch 1", "open kv/2 to c at epoch 1"},
	}, {
		name:  "what waits for a neighbour's flip waits",
		setup: func(r *record) { waiting(r, topology.StageDrain) },
	}, {
		name:  "and goes on after it, one of those that wait for each other",
		setup: func(r *record) { waiting(r, topology.StageClean) },
		want:  []string{"begin seal 3"},
	}, {
		name:   "it does not wait for a flip that an unreachable node has to confirm",
		setup:  func(r *record) { waiting(r, topology.StageDrain) },
		limits: cluster.Limits{Unreachable: func(n ring.NodeID) bool { return n == "b" }},
		want:   []string{"begin seal 3 past [1]"},
	}, {
		name:   "at most so many for each node",
		setup:  func(r *record) { bound(r, map[ring.Partition]ring.NodeID{1: "b", 3: "c", 5: "b"}) },
		limits: cluster.Limits{PerNode: 3},
		want:   []string{"open kv/1 to b at epoch 1", "open queue/1 to b at epoch 1", "open kv/3 to c at epoch 1"},
	}, {
		name: "as the record has it, sent and received apart",
		setup: func(r *record) {
			r.must(topology.SetTransferLimit{Limit: 4}, topology.SetTransferLimit{Node: "b", Limit: 1})
			bound(r, map[ring.Partition]ring.NodeID{1: "b", 3: "c"})
		},
		want: []string{"open kv/1 to b at epoch 1", "open kv/3 to c at epoch 1", "open queue/3 to c at epoch 1"},
	}, {
		name: "a node that receives all it may can send",
		setup: func(r *record) {
			r.must(topology.SetTransferLimit{Limit: 1})
			bound(r, map[ring.Partition]ring.NodeID{1: "b"})
			for _, k := range kinds {
				r.run(r.open(k.Name, 1, "b"), 0)
			}
			bound(r, map[ring.Partition]ring.NodeID{1: "c", 4: "b"})
			r.open("kv", 4, "b")
		},
		want: []string{"open kv/1 to c at epoch 2"},
	}, {
		name: "transfers do not wait for nodes that are unreachable, suspects they do wait for",
		setup: func(r *record) {
			bound(r, map[ring.Partition]ring.NodeID{1: "b", 4: "c"})
			r.run(r.open("kv", 1, "b"), topology.StageSeal)
			r.open("queue", 1, "b")
			r.open("kv", 4, "c")
		},
		limits: cluster.Limits{
			Up:          func(n ring.NodeID) bool { return n == "a" },
			Unreachable: func(n ring.NodeID) bool { return n == "b" },
		},
		want: []string{"abort 1: target unreachable", "abort 2: target unreachable"},
	}, {
		name: "nor for sources",
		setup: func(r *record) {
			bound(r, one)
			r.open("kv", 1, "b")
		},
		limits: cluster.Limits{Unreachable: func(n ring.NodeID) bool { return n == "a" }, Up: func(n ring.NodeID) bool { return n != "a" }},
		want:   []string{"abort 1: source unreachable"},
	}, {
		name: "a flip stands whoever is unreachable, and its neighbours go on",
		setup: func(r *record) {
			bound(r, map[ring.Partition]ring.NodeID{1: "b", 2: "c"})
			r.run(r.open("kv", 1, "b"), topology.StageDrain)
			r.run(r.open("queue", 1, "b"), topology.StageDrain)
		},
		limits: cluster.Limits{Unreachable: func(n ring.NodeID) bool { return n == "b" }, Up: func(n ring.NodeID) bool { return n != "b" }},
		want:   []string{"open kv/2 to c at epoch 1", "open queue/2 to c at epoch 1"},
	}, {
		name:   "nodes that do not answer are left alone",
		setup:  func(r *record) { bound(r, map[ring.Partition]ring.NodeID{1: "b", 3: "c"}) },
		limits: cluster.Limits{Up: func(n ring.NodeID) bool { return n != "b" }},
		want:   []string{"open kv/3 to c at epoch 1", "open queue/3 to c at epoch 1"},
	}, {
		name: "down nodes are left alone",
		setup: func(r *record) {
			bound(r, map[ring.Partition]ring.NodeID{1: "b", 3: "c"})
			r.must(topology.MarkDown{Node: "c"})
		},
		want: []string{"open kv/1 to b at epoch 1", "open queue/1 to b at epoch 1"},
	}, {
		name: "nothing of a kind leaves where that is switched off, nor enters",
		setup: func(r *record) {
			bound(r, map[ring.Partition]ring.NodeID{1: "b", 3: "c"})
			r.must(topology.SwitchTransfers{Node: "a", Kind: "kv", Outbound: true}, topology.SwitchTransfers{Node: "c", Inbound: true})
		},
		want: []string{"open queue/1 to b at epoch 1"},
	}, {
		name: "what is switched off goes on",
		setup: func(r *record) {
			bound(r, one)
			r.run(r.open("kv", 1, "b"), topology.StageFold)
			r.must(topology.SwitchTransfers{Outbound: true, Inbound: true})
		},
	}, {
		name:   "what failed is held",
		setup:  func(r *record) { bound(r, one) },
		limits: cluster.Limits{Hold: func(k topology.Kind, p ring.Partition, _ topology.Part) bool { return k == "kv" && p == 1 }},
		want:   []string{"open queue/1 to b at epoch 1"},
	}, {
		name: "a restarted source in fold is the end",
		setup: func(r *record) {
			bound(r, one)
			r.run(r.open("kv", 1, "b"), topology.StageFold)
			r.open("queue", 1, "b")
			r.start("a")
		},
		want: []string{"abort 1: source restarted"},
	}, {
		name: "but not when the target has sealed and was told the rest: then it serves",
		setup: func(r *record) {
			sealed(r)
			r.start("a")
		},
		want: []string{"commit 1", "abort 2: source restarted"},
	}, {
		name: "nor when the source is not heard of any more, of any kind",
		setup: func(r *record) {
			sealed(r)
		},
		limits: cluster.Limits{Unreachable: func(n ring.NodeID) bool { return n == "a" }, Up: func(n ring.NodeID) bool { return n != "a" }},
		want:   []string{"commit 1", "commit 2"},
	}, {
		name: "unless the target is not heard of either",
		setup: func(r *record) {
			sealed(r)
			r.start("a")
		},
		limits: cluster.Limits{Unreachable: func(n ring.NodeID) bool { return n == "b" }, Up: func(n ring.NodeID) bool { return n != "b" }},
		want:   []string{"abort 1: source restarted", "abort 2: source restarted"},
	}, {
		name: "what seals for too long is given up, or flips if the target has sealed",
		setup: func(r *record) {
			sealed(r)
			bound(r, map[ring.Partition]ring.NodeID{1: "b", 4: "c"})
			r.run(r.open("kv", 4, "c"), topology.StageSeal)
			r.must(r.report(r.s.Transfer(3), "a"))
		},
		limits: cluster.Limits{Overdue: func(t *topology.Transfer) bool { return t.Kind == "kv" }},
		want:   []string{"commit 1", "abort 3: seal budget", "open queue/4 to c at epoch 1"},
	}, {
		name: "a down target too",
		setup: func(r *record) {
			bound(r, one)
			r.run(r.open("kv", 1, "b"), topology.StageSeal)
			r.run(r.open("queue", 1, "b"), topology.StageClean)
			r.must(topology.MarkDown{Node: "b"})
		},
		want: []string{"abort 1: target down"},
	}, {
		name: "an unactivated flip is reverted when the target is gone, of kinds that activate",
		setup: func(r *record) {
			bound(r, one)
			r.run(r.open("kv", 1, "b"), topology.StageDrain)
			r.run(r.open("queue", 1, "b"), topology.StageDrain)
			r.must(topology.MarkDown{Node: "b"})
		},
		want: []string{"revert 2"},
	}, {
		name: "or when its volatile copy is",
		setup: func(r *record) {
			bound(r, one)
			r.run(r.open("kv", 1, "b"), topology.StageDrain)
			r.run(r.open("queue", 1, "b"), topology.StageDrain)
			r.start("b")
		},
		want: []string{"revert 2"},
	}, {
		name: "a new plan supersedes a transfer that is not sealing yet",
		setup: func(r *record) {
			bound(r, one)
			r.run(r.open("kv", 1, "b"), topology.StageFold)
			r.run(r.open("queue", 1, "b"), topology.StageSeal)
			bound(r, map[ring.Partition]ring.NodeID{1: "c"})
		},
		want: []string{"abort 1: superseded"},
	}, {
		name: "a leaving member with nothing left exits",
		setup: func(r *record) {
			r.must(topology.StageLeave{Node: "c"})
			bound(r, nil)
		},
		want: []string{"exited c"},
	}, {
		name: "and then waits for its node",
		setup: func(r *record) {
			r.must(topology.StageLeave{Node: "c"})
			bound(r, nil)
			r.must(topology.MarkExited{Node: "c"})
		},
		want: nil,
	}} {
		t.Run(c.name, func(t *testing.T) {
			r := &record{fataler: t}
			r.create(8, 2, "a", "b", "c")
			c.setup(r)
			got := schedule(r, c.limits)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A large ring asks for no more than one proposal takes.
func TestSchedule_oneProposal(t *testing.T) {
	r := &record{fataler: t}
	r.create(1024, 1, "a", "b")
	r.must(topology.SetTransferLimit{Limit: 10_000})
	to := map[ring.Partition]ring.NodeID{}
	for p := range ring.Partition(1024) {
		to[p] = "b"
	}
	bound(r, to)
	if n := len(cluster.Schedule(r.s, cluster.Limits{})); n != topology.Window {
		t.Errorf("%d operations, want %d", n, topology.Window)
	}
}

func TestPlan(t *testing.T) {
	if _, err := cluster.Plan(topology.State{}); !errors.Is(err, topology.ErrNoCluster) {
		t.Errorf("plan of an empty record: %v", err)
	}
	r := &record{fataler: t}
	r.create(64, 3, "a", "b", "c", "d")
	r.must(topology.Join{Node: "e", Kinds: kinds}, topology.StageLeave{Node: "b"}, topology.MarkDown{Node: "c"})
	result, err := cluster.Plan(r.s)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := result.Ring.Nodes(), []ring.NodeID{"a", "d", "e"}; !slices.Equal(got, want) {
		t.Errorf("the plan is for %v, want %v: nothing goes to c, which is down", got, want)
	}
	r.must(cluster.PlanOp(r.s, result))
	want := []topology.StagedChange{{Action: topology.ActionLeave, Node: "b"}, {Action: topology.ActionJoin, Node: "e"}}
	if diff := cmp.Diff(want, r.s.Plan().Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}
