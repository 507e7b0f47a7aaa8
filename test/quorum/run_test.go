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
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
	memstore "github.com/dee2748c/baton/store/memory"
)

// tell runs one broadcast from a node and returns its outcome.
func (w *world) tell(ctx context.Context, from ring.NodeID, head ring.Partition, body string, need int) (outcome, error) {
	h := w.nodes[from].host
	b := &broadcast{set: h.Replicas(kindName, head, 3), body: []byte(body), need: need}
	err := h.Run(ctx, kindName, b)
	return b.outcome, err
}

func (w *world) mustTell(from ring.NodeID, head ring.Partition, body string, need int) outcome {
	w.t.Helper()
	o, err := w.tell(context.Background(), from, head, body, need)
	if err != nil {
		w.t.Fatalf("%s from %s: %v", body, from, err)
	}
	return o
}

func TestReplicas(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		for head := range ring.Partition(ringSize) {
			set := w.nodes["a"].host.Replicas(kindName, head, 3)
			for i, c := range set.Copies {
				owner, _ := w.log.State().Owner(kindName, c.Partition)
				if c.Partition != head.Next(i, ringSize) || c.Node != owner || !c.Up || c.Spare != "" {
					t.Errorf("copy %d of head %d: %+v, owner %s", i, head, c, owner)
				}
			}
			if len(set.Copies) != 3 || set.Head != head || set.Self != "a" {
				t.Errorf("set of head %d: %+v", head, set)
			}
			w.setDown(func(_, to ring.NodeID) bool { return to == "b" })
			for _, c := range w.nodes["a"].host.Replicas(kindName, head, 3).Copies {
				if c.Up != (c.Node != "b") || (c.Spare == "") != c.Up || c.Spare == "b" {
					t.Errorf("head %d without b: %+v", head, c)
				}
			}
			w.setDown(nil)
		}
		w.propose(topology.AdvanceGrace{From: 0})
		w.agree()
		if set := w.nodes["a"].host.Replicas(kindName, 0, 3); set.Grace != 1 {
			t.Errorf("grace period %d, want 1", set.Grace)
		}
		if set := w.nodes["a"].host.Replicas("none", 0, 3); len(set.Copies) > 0 {
			t.Errorf("copies of a kind that does not exist: %+v", set)
		}
		if set := w.nodes["a"].host.Replicas(kindName, ringSize, 3); len(set.Copies) > 0 {
			t.Errorf("copies of a partition that does not exist: %+v", set)
		}
		if set := w.nodes["a"].host.Replicas(kindName, 1, 99); len(set.Copies) != ringSize {
			t.Errorf("%d copies in a ring of %d", len(set.Copies), ringSize)
		}
	})
}

func TestRun_all(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		for i := range 3 {
			for head := range ring.Partition(ringSize) {
				o := w.mustTell("a", head, fmt.Sprintf("wkey%d", head), 3)
				if o.answers != 3 || o.counts[0] != uint64(i+1) || o.counts[1] != uint64(i+1) || o.counts[2] != uint64(i+1) {
					t.Fatalf("head %d, round %d: %+v", head, i, o)
				}
			}
		}
		synctest.Wait()
		if n := w.nodes["a"].host.Waiting(); n != 0 {
			t.Errorf("%d endpoints are left", n)
		}
	})
}

// A link that can't be made is a Send that was not done; one that breaks with
// the command on it is unknown.
func TestRun_cut(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.mustTell("a", 0, "wx", 3)
		w.board.Cut("a", "b")
		w.board.Cut("a", "c")
		pass(time.Second) // the links are down
		o := w.mustTell("a", 0, "wx", 3)
		if o.answers == 0 || o.answers == 3 || o.unknown != 0 || len(o.errs) != 3-o.answers {
			t.Errorf("with cut lines: %+v", o)
		}
		for _, err := range o.errs {
			if !errors.Is(err, messages.ErrUnavailable) {
				t.Errorf("reason %v", err)
			}
		}
		w.board.HealAll()
		w.board.SetFaults(actors.Fault{Delay: time.Second})
		go func() {
			pass(1500 * time.Millisecond)
			w.board.Cut("a", "b")
			w.board.Cut("a", "c")
		}()
		start := time.Now()
		o = w.mustTell("a", 0, "wx", 3)
		if o.unknown == 0 || o.unknown+o.answers != 3 {
			t.Errorf("cut after %v with the command on its way: %+v", time.Since(start), o)
		}
	})
}

