package quorum

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
	memstore "github.com/dee2748c/baton/store/memory"
)

// failing is an engine of which a test has some calls fail, or hang.
type failing struct {
	disk
	t    testing.TB
	fail func(call string, id store.ID) error // of SetRecord, Stage, Write and Sync of a staging generation

	mu     sync.Mutex
	stages int
}

func newFailing(t testing.TB, fail func(call string, id store.ID) error) *failing {
	return &failing{disk: disk{memstore.New()}, t: t, fail: fail}
}

// SetRecord also holds O1: what a replica has promised never falls.
func (e *failing) SetRecord(id store.ID, r store.Record) error {
	if err := e.fail("SetRecord", id); err != nil {
		return err
	}
	before, err := e.disk.Record(id)
	if err == nil {
		err = before.Succeed(r)
	}
	if err != nil {
		e.t.Errorf("record of %v from %+v to %+v: %v", id, before, r, err)
	}
	return e.disk.SetRecord(id, r)
}

func (e *failing) Stage(id store.ID, session uint64) (store.Partition, error) {
	e.mu.Lock()
	e.stages++
	e.mu.Unlock()
	if err := e.fail("Stage", id); err != nil {
		return nil, err
	}
	p, err := e.disk.Stage(id, session)
	return failingCopy{p, e, id}, err
}

func (e *failing) staged() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stages
}

type failingCopy struct {
	store.Partition
	of *failing
	id store.ID
}

func (p failingCopy) Write(b *store.Batch) error {
	if err := p.of.fail("Write", p.id); err != nil {
		return err
	}
	return p.Partition.Write(b)
}

func (p failingCopy) Sync() error {
	if err := p.of.fail("Sync", p.id); err != nil {
		return err
	}
	return p.Partition.Sync()
}

// inReplicaWorld runs a test with nodes a to c, of which c is on an engine of the test.
func inReplicaWorld(t *testing.T, e *failing, names []ring.NodeID, test func(t *testing.T, w *world)) {
	t.Helper()
	w := newTunedWorld(t, 1, func(o *actors.Options) {
		if o.Self.Node == "c" {
			o.Engine = e
		}
	}, names...)
	if n := w.nodes["c"]; n != nil {
		n.engine = e
	}
	defer func() { w.close(); pass(time.Second) }()
	test(t, w)
}

var abc = []ring.NodeID{"a", "b", "c"}

// ownedBy returns a partition that the ring gives to a node.
func (w *world) ownedBy(by ring.NodeID) ring.Partition {
	p := ring.Partition(0)
	for w.log.State().Ring().Owner(p) != by {
		p++
	}
	return p
}

// moveTo has the ring give a partition to a node, and waits until it is there.
func (w *world) moveTo(p ring.Partition, to ring.NodeID) {
	w.t.Helper()
	w.propose(topology.MovePartition{Partition: p, Target: to, ExpectOwner: w.log.State().Ring().Owner(p)})
	w.until(fmt.Sprintf("%d is with %s", p, to), func() bool { return w.log.State().Settled() })
	w.agree()
}

// raiseFence removes d, which has stopped, by force.
func (w *world) raiseFence() {
	w.t.Helper()
	w.propose(topology.MarkDown{Node: "d"})
	w.propose(topology.StageForceRemove{Node: "d"})
	w.commit()
	w.agree()
}

