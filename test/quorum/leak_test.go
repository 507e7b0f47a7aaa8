package quorum

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff/session"
	"github.com/dee2748c/baton/store"
	memstore "github.com/dee2748c/baton/store/memory"
)

// hung is an engine whose first write to a staging generation hangs until release.
type hung struct {
	disk
	hanging *atomic.Bool
	release chan struct{}
}

func (e hung) Stage(id store.ID, session uint64) (store.Partition, error) {
	p, err := e.disk.Stage(id, session)
	return hungCopy{p, e}, err
}

type hungCopy struct {
	store.Partition
	of hung
}

func (p hungCopy) Write(b *store.Batch) error {
	if p.of.hanging.CompareAndSwap(false, true) {
		<-p.of.release
	}
	return p.Partition.Write(b)
}

// TestHost_leakedGuard: work that does not end although its session is over is named, is told of once when its
// limit is over, and keeps neither the owner from serving nor the next attempt at another node from completing.
func TestHost_leakedGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		engine := hung{disk{memstore.New()}, new(atomic.Bool), make(chan struct{})}
		w := newTunedWorld(t, 1, func(o *actors.Options) {
			if o.Self.Node == "c" {
				o.Engine, o.Log = engine, slog.New(slog.NewTextHandler(&said, nil))
			}
		}, "a", "b", "c")
		letGo := sync.OnceFunc(func() { close(engine.release) })
		defer letGo()
		defer w.coordinate("a")()
		head := ring.Partition(0)
		for w.log.State().Ring().Owner(head) != "a" {
			head++
		}
		w.mustTell("a", head, "wx", 1)
		w.propose(topology.MovePartition{Partition: head, Target: "c", ExpectOwner: "a"})
		w.until("the copy hangs", engine.hanging.Load)
		host := w.nodes["c"].host
		if held := host.HeldGuards(0); len(held) > 0 {
			t.Errorf("held past their sessions: %v", held)
		}
		x := w.log.State().Part(kindName, head).Transfer
		w.propose(topology.MovePartition{Partition: head, Target: "b", ExpectOwner: "c"})
		w.until("the next attempt is over", func() bool { o, _ := w.log.State().Owner(kindName, head); return o == "b" })
		if o := w.mustTell("a", head, "rx", 1); o.counts[0] != 1 {
			t.Errorf("read after the move: %+v", o)
		}

		name := fmt.Sprintf("target of %s/%d", kindName, head)
		held := host.HeldGuards(0)
		if len(held) != 1 || held[0].Session != x.Session || held[0].Name != name || held[0].Closed.Before(held[0].Entered) {
			t.Fatalf("held past their sessions: %+v, want %q in %d", held, name, x.Session)
		}
		pass(session.LeakLimit + 5*time.Second)
		if leaked := host.HeldGuards(session.LeakLimit); len(leaked) != 1 || leaked[0] != held[0] {
			t.Errorf("leaked: %+v, want %+v", leaked, held)
		}
		letGo()
		pass(time.Second)
		if held := host.HeldGuards(0); len(held) > 0 {
			t.Errorf("held after it has ended: %v", held)
		}
		if late := host.Late(); late.AppliedAfterClose != 0 {
			t.Errorf("late frames %+v: nothing counts as drained while a guard is held", late)
		}
		w.close()
		pass(time.Second)
		if n := strings.Count(said.String(), "handoff guard leaked"); n != 1 || !strings.Contains(said.String(), name) {
			t.Errorf("told %d times:\n%s", n, said.String())
		}
	})
}