// When the time is up the machine decides with what it has.
func TestRun_deadline(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.board.SetFaults(actors.Fault{Drop: 1})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		o, err := w.tell(ctx, "a", 0, "wx", 3)
		if err != nil || o.answers == 0 || o.answers == 3 || len(o.errs) > 0 {
			t.Errorf("error %v, outcome %+v", err, o)
		}
		if _, err := w.tell(ctx, "a", 0, "wx", 3); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("begun after its time: %v", err)
		}
		synctest.Wait()
		if n := w.nodes["a"].host.Waiting(); n != 0 {
			t.Errorf("%d endpoints are left", n)
		}
		// One that is decided goes on for a while, but not for ever.
		o, err = w.tell(context.Background(), "a", 0, "wx", o.answers)
		if err != nil || w.nodes["a"].host.Waiting() != 1 {
			t.Errorf("error %v, %+v; want one that goes on", err, o)
		}
		pass(15 * time.Second)
		if n := w.nodes["a"].host.Waiting(); n != 0 {
			t.Errorf("%d endpoints are left in the background", n)
		}
	})
}

// A node that does not answer, without a broken link, ends its Sends as soon as
// it is known not to be up.
func TestRun_notUp(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.board.SetFaults(actors.Fault{Drop: 1})
		go func() {
			pass(3 * time.Second)
			w.setDown(func(_, to ring.NodeID) bool { return to != "a" })
		}()
		start := time.Now()
		o := w.mustTell("a", 0, "wx", 3)
		if d := time.Since(start); d < 3*time.Second || d > 5*time.Second || o.unknown != 3-o.answers {
			t.Errorf("after %v: %+v", d, o)
		}
	})
}

// TestRun_faults: whatever the network does, each Send ends at most once (the
// machine panics otherwise), no command is done twice, and none is lost that was
// answered.
func TestRun_faults(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			inBubble(t, seed, func(t *testing.T, w *world) {
				w.board.SetFaults(actors.Fault{Drop: 0.1, Duplicate: 0.3, Reorder: 0.3, Delay: time.Millisecond, Jitter: 20 * time.Millisecond})
				var all sync.WaitGroup
				for i := range 100 {
					all.Go(func() {
						ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
						defer cancel()
						from := []ring.NodeID{"a", "b", "c"}[i%3]
						o, err := w.tell(ctx, from, ring.Partition(i%ringSize), fmt.Sprintf("wkey%d", i), 3)
						if err != nil {
							t.Error(err)
						}
						for _, n := range o.counts {
							if n != 1 {
								t.Errorf("key%d was counted %d times", i, n)
							}
						}
					})
				}
				all.Wait()
				w.board.HealAll()
				pass(20 * time.Second)
				for _, n := range w.nodes {
					if left := n.host.Waiting(); left != 0 {
						t.Errorf("%d endpoints are left at %s", left, n.name)
					}
				}
			})
		})
	}
}

