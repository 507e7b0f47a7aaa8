package quorum

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/store"
	memstore "github.com/dee2748c/baton/store/memory"
	"github.com/dee2748c/baton/vnode"
)

// brittle is an engine whose disk a test damages.
type brittle struct {
	store.Engine
	met     func(*store.CorruptError)
	excised chan error    // what announce said, each time
	hold    chan struct{} // the range is gone when it is closed
	calls   int
}

func (b *brittle) OnDamage(f func(*store.CorruptError)) { b.met = f }

func (b *brittle) Excise(damage *store.CorruptError, announce func([]store.Excised) error) error {
	b.calls++
	err := announce([]store.Excised{{ID: damage.ID, From: damage.From, To: damage.To}})
	b.excised <- err
	<-b.hold
	return err
}

// TestHost_damage: a range is given up when the node's own view says that its
// partition is incomplete, and not before; damage that is reported again while
// it is being cut out is cut once.
func TestHost_damage(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.stop("a")
		disk := &brittle{Engine: memstore.New(), excised: make(chan error), hold: make(chan struct{})}
		n := w.start("a", disk)
		w.agree()
		damage := &store.CorruptError{ID: store.ID{Kind: kindName, Partition: 5}, From: []byte("a"), Err: store.ErrCorrupt}
		for range 10 {
			disk.met(damage)
		}
		if err := <-disk.excised; err != nil {
			t.Fatal(err)
		}
		if !n.host.Mending(damage.ID) {
			t.Error("given up, the vnode has not heard of it, and a repair may begin")
		}
		close(disk.hold)
		w.until("the vnode has heard of it", func() bool { return !n.host.Mending(damage.ID) })
		part := n.host.View().Part(kindName, 5)
		if !part.Incomplete || n.host.View().Part(kindName, 4).Incomplete {
			t.Errorf("given up, and the view says %+v", part)
		}
		// What a fallback keeps is lost for the primary.
		disk.met(&store.CorruptError{ID: vnode.FallbackStore(store.ID{Kind: kindName, Partition: 6}), Err: store.ErrCorrupt})
		if err := <-disk.excised; err != nil || !n.host.View().Part(kindName, 6).Incomplete {
			t.Errorf("given up of a fallback: %v, %+v", err, n.host.View().Part(kindName, 6))
		}
		if disk.calls != 2 {
			t.Errorf("%d calls", disk.calls)
		}
		// Nobody hears of it any more: nothing may be given up.
		disk.met(&store.CorruptError{ID: store.ID{Kind: kindName, Partition: 7}, Err: store.ErrCorrupt})
		stopped := make(chan error, 1)
		go func() { stopped <- n.host.Stop(context.Background()) }()
		var err error
		select {
		case told := <-disk.excised:
			if told == nil && !w.log.State().Part(kindName, 7).Incomplete {
				t.Error("given up, and the record does not say so")
			}
			err = <-stopped
		case err = <-stopped: // before it began
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestFallback_undecoded: an item of a fallback that does not decode is lost, as
// the record says before it is given up; all else is handed back.
func TestFallback_undecoded(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.lose("c")
		of := ring.Partition(0)
		for w.log.State().Ring().Owner(of) != "c" {
			of++
		}
		for i := range 10 {
			w.write("a", of, fmt.Sprintf("key%d", i))
		}
		keeper := w.nodes[w.log.State().Hints(kindName, of)[0].Node]
		part, err := keeper.engine.Open(vnode.FallbackStore(store.ID{Kind: kindName, Partition: of}))
		if err != nil {
			t.Fatal(err)
		}
		var b store.Batch
		b.Put([]byte("key5"), []byte("rot"), 1<<60)
		if err := part.Write(&b); err != nil {
			t.Fatal(err)
		}
		w.find()
		said := false
		w.until("all is handed back", func() bool {
			for _, f := range keeper.host.Fallbacks() {
				said = said || f.Err != nil && strings.Contains(f.Err.Error(), `"key5"`)
			}
			return len(slices.Collect(w.log.State().AllHints())) == 0
		})
		w.settled()
		for i := range 10 {
			if name := fmt.Sprintf("key%d", i); w.holds("c", store.ID{Kind: kindName, Partition: of}, name) != (i != 5) {
				t.Errorf("%s at its primary: %v", name, i == 5)
			}
		}
		for p := range ring.Partition(ringSize) {
			if lost := w.log.State().Part(kindName, p); lost.Incomplete != (p == of) || lost.Lost != 0 != (p == of) {
				t.Errorf("partition %d: %+v", p, lost)
			}
		}
		if !said {
			t.Error("nobody was told what was given up")
		}
	})
}

// TestHost_undecoded: what a vnode can't decode is given up as what the store
// can't read: after the record says so, and nothing beside it.
func TestHost_undecoded(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.agree()
		host := w.nodes["a"].host
		ask := func(body string) uint64 {
			reply, err := host.Request(t.Context(), kindName, 5, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if len(reply) != 8 {
				return 0
			}
			return binary.BigEndian.Uint64(reply)
		}
		ask("wx")
		ask("wxy")
		ask("dx")
		w.until("it is given up", func() bool { return ask("rx") == 0 })
		if part := host.View().Part(kindName, 5); !part.Incomplete || part.Lost == 0 || host.View().Part(kindName, 4).Incomplete {
			t.Errorf("given up, and the view says %+v", part)
		}
		if n := ask("rxy"); n != 1 {
			t.Errorf("another key has %d", n)
		}
	})
}
