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
	"github.com/dee2748c/baton/messages"
)

// try brings a transfer to a point.
func try(t *testing.T, kind topology.Kind, p Point) (*Cluster, *Trial) {
	t.Helper()
	c := NewCluster(Options{Seed: 1, Nodes: 5, RingSize: 16, Items: 200})
	c.Serve(Load{Clients: 4, Think: 300 * time.Millisecond})
	x, err := c.Try(kind)
	if err == nil {
		err = c.Run(x.At(p), time.Minute)
	}
	if err != nil {
		rerun(t, 1, err)
	}
	return c, x
}

// rest lets the cluster come to rest, and the clients look.
func rest(t *testing.T, c *Cluster) {
	t.Helper()
	c.Net.WakeLate()
	seen := c.W.Now() + 3*time.Second
	err := c.Run(func() bool { return c.W.Now() > seen && c.Settled() }, 5*time.Minute)
	if err == nil {
		c.Rest()
		err = c.Run(c.Verified, time.Minute)
	}
	if err != nil {
		rerun(t, 1, err)
	}
}

// Every point of a transfer can be reached, of a kind that lasts and of one that does not, and every process
// may die there.
func TestTrial_points(t *testing.T) {
	for _, kind := range []topology.Kind{"register", "queue"} {
		for p := range Points {
			for _, who := range []string{"nobody", "source", "target", "leader"} {
				t.Run(fmt.Sprintf("%s/%v/%s", kind, p, who), func(t *testing.T) {
					c, x := try(t, kind, p)
					if victim := map[string]*Node{"source": x.Source, "target": x.Target, "leader": c.Leader()}[who]; victim != nil {
						victim.Crash()
						c.W.After(time.Second, victim.Restart)
					}
					rest(t, c)
					if owner, _ := x.Owner(); owner != x.Target.ID || !x.Ending().Over {
						t.Errorf("%s owns the partition, %s should; the first transfer: %+v", owner, x.Target.ID, x.Ending())
					}
					if who == "nobody" && !x.Ending().Committed {
						t.Errorf("a transfer without faults: %+v", x.Ending())
					}
				})
			}
		}
	}
}

// tampered gives a fate to batches of the transfer, and fails later if there was none.
func (c *Cluster) tampered(x *Trial, count int, fate Fate) (mend func()) {
	times := c.Tampers(x.Source, messages.TypeHandoffItems, count, fate)
	return func() {
		if c.Net.Tamper = nil; times() == 0 {
			c.W.Failf("nothing was tampered with")
		}
	}
}

