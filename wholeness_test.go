package baton_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/kv"
)

// lives starts node a again and again in one directory and record. What it
// returns runs one life, and says how many partitions of the node have lost data,
// and when last. (Whether they lack it still is a matter of anti-entropy, which
// has nobody to ask here and may be done with that at any time.)
func lives(t *testing.T, engine, dir string) func() (parts int, last uint64) {
	record := memory.New()
	return func() (parts int, last uint64) {
		t.Helper()
		n, err := baton.Start(t.Context(), baton.Options{
			Name: "a", Record: record, Bootstrap: record.State().Ring() == nil, Engine: engine, DataDir: dir, RingSize: 8,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range n.View().Parts(kv.KindName) {
			if part.Lost > 0 {
				parts++
				last = max(last, part.Lost)
			}
		}
		if err := n.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		return parts, last
	}
}

// TestStart_lostStore: a node whose store is gone says so before it serves; one
// that only restarts does not.
func TestStart_lostStore(t *testing.T) {
	dir := t.TempDir()
	life := lives(t, baton.EnginePebble, dir)
	for _, what := range []string{"first start", "restart"} {
		if n, _ := life(); n != 0 {
			t.Errorf("%s: %d partitions lost data", what, n)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	n, first := life()
	if n != 8 {
		t.Errorf("with the store gone %d partitions of 8 lost data", n)
	}
	if n, last := life(); n != 8 || last != first {
		t.Errorf("after another restart %d lost data at %d, was %d: nothing more was lost", n, last, first)
	}
}

// What is kept in memory is gone with each process.
func TestStart_lostMemory(t *testing.T) {
	life := lives(t, baton.EngineMemory, t.TempDir())
	if n, _ := life(); n != 0 {
		t.Errorf("first start: %d partitions lost data", n)
	}
	_, first := life()
	if n, last := life(); n != 8 || last <= first {
		t.Errorf("%d partitions of 8 lost data at %d, before at %d", n, last, first)
	}
}
