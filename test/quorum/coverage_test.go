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
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			err := h.Run(ctx, kindName, m)
			cancel()
			if err != nil {
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

// fillObjects writes objects with an index entry each and returns their keys.
func (w *world) fillObjects(n int) map[string]int {
	w.t.Helper()
	keys := make(map[string]int)
	properties := bucket.Defaults(3)
	for i := range n {
		o := kv.Object{Bucket: "b", Key: fmt.Sprint(i), Value: []byte("v"), Indexes: []kv.Index{{Name: "n_int", Kind: kv.IntIndex, Int: int64(i)}}}
		h := w.nodes["a"].host
		m, err := kv.NewWrite(h.Replicas(kindName, kv.Route("", "b", o.Key, ringSize), 3), kv.Put{Object: o}, &properties)
		if err == nil {
			err = h.Run(context.Background(), kindName, m)
		}
		if err == nil {
			_, err = m.Written()
		}
		if err != nil {
			w.t.Fatal(err)
		}
		keys[o.Key] = 1
	}
	return keys
}

var listings = []kv.IndexQuery{{Bucket: "b"}, {Bucket: "b", Index: "n_int", From: "0", To: "100"}}

// whole wants listings through a node to have all keys, once.
func (w *world) whole(when string, from ring.NodeID, want map[string]int) {
	w.t.Helper()
	for _, q := range listings {
		if got, err := w.list(from, q); err != nil || !maps.Equal(got, want) {
			w.t.Errorf("%s, through %s, %q: %d keys of %d, %v", when, from, q.Index, len(got), len(want), err)
		}
	}
}

// TestListing_ringArrives: T-E15, one of those who take part in a listing has not
// heard that a partition changes hands, from some stage of the move on: who lists,
// who had the partition, or who gets it. A listing has every key once, or says
// that copies are missing, and is whole when all have heard.
func TestListing_ringArrives(t *testing.T) {
	for _, late := range []ring.NodeID{"a", "b", "c"} { // a lists, b gives, c gets
		for stage := topology.StagePrepare; stage <= topology.StageClean; stage++ {
			t.Run(fmt.Sprintf("%s from %v on", late, stage), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newTunedWorld(t, 1, func(o *actors.Options) { o.Kinds = []vnode.Kind{objectKind{kv.Kind(nil), nil}} }, "a", "b", "c")
					stop := w.coordinate(map[ring.NodeID]ring.NodeID{"a": "b", "b": "c", "c": "a"}[late])
					want := w.fillObjects(60)
					w.board.SetFaults(actors.Fault{Delay: 10 * time.Millisecond})
					p := ring.Partition(0)
					for w.log.State().Ring().Owner(p) != "b" {
						p++
					}
					w.propose(topology.MovePartition{Partition: p, Target: "c", ExpectOwner: "b"})
					w.until("the stage", func() bool {
						part := w.log.State().Part(kindName, p)
						return part.Owner == "c" || part.Transfer != nil && part.Transfer.Stage >= stage
					})
					w.log.Cut(late)
					for range 3 {
						for _, q := range listings {
							got, err := w.list("a", q)
							for key, n := range got {
								if n != 1 || want[key] != 1 {
									t.Errorf("%q: key %s came %d times", q.Index, key, n)
								}
							}
							if err == nil && !maps.Equal(got, want) || err != nil && !errors.Is(err, kv.ErrCoverage) {
								t.Errorf("%q: %d keys of %d, %v", q.Index, len(got), len(want), err)
							}
						}
					}
					w.log.Heal(late)
					w.until("the move is over", func() bool { return w.log.State().Settled() })
					w.agree()
					for _, from := range []ring.NodeID{"a", "b", "c"} {
						w.whole("afterwards", from, want)
					}
					if owner, _ := w.log.State().Owner(kindName, p); owner != "c" {
						t.Errorf("partition %d is at %s", p, owner)
					}
					stop()
					w.close()
					pass(time.Second)
				})
			})
		}
	}
}

// TestOverload_coverage: T-B16, listings and index queries that meet vnodes with as many
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
				want := w.fillObjects(60)
				w.whole("before", "a", want)
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
				for _, q := range listings {
					got, err := w.list("a", q)
					var short *kv.CoverageError
					if !errors.As(err, &short) || !errors.Is(err, vnode.ErrOverloaded) || len(short.Heads) != 1 {
						t.Errorf("%q: %d keys, %v; want a *CoverageError that is ErrOverloaded", q.Index, len(got), err)
					}
				}
				close(hold)
				busy.Wait()
				w.whole("after", "a", want)
				w.close()
				pass(time.Second)
			})
		})
	}
}