// TestRun_moves: while partitions move, refusals are tried again at the new
// owner, and no machine hears of them.
func TestRun_moves(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.board.SetFaults(actors.Fault{Jitter: 2 * time.Millisecond})
		stop := w.coordinate("a")
		defer stop()
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		done := make([]uint64, 4)
		var rounds atomic.Uint64
		for i := range done {
			all.Go(func() {
				for ctx.Err() == nil {
					rounds.Add(1)
					o := w.mustTell([]ring.NodeID{"a", "b", "c"}[i%3], ring.Partition(i), fmt.Sprintf("wkey%d", i), 3)
					done[i]++
					for _, n := range o.counts {
						if n != done[i] {
							t.Errorf("key%d after write %d: %+v", i, done[i], o)
							return
						}
					}
					o = w.mustTell([]ring.NodeID{"a", "b", "c"}[i%3], ring.Partition(i), fmt.Sprintf("rkey%d", i), 3)
					for _, n := range o.counts {
						if n != done[i] {
							t.Errorf("key%d read after write %d: %+v", i, done[i], o)
							return
						}
					}
					pass(time.Millisecond)
				}
			})
		}
		for round := range 3 {
			w.rotate(round)
			before := rounds.Load()
			w.until("writes go on", func() bool { return rounds.Load() > before+20 })
		}
		cancel()
		all.Wait()
	})
}

// TestRun_stop: a host that stops ends what runs on it, with answers or an error.
func TestRun_stop(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.board.SetFaults(actors.Fault{Delay: 50 * time.Millisecond})
		h := w.nodes["a"].host
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				pass(time.Duration(i) * time.Millisecond)
				b := &broadcast{set: h.Replicas(kindName, ring.Partition(i%ringSize), 3), body: []byte("wx"), need: 3}
				if err := h.Run(context.Background(), kindName, b); err != nil && b.ready {
					t.Errorf("ready, and %v", err)
				}
			})
		}
		pass(100 * time.Millisecond)
		w.stop("a")
		all.Wait()
	})
}

// TestRun_readBesideFrozen: a vnode that is frozen for a move lets nobody read
// beside it, though its node does not know yet that the partition has a new
// owner, which may have acknowledged writes (F9). It answers only who said that
// this may be so.
func TestRun_readBesideFrozen(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		stop := w.coordinate("c")
		defer stop()
		head := ring.Partition(0)
		for w.log.State().Ring().Owner(head) != "a" {
			head++
		}
		one := func(from ring.NodeID, body string) (outcome, error) {
			h := w.nodes[from].host
			b := &broadcast{set: h.Replicas(kindName, head, 1), body: []byte(body), need: 1}
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			err := h.Run(ctx, kindName, b)
			return b.outcome, err
		}
		before := readBeside.Load()
		for i, body := range []string{"wx", "rx"} {
			if o, err := one("a", body); err != nil || len(o.counts) != 1 || o.counts[0] != 1 || readBeside.Load() != before+int64(i) {
				t.Fatalf("%s: %+v, %v; %d reads beside the vnode", body, o, err, readBeside.Load()-before)
			}
		}
		// The source hears nothing any more once it is frozen.
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			for u := range w.nodes["c"].record.Watch(ctx) {
				if x := u.State.Part(kindName, head).Transfer; x != nil && x.Frozen != nil {
					w.nodes["a"].record.Lag(true)
				}
			}
		}()
		w.board.SetFaults(actors.Fault{Delay: time.Millisecond})
		p := cluster.NewProposer(w.nodes["b"].record, "operator")
		if out, err := p.Propose(ctx, 0, topology.MovePartition{Partition: head, Target: "b", ExpectOwner: "a"}); err != nil || out[0].Err != nil {
			t.Fatal(out, err)
		}
		w.until("b owns the partition", func() bool { o, _ := w.nodes["b"].host.View().Owner(kindName, head); return o == "b" })
		if o, _ := w.nodes["a"].host.View().Owner(kindName, head); o != "a" {
			t.Fatalf("a knows already that %s owns the partition", o)
		}
		if o, err := one("b", "wx"); err != nil || len(o.counts) != 1 || o.counts[0] != 2 {
			t.Fatalf("write at the new owner: %+v, %v", o, err)
		}
		if o, _ := one("a", "rx"); len(o.counts) != 0 {
			t.Errorf("the old owner answers %d, the new one has acknowledged 2", o.counts)
		}
		if o, err := one("a", "fx"); err != nil || len(o.counts) != 1 || o.counts[0] != 1 {
			t.Errorf("who may read what the old owner has: %+v, %v", o, err)
		}
		w.nodes["a"].record.Lag(false)
		w.until("a knows", func() bool { o, _ := w.nodes["a"].host.View().Owner(kindName, head); return o == "b" })
		if o, err := one("a", "rx"); err != nil || len(o.counts) != 1 || o.counts[0] != 2 {
			t.Errorf("after that: %+v, %v", o, err)
		}
	})
}