// TestReplica_fenceStoredBeforeAnswer: a fence is acknowledged when it is durable and not before, however often it is
// asked for, and to be asked the same again is answered again.
func TestReplica_fenceStoredBeforeAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		e := newFailing(t, func(call string, _ store.ID) error {
			if call == "SetRecord" && full.Load() {
				return store.ErrDiskFull
			}
			return nil
		})
		inReplicaWorld(t, e, []ring.NodeID{"a", "b", "c", "d"}, func(t *testing.T, w *world) {
			p := w.ownedBy("c")
			id := store.ID{Kind: kindName, Partition: p}
			w.stop("d")
			full.Store(true)
			w.raiseFence()
			fence := w.log.State().Fence()
			ask := func() error { return w.nodes["a"].host.Fence(context.Background(), kindName, p) }
			for i := range 3 {
				if err := ask(); err == nil {
					t.Errorf("ask %d: acknowledged, and not on the disk", i)
				}
			}
			full.Store(false)
			for i := range 3 {
				if err := ask(); err != nil {
					t.Errorf("ask %d: %v", i, err)
				}
				if r, err := e.Record(id); err != nil || r.RingVersion < fence {
					t.Fatalf("acknowledged, and the disk has %+v, %v: want %d", r, err, fence)
				}
			}
		})
	})
}

// TestReplica_failedInstall: a copy that can't be staged, written or synced leaves its source serving and its target
// answering fences and commands; the next attempt completes.
func TestReplica_failedInstall(t *testing.T) {
	for _, call := range []string{"Stage", "Write", "Sync"} {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var full atomic.Bool
				e := newFailing(t, func(c string, id store.ID) error {
					if c == call && id.Kind == kindName && full.Load() {
						return fmt.Errorf("%s of %v: %w", c, id, store.ErrDiskFull)
					}
					return nil
				})
				inReplicaWorld(t, e, abc, func(t *testing.T, w *world) {
					defer w.coordinate("a")()
					p, other := w.ownedBy("a"), w.ownedBy("c")
					w.mustTell("a", p, "wx", 3)
					full.Store(true)
					w.propose(topology.MovePartition{Partition: p, Target: "c", ExpectOwner: "a"})
					w.until("an attempt has failed", func() bool { return w.log.State().Part(kindName, p).Attempts > 0 })
					host := w.nodes["b"].host
					for i, q := range []ring.Partition{p, other} {
						if err := host.Fence(context.Background(), kindName, q); err != nil {
							t.Errorf("fence of %d after the failure: %v", q, err)
						}
						if reply, err := host.Request(context.Background(), kindName, q, []byte("wy")); err != nil || count(reply) != 1 {
							t.Errorf("write %d to %d after the failure: %v, %v", i, q, reply, err)
						}
					}
					if owner, _ := w.log.State().Owner(kindName, p); owner != "a" {
						t.Fatalf("%s owns the partition after a failed copy", owner)
					}
					full.Store(false)
					w.until("the copy is in", func() bool { return w.log.State().Settled() })
					w.agree()
					for _, name := range []string{"x", "y"} {
						if reply, err := host.Request(context.Background(), kindName, p, []byte("r"+name)); err != nil || count(reply) != 1 {
							t.Errorf("read of %s at the target: %v, %v", name, reply, err)
						}
					}
				})
			})
		})
	}
}

// TestReplica_copyKeepsWhatWasPromised: what comes with a copy are items. The fences that a node has promised for the
// partition are its own: a promotion raises the epoch and leaves the rest, a former owner that gets the partition again
// goes on with what it had, and so does its next life.
func TestReplica_copyKeepsWhatWasPromised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newFailing(t, func(string, store.ID) error { return nil })
		inReplicaWorld(t, e, []ring.NodeID{"a", "b", "c", "d"}, func(t *testing.T, w *world) {
			w.stop("d")
			w.raiseFence()
			fence := w.log.State().Fence()
			defer w.coordinate("a")()
			w.until("the ring is settled", func() bool { return w.log.State().Settled() })
			p := w.ownedBy("a")
			id := store.ID{Kind: kindName, Partition: p}
			w.mustTell("a", p, "wx", 3)
			last := store.Record{}
			for round := range 3 {
				w.moveTo(p, "c")
				r, err := e.Record(id)
				session := w.log.State().Part(kindName, p).LastSession
				if err != nil || r.MaxSession != session || r.RingVersion < fence || r.Epoch <= last.Epoch || r.Tombstone != "" || r.Sealed != 0 {
					t.Errorf("round %d: promised %+v, %v after %+v; want session %d and fence %d", round, r, err, last, session, fence)
				}
				if _, epoch := w.log.State().Owner(kindName, p); r.Epoch != epoch {
					t.Errorf("round %d: epoch %d is promised, the record says %d", round, r.Epoch, epoch)
				}
				last = r
				w.moveTo(p, "b")
				w.restart("c", func() {})
				if r, err := e.Record(id); err != nil || last.Succeed(r) != nil || r.Tombstone != "b" {
					t.Errorf("round %d: promised %+v, %v after the next life began; it was %+v", round, r, err, last)
				}
			}
			if reply, err := w.nodes["a"].host.Request(context.Background(), kindName, p, []byte("rx")); err != nil || count(reply) != 1 {
				t.Errorf("read after the moves: %v, %v", reply, err)
			}
		})
	})
}

