package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/store"
)

// testCloseStorm closes an engine, twice at once, under every kind of work that
// goes on for long: writes and syncs, scans, stagings and loads. All of it ends
// with ErrClosed and nothing else, and no goroutine is left.
func testCloseStorm(t *testing.T, open Factory) {
	const rounds = 30
	for round := range rounds {
		before := goleak.IgnoreCurrent()
		closeStorm(t, open(t), round)
		goleak.VerifyNone(t, before)
		if t.Failed() {
			t.Fatalf("round %d of %d", round, rounds)
		}
	}
}

func closeStorm(t *testing.T, e store.Engine, round int) {
	// Every worker has done its work so many times before the engine is closed.
	warm := round % 4
	var warming, wg sync.WaitGroup
	ended := make(chan error, 100)
	work := func(name string, id ring.Partition, step func(p store.Partition, n uint64) error) {
		p := mustOpen(t, e, kv(id))
		warming.Add(1)
		wg.Go(func() {
			for n := 0; ; n++ {
				if n == warm {
					warming.Done()
				}
				if err := step(p, uint64(n)); err != nil {
					for n++; n <= warm; n++ { // failed early: let the others go on
						if n == warm {
							warming.Done()
						}
					}
					ended <- fmt.Errorf("%s: %w", name, err)
					return
				}
			}
		})
	}
	for w := range ring.Partition(3) {
		work("write", w, func(p store.Partition, n uint64) error {
			return errors.Join(p.Write(batchOf(put(fmt.Sprint(n%50), "value", n))), p.Sync())
		})
		work("scan", w, func(p store.Partition, _ uint64) error {
			snap := p.Snapshot()
			it := snap.Scan(nil, nil)
			for it.Next() {
				it.Item()
			}
			return errors.Join(it.Err(), it.Close(), snap.Close())
		})
	}
	work("sync", 0, func(p store.Partition, _ uint64) error { return p.Sync() })
	work("record", 0, func(_ store.Partition, n uint64) error { return e.SetRecord(kv(0), store.Record{Epoch: n}) })
	work("open and drop", 7, func(store.Partition, uint64) error {
		_, err := e.Open(kv(7))
		return errors.Join(err, e.Drop(kv(7)))
	})
	work("stage, load, promote", 8, func(_ store.Partition, n uint64) error {
		p, err := e.Stage(kv(8), n+1)
		if err != nil {
			return err
		}
		if l, ok := p.(store.BulkLoader); ok {
			err = l.BulkLoad(listOf("a", "b", "c"))
		}
		return errors.Join(err, p.Write(batchOf(put("d", "4", 4))), e.Promote(kv(8), n+1))
	})
	warming.Wait()
	for range 2 {
		wg.Go(func() {
			if err := e.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	wg.Wait()
	close(ended)
	for err := range ended {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("ended with %v, want ErrClosed", err)
		}
	}
}
