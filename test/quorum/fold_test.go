package quorum

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// foldKind is countKind whose names can be read into a pipe.
type foldKind struct{ countKind }

var _ vnode.Folder = foldKind{}

func (foldKind) Fold(_ ring.Partition, snapshot store.Snapshot, _ []byte) (vnode.Fold, error) {
	return namesFold{snapshot.Scan(nil, nil)}, nil
}

type namesFold struct{ store.Iterator }

func (f namesFold) AppendItem(dst []byte) []byte { return append(dst, f.Item().Key...) }
func (f namesFold) Close() error                 { return errors.Join(f.Err(), f.Iterator.Close()) }

// preparing counts the calls of BeforeFold and runs what the test wants.
type preparing struct {
	mu    sync.Mutex
	calls map[ring.Partition][]ring.NodeID
	do    func(ctx context.Context, at *actors.Host, p ring.Partition) error
}

func (x *preparing) calledAt(p ring.Partition) []ring.NodeID {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.calls[p])
}

// inPreparingBubble runs a test with nodes a to c that prepare partitions so.
func inPreparingBubble(t *testing.T, x *preparing, test func(t *testing.T, w *world)) {
	t.Helper()
	x.calls = make(map[ring.Partition][]ring.NodeID)
	synctest.Test(t, func(t *testing.T) {
		var w *world
		w = newTunedWorld(t, 1, func(o *actors.Options) {
			self := o.Self.Node
			o.Kinds = []vnode.Kind{foldKind{}}
			o.BeforeFold = func(ctx context.Context, kind topology.Kind, p ring.Partition, query []byte) error {
				if kind != kindName || string(query) != "all" {
					t.Errorf("prepare partition %d of %q for %q", p, kind, query)
				}
				x.mu.Lock()
				x.calls[p] = append(x.calls[p], self)
				x.mu.Unlock()
				host, _ := w.hosts.Load(self)
				return x.do(ctx, host.(*actors.Host), p)
			}
		}, "a", "b", "c")
		test(t, w)
		w.close()
		pass(time.Second)
	})
}

// read starts a pipe that yields what node a reads.
func (w *world) read() *actors.Run {
	w.t.Helper()
	r, err := w.nodes["a"].host.Start([]pipe.Fitting{{Name: "names", Worker: pipe.Pass, Route: pipe.Direct()}}, actors.RunOptions{Kind: kindName, Query: []byte("all")})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// names takes all that a run yields.
func names(r *actors.Run) (all []string, err error) {
	for {
		b, ok, err := r.Next()
		if err != nil || !ok {
			slices.Sort(all)
			return all, err
		}
		for item := range b.All() {
			all = append(all, string(item))
		}
	}
}

// ask sends a command to the vnode of a partition.
func (w *world) ask(p ring.Partition, body string) {
	w.t.Helper()
	if _, err := w.nodes["a"].host.Request(w.t.Context(), kindName, p, []byte(body)); err != nil {
		w.t.Fatal(err)
	}
}

// TestBeforeFold: each partition is prepared once, where it is, while its vnode
// serves, and what the preparation brings is read.
func TestBeforeFold(t *testing.T) {
	x := &preparing{do: func(ctx context.Context, at *actors.Host, p ring.Partition) error {
		_, err := at.Request(ctx, kindName, p, fmt.Appendf(nil, "wprepared%d", p))
		return err
	}}
	inPreparingBubble(t, x, func(t *testing.T, w *world) {
		var want []string
		for p := range ring.Partition(ringSize) {
			w.ask(p, fmt.Sprintf("wkept%d", p))
			want = append(want, fmt.Sprintf("kept%d", p), fmt.Sprintf("prepared%d", p))
		}
		slices.Sort(want)
		r := w.read()
		if got, err := names(r); err != nil || !slices.Equal(got, want) {
			t.Errorf("read %q, %v, want %q", got, err, want)
		}
		<-r.Released()
		for p := range ring.Partition(ringSize) {
			owner, _ := w.log.State().Owner(kindName, p)
			if at := x.calledAt(p); !slices.Equal(at, []ring.NodeID{owner}) {
				t.Errorf("partition %d of %s was prepared at %v", p, owner, at)
			}
		}
	})
}

// A partition that can't be prepared is not read, and the error says which one
// and why.
func TestBeforeFold_refuses(t *testing.T) {
	x := &preparing{do: func(_ context.Context, _ *actors.Host, p ring.Partition) error {
		if p == 5 {
			return errors.New("copies are missing")
		}
		return nil
	}}
	inPreparingBubble(t, x, func(t *testing.T, w *world) {
		r := w.read()
		_, err := names(r)
		var fold *pipe.FoldError
		if !errors.As(err, &fold) || fold.Partition != 5 || fold.Err.Error() != "copies are missing" {
			t.Errorf("%v, want that partition 5 could not be read", err)
		}
		<-r.Released()
	})
}

// A run that ends ends the preparations for it.
func TestBeforeFold_cancelled(t *testing.T) {
	ended := make(chan ring.Partition, ringSize)
	x := &preparing{do: func(ctx context.Context, _ *actors.Host, p ring.Partition) error {
		<-ctx.Done()
		ended <- p
		return ctx.Err()
	}}
	inPreparingBubble(t, x, func(t *testing.T, w *world) {
		r := w.read()
		begun := func() (n int) {
			for p := range ring.Partition(ringSize) {
				n += len(x.calledAt(p))
			}
			return n
		}
		w.until("preparations", func() bool { return begun() > 0 })
		synctest.Wait()
		r.Cancel(errors.New("not wanted"))
		if _, err := names(r); err == nil || err.Error() != "not wanted" {
			t.Errorf("the run ended with %v", err)
		}
		<-r.Released()
		w.until("all preparations have ended", func() bool { return len(ended) == begun() })
	})
}

// A partition that moves away while it is prepared is prepared anew by its new
// owner, and read there.
func TestBeforeFold_moves(t *testing.T) {
	const moving ring.Partition = 3
	var from ring.NodeID
	x := &preparing{do: func(ctx context.Context, at *actors.Host, p ring.Partition) error {
		if p != moving || at.Self().Node != from {
			return nil
		}
		for v := at.View(); ; v = at.View() {
			if owner, _ := v.Owner(kindName, p); owner != from {
				return nil
			}
			select {
			case <-v.Changed():
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}}
	inPreparingBubble(t, x, func(t *testing.T, w *world) {
		defer w.coordinate("a")()
		from = w.log.State().Ring().Owner(moving)
		to := map[ring.NodeID]ring.NodeID{"a": "b", "b": "c", "c": "a"}[from]
		w.ask(moving, "wkept")
		r := w.read()
		w.until("the preparation", func() bool { return len(x.calledAt(moving)) > 0 })
		w.propose(topology.MovePartition{Partition: moving, Target: to, ExpectOwner: from})
		if got, err := names(r); err != nil || !slices.Equal(got, []string{"kept"}) {
			t.Errorf("read %q, %v", got, err)
		}
		<-r.Released()
		if at := x.calledAt(moving); !slices.Equal(at, []ring.NodeID{from, to}) {
			t.Errorf("prepared at %v, want at %s and then at %s", at, from, to)
		}
		w.until("it has moved", func() bool { return w.log.State().Settled() })
	})
}