// What can be done to a transfer has the effect that it must have.
func TestTrial_faults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		at    Point
		fault func(c *Cluster, x *Trial) (mend func())
		want  topology.Reason // of the end of the first transfer
	}{
		{"unreadable item", Preparing, func(_ *Cluster, x *Trial) func() { return x.Spoil() }, topology.ReasonUnreadable},
		{"disk full", Preparing, func(_ *Cluster, x *Trial) func() {
			x.Target.Fill(true)
			return func() { x.Target.Fill(false) }
		}, topology.ReasonDiskFull},
		{"cancel", Copying, func(_ *Cluster, x *Trial) func() {
			x.Cancel(func(topology.Outcome) {})
			return nil
		}, topology.ReasonCancelled},
		{"source never returns", Copying, func(_ *Cluster, x *Trial) func() {
			x.Source.Crash()
			return x.Source.Restart
		}, topology.ReasonSourceUnreachable},
		{"target is paused", Copying, func(_ *Cluster, x *Trial) func() {
			x.Target.Pause()
			return x.Target.Resume
		}, topology.ReasonIdle},
		{"cut of the data", Copying, func(c *Cluster, x *Trial) func() {
			c.Net.CutData(x.Source.ID, x.Target.ID)
			return c.Net.Heal
		}, topology.ReasonIdle},
		{"damage once", Preparing, func(c *Cluster, x *Trial) func() {
			return c.tampered(x, 1, Corrupts)
		}, ""},
		{"a lost batch", Preparing, func(c *Cluster, x *Trial) func() {
			return c.tampered(x, 1, Vanishes)
		}, ""},
		{"a batch overtakes", Preparing, func(c *Cluster, x *Trial) func() {
			return c.tampered(x, 1, Overtaken)
		}, ""},
		{"doubled batches", Preparing, func(c *Cluster, x *Trial) func() {
			return c.tampered(x, -1, Doubles)
		}, ""},
		{"failed sync", Sealing, func(_ *Cluster, x *Trial) func() {
			x.Target.FailSync()
			return nil
		}, topology.ReasonTargetRestarted},
		{"no quorum of the log", Sealing, func(c *Cluster, _ *Trial) func() {
			for _, n := range c.Nodes {
				c.Net.CutLog(n.ID)
			}
			return c.Net.Heal
		}, ""},
		{"a second transfer", Copying, func(c *Cluster, x *Trial) func() {
			x.Second(func(o topology.Outcome) {
				if !errors.Is(o.Err, topology.ErrTransferInProgress) {
					c.W.Failf("a second transfer of the partition: %v", o.Err)
				}
			})
			return nil
		}, ""},
		{"an item of the copy rots", Copying, func(_ *Cluster, x *Trial) func() {
			x.Rot()
			return nil
		}, topology.ReasonDigestMismatch},
		{"clock jump", Copying, func(_ *Cluster, x *Trial) func() {
			x.Source.Skew(time.Hour)
			x.Target.Skew(-time.Hour)
			return nil
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, x := try(t, "register", tt.at)
			if mend := tt.fault(c, x); mend != nil {
				c.W.After(20*time.Second, mend)
			}
			if err := c.Run(func() bool { return x.Ending().Over }, time.Minute); err != nil {
				rerun(t, 1, err)
			}
			if got := x.Ending(); !strings.Contains(string(got.Reason), string(tt.want)) || got.Committed != (tt.want == "") {
				t.Errorf("%+v, want it to end by %q", got, tt.want)
			}
			after := c.W.Now() + 25*time.Second
			if err := c.Run(func() bool { return c.W.Now() > after }, time.Minute); err != nil {
				rerun(t, 1, err)
			}
			rest(t, c)
		})
	}
}

// Batches of a session that was given up arrive while the next session receives the partition.
func TestTrial_strayBatches(t *testing.T) {
	for _, seed := range seeds(1, 5) {
		c := NewCluster(Options{Seed: seed, Nodes: 5, RingSize: 16, Items: 400})
		x, err := c.Try("register")
		if err != nil {
			rerun(t, seed, err)
		}
		c.Tampers(x.Source, messages.TypeHandoffItems, -1, Lingers)
		if err := c.Run(x.At(Sealing), time.Minute); err != nil {
			rerun(t, seed, err)
		}
		x.Cancel(func(topology.Outcome) {})
		c.Net.Tamper = nil
		next := *x
		next.Session = 0
		if err := c.Run(func() bool { return x.Ending().Over && next.Point() == Copying }, 2*time.Minute); err != nil {
			rerun(t, seed, err)
		}
		c.Net.MinDelay, c.Net.MaxDelay = 8*time.Millisecond, 16*time.Millisecond
		before := c.Counts.Fenced
		rest(t, c)
		if c.Counts.Fenced == before {
			t.Errorf("seed %d: nothing was fenced", seed)
		}
	}
}

// A session is given up while a batch is admitted and not yet written: the copy stays until it is.
func TestTrial_effectUnderWay(t *testing.T) {
	for _, seed := range seeds(1, 5) {
		c := NewCluster(Options{Seed: seed, Nodes: 5, RingSize: 16, Items: 400, ApplyTime: 50 * time.Millisecond})
		x, err := c.Try("register")
		if err == nil {
			err = c.Run(x.At(Copying), time.Minute)
		}
		if err != nil {
			rerun(t, seed, err)
		}
		x.Cancel(func(topology.Outcome) {})
		rest(t, c)
	}
}

