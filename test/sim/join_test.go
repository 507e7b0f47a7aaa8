package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// T-E9: a joiner dies before its request, and the next one is admitted.
func TestTE9_joinerDiesBeforeItsRequest(t *testing.T) {
	for _, seed := range seeds(1, 20) {
		c := NewCluster(Options{Seed: seed, Nodes: 3, RingSize: 16})
		dead := c.Join("n4", 4)
		c.Net.Split(ids(dead), c.others(dead)) // nothing of it arrives
		dead.Crash()
		c.Net.Heal()
		c.Join("n5", 5)
		c.Operate(Joining("n5"), Commit())
		if err := c.Run(c.Settled, time.Minute); err != nil {
			rerun(t, seed, err)
		}
		if _, known := c.Newest().Member("n4"); known {
			t.Fatalf("seed %d: the record knows a joiner that never asked", seed)
		}
	}
}

// atJoin calls f once when the leader has committed the request of a joiner, before anybody is told; f says
// whether it ended the leader.
func (c *Cluster) atJoin(id ring.NodeID, nonce uint64, f func(leader *Node) bool) {
	done := false
	c.hooks.commit = func(n *Node, _ uint64, after bool) bool {
		d, ok := n.State.JoinDecision(id, nonce)
		if !after || done || !ok || !d.Accepted() {
			return false
		}
		done = true
		return f(n)
	}
}

// T-E9: a joiner dies after its request and before the answer. Nobody waits for it: the next joiner is
// admitted, and the dead one is either taken back by the operator or replaced by its own next attempt.
func TestTE9_joinerDiesBeforeTheAnswer(t *testing.T) {
	for _, again := range []bool{false, true} {
		for _, seed := range seeds(1, 20) {
			c := NewCluster(Options{Seed: seed, Nodes: 3, RingSize: 16})
			dead := c.Join("n4", 4)
			c.atJoin("n4", 4, func(*Node) bool { dead.Crash(); return false })
			if err := c.Run(func() bool { return !dead.Up() }, time.Minute); err != nil {
				rerun(t, seed, err)
			}
			c.Join("n5", 5)
			want := topology.Removed
			if again {
				dead.Wipe()
				c.Join("n4", 44)
				want = topology.Valid
				second := func(s topology.State) bool { d, _ := s.JoinDecision("n4", 44); return d.Accepted() }
				c.Operate(Step{"the second attempt", func(s topology.State) ([]topology.Op, bool) { return nil, second(s) }})
			} else {
				gone := func(s topology.State) bool { m, _ := s.Member("n4"); return m.Status == topology.Removed }
				c.Operate(Once("take the join of n4 back", gone, topology.Unstage{Node: "n4"}))
			}
			c.Operate(Joining("n5"), Commit())
			if err := c.Run(c.Settled, time.Minute); err != nil {
				rerun(t, seed, err)
			}
			s := c.Newest()
			if m, _ := s.Member("n4"); m.Status != want {
				t.Errorf("seed %d: n4 is %s, want %s", seed, m.Status, want)
			}
			if d, ok := s.JoinDecision("n4", 4); !ok || !errors.Is(d.Err(), topology.ErrStale) {
				t.Errorf("seed %d: the decision on the dead attempt is %+v, %t", seed, d, ok)
			}
			if m, _ := s.Member("n5"); m.Status != topology.Valid {
				t.Errorf("seed %d: n5 is %s", seed, m.Status)
			}
		}
	}
}

// T-E9: the leader dies before the response. The joiner asks on and gets the answer that was decided.
func TestTE9_leaderDiesBeforeTheResponse(t *testing.T) {
	for _, seed := range seeds(1, 20) {
		c := rebalance(Options{Seed: seed, Nodes: 3, RingSize: 16})
		var decided uint64
		c.atJoin("n4", 4, func(leader *Node) bool {
			d, _ := leader.State.JoinDecision("n4", 4)
			decided = d.Version
			leader.Crash()
			c.W.After(5*time.Second, leader.Restart)
			return true
		})
		if err := c.Run(func() bool { return c.Settled() && c.everybody() }, time.Minute); err != nil {
			rerun(t, seed, err)
		}
		d, _ := c.Newest().JoinDecision("n4", 4)
		if m, _ := c.Newest().Member("n4"); d.Version != decided || m.Incarnation != 1 {
			t.Errorf("seed %d: decided at version %d and then at %d, incarnation %d", seed, decided, d.Version, m.Incarnation)
		}
	}
}

// T-E10 and J5: requests and news of them arrive in different orders at different nodes; all see the same
// members in the end, in the same order of decisions, and the same leader.
func TestTE10_eventsInDifferentOrder(t *testing.T) {
	for _, seed := range seeds(1, 20) {
		c := NewCluster(Options{Seed: seed, Nodes: 5, RingSize: 32, Drop: 0.05, Double: 0.3})
		c.Net.MaxDelay = 80 * time.Millisecond
		joiners := []ring.NodeID{"n6", "n7", "n8"}
		for i, id := range joiners {
			c.Join(id, uint64(6+i))
		}
		c.Operate(Joining("n6"), Joining("n7"), Joining("n8"), Commit())
		if err := c.Run(c.Settled, 5*time.Minute); err != nil {
			rerun(t, seed, err)
		}
		if err := c.agree(); err != nil {
			rerun(t, seed, err)
		}
	}
}

// agree compares the whole records of all nodes, byte for byte.
func (c *Cluster) agree() error {
	var first []byte
	for _, n := range c.Nodes {
		b, err := n.State.MarshalBinary()
		if err != nil {
			return err
		}
		if first == nil {
			first = b
		}
		if !slices.Equal(first, b) {
			return fmt.Errorf("%s has another record than %s", n.ID, c.Nodes[0].ID)
		}
	}
	return nil
}