// TestReplica_oneStream: O4. While an effect of a session's stream has not ended, the stream that follows it does not
// begin, though the line to the former one is long cut.
func TestReplica_oneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hanging atomic.Bool
		release := make(chan struct{})
		e := newFailing(t, func(call string, id store.ID) error {
			if call == "Write" && id.Kind == kindName && hanging.CompareAndSwap(false, true) {
				<-release
			}
			return nil
		})
		inReplicaWorld(t, e, abc, func(t *testing.T, w *world) {
			letGo := sync.OnceFunc(func() { close(release) })
			defer letGo()
			defer w.coordinate("b")()
			p := w.ownedBy("a")
			w.mustTell("a", p, "wx", 3)
			w.propose(topology.MovePartition{Partition: p, Target: "c", ExpectOwner: "a"})
			w.until("a write hangs", hanging.Load)
			session := w.log.State().Part(kindName, p).LastSession
			before := e.staged()
			w.board.Cut("a", "c")
			pass(time.Millisecond) // less than the source's pause before its next attempt
			w.board.HealAll()
			w.until("the source tries again", func() bool {
				all := w.nodes["a"].host.Transfers()
				return len(all) > 0 && all[0].Attempt > 1
			})
			pass(3 * time.Second)
			if n := e.staged(); n != before {
				t.Errorf("a stream has begun beside the one before: %d stagings, were %d", n, before)
			}
			letGo()
			w.until("the copy is in", func() bool { return w.log.State().Settled() })
			w.agree()
			if got := w.log.State().Part(kindName, p).LastSession; got != session {
				t.Errorf("by session %d, want %d: a stream that breaks ends no session", got, session)
			}
			if reply, err := w.nodes["a"].host.Request(context.Background(), kindName, p, []byte("rx")); err != nil || count(reply) != 1 {
				t.Errorf("read at the target: %v, %v", reply, err)
			}
		})
	})
}

// oneSender is a transport whose streams hold that nobody sends on one beside another sender.
type oneSender struct {
	actors.Transport
	actors.Handler
	sent, beside *atomic.Int64
}

func (o *oneSender) Serve(h actors.Handler) error {
	o.Handler = h
	return o.Transport.Serve(o)
}

func (o *oneSender) OpenStream(ctx context.Context, to actors.Peer) (actors.Stream, error) {
	s, err := o.Transport.OpenStream(ctx, to)
	return &watched{Stream: s, of: o}, err
}

func (o *oneSender) HandleStream(s actors.Stream) error {
	return o.Handler.HandleStream(&watched{Stream: s, of: o})
}

type watched struct {
	actors.Stream
	of      *oneSender
	sending atomic.Bool
}

func (s *watched) Send(f messages.Frame) error {
	if !s.sending.CompareAndSwap(false, true) {
		s.of.beside.Add(1)
	}
	defer s.sending.Store(false)
	pass(time.Millisecond) // so that another one would come in between
	s.of.sent.Add(1)
	return s.Stream.Send(f)
}

