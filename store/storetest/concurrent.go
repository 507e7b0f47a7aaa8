package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/store"
)

func testConcurrency(t *testing.T, open Factory) {
	runAll(t, open, []engineTest{
		{"I2 readers never see half a batch", testAtomicBatches},
		{"writers of different partitions", testManyPartitions},
		{"drops under writers", testDropUnderWriter},
	})
}

// testAtomicBatches has one writer that gives all keys the same version in each
// batch, and deletes and inserts others, while readers cut snapshots.
func testAtomicBatches(t *testing.T, e store.Engine) {
	p := mustOpen(t, e, kv(1))
	write := func(round int) error {
		b := new(store.Batch)
		for k := range 64 {
			b.Put(fmt.Appendf(nil, "all%02d", k), fmt.Appendf(nil, "%d", round), uint64(round))
		}
		b.Delete(fmt.Appendf(nil, "one%04d", round-1))
		b.Put(fmt.Appendf(nil, "one%04d", round), []byte("x"), uint64(round))
		return p.Write(b)
	}
	noError(t, "write", write(1))
	var done atomic.Bool
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for last := uint64(0); !done.Load(); {
				round, err := cutOf(p, 65)
				if err == nil && round < last {
					err = fmt.Errorf("round %d after %d", round, last)
				}
				if item, getErr := p.Get([]byte("all00")); err == nil && (getErr != nil || item.Version < round) {
					err = fmt.Errorf("get shows version %d (%v) after a snapshot of %d", item.Version, getErr, round)
				}
				if err != nil {
					t.Error(err)
					return
				}
				last = round
			}
		})
	}
	for round := 2; round <= 150; round++ {
		if err := write(round); err != nil {
			t.Errorf("write: %v", err)
			break
		}
	}
	done.Store(true)
	wg.Wait()
}

// cutOf checks that a snapshot has so many items of one version, and returns it.
func cutOf(p store.Partition, items uint64) (uint64, error) {
	snap := p.Snapshot()
	defer snap.Close()
	it := snap.Scan(nil, nil)
	defer it.Close()
	var round uint64
	var sum store.Summary
	for it.Next() {
		item := it.Item()
		if sum.Items == 0 {
			round = item.Version
		} else if item.Version != round {
			return 0, fmt.Errorf("%q at version %d in a snapshot of %d", item.Key, item.Version, round)
		}
		sum.Add(item.Hash(), len(item.Key)+len(item.Value))
	}
	if err := it.Err(); err != nil {
		return 0, err
	}
	if diff := cmp.Diff(sum, snap.Summary()); diff != "" || sum.Items != items {
		return 0, fmt.Errorf("%d items, summary (-recounted +running):\n%s", sum.Items, diff)
	}
	return round, nil
}

func testManyPartitions(t *testing.T, e store.Engine) {
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			id := kv(ring.Partition(w))
			p, err := e.Open(id)
			if err != nil {
				t.Errorf("open %v: %v", id, err)
				return
			}
			for i := range 50 {
				b := batchOf(put(fmt.Sprint("key", i), fmt.Sprint(w), uint64(w)))
				if err := p.Write(b); err != nil {
					t.Errorf("write %v: %v", id, err)
					return
				}
			}
			if err := p.Sync(); err != nil {
				t.Errorf("sync %v: %v", id, err)
			}
		})
	}
	wg.Wait()
	for w := range 8 {
		want := contents{}
		for i := range 50 {
			want[fmt.Sprint("key", i)] = held{fmt.Sprint(w), uint64(w)}
		}
		mustHold(t, mustOpen(t, e, kv(ring.Partition(w))), want)
	}
}

// testDropUnderWriter drops a partition again and again under its writer, which
// must see either its write done or ErrDropped, and never leaves an item in a
// generation that was opened later.
func testDropUnderWriter(t *testing.T, e store.Engine) {
	for round := range 30 {
		p := mustOpen(t, e, kv(1))
		mustHold(t, p, nil)
		var wg sync.WaitGroup
		for w := range 2 {
			wg.Go(func() {
				for i := range 20 {
					if err := p.Write(batchOf(put(fmt.Sprint(w, i), "x", uint64(round)))); err != nil {
						wantError(t, "write under a drop", err, store.ErrDropped)
						return
					}
				}
			})
		}
		noError(t, "drop", e.Drop(kv(1)))
		wg.Wait()
	}
}