// The target knows of a later session than the record does: what the fence on its disk refuses, no record lets
// in (F4). Later sessions are above the fence.
func TestTrial_fenceAboveTheRecord(t *testing.T) {
	for _, seed := range seeds(1, 5) {
		c := NewCluster(Options{Seed: seed, Nodes: 5, RingSize: 16, Items: 200})
		x, err := c.Try("register")
		staged := func() bool { return x.Point() == Preparing && x.Staged(x.Target) == x.Session }
		if err == nil {
			err = c.Run(staged, time.Minute)
		}
		if err != nil {
			rerun(t, seed, err)
		}
		x.Outlive()
		rest(t, c)
		if e := x.Ending(); e.Committed || !e.Over {
			t.Errorf("seed %d: a session below the fence ended with %+v", seed, e)
		}
	}
}

// A command was forwarded and arrives where the partition has moved on.
func TestTrial_forwardedTooLate(t *testing.T) {
	c := NewCluster(Options{Seed: 1, Nodes: 5, RingSize: 16})
	c.Serve(Load{Clients: 4, Think: 10 * time.Millisecond})
	forwarded := 0
	c.Net.Tamper = func(_, _ ring.NodeID, msg any) Fate {
		if h := Envelope(msg); h.Type != messages.TypeRequest || h.Hop == 0 {
			return Arrives
		}
		forwarded++
		return Lingers
	}
	x, err := c.Try("register")
	if err == nil {
		err = c.Run(c.Settled, time.Minute)
	}
	if err != nil {
		rerun(t, 1, err)
	}
	if forwarded == 0 {
		t.Fatal("nothing was forwarded")
	}
	third := slices.IndexFunc(c.Nodes, func(n *Node) bool { return n != x.Source && n != x.Target })
	c.Operate(moveTo(x.Partition, c.Nodes[third].ID))
	if err := c.Run(c.Settled, time.Minute); err != nil {
		rerun(t, 1, err)
	}
	rest(t, c)
}

// A member is removed by force, and requests arrive that were sent before.
func TestTrial_requestsBelowTheFence(t *testing.T) {
	c := NewCluster(Options{Seed: 1, Nodes: 5, RingSize: 16})
	c.Serve(Load{Clients: 2, Think: 100 * time.Millisecond})
	c.Net.Tamper = func(_, _ ring.NodeID, msg any) Fate {
		if h := Envelope(msg); h.Type == messages.TypeRequest {
			return Lingers
		}
		return Arrives
	}
	if err := c.Run(func() bool { return c.Counts.Acknowledged > 1000 }, time.Minute); err != nil {
		rerun(t, 1, err)
	}
	c.Net.Tamper = nil
	gone := c.Node("n5")
	gone.Crash()
	c.Operate(
		Once("down", func(s topology.State) bool { m, _ := s.Member("n5"); return m.Status == topology.Down }, topology.MarkDown{Node: "n5"}),
		Once("force-remove", func(s topology.State) bool { m, _ := s.Member("n5"); return m.Departs.Forced() }, topology.StageForceRemove{Node: "n5"}),
		Commit(),
	)
	if err := c.Run(func() bool { return c.Settled() && c.Newest().Fence() > 0 }, time.Minute); err != nil {
		rerun(t, 1, err)
	}
	rest(t, c)
}

// The scenario of the parked writer: a batch waits on the way; its session is given up, the partition is moved
// by another one, and then the batch arrives.
func TestTrial_parkedWriter(t *testing.T) {
	for _, back := range []bool{false, true} {
		c, x := try(t, "register", Preparing)
		c.Tampers(x.Source, messages.TypeHandoffItems, -1, Lingers)
		if err := c.Run(x.At(Copying), time.Minute); err != nil {
			rerun(t, 1, err)
		}
		x.Cancel(func(topology.Outcome) {})
		if err := c.Run(func() bool { return x.Ending().Over }, time.Minute); err != nil {
			rerun(t, 1, err)
		}
		c.Net.Tamper = nil
		if err := c.Run(c.Settled, 2*time.Minute); err != nil {
			rerun(t, 1, err)
		}
		if back {
			c.Operate(moveTo(x.Partition, x.Source.ID))
			if err := c.Run(c.Settled, time.Minute); err != nil {
				rerun(t, 1, err)
			}
		}
		before := c.Counts.Fenced
		rest(t, c)
		if c.Counts.Fenced == before {
			t.Error("nothing was fenced")
		}
	}
}
