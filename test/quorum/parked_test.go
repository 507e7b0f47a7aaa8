package quorum

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

// parker holds the first page of a merge between its receipt and its vnode.
type parker struct {
	actors.Transport
	actors.Handler

	mu   sync.Mutex
	page *messages.Frame
}

func (p *parker) Serve(h actors.Handler) error {
	p.Handler = h
	return p.Transport.Serve(p)
}

func (p *parker) HandleFrame(f messages.Frame) {
	p.mu.Lock()
	park := p.page == nil && f.Type == messages.TypeRequest && f.Session != 0
	if park {
		f.Payload = append([]byte(nil), f.Payload...)
		p.page = &f
	}
	p.mu.Unlock()
	if !park {
		p.Handler.HandleFrame(f)
	}
}

func (p *parker) parked() *messages.Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.page
}

// TestParkedWriter_merge: a page of a hand-back is parked between receive and
// apply. Its session is given up, another one hands the same back, the partition
// moves away and back again, and what it held is removed. Released then, the page
// has no effect, and is counted.
func TestParkedWriter_merge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parking := new(parker)
		w := newTunedWorld(t, 1, func(o *actors.Options) {
			if o.Self.Node == "c" {
				parking.Transport = o.Transport
				o.Transport = parking
			}
		}, "a", "b", "c")
		var of ring.Partition
		for w.log.State().Ring().Owner(of) != "c" {
			of++
		}
		id := store.ID{Kind: kindName, Partition: of}

		w.lose("c")
		w.write("a", of, "x")
		w.find()
		w.until("a page is parked", func() bool { return parking.parked() != nil })
		w.settled() // by another session
		if !w.holds("c", id, "x") {
			t.Fatal("what was kept is not with its owner")
		}
		if c := w.log.State().Part(kindName, of).Certificate; c == nil || c.Type != topology.Merge || c.Items != 1 || c.SourceDigest != c.TargetDigest {
			t.Errorf("the certificate of the merge is %+v", c)
		}

		stop := w.coordinate("a")
		for _, target := range []ring.NodeID{"a", "c"} {
			w.propose(topology.MovePartition{Partition: of, Target: target, ExpectOwner: w.log.State().Ring().Owner(of)})
			w.until("the partition has moved", func() bool { return w.log.State().Settled() })
			w.agree()
		}
		stop()
		if _, err := w.nodes["a"].host.Request(context.Background(), kindName, of, []byte("xx")); err != nil {
			t.Fatal(err)
		}
		if w.holds("c", id, "x") {
			t.Fatal("it was not removed")
		}

		before := w.nodes["c"].host.Late()
		parking.Handler.HandleFrame(*parking.parked())
		synctest.Wait()
		pass(time.Second)
		if w.holds("c", id, "x") {
			t.Error("what was removed is back: a page of a session that is over had an effect")
		}
		if now := w.nodes["c"].host.Late(); now.Fenced != before.Fenced+1 || now.AppliedAfterClose != 0 {
			t.Errorf("late frames %+v, before %+v", now, before)
		}
		w.close()
		pass(time.Second)
	})
}
