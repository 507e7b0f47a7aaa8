package quorum

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/replica"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// write tells all copies, with stand-ins for those that are not there.
func (w *world) write(from ring.NodeID, head ring.Partition, name string) outcome {
	w.t.Helper()
	return w.writeWithin(20*time.Second, from, head, name)
}

func (w *world) writeWithin(d time.Duration, from ring.NodeID, head ring.Partition, name string) outcome {
	w.t.Helper()
	h := w.nodes[from].host
	b := &broadcast{set: h.Replicas(kindName, head, 3), body: []byte("w" + name), need: 3, standIns: true}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	if err := h.Run(ctx, kindName, b); err != nil {
		w.t.Errorf("write %s: %v", name, err)
	}
	return b.outcome
}

// lose makes everybody believe that a node is down, and cuts it off.
func (w *world) lose(name ring.NodeID) {
	w.setDown(func(from, to ring.NodeID) bool { return to == name && from != name })
	for _, other := range []ring.NodeID{"a", "b", "c"} {
		if other != name {
			w.board.Cut(other, name)
		}
	}
}

func (w *world) find() {
	w.board.HealAll()
	w.setDown(nil)
}

// holds reports whether the store of a vnode has a name, on any node.
func (w *world) holds(node ring.NodeID, id store.ID, name string) bool {
	part, err := w.nodes[node].engine.Open(id)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = part.Get([]byte(name))
	return err == nil
}

// primariesHold wants a name at all three primaries of a head.
func (w *world) primariesHold(head ring.Partition, name string) {
	w.t.Helper()
	for i := range 3 {
		p := head.Next(i, ringSize)
		owner, _ := w.log.State().Owner(kindName, p)
		if !w.holds(owner, store.ID{Kind: kindName, Partition: p}, name) {
			w.t.Errorf("%s is not at %s, the owner of %d", name, owner, p)
		}
	}
}

// settled waits until nobody keeps anything for others.
func (w *world) settled() {
	w.t.Helper()
	w.until("all is handed back", func() bool {
		for _, n := range w.nodes {
			if len(n.host.Fallbacks()) > 0 {
				return false
			}
		}
		return len(slices.Collect(w.log.State().AllHints())) == 0
	})
	for name, n := range w.nodes {
		ids, err := n.engine.Partitions()
		if err != nil {
			w.t.Fatal(err)
		}
		for _, id := range ids {
			if of, ok := vnode.OfFallback(id); ok {
				w.t.Errorf("%s still has a store of the fallback for %v", name, of)
			}
		}
	}
}

// TestFallback: what a primary misses while it is gone is kept by a stand-in, in
// the record from before its first answer, and is with the primary afterwards.
func TestFallback(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.lose("c")
		for i := range 40 {
			head := ring.Partition(i % ringSize)
			o := w.write("a", head, fmt.Sprintf("key%d", i))
			if o.answers != 3 {
				t.Fatalf("key%d: %+v", i, o)
			}
			for j := range 3 {
				p := head.Next(j, ringSize)
				if owner, _ := w.log.State().Owner(kindName, p); owner == "c" && len(w.log.State().Hints(kindName, p)) == 0 {
					t.Fatalf("partition %d of c is written without a hint", p)
				}
			}
		}
		pass(time.Minute)
		left := 0
		for _, f := range append(w.nodes["a"].host.Fallbacks(), w.nodes["b"].host.Fallbacks()...) {
			if f.Owner != "c" || f.Items == 0 || f.Bytes == 0 || f.Since.IsZero() || f.Kind != kindName {
				t.Errorf("progress %+v", f)
			}
			left += int(f.Items)
		}
		if left == 0 {
			t.Error("nobody keeps anything")
		}
		w.find()
		w.settled()
		for i := range 40 {
			w.primariesHold(ring.Partition(i%ringSize), fmt.Sprintf("key%d", i))
		}
	})
}