// gate is a disk whose syncs wait.
type gate struct {
	disk
	syncs *atomic.Int64
	open  chan struct{}
}

func (g gate) Open(id store.ID) (store.Partition, error) {
	part, err := g.disk.Open(id)
	return gated{part, g}, err
}

type gated struct {
	store.Partition
	gate gate
}

func (p gated) Sync() error {
	p.gate.syncs.Add(1)
	<-p.gate.open
	return p.Partition.Sync()
}

// TestRun_volatile: a command is answered after its sync, a volatile one before,
// and synced all the same.
func TestRun_volatile(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		g := gate{disk{memstore.New()}, new(atomic.Int64), make(chan struct{})}
		w.stop("a")
		w.start("a", g)
		w.agree()
		head := ring.Partition(0)
		for w.log.State().Ring().Owner(head) != "a" {
			head++
		}
		run := func(from ring.NodeID, volatile bool) chan outcome {
			done := make(chan outcome, 1)
			h := w.nodes[from].host
			b := &broadcast{set: h.Replicas(kindName, head, 1), body: []byte("wx"), need: 1, volatile: volatile}
			go func() {
				if err := h.Run(context.Background(), kindName, b); err != nil {
					t.Error(err)
				}
				done <- b.outcome
			}()
			return done
		}
		for i, from := range []ring.NodeID{"a", "b"} {
			if o := <-run(from, true); len(o.counts) != 1 || o.counts[0] != uint64(i+1) {
				t.Errorf("volatile from %s: %+v", from, o)
			}
		}
		durable := run("b", false)
		synctest.Wait()
		if len(durable) > 0 {
			t.Error("answered before the sync")
		}
		if g.syncs.Load() == 0 {
			t.Error("a volatile write is not synced")
		}
		close(g.open)
		if o := <-durable; len(o.counts) != 1 || o.counts[0] != 3 {
			t.Errorf("durable: %+v", o)
		}
	})
}

// TestRun_syncedBeforeDrop: a write that waits for its sync is answered as done
// although its partition moves away meanwhile: the source drops nothing before.
func TestRun_syncedBeforeDrop(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		g := gate{disk{memstore.New()}, new(atomic.Int64), make(chan struct{})}
		w.stop("a")
		w.start("a", g)
		w.agree()
		stop := w.coordinate("b")
		defer stop()
		head := ring.Partition(0)
		for w.log.State().Ring().Owner(head) != "a" {
			head++
		}
		done := make(chan outcome, 1)
		h := w.nodes["c"].host
		b := &broadcast{set: h.Replicas(kindName, head, 1), body: []byte("wx"), need: 1}
		go func() {
			if err := h.Run(context.Background(), kindName, b); err != nil {
				t.Error(err)
			}
			done <- b.outcome
		}()
		w.until("the write waits for its sync", func() bool { return g.syncs.Load() > 0 })
		w.propose(topology.MovePartition{Partition: head, Target: "b", ExpectOwner: "a"})
		w.until("b owns the partition", func() bool { return w.log.State().Part(kindName, head).Owner == "b" })
		pass(5 * time.Second)
		close(g.open)
		if o := <-done; len(o.counts) != 1 || o.counts[0] != 1 {
			t.Errorf("the write: %+v", o)
		}
		w.until("the move ends", func() bool { return w.log.State().Settled() })
	})
}
