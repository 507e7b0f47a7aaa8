//go:build inject

package quorum

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/inject"
	"github.com/dee2748c/baton/store"
)

// moving is a world with a coordinator and a partition of a that holds one count.
type moving struct {
	*world
	of ring.Partition
	id store.ID
}

// inMotion runs a test in a bubble with nodes a to c.
func inMotion(t *testing.T, test func(t *testing.T, m moving)) {
	t.Helper()
	inBubble(t, 1, func(t *testing.T, w *world) {
		stop := w.coordinate("b")
		defer stop()
		m := moving{world: w}
		for w.log.State().Ring().Owner(m.of) != "a" {
			m.of++
		}
		m.id = store.ID{Kind: kindName, Partition: m.of}
		m.ask("wx")
		test(t, m)
	})
}

func (m moving) ask(body string) {
	m.t.Helper()
	if _, err := m.nodes["b"].host.Request(context.Background(), kindName, m.of, []byte(body)); err != nil {
		m.t.Fatal(err)
	}
}

// bound makes a node the owner-to-be of the partition.
func (m moving) bound(to ring.NodeID) {
	m.t.Helper()
	m.propose(topology.MovePartition{Partition: m.of, Target: to, ExpectOwner: m.log.State().Ring().Owner(m.of)})
}

// moved waits until all is where the ring wants it.
func (m moving) moved() {
	m.t.Helper()
	m.until("the partition has moved", func() bool { return m.log.State().Settled() })
	m.agree()
}

// TestParkedWriter_swap: a batch of a transfer is parked between receive and apply. Its session is given up,
// the partition moves to the same target by another one, and what it held is removed there. Released then,
// the batch has no effect, and is counted.
func TestParkedWriter_swap(t *testing.T) {
	inMotion(t, func(t *testing.T, m moving) {
		park := inject.Park(inject.BatchReceived)
		defer park.Release()
		m.bound("c")
		<-park.Reached()
		first := m.log.State().Part(kindName, m.of).Transfer
		if first == nil || first.Stage != topology.StageFold {
			t.Fatalf("parked in %+v", first)
		}
		m.bound("a") // which gives the session up
		m.moved()
		if x := m.log.State().Part(kindName, m.of); x.LastReason != topology.ReasonSuperseded || x.Owner != "a" {
			t.Fatalf("after the first session: %+v", x)
		}

		m.bound("c")
		m.moved()
		if c := m.log.State().Part(kindName, m.of).Certificate; c == nil || c.Session <= first.Session || c.Items != 1 || !m.holds("c", m.id, "x") {
			t.Fatalf("the second session left %+v", c)
		}
		m.ask("xx")
		if m.holds("c", m.id, "x") {
			t.Fatal("it was not removed")
		}

		before := m.nodes["c"].host.Late()
		park.Release()
		synctest.Wait()
		pass(time.Second)
		if m.holds("c", m.id, "x") {
			t.Error("what was removed is back: a batch of a session that is over had an effect")
		}
		if now := m.nodes["c"].host.Late(); now.Fenced != before.Fenced+1 || now.AppliedAfterClose != 0 {
			t.Errorf("late frames %+v, before %+v", now, before)
		}
		if staged, there := m.nodes["c"].engine.Staged(m.id); there {
			t.Errorf("session %d is still staged", staged)
		}
	})
}

// TestFail_target: where the target's store fails, the session is given up, the source serves, and the next
// attempt succeeds.
func TestFail_target(t *testing.T) {
	for _, p := range inject.Failing {
		t.Run(string(p), func(t *testing.T) {
			inMotion(t, func(t *testing.T, m moving) {
				// Of the two kinds, only this one has items; either one may be asked for its staging first.
				fail := inject.Fail(p, errors.New("as asked"))
				defer fail.Release()
				m.bound("c")
				<-fail.Reached()
				m.ask("wx")
				m.moved()
				c := m.log.State().Part(kindName, m.of).Certificate
				if c == nil || c.Items != 1 || !m.holds("c", m.id, "x") || c.Target != "c" {
					t.Errorf("it ended with %+v", c)
				}
				if p != inject.StagingBefore && c.Session < 3 {
					t.Errorf("session %d moved it, whose store had failed", c.Session)
				}
			})
		})
	}
}