// A node that does not answer though it is believed to be up: the Send fails
// before it was done, and names who stands in.
func TestFallback_unreachable(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		for _, other := range []ring.NodeID{"a", "b"} {
			w.board.Cut(other, "c")
		}
		pass(time.Second)
		for i := range ringSize {
			if o := w.write("a", ring.Partition(i), fmt.Sprintf("key%d", i)); o.answers != 3 || o.unknown > 0 {
				t.Errorf("key%d: %+v", i, o)
			}
		}
		if len(slices.Collect(w.log.State().AllHints())) == 0 {
			t.Error("no hint")
		}
		pass(30 * time.Second) // hand-backs fail, and are shown
		failed := false
		for _, f := range append(w.nodes["a"].host.Fallbacks(), w.nodes["b"].host.Fallbacks()...) {
			failed = failed || f.Err != nil
		}
		if !failed {
			t.Error("no hand-back that failed is shown")
		}
		w.find()
		w.settled()
		for i := range ringSize {
			w.primariesHold(ring.Partition(i), fmt.Sprintf("key%d", i))
		}
	})
}

// TestFallback_restart: T-B10, the node that stands in restarts, and hands back
// what it kept before.
func TestFallback_restart(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.lose("c")
		for i := range ringSize {
			w.write("a", ring.Partition(i), fmt.Sprintf("key%d", i))
		}
		for _, name := range []ring.NodeID{"a", "b"} {
			w.restart(name, func() {})
		}
		synctest.Wait()
		if len(w.nodes["a"].host.Fallbacks())+len(w.nodes["b"].host.Fallbacks()) == 0 {
			t.Error("what was kept is forgotten")
		}
		w.find()
		w.settled()
		for i := range ringSize {
			w.primariesHold(ring.Partition(i), fmt.Sprintf("key%d", i))
		}
	})
}

// TestFallback_leftovers: a hint without data is closed; data without a hint is
// registered and handed back.
func TestFallback_leftovers(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.lose("c")
		var of ring.Partition
		for w.log.State().Ring().Owner(of) != "c" {
			of++
		}
		w.write("a", of, "x")
		hint := w.log.State().Hints(kindName, of)[0]
		m, _ := w.log.State().Member(hint.Node)
		empty := of.Next(1, ringSize)
		w.restart(hint.Node, func() {
			w.propose(topology.CloseHint{Kind: kindName, Partition: of, Node: hint.Node, Opened: hint.Opened})
			w.propose(topology.OpenHint{Kind: kindName, Partition: empty, Node: hint.Node, Incarnation: m.Incarnation})
		})
		w.agree()
		synctest.Wait()
		if open := slices.Collect(w.log.State().AllHints()); len(open) != 1 || open[0].Partition != of {
			t.Errorf("hints %+v, want one of partition %d", open, of)
		}
		w.find()
		w.settled()
		w.primariesHold(of, "x")
	})
}

// TestFallback_load: writes go on while a node goes and comes, lines drop, double
// and delay, and partitions stay. What was answered by all three is with the
// primaries in the end.
func TestFallback_load(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			inBubble(t, seed, func(t *testing.T, w *world) {
				faults := actors.Fault{Drop: 0.02, Duplicate: 0.1, Reorder: 0.1, Delay: time.Millisecond, Jitter: 5 * time.Millisecond}
				w.board.SetFaults(faults)
				var mu sync.Mutex
				acked := map[string]ring.Partition{}
				ctx, cancel := context.WithCancel(context.Background())
				var all sync.WaitGroup
				for i := range 6 {
					all.Go(func() {
						for n := 0; ctx.Err() == nil; n++ {
							name, head := fmt.Sprintf("k%d-%d", i, n), ring.Partition((i+n)%ringSize)
							if o := w.writeWithin(300*time.Millisecond, []ring.NodeID{"a", "b"}[i%2], head, name); o.answers >= 3 {
								mu.Lock()
								acked[name] = head
								mu.Unlock()
							}
							pass(5 * time.Millisecond)
						}
					})
				}
				for range 3 {
					pass(2 * time.Second)
					w.lose("c")
					pass(3 * time.Second)
					w.find()
					w.board.SetFaults(faults)
				}
				pass(time.Second)
				cancel()
				all.Wait()
				w.board.HealAll()
				w.settled()
				if len(acked) < 100 {
					t.Errorf("seed %d: %d writes only", seed, len(acked))
				}
				for name, head := range acked {
					w.primariesHold(head, name)
				}
			})
		})
	}
}

