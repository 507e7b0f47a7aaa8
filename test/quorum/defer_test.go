package quorum

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
	memstore "github.com/dee2748c/baton/store/memory"
	"github.com/dee2748c/baton/vnode"
)

// deferKind is countKind that leaves writes which come while its data moves to
// the next owner.
type deferKind struct {
	countKind
	deferred *atomic.Int32
}

func (k deferKind) Open(vnode.Partition) (vnode.Vnode, error) {
	return deferrer{deferred: k.deferred}, nil
}

type deferrer struct {
	counter
	deferred *atomic.Int32
}

func (d deferrer) HandleHandoffCommand(cx *vnode.Context, cmd vnode.Command) vnode.Disposition {
	if cmd.Body[0] == 'w' {
		d.deferred.Add(1)
		return vnode.Forward{}
	}
	return d.HandleCommand(cx, cmd)
}

// owned returns a partition of node a.
func (w *world) owned() (p ring.Partition) {
	for w.log.State().Ring().Owner(p) != "a" {
		p++
	}
	return p
}

// toFirst sends a command to the first copy of a head and says how it ended.
func (w *world) toFirst(from ring.NodeID, head ring.Partition, body string) chan outcome {
	h, done := w.nodes[from].host, make(chan outcome, 1)
	b := &broadcast{set: h.Replicas(kindName, head, 1), body: []byte(body), need: 1}
	go func() {
		if err := h.Run(context.Background(), kindName, b); err != nil {
			w.t.Error(err)
		}
		done <- b.outcome
	}()
	return done
}

// TestRun_deferredThenAborted: a command that was left to the next owner of a
// partition is served by the present one when the move is called off, and once.
func TestRun_deferredThenAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deferred := new(atomic.Int32)
		w := newTunedWorld(t, 1, func(o *actors.Options) { o.Kinds = []vnode.Kind{deferKind{deferred: deferred}} }, "a", "b", "c")
		head := w.owned()
		<-w.toFirst("a", head, "wx")
		stop := w.coordinate("c")
		w.board.SetFaults(actors.Fault{Delay: time.Second}) // the fold takes its time
		w.propose(topology.MovePartition{Partition: head, Target: "b", ExpectOwner: "a"})
		var left [2]chan outcome
		w.until("a write is deferred", func() bool {
			left[0] = w.toFirst("a", head, "wy") // does not travel
			synctest.Wait()
			return deferred.Load() == 1
		})
		left[1] = w.toFirst("c", head, "wz")
		w.until("another one, which came over the network", func() bool { return deferred.Load() == 2 })
		if len(left[0])+len(left[1]) > 0 {
			t.Error("answered though it was left to the next owner")
		}
		stop()
		x := w.log.State().Part(kindName, head).Transfer
		term, _ := w.log.State().Term()
		out, err := cluster.NewProposer(w.nodes["c"].record, "operator").Propose(t.Context(), term, topology.AbortTransfer{Session: x.Session, Reason: "the test calls it off"})
		if err != nil || out[0].Err != nil {
			t.Fatal(err, out)
		}
		for i, done := range left {
			o := <-done
			if o.answers != 1 || i == 1 && o.counts[0] != 1 {
				t.Errorf("deferred write %d: %+v", i, o)
			}
		}
		if owner, _ := w.log.State().Owner(kindName, head); owner != "a" {
			t.Errorf("%s owns the partition", owner)
		}
		w.close()
		pass(time.Second)
	})
}

// remember is countKind whose vnode hears of writes that did not happen.
type remember struct {
	countKind
	unwritten *atomic.Int32
}

func (k remember) Open(vnode.Partition) (vnode.Vnode, error) {
	return rememberer{unwritten: k.unwritten}, nil
}

type rememberer struct {
	counter
	unwritten *atomic.Int32
}

func (r rememberer) HandleCommand(cx *vnode.Context, cmd vnode.Command) vnode.Disposition {
	if cmd.Body[0] == 'x' {
		cx.Put(cmd.Body[1:], nil)
		return vnode.Fail{Err: store.ErrCorrupt}
	}
	return r.counter.HandleCommand(cx, cmd)
}

func (r rememberer) HandleInfo(_ *vnode.Context, msg any) {
	if _, ok := msg.(vnode.NotWritten); ok {
		r.unwritten.Add(1)
	}
}

// full is a disk that takes no write while its flag is set.
type full struct {
	disk
	on *atomic.Bool
}

func (f full) Open(id store.ID) (store.Partition, error) {
	part, err := f.disk.Open(id)
	return fullPart{part, f.on}, err
}

type fullPart struct {
	store.Partition
	on *atomic.Bool
}

func (p fullPart) Write(b *store.Batch) error {
	if p.on.Load() {
		return store.ErrDiskFull
	}
	return p.Partition.Write(b)
}

// TestNotWritten: a module hears of each batch of its own that is not in the
// store, and of no other.
func TestNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unwritten := new(atomic.Int32)
		w := newTunedWorld(t, 1, func(o *actors.Options) { o.Kinds = []vnode.Kind{remember{unwritten: unwritten}} }, "a", "b", "c")
		f := full{disk{memstore.New()}, new(atomic.Bool)}
		w.stop("a")
		w.start("a", f)
		w.agree()
		head := w.owned()
		for _, c := range []struct {
			body    string
			full    bool
			answers int
			heard   int32
		}{
			{"wx", false, 1, 0},
			{"wx", true, 0, 1},
			{"rx", true, 1, 1},
			{"xx", false, 0, 2},
			{"wx", false, 1, 2},
		} {
			f.on.Store(c.full)
			o := <-w.toFirst("b", head, c.body)
			synctest.Wait()
			if o.answers != c.answers || unwritten.Load() != c.heard {
				t.Errorf("%s, disk full: %v: %+v, heard %d times, want %d", c.body, c.full, o, unwritten.Load(), c.heard)
			}
		}
		if o := <-w.toFirst("a", head, "fx"); len(o.counts) != 1 || o.counts[0] != 2 {
			t.Errorf("two writes were done: %+v", o)
		}
		w.close()
		pass(time.Second)
	})
}
