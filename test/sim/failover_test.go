package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

// T-E8: the coordinator fails over in each stage of a transfer, by a crash and by being cut off, in which
// case it goes on believing. The session stays what it is: the successor lets it complete or ends it, and
// a later attempt has a greater one.
func TestTE8_coordinatorFailsOverInEachStage(t *testing.T) {
	for stage := topology.StagePrepare; stage <= topology.StageAbort; stage++ {
		for _, how := range []string{"crash", "cut"} {
			t.Run(fmt.Sprintf("%s/%s", stage, how), func(t *testing.T) {
				for _, seed := range seeds(1, 10) {
					if err := failOver(seed, stage, how); err != nil {
						rerun(t, seed, err)
					}
				}
			})
		}
	}
}

func failOver(seed uint64, stage topology.Stage, how string) error {
	o := Options{Seed: seed, Nodes: 3, RingSize: 16, Reports: 1}
	if stage == topology.StageAbort {
		o.Refuse = 0.5
	}
	c := rebalance(o)
	var session *topology.Transfer
	var term uint64
	var old *Node
	c.hooks.commit = func(n *Node, _ uint64, after bool) bool {
		if !after || session != nil {
			return false
		}
		for _, t := range n.State.Transfers() {
			if t.Stage == stage {
				session, old = t, n
			}
		}
		if session == nil {
			return false
		}
		c.refuse = 0
		term, _ = n.State.Term()
		if how == "cut" {
			c.Net.Split(ids(n), c.others(n))
			c.W.After(2*time.Second, c.Net.Heal)
			return false
		}
		n.Crash()
		c.W.After(2*time.Second, n.Restart)
		return true
	}
	// First the successor: a later term, in which the session is what it was or is over.
	took := func() bool {
		now, holder := c.Newest().Term()
		return session != nil && now > term && holder != old.ID
	}
	if err := c.Run(took, time.Minute); err != nil {
		return err
	}
	x := c.Newest().Part(session.Kind, session.Partition)
	if x.Transfer != nil && x.Transfer.Session != session.Session {
		return fmt.Errorf("session %d of %s/%d became %d with the new coordinator", session.Session, session.Kind, session.Partition, x.Transfer.Session)
	}
	if err := c.Run(func() bool { return c.Settled() && c.everybody() }, time.Minute); err != nil {
		return err
	}
	x = c.Newest().Part(session.Kind, session.Partition)
	if x.Certificate == nil || x.Certificate.Session < session.Session || x.LastSession < session.Session {
		return fmt.Errorf("after session %d the newest of %s/%d is %d, certificate %+v", session.Session, session.Kind, session.Partition, x.LastSession, x.Certificate)
	}
	return nil
}

// T-E8: a coordinator is cut off while it opens transfers, and goes on asking for them; another one takes
// over meanwhile. After the heal the old term has no say (S8).
func TestTE8_deposedCoordinatorHasNoSay(t *testing.T) {
	deposed := 0
	for _, seed := range seeds(1, 20) {
		c := rebalance(Options{Seed: seed, Nodes: 5, RingSize: 32})
		cut := false
		c.hooks.commit = func(n *Node, index uint64, after bool) bool {
			if !cut && !after && len(n.State.Transfers()) > 2 && opens(n.rep.log[index-1]) {
				cut = true
				c.Net.Split(ids(n), c.others(n))
				c.W.After(3*time.Second, c.Net.Heal)
				return true // what it committed nobody would hear of
			}
			return false
		}
		if err := c.Run(func() bool { return cut && c.W.Now() > 4*time.Second && c.Settled() }, time.Minute); err != nil {
			rerun(t, seed, err)
		}
		deposed += c.check.deposed
	}
	if deposed == 0 {
		t.Error("no deposed coordinator ever asked")
	}
	t.Logf("%d commands of deposed coordinators were refused", deposed)
}

// opens reports whether an entry opens a transfer.
func opens(e entry) bool {
	cmds, err := cluster.DecodeBatch([]byte(e.batch))
	return err == nil && slices.ContainsFunc(cmds, func(c topology.Command) bool { _, ok := c.Op.(topology.OpenTransfer); return ok })
}
