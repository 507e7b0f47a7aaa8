package quorum

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/vnode"
)

// objectKind serves objects under the name of the kind of these clusters. "hold"
// keeps a vnode busy until the test lets go.
type objectKind struct {
	vnode.Kind
	hold chan struct{}
}

func (objectKind) Name() topology.Kind { return kindName }

func (k objectKind) Open(p vnode.Partition) (vnode.Vnode, error) {
	v, err := k.Kind.Open(p)
	return held{v, k.hold}, err
}

type held struct {
	vnode.Vnode
	hold chan struct{}
}

func (h held) HandleCommand(cx *vnode.Context, cmd vnode.Command) vnode.Disposition {
	if string(cmd.Body) == "hold" {
		<-h.hold
		return vnode.Reply{Body: cmd.Body}
	}
	return h.Vnode.HandleCommand(cx, cmd)
}

// list reads a bucket or an index head by head, as the root package does.
func (w *world) list(from ring.NodeID, q kv.IndexQuery) (keys map[string]int, err error) {
	w.t.Helper()
	scan, err := q.Scan()
	if err != nil {
		w.t.Fatal(err)
	}
	keys = make(map[string]int)
	o := kv.PageOptions{Limit: 10, Bytes: 1 << 10, Demands: []kv.Demand{kv.DemandOf(3, 2)}}
	start, err := scan.Resume("", ringSize)
	if err != nil {
		w.t.Fatal(err)
	}
	for head := range ring.Partition(ringSize) {
		for at, more := start.Position, true; more; {
			h := w.nodes[from].host
			m := kv.NewCoverPage(scan, h.Replicas(kindName, head, 3), at, o)
			if err := h.Run(context.Background(), kindName, m); err != nil {
				return keys, err
			}
			page, err := m.Result()
			if err != nil {
				return keys, err
			}
			for i := range page.Len() {
				e, err := page.Entry(i)
				if err != nil {
					return keys, err
				}
				keys[e.Key]++
			}
			at, more = page.Next, page.More
		}
	}
	return keys, nil
}

// TestOverload_coverage: listings and index queries that meet vnodes with as many
// requests as may wait end with a typed error, and never as if they were whole;
// afterwards they are.
func TestOverload_coverage(t *testing.T) {
	const queue = 4
	for _, full := range []int{1, 2, 3} { // nodes whose vnodes are all full; the first has two copies of a head
		t.Run(fmt.Sprint(full), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hold := make(chan struct{})
				w := newTunedWorld(t, 1, func(o *actors.Options) {
					o.Queue, o.Kinds = queue, []vnode.Kind{objectKind{kv.Kind(nil), hold}}
				}, "a", "b", "c")
				want := make(map[string]int)
				properties := bucket.Defaults(3)
				for i := range 60 {
					o := kv.Object{Bucket: "b", Key: fmt.Sprint(i), Value: []byte("v"), Indexes: []kv.Index{{Name: "n_int", Kind: kv.IntIndex, Int: int64(i)}}}
					h := w.nodes["a"].host
					m, err := kv.NewWrite(h.Replicas(kindName, kv.Route("", "b", o.Key, ringSize), 3), kv.Put{Object: o}, &properties)
					if err == nil {
						err = h.Run(t.Context(), kindName, m)
					}
					if err == nil {
						_, err = m.Written()
					}
					if err != nil {
						t.Fatal(err)
					}
					want[o.Key] = 1
				}
				queries := []kv.IndexQuery{{Bucket: "b"}, {Bucket: "b", Index: "n_int", From: "0", To: "100"}}
				whole := func(when string) {
					t.Helper()
					for _, q := range queries {
						if got, err := w.list("a", q); err != nil || !maps.Equal(got, want) {
							t.Errorf("%s, %q: %d keys of %d, %v", when, q.Index, len(got), len(want), err)
						}
					}
				}
				whole("before")
				var busy sync.WaitGroup
				for p := range ring.Partition(ringSize) {
					owner, _ := w.log.State().Owner(kindName, p)
					if int(owner[0]-'a') >= full {
						continue
					}
					for range queue {
						busy.Go(func() { _, _ = w.nodes["c"].host.Request(t.Context(), kindName, p, []byte("hold")) })
					}
				}
				pass(time.Second)
				for _, q := range queries {
					got, err := w.list("a", q)
					var short *kv.CoverageError
					if !errors.As(err, &short) || !errors.Is(err, vnode.ErrOverloaded) || len(short.Heads) != 1 {
						t.Errorf("%q: %d keys, %v; want a *CoverageError that is ErrOverloaded", q.Index, len(got), err)
					}
				}
				close(hold)
				busy.Wait()
				whole("after")
				w.close()
				pass(time.Second)
			})
		})
	}
}
