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
	"github.com/dee2748c/baton/vnode"
)

// holdKind is countKind with one command more: "h" keeps the vnode busy until
// the test lets go.
type holdKind struct {
	countKind
	hold chan struct{}
}

func (k holdKind) Open(vnode.Partition) (vnode.Vnode, error) { return holder{hold: k.hold}, nil }

type holder struct {
	counter
	hold chan struct{}
}

func (h holder) HandleCommand(cx *vnode.Context, cmd vnode.Command) vnode.Disposition {
	if cmd.Body[0] == 'h' {
		<-h.hold
	}
	return h.counter.HandleCommand(cx, cmd)
}

// politeKind answers what is shed with a text of its own.
type politeKind struct {
	holdKind
	shed *atomic.Int32
}

func (k politeKind) HandleOverload(vnode.Command) vnode.Disposition {
	k.shed.Add(1)
	return vnode.Reply{Body: []byte("busy")}
}

// one asks the first copy of head 0 only: the primary, or who stands in for it.
func (w *world) one(from, standIn ring.NodeID, body string) (outcome, error) {
	h := w.nodes[from].host
	set := h.Replicas(kindName, 0, 1)
	set.Copies[0].Up, set.Copies[0].Spare = standIn == "", standIn
	b := &broadcast{set: set, body: []byte(body), need: 1, standIns: true}
	err := h.Run(context.Background(), kindName, b)
	return b.outcome, err
}

// T-B16: as many requests wait as may, all others are answered that nothing was
// done and nobody stands in for them, and what was accepted is done once. A vnode
// that has worked its queue off serves at once.
func TestOverload(t *testing.T) {
	const writers, queue = 30, 8
	for _, c := range []struct {
		name     string
		queue    int
		standsIn bool
		refused  int
	}{
		{"primary", queue, false, writers - (queue - 1)},
		{"fallback", queue, true, writers - (queue - 1)},
		{"no limit", -1, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hold := make(chan struct{})
				w := newTunedWorld(t, 1, func(o *actors.Options) {
					o.Queue, o.Kinds = c.queue, []vnode.Kind{holdKind{hold: hold}}
				}, "a", "b", "c")
				owner, _ := w.log.State().Owner(kindName, 0)
				var standIn ring.NodeID
				if c.standsIn {
					standIn = map[ring.NodeID]ring.NodeID{"a": "b", "b": "c", "c": "a"}[owner]
					w.setDown(func(_, to ring.NodeID) bool { return to == owner })
				}
				w.overload(hold, standIn, writers, c.refused)
				w.close()
				pass(time.Second) // the actor library's throttle of dead letters ends by itself
			})
		})
	}
}

func (w *world) overload(hold chan struct{}, standIn ring.NodeID, writers, want int) {
	t := w.t
	var all sync.WaitGroup
	if _, err := w.one("a", standIn, "wx"); err != nil { // a fallback has to be in the record first
		t.Fatal(err)
	}
	all.Go(func() { _, _ = w.one("a", standIn, "hx") })
	synctest.Wait()
	outcomes := make([]atomic.Pointer[outcome], writers)
	for i := range writers {
		all.Go(func() {
			o, err := w.one([]ring.NodeID{"a", "b", "c"}[i%3], standIn, fmt.Sprintf("wkey%d", i))
			if err != nil {
				t.Error(err)
			}
			outcomes[i].Store(&o)
		})
	}
	pass(time.Second)
	refused := make(map[int]bool)
	for i := range outcomes {
		o := outcomes[i].Load()
		if o == nil {
			continue
		}
		refused[i] = true
		if o.answers != 0 || o.unknown != 0 || len(o.errs) != 1 || !errors.Is(o.errs[0], vnode.ErrOverloaded) {
			t.Errorf("writer %d: %+v", i, o)
		}
	}
	if len(refused) != want {
		t.Errorf("%d writers were refused, want %d", len(refused), want)
	}
	for name, n := range w.nodes {
		if f := n.host.Fallbacks(); len(f) > 0 && name != standIn {
			t.Errorf("%s stands in for a vnode that has too much to do: %+v", name, f)
		}
	}
	close(hold)
	all.Wait()
	start := time.Now()
	for i := range writers {
		want := uint64(1)
		if refused[i] {
			want = 0
		}
		o, err := w.one("a", standIn, fmt.Sprintf("fkey%d", i))
		if err != nil || o.answers != 1 || o.counts[0] != want {
			t.Errorf("key %d (refused: %v): %+v, %v", i, refused[i], o, err)
		}
	}
	if !time.Now().Equal(start) {
		t.Errorf("after the overload, requests took %v", time.Since(start))
	}
}

// A kind may answer what is shed itself.
func TestOverload_handler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := politeKind{holdKind{hold: make(chan struct{})}, new(atomic.Int32)}
		w := newTunedWorld(t, 1, func(o *actors.Options) { o.Queue, o.Kinds = 1, []vnode.Kind{k} }, "a")
		var busy sync.WaitGroup
		busy.Go(func() { _, _ = w.one("a", "", "hx") })
		pass(time.Second)
		if o, err := w.one("a", "", "wx"); err != nil || o.answers != 1 || k.shed.Load() != 1 {
			t.Errorf("%+v, %v; shed %d times", o, err, k.shed.Load())
		}
		close(k.hold)
		busy.Wait()
		w.close()
		pass(time.Second)
	})
}
