package pebble_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
)

const (
	powerWriters = 64
	powerSeeds   = 200
	powerCuts    = 3  // of each seed
	powerKeys    = 5  // in each batch
	powerItems   = 60 // in each generation that is moved
)

// acknowledged is what callers were told is durable.
type acknowledged struct {
	versions [powerWriters]uint64
	epoch    uint64 // of movedID's record
	promoted uint64 // the session whose items are active
}

var movedID = store.ID{Kind: "kv", Partition: 100}

func writerID(w int) store.ID { return store.ID{Kind: "kv", Partition: ring.Partition(w)} }

// TestEngine_powerCuts cuts the power at random operations on the disk, while 64
// partitions are written, a record rises, and one more partition is staged,
// loaded and promoted over and over. What was acknowledged before is there
// afterwards, in whole batches and whole generations.
func TestEngine_powerCuts(t *testing.T) {
	seeds := uint64(powerSeeds)
	if testing.Short() {
		seeds /= 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { cutPower(t, seed) })
	}
}

// linking keeps MemFS.Link, which takes a lock twice, from meeting CrashClone,
// which waits for that lock in between.
type linking struct {
	*vfs.MemFS
	mu *sync.Mutex
}

func (l linking) Link(from, to string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.MemFS.Link(from, to)
}

func cutPower(t *testing.T, seed uint64) {
	var versions [powerWriters]atomic.Uint64
	var epoch, promoted atomic.Uint64
	type cut struct {
		fs   *vfs.MemFS
		want acknowledged
		what string
	}
	var mu, links sync.Mutex
	var cuts []cut
	random := rand.New(rand.NewPCG(seed, 7))
	memory := vfs.NewCrashableMem()
	full := make(chan struct{})
	e := mustOpen(t, small(t, errorfs.Wrap(linking{memory, &links}, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if len(cuts) == powerCuts || random.IntN(40) != 0 {
			return nil
		}
		// First what was acknowledged, then the disk: it may hold more, not less.
		want := acknowledged{epoch: epoch.Load(), promoted: promoted.Load()}
		for w := range versions {
			want.versions[w] = versions[w].Load()
		}
		links.Lock()
		defer links.Unlock()
		percent := []int{0, 0, 30, 80}[random.IntN(4)]
		cuts = append(cuts, cut{
			fs:   memory.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: random}),
			want: want,
			what: fmt.Sprintf("cut %d, %d percent survive, before %d on %s", len(cuts), percent, op.Kind, op.Path),
		})
		if len(cuts) == powerCuts {
			close(full)
		}
		return nil
	}))))
	failed := make(chan error, powerWriters+2)
	var wg sync.WaitGroup
	repeat := func(step func(n uint64) error) {
		wg.Go(func() {
			for n := uint64(1); ; n++ {
				select {
				case <-full:
					return
				default:
				}
				if err := step(n); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	for w := range powerWriters {
		p, err := e.Open(writerID(w))
		if err != nil {
			t.Fatal(err)
		}
		repeat(func(n uint64) error {
			b := new(store.Batch)
			for k := range powerKeys {
				b.Put(fmt.Append(nil, k), fmt.Appendf(nil, "%d of %d by %d", k, n, w), n)
			}
			err := errors.Join(p.Write(b), p.Sync())
			if err == nil {
				versions[w].Store(n)
			}
			return err
		})
	}
	repeat(func(n uint64) error {
		err := e.SetRecord(movedID, store.Record{Epoch: n})
		if err == nil {
			epoch.Store(n)
		}
		return err
	})
	repeat(func(n uint64) error {
		p, err := e.Stage(movedID, n)
		if err == nil {
			err = errors.Join(p.(store.BulkLoader).BulkLoad(&list{n: powerItems - 1}),
				p.Write(batch("session", fmt.Sprint(n), n)), e.Promote(movedID, n))
		}
		if err == nil {
			promoted.Store(n)
		}
		return err
	})
	wg.Wait()
	close(failed)
	for err := range failed {
		t.Fatal(err)
	}
	closeAll(t, e)
	for _, c := range cuts {
		after := mustOpen(t, small(t, c.fs))
		checkPower(t, after, c.want, c.what)
		closeAll(t, after)
	}
}

func checkPower(t *testing.T, e *pebble.Engine, want acknowledged, what string) {
	t.Helper()
	for w, version := range want.versions {
		p, err := e.Open(writerID(w))
		n := recount(t, p, err)
		if n == 0 && version == 0 {
			continue
		}
		if n != powerKeys {
			t.Fatalf("%s: writer %d has %d items", what, w, n)
		}
		for k := range powerKeys {
			item, err := p.Get(fmt.Append(nil, k))
			if k == 0 && item.Version >= version {
				version = item.Version // the others must have the same
			}
			if value := fmt.Sprintf("%d of %d by %d", k, version, w); err != nil || item.Version != version || string(item.Value) != value {
				t.Errorf("%s: writer %d: key %d is %q@%d (%v), want %q", what, w, k, item.Value, item.Version, err, value)
			}
		}
	}
	if r, err := e.Record(movedID); err != nil || r.Epoch < want.epoch {
		t.Errorf("%s: epoch %d (%v), %d was acknowledged", what, r.Epoch, err, want.epoch)
	}
	p, err := e.Open(movedID)
	n := recount(t, p, err)
	if n == 0 && want.promoted == 0 {
		return
	}
	item, err := p.Get([]byte("session"))
	if n != powerItems || err != nil || item.Version < want.promoted {
		t.Errorf("%s: %d items of session %d (%v), want %d of session %d or later", what, n, item.Version, err, powerItems, want.promoted)
	}
}