// A kind whose vnodes can't merge has no fallbacks.
func TestFallback_otherKind(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.lose("c")
		h := w.nodes["a"].host
		b := &broadcast{set: h.Replicas(actors.PipeKind, 0, 3), body: []byte("w"), need: 3, standIns: true}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := h.Run(ctx, actors.PipeKind, b); err != nil {
			t.Fatal(err)
		}
		if len(slices.Collect(w.log.State().AllHints())) > 0 {
			t.Error("a hint of a volatile kind")
		}
		if errors.Join(b.outcome.errs...) == nil {
			t.Errorf("%+v", b.outcome)
		}
	})
}

// TestFallback_left: what the owner does not take for now stays, with the reason;
// all else is handed back, and the rest follows once the owner takes it.
func TestFallback_left(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		of := ring.Partition(0)
		for w.log.State().Ring().Owner(of) != "c" {
			of++
		}
		primary := store.ID{Kind: kindName, Partition: of}
		if _, err := w.nodes["c"].host.Request(t.Context(), kindName, of, []byte("wfull")); err != nil {
			t.Fatal(err)
		}
		w.lose("c")
		names := []string{"a", "big1", "big2", "z"}
		for _, name := range names {
			w.write("a", of, name)
		}
		keeper := w.nodes[w.log.State().Hints(kindName, of)[0].Node].host
		w.find()
		w.until("the rest is handed back", func() bool {
			f := keeper.Fallbacks()
			return len(f) == 1 && f[0].Items == 2 && f[0].Err != nil && strings.Contains(f[0].Err.Error(), `no room for ["big1" "big2"]`)
		})
		pass(5 * time.Minute)
		for _, name := range names {
			if want := !strings.HasPrefix(name, "big"); w.holds("c", primary, name) != want {
				t.Errorf("%s at its primary: %v", name, !want)
			}
		}
		if len(w.log.State().Hints(kindName, of)) != 1 {
			t.Error("the hint is closed, and some of it is not handed back")
		}
		if _, err := w.nodes["c"].host.Request(t.Context(), kindName, of, []byte("xfull")); err != nil {
			t.Fatal(err)
		}
		w.settled()
		for _, name := range names {
			w.primariesHold(of, name)
		}
	})
}

// to sends one body to one vnode.
type to struct {
	all
	entry ring.Entry
}

func (m *to) Step(e replica.Event, sends []replica.Send) []replica.Send {
	if e.Type == replica.Begin {
		m.left = 1
		return append(sends, replica.Send{To: m.entry, Body: m.body})
	}
	return m.all.Step(e, sends)
}

// TestFallback_changedMeanwhile: what is written to a fallback while it hands
// back is handed back too, and not removed with what it replaced.
func TestFallback_changedMeanwhile(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.lose("c")
		of := ring.Partition(0)
		for w.log.State().Ring().Owner(of) != "c" {
			of++
		}
		w.write("a", of, "x")
		keeper := w.log.State().Hints(kindName, of)[0].Node
		w.find()
		w.board.SetFaults(actors.Fault{Delay: 50 * time.Millisecond})
		w.until("a page is on its way", func() bool {
			f := w.nodes[keeper].host.Fallbacks()
			return len(f) == 1 && strings.HasPrefix(f[0].State, "returning")
		})
		m := &to{all: all{body: []byte("wx")}, entry: ring.Entry{Partition: of, Node: keeper, Fallback: true}}
		if err := w.nodes[keeper].host.Run(t.Context(), kindName, m); err != nil {
			t.Fatal(err)
		}
		if f := w.nodes[keeper].host.Fallbacks(); len(f) != 1 || !strings.HasPrefix(f[0].State, "returning") {
			t.Fatalf("the hand-back was over too soon: %+v", f)
		}
		w.settled()
		part, err := w.nodes["c"].engine.Open(store.ID{Kind: kindName, Partition: of})
		if err != nil {
			t.Fatal(err)
		}
		if item, err := part.Get([]byte("x")); err != nil || count(item.Value) != 2 {
			t.Errorf("the owner has %v, %v; want 2", item, err)
		}
	})
}