// TestReplica_oneSenderPerStream: both sides of a transfer send from one goroutine, also while clients write.
func TestReplica_oneSenderPerStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent, beside atomic.Int64
		w := newTunedWorld(t, 1, func(o *actors.Options) {
			o.Transport = &oneSender{Transport: o.Transport, sent: &sent, beside: &beside}
		}, "a", "b", "c")
		defer func() { w.close(); pass(time.Second) }()
		stop := w.coordinate("a")
		defer stop()
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		for i := range ringSize {
			all.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					w.mustTell("a", ring.Partition(i), fmt.Sprintf("wkey%d", n), 3)
					pass(time.Millisecond)
				}
			})
		}
		pass(100 * time.Millisecond)
		for round := range 2 {
			w.rotate(round)
		}
		cancel()
		all.Wait()
		if sent.Load() < 4*ringSize || beside.Load() > 0 {
			t.Errorf("%d frames were sent, %d of them beside another one of the stream", sent.Load(), beside.Load())
		}
	})
}

// TestReplica_stopped: O8, O5. Whatever is asked of a host that has stopped, or stops meanwhile, ends, and after the end
// all calls say the same.
func TestReplica_stopped(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		h := w.nodes["a"].host
		p, q := w.ownedBy("a"), w.ownedBy("b")
		calls := map[string]func() error{
			"Request here":      func() error { _, err := h.Request(context.Background(), kindName, p, []byte("wx")); return err },
			"Request elsewhere": func() error { _, err := h.Request(context.Background(), kindName, q, []byte("wx")); return err },
			"Fence":             func() error { return h.Fence(context.Background(), kindName, q) },
			"Run": func() error {
				b := &broadcast{set: h.Replicas(kindName, p, 3), body: []byte("wx"), need: 3}
				return h.Run(context.Background(), kindName, b)
			},
			"Start": func() error { _, err := h.Start(nil, actors.RunOptions{}); return err },
		}
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(context.Background())
		for name, call := range calls {
			if name == "Start" {
				continue
			}
			for range 2 {
				all.Go(func() {
					for ctx.Err() == nil {
						_ = call()
						pass(time.Millisecond)
					}
				})
			}
		}
		pass(20 * time.Millisecond)
		w.stop("a")
		pass(20 * time.Millisecond)
		cancel()
		all.Wait()
		for range 2 {
			for name, call := range calls {
				if err := call(); !errors.Is(err, actors.ErrStopped) {
					t.Errorf("%s after the end: %v, want ErrStopped", name, err)
				}
			}
			if err := h.Stop(context.Background()); err != nil {
				t.Errorf("stopped again: %v", err)
			}
		}
		if n := h.Waiting(); n != 0 {
			t.Errorf("%d endpoints are left", n)
		}
	})
}

// TestReplica_readOverMove: the rule is checked after the work and not only before it. A read beside a vnode that served
// when it began is not answered when the partition has moved meanwhile, and was written to where it is now.
func TestReplica_readOverMove(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		defer w.coordinate("c")()
		p := w.ownedBy("a")
		one := func(body string) outcome {
			h := w.nodes["a"].host
			b := &broadcast{set: h.Replicas(kindName, p, 1), body: []byte(body), need: 1}
			if err := h.Run(context.Background(), kindName, b); err != nil {
				t.Fatal(err)
			}
			return b.outcome
		}
		one("wx")
		between := sync.OnceFunc(func() {
			w.moveTo(p, "b")
			if reply, err := w.nodes["b"].host.Request(context.Background(), kindName, p, []byte("wx")); err != nil || count(reply) != 2 {
				t.Errorf("write at the new owner: %v, %v", reply, err)
			}
		})
		readMeanwhile.Store(&between)
		defer readMeanwhile.Store(nil)
		if o := one("rx"); len(o.counts) != 1 || o.counts[0] != 2 {
			t.Errorf("read %v over the move, want the 2 that was acknowledged before its answer", o.counts)
		}
	})
}
