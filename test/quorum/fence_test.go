package quorum

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/replica"
	memstore "github.com/dee2748c/baton/store/memory"
)

// inTurn is a machine that sends to one copy twice, and calls between before the
// second Send.
type inTurn struct {
	to      ring.Entry
	bodies  []string
	between func()

	sent   int
	counts []uint64
	errs   []error
	sure   bool // what failed was not done
	over   bool
}

func (m *inTurn) Step(e replica.Event, sends []replica.Send) []replica.Send {
	switch e.Type {
	case replica.Answer:
		m.counts = append(m.counts, count(e.Body))
	case replica.Fail:
		m.errs, m.sure = append(m.errs, e.Err), !e.Unknown
	}
	if m.sent == 1 && m.between != nil {
		m.between()
	}
	if m.sent == len(m.bodies) || e.Type == replica.Expire {
		m.over = true
		return sends
	}
	m.sent++
	return append(sends, replica.Send{ID: m.sent - 1, To: m.to, Body: []byte(m.bodies[m.sent-1])})
}

func (m *inTurn) Ready() bool { return m.over }
func (m *inTurn) Done() bool  { return m.over }

// TestRun_begunBelowTheFence: F16 at the sender. What a request has learnt before
// copies were given up says nothing about what comes after it. Though its node has
// heard of the fence, so that vnodes would serve what it sends now, it sends
// nothing any more, to others or here; what it had yet to send is not done.
func TestRun_begunBelowTheFence(t *testing.T) {
	for _, c := range []struct {
		name   string
		owner  ring.NodeID // of the copy, asked at a
		bodies []string
		beside int64  // reads in the caller's goroutine
		count  uint64 // what was done
	}{
		{"written at another node", "b", []string{"wx", "wx"}, 0, 1},
		{"read beside the vnode", "a", []string{"rx", "rx"}, 1, 0},
		{"written by the caller at an idle vnode", "a", []string{"rx", "wx"}, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTunedWorld(t, 1, func(o *actors.Options) {
					o.Engine = memstore.New() // its writes are done at once
				}, "a", "b", "c", "d")
				defer func() { w.close(); pass(time.Second) }()
				of := ring.Partition(0)
				for w.log.State().Ring().Owner(of) != c.owner {
					of++
				}
				w.stop("d")
				fence := func() {
					w.propose(topology.MarkDown{Node: "d"})
					w.propose(topology.StageForceRemove{Node: "d"})
					w.commit()
					w.agree()
				}
				m := &inTurn{to: ring.Entry{Partition: of, Node: c.owner}, bodies: c.bodies}
				if c.owner == "a" {
					m.between = fence
				} else {
					w.board.SetFaults(actors.Fault{Delay: time.Second})
					var raised sync.WaitGroup
					defer raised.Wait()
					raised.Go(func() {
						pass(1500 * time.Millisecond) // it was served, the answer is on its way
						fence()
					})
				}
				before := readBeside.Load()
				if err := w.nodes["a"].host.Run(t.Context(), kindName, m); err != nil {
					t.Fatal(err)
				}
				if w.log.State().Fence() == 0 {
					t.Fatal("no fence was raised")
				}
				if len(m.counts) != 1 || len(m.errs) != 1 || !errors.Is(m.errs[0], messages.ErrStaleRing) || !m.sure {
					t.Errorf("answers %v, failures %v (sure: %v), want one of each that is ErrStaleRing", m.counts, m.errs, m.sure)
				}
				if n := readBeside.Load() - before; n != c.beside {
					t.Errorf("%d reads beside the vnode, want %d", n, c.beside)
				}
				again := &inTurn{to: m.to, bodies: []string{"rx"}}
				if err := w.nodes["a"].host.Run(context.Background(), kindName, again); err != nil || len(again.counts) != 1 || again.counts[0] != c.count {
					t.Errorf("a request that begins after the fence: %v, %v, want %d", again.counts, err, c.count)
				}
			})
		})
	}
}

// commit plans what is staged, and commits it.
func (w *world) commit() {
	w.t.Helper()
	s := w.log.State()
	plan, err := cluster.Plan(s)
	if err != nil {
		w.t.Fatal(err)
	}
	w.propose(cluster.PlanOp(s, plan))
	w.propose(topology.CommitPlan{PlanVersion: w.log.State().Plan().Version})
}