// T-E10: five nodes are parted into two and three, in both directions or in one, while a node asks each
// side to join. The minority decides nothing; when they heal all have the same record. Epochs and versions
// never go back (S3).
func TestTE10_partitionsHeal(t *testing.T) {
	for _, oneWay := range []bool{false, true} {
		for _, seed := range seeds(1, 20) {
			c := NewCluster(Options{Seed: seed, Nodes: 5, RingSize: 32})
			if err := c.Run(func() bool { return c.Leader() != nil }, time.Minute); err != nil {
				rerun(t, seed, err)
			}
			few, many := c.Nodes[:2], c.Nodes[2:]
			if seed%2 == 0 { // the leader is now on the one side, now on the other
				few, many = c.Nodes[3:], c.Nodes[:3]
			}
			joiner := c.Join("n6", 6)
			for _, n := range few {
				c.Net.Split(ids(n), ids(many...))
				if oneWay {
					for _, m := range many {
						delete(c.Net.cut, [2]ring.NodeID{m.ID, n.ID})
					}
				}
				c.Net.Split(ids(n), []ring.NodeID{"operator"})
			}
			c.Net.Split(ids(joiner), ids(many...)) // it reaches the minority only
			c.Join("n7", 7)
			c.Net.Split(ids(c.Node("n7")), ids(few...))
			c.Operate(Joining("n7"), Commit())
			parted := c.W.Now()
			if err := c.Run(func() bool { return c.W.Now() > parted+5*time.Second && !c.Operating() }, time.Minute); err != nil {
				rerun(t, seed, err)
			}
			if _, ok := c.Newest().JoinDecision("n6", 6); ok {
				t.Fatalf("seed %d: a minority decided a join", seed)
			}
			for _, n := range few {
				if _, known := n.State.Member("n7"); known && !oneWay {
					t.Fatalf("seed %d: %s of the minority heard of n7", seed, n.ID)
				}
			}
			c.Net.Heal()
			c.Operate(Joining("n6"), Commit())
			if err := c.Run(c.Settled, time.Minute); err != nil {
				rerun(t, seed, err)
			}
			if err := c.agree(); err != nil {
				rerun(t, seed, err)
			}
		}
	}
}

// J4: versions and epochs are in memory, in the log and on several disks, written at different moments.
// All nodes die in the middle of changes and start in every order: what was answered is in the record.
func TestJ4_restartInEveryOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for _, seed := range seeds(1, 10) {
			c := rebalance(Options{Seed: seed, Nodes: 3, RingSize: 32})
			stop := c.base.Version() + 15 + 11*seed
			if err := c.Run(func() bool { return c.Newest().Version() >= stop }, time.Minute); err != nil {
				rerun(t, seed, err)
			}
			// What a majority applied was answered.
			versions := []uint64{}
			for _, n := range c.Nodes[:3] {
				versions = append(versions, n.State.Version())
			}
			slices.Sort(versions)
			for _, n := range c.Nodes {
				n.Crash()
			}
			for i, at := range append(slices.Clone(order), 3) {
				c.W.After(time.Duration(i)*time.Second, c.Nodes[at].Restart)
			}
			if err := c.Run(func() bool { return c.everybody() && c.Settled() }, time.Minute); err != nil {
				rerun(t, seed, err)
			}
			if got := c.Newest().Version(); got < versions[1] {
				t.Fatalf("seed %d, order %v: version %d after %d", seed, order, got, versions[1])
			}
			if err := c.agree(); err != nil {
				rerun(t, seed, err)
			}
		}
	}
}

// J6: two clusters that were founded apart meet. A node of either is refused by the other with both ids,
// as a joiner and as a member that starts, and neither changes.
func TestJ6_twoClustersMeet(t *testing.T) {
	for _, seed := range seeds(1, 10) {
		for _, mine := range []byte{1, 2} {
			c := NewCluster(Options{Seed: seed, Nodes: 3, RingSize: 16, ClusterID: topology.ClusterID{mine}})
			theirs := topology.ClusterID{3 - mine}
			if err := c.Run(func() bool { return c.Leader() != nil }, time.Minute); err != nil {
				rerun(t, seed, err)
			}
			before := c.Newest()
			c.foreign = theirs
			for _, stranger := range []*Node{c.Join("n4", 1), c.Join("n5", 2)} {
				if err := c.Run(func() bool { return stranger.refused != nil }, time.Minute); err != nil {
					rerun(t, seed, err)
				}
				text := stranger.refused.Error()
				if !errors.Is(stranger.refused, topology.ErrClusterMismatch) || !strings.Contains(text, theirs.String()) || !strings.Contains(text, c.base.ClusterID().String()) {
					t.Errorf("seed %d: %v", seed, stranger.refused)
				}
			}
			start := topology.StartNode{ClusterID: theirs, Node: "n1", Nonce: 1, Kinds: Kinds}
			var refused error
			c.op.propose(0, []topology.Op{start}, func(out []topology.Outcome, _ error) { refused = out[0].Err })
			if err := c.Run(func() bool { return refused != nil && c.Settled() }, time.Minute); err != nil {
				rerun(t, seed, err)
			}
			if !errors.Is(refused, topology.ErrClusterMismatch) {
				t.Errorf("seed %d: %v", seed, refused)
			}
			after := c.Newest()
			if !slices.Equal(before.Members(), after.Members()) || !before.Ring().Equal(after.Ring()) || after.ClusterID() != before.ClusterID() {
				t.Errorf("seed %d: members %v became %v", seed, before.Members(), after.Members())
			}
		}
	}
}
