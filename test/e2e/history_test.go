package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/e2e"
	"github.com/dee2748c/baton/test/history"
)

// Properties of buckets whose quorums of primaries meet, and of those that take every write they can.
var (
	strict = []string{"pr=quorum", "pw=quorum", "sloppy_quorum=false"}
	sloppy = []string{"sloppy_quorum=true"}
)

// TestHistory: clients write, read and delete while nodes are killed, paused, cut off, join and leave;
// what they were told and what they saw is what the store promises.
func TestHistory(t *testing.T) {
	for _, tt := range []struct {
		name, engine string
		properties   []string
		promise      history.Promise
	}{
		{"strict", "pebble", strict, history.Strict},
		{"sloppy", "pebble", sloppy, history.Eventual},
		{"memory", "memory", strict, history.Strict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := e2e.Rand(t)
			c := e2e.New(t, e2e.Options{Args: []string{"--engine", tt.engine}})
			nodes := c.Form(5)
			c.CreateType(nodes[0], "tested", tt.properties...)
			load := e2e.Load{Type: "tested", Bucket: "b", Clients: 8, Keys: 200}
			faults, until := 6, time.Time{}
			if e2e.Soak() {
				load.Clients, until = 16, time.Now().Add(e2e.SoakTime())
			}
			clients := c.Drive(r, load)
			n := nemesis{t: t, c: c, r: r, nodes: nodes, history: clients.History, volatile: tt.engine == "memory"}
			for i := 0; i < faults || time.Now().Before(until); i++ {
				n.strike()
			}
			clients.Stop()
			n.rest()
			t.Logf("faults: %v", n.counts)
			check(t, c, clients, tt.promise, n.nodes)
		})
	}
}

// check waits until the cluster has nothing left to do, reads everything, and holds the history to
// the promise.
func check(t *testing.T, c *e2e.Cluster, clients *e2e.Clients, promise history.Promise, nodes []*e2e.Node) {
	t.Helper()
	c.Whole(nodes[0])
	clients.ReadAll(nodes[0], nodes[1])
	for i, wrong := range clients.History.Check(promise) {
		if t.Error(wrong); i == 20 {
			t.Error("and more")
			break
		}
	}
	for _, n := range nodes[:2] {
		if err := history.Listed(clients.History.Keys(), clients.List(n)); err != nil {
			t.Errorf("at %s: %v", n.Name, err)
		}
	}
}

// A nemesis does something to the nodes, again and again. A majority of the copies of each key stays.
type nemesis struct {
	t        *testing.T
	c        *e2e.Cluster
	r        *rand.Rand
	nodes    []*e2e.Node
	history  *history.History
	volatile bool // what is killed loses its copies
	next     int  // of the nodes that join
	counts   map[string]int
}

// strike is one fault and its end; of the faults that last, some end late, so that the next one meets
// them.
func (n *nemesis) strike() {
	if n.counts == nil {
		n.counts = map[string]int{}
	}
	faults := []struct {
		name string
		do   func()
	}{
		{"kill", n.kill},
		{"pause", n.pause},
		{"cut", n.cut},
		{"cut one way", n.cutOneWay},
		{"kill during a cut", n.killDuringACut},
		{"join and leave", n.joinAndLeave},
	}
	f := faults[n.next%len(faults)]
	if n.next++; n.next > len(faults) {
		f = faults[n.r.IntN(len(faults))]
	}
	n.counts[f.name]++
	n.log("%s", f.name)
	f.do()
}

// log says what is done and when, as the history counts.
func (n *nemesis) log(format string, args ...any) {
	n.t.Helper()
	n.t.Logf("%d: %s", n.history.Now(), fmt.Sprintf(format, args...))
}

func (n *nemesis) some() *e2e.Node { return n.nodes[n.r.IntN(len(n.nodes))] }

// wait lets time pass under a fault.
func (n *nemesis) wait(atLeast, more time.Duration) {
	<-time.After(atLeast + time.Duration(n.r.Int64N(int64(more))))
}

func (n *nemesis) kill() {
	victim := n.some()
	n.log("%s is killed", victim.Name)
	victim.Kill()
	n.wait(0, 2*time.Second)
	victim.Start()
	n.recover()
}

// recover waits, if a node that was killed has lost its copies, until they are there again.
func (n *nemesis) recover() {
	if n.volatile {
		n.c.Net.Heal()
		n.c.Whole(n.nodes[0])
		n.log("the copies are whole")
	}
}

func (n *nemesis) pause() {
	victim := n.some()
	n.log("%s is paused", victim.Name)
	victim.Pause()
	longest := 3 * time.Second
	if e2e.Soak() {
		longest = 9 * time.Second
	}
	n.wait(time.Second, longest)
	victim.Continue()
}

// cut splits two nodes off.
func (n *nemesis) cut() {
	n.split()
	n.wait(time.Second, 3*time.Second)
	n.c.Net.Heal()
}

// killDuringACut restarts a node on one of the sides; it is ready when both are one again.
func (n *nemesis) killDuringACut() {
	victim := n.some()
	n.split()
	n.wait(0, time.Second)
	n.log("%s is killed", victim.Name)
	victim.Kill()
	victim.Launch()
	n.wait(time.Second, 2*time.Second)
	n.c.Net.Heal()
	victim.AwaitReady()
	n.recover()
}

func (n *nemesis) split() {
	order := n.r.Perm(len(n.nodes))
	for i, a := range order {
		for _, b := range order[:i] {
			if (a == order[0] || a == order[1]) != (b == order[0] || b == order[1]) {
				n.c.Net.Cut(n.nodes[a], n.nodes[b])
			}
		}
	}
	n.log("%s and %s are cut off", n.nodes[order[0]].Name, n.nodes[order[1]].Name)
}

func (n *nemesis) cutOneWay() {
	victim, out := n.some(), n.r.IntN(2) == 0
	n.log("%s is cut off, what it says: %t", victim.Name, out)
	for _, other := range n.nodes {
		switch {
		case other == victim:
		case out:
			n.c.Net.CutOneWay(victim, other)
		default:
			n.c.Net.CutOneWay(other, victim)
		}
	}
	n.wait(time.Second, 3*time.Second)
	n.c.Net.Heal()
}

// joinAndLeave adds a node and takes one away.
func (n *nemesis) joinAndLeave() {
	joiner := n.c.Node(fmt.Sprintf("j%d", n.next))
	joiner.Start(append(joiner.JoinArgs(n.nodes...), "--commit")...)
	awaitStatus(n.c, n.nodes[0], joiner, topology.Valid)
	n.c.Settle(n.nodes[0])
	i := n.r.IntN(len(n.nodes))
	leaver := n.nodes[i]
	n.nodes = append(slices.Delete(n.nodes, i, i+1), joiner)
	n.log("%s has joined, %s leaves", joiner.Name, leaver.Name)
	done(n.t, n.c, joiner, "cluster", "leave", string(leaver.Name))
	n.c.CommitPlan(joiner)
	leaver.AwaitExit(0)
	n.c.Settle(joiner)
}

// rest ends all faults.
func (n *nemesis) rest() {
	n.c.Net.Heal()
	n.c.Settle(n.nodes[0])
	n.c.Agree(n.nodes...)
}
