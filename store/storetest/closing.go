package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton/store"
)

// testClose is T-E11: a close while others write, sync, read and open ends, leaves
// nothing running, and everybody is told the same.
func testClose(t *testing.T, open Factory) {
	t.Run("I8 every call is ErrClosed", func(t *testing.T) { testClosed(t, open) })
	t.Run("I8 open snapshots and iterators end", func(t *testing.T) { testCloseUnderReaders(t, open) })
	t.Run("I8 a thousand calls race one Close", func(t *testing.T) { testCloseRace(t, open) })
	t.Run("I8 a storm of work ends", func(t *testing.T) { testCloseStorm(t, open) })
	t.Run("no goroutine is left", func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		e := open(t)
		mustWrite(t, mustOpen(t, e, kv(1)), put("a", "1", 1))
		closeAll(t, e)
		goleak.VerifyNone(t, before)
	})
}

// calls returns every call of an engine and of a partition that can fail.
func calls(e store.Engine, p store.Partition, snap store.Snapshot) map[string]func() error {
	scan := func(s store.Snapshot) error {
		it := s.Scan(nil, nil)
		for it.Next() {
			it.Item()
		}
		return errors.Join(it.Err(), it.Close())
	}
	return map[string]func() error{
		"Open":        func() error { _, err := e.Open(kv(2)); return err },
		"Partitions":  func() error { _, err := e.Partitions(); return err },
		"Stage":       func() error { _, err := e.Stage(kv(3), 4); return err },
		"OpenStaged":  func() error { _, err := e.OpenStaged(kv(4), 1); return err },
		"Promote":     func() error { return e.Promote(kv(5), 1) },
		"DropStaging": func() error { return e.DropStaging(kv(4), 9) },
		"Drop":        func() error { return e.Drop(kv(6)) },
		"Record":      func() error { _, err := e.Record(kv(1)); return err },
		"SetRecord":   func() error { return e.SetRecord(kv(1), store.Record{Epoch: 1}) },
		"Get":         func() error { _, err := p.Get([]byte("a")); return err },
		"Write":       func() error { return p.Write(batchOf(put("b", "2", 2))) },
		"Sync":        p.Sync,
		"Snapshot":    func() error { s := p.Snapshot(); return errors.Join(scan(s), s.Close()) },
		"Scan":        func() error { return scan(snap) },
	}
}

// prepare makes what calls expects to find.
func prepare(t *testing.T, e store.Engine) (store.Partition, store.Snapshot) {
	p := mustOpen(t, e, kv(1))
	mustWrite(t, p, put("a", "1", 1))
	mustStage(t, e, kv(4), 1)
	mustStage(t, e, kv(5), 1)
	noError(t, "promote", e.Promote(kv(5), 1))
	return p, p.Snapshot()
}

func testClosed(t *testing.T, open Factory) {
	e := open(t)
	p, snap := prepare(t, e)
	for name, call := range calls(e, p, snap) {
		noError(t, name+" before Close", call())
	}
	before := p.Summary()
	id, _ := e.Identity()
	closeAll(t, e, e)
	if after, _ := e.Identity(); after != id {
		t.Errorf("identity % x after Close, % x before", after, id)
	}
	for range 2 {
		for name, call := range calls(e, p, snap) {
			wantError(t, name+" after Close", call(), store.ErrClosed)
		}
	}
	if _, ok := e.Staged(kv(4)); ok {
		t.Error("a staging generation after Close")
	}
	if p.Summary() != before {
		t.Errorf("summary %+v after Close, %+v before", p.Summary(), before)
	}
	closeAll(t, snap, snap, e)
}

func testCloseUnderReaders(t *testing.T, open Factory) {
	e := open(t)
	p := mustOpen(t, e, kv(1))
	mustWrite(t, p, put("a", "1", 1), put("b", "2", 2), put("c", "3", 3))
	snap := p.Snapshot()
	running, fresh := snap.Scan(nil, nil), snap.Scan(nil, nil)
	if !running.Next() {
		t.Fatal("no item")
	}
	item := running.Item()
	closeAll(t, e)
	if string(item.Key) != "a" || string(item.Value) != "1" {
		t.Errorf("the item became %q=%q", item.Key, item.Value)
	}
	for name, it := range map[string]store.Iterator{"running": running, "fresh": fresh} {
		if it.Next() {
			t.Errorf("an item of the %s iterator after Close", name)
		}
		wantError(t, name, it.Err(), store.ErrClosed)
		closeAll(t, it, it)
	}
	closeAll(t, snap)
}

// testCloseRace closes the engine at once, and when some of the calls are done.
func testCloseRace(t *testing.T, open Factory) {
	for _, after := range []int64{0, 100, 500} {
		t.Run(fmt.Sprintf("after %d", after), func(t *testing.T) { closeAfter(t, open(t), after) })
	}
}

func closeAfter(t *testing.T, e store.Engine, after int64) {
	p, snap := prepare(t, e)
	all := calls(e, p, snap)
	names := slices.Sorted(maps.Keys(all))
	const total, workers = 1000, 10
	reached := make(chan struct{})
	failed := make(chan error, total+1)
	var count atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range total / workers {
				if count.Add(1) == after+1 {
					close(reached)
				}
				name := names[(w+i)%len(names)]
				if err := all[name](); err != nil && !errors.Is(err, store.ErrClosed) {
					failed <- fmt.Errorf("%s: %w", name, err)
				}
			}
		})
	}
	<-reached
	closeAll(t, e)
	// From here on the others see nothing but ErrClosed.
	wantError(t, "sync after Close", p.Sync(), store.ErrClosed)
	wg.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
	closeAll(t, snap, e)
}
