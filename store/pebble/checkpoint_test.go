package pebble_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
)

// TestEngine_Checkpoint: a copy taken under writers holds what was written before,
// batches whole, and opens as a store of the same identity. The original can go.
func TestEngine_Checkpoint(t *testing.T) {
	fs := vfs.NewMem()
	e := mustOpen(t, small(t, fs))
	id, _ := e.Identity()
	done := make(chan struct{})
	var wg sync.WaitGroup
	first := make(chan struct{}, powerWriters)
	for w := range powerWriters {
		p, err := e.Open(writerID(w))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for n := uint64(1); ; n++ {
				select {
				case <-done:
					return
				default:
				}
				b := new(store.Batch)
				for k := range powerKeys {
					b.Put(fmt.Append(nil, k), fmt.Append(nil, n), n)
				}
				if err := p.Write(b); err != nil {
					t.Error(err)
					return
				}
				if n == 1 {
					first <- struct{}{}
				}
			}
		})
	}
	for range powerWriters {
		<-first
	}
	if err := e.SetRecord(writerID(1), store.Record{Epoch: 7}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		dir := fmt.Sprint("copy", i)
		if err := e.Checkpoint(dir); err != nil {
			t.Fatal(err)
		}
		if err := e.Checkpoint(dir); err == nil {
			t.Error("a checkpoint over another")
		}
	}
	close(done)
	wg.Wait()
	closeAll(t, e)
	if err := e.Checkpoint("late"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("checkpoint after Close: %v", err)
	}
	if err := fs.RemoveAll("store"); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		dir := fmt.Sprint("copy", i)
		c, err := pebble.Inspect(t.Context(), dir, small(t, fs), true)
		if err != nil || c.Identity != id || len(c.Held) != powerWriters {
			t.Fatalf("%s: %+v, %v", dir, c, err)
		}
		if c.Held[1].Record.Epoch != 7 {
			t.Errorf("%s: record %+v", dir, c.Held[1].Record)
		}
		for _, h := range c.Held {
			if h.Summary.Items != powerKeys {
				t.Errorf("%s: %+v", dir, h)
			}
		}
		again, err := pebble.Open(dir, small(t, fs))
		if err != nil {
			t.Fatal(err)
		}
		if now, fresh := again.Identity(); now != id || fresh {
			t.Errorf("%s: identity % x, fresh %v, of % x", dir, now, fresh, id)
		}
		for w := range powerWriters {
			p, err := again.Open(writerID(w))
			recount(t, p, err)
		}
		closeAll(t, again)
	}
}

// What is damaged in a copy is met when it is inspected.
func TestInspect_damaged(t *testing.T) {
	fs := sound(t)
	if _, err := pebble.Inspect(t.Context(), "nothing", small(t, fs), false); err == nil {
		t.Error("a store that is not there")
	}
	met, flips := 0, 0
	for path, size := range files(t, fs, ".sst") {
		for at := int64(0); at < size; at += 211 {
			flips++
			if _, err := pebble.Inspect(t.Context(), "store", small(t, flipped(t, fs, path, at, 1)), true); errors.Is(err, store.ErrCorrupt) {
				met++
			} else if err != nil {
				t.Errorf("byte %d of %s: %v", at, path, err)
			}
		}
	}
	if met < flips*3/4 {
		t.Errorf("%d of %d flips were met", met, flips)
	}
}
