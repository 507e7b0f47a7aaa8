package pebble_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	db "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
)

const (
	neighbours     = 5
	neighbourItems = 40
)

func neighbour(i int) store.ID { return store.ID{Kind: "kv", Partition: ring.Partition(i)} }

func neighbourItem(i, k int) (key, value string) {
	return fmt.Sprintf("key%04d", k), strings.Repeat(fmt.Sprintf("value %d of %d;", k, i), 6)
}

// soundNeighbours returns a closed store of partitions that share one table.
func soundNeighbours(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	e := mustOpen(t, small(t, fs))
	for i := range neighbours {
		p, err := e.Open(neighbour(i))
		if err != nil {
			t.Fatal(err)
		}
		b := new(store.Batch)
		for k := range neighbourItems {
			key, value := neighbourItem(i, k)
			b.Put([]byte(key), []byte(value), uint64(k))
		}
		if err := p.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	closeAll(t, e)
	raw(t, fs, func(d *db.DB) error { return d.Compact(t.Context(), []byte("a"), []byte("z"), false) })
	return fs
}

// TestPartition_Excise_neighbours: a block that holds the end of one partition and
// the beginning of the next is damaged. Nothing is lost of any partition that was
// not announced. (The database takes what lies behind a cut for empty if it can't
// be read.)
func TestPartition_Excise_neighbours(t *testing.T) {
	fs := soundNeighbours(t)
	opened := 0
	for path, size := range files(t, fs, ".sst") {
		for at := int64(0); at < size; at += 61 {
			what := fmt.Sprintf("byte %d of %s", at, path)
			e, err := pebble.Open("store", small(t, flipped(t, fs, path, at, uint(at%8))))
			if err != nil {
				if !errors.Is(err, store.ErrCorrupt) {
					t.Errorf("%s: open: %v", what, err)
				}
				continue
			}
			opened++
			healNeighbours(t, e, what)
			closeAll(t, e)
		}
	}
	if opened == 0 {
		t.Error("no store was opened")
	}
}

func healNeighbours(t *testing.T, e *pebble.Engine, what string) {
	t.Helper()
	var lost losses
	for tries := 0; ; tries++ {
		damage := readNeighbours(t, e, lost, what)
		if damage == nil {
			return
		}
		if tries > 20 {
			t.Fatalf("%s: still damaged after %q", what, lost)
		}
		if err := e.Excise(damage, lost.announce); err != nil {
			var refused *store.DamageError
			if !errors.As(err, &refused) {
				t.Fatalf("%s: excise %v %q to %q: %v", what, damage.ID, damage.From, damage.To, err)
			}
			return // pointers or records are among it: the way out is another one
		}
	}
}

// readNeighbours checks all items, and returns the first damage met.
func readNeighbours(t *testing.T, e *pebble.Engine, lost losses, what string) *store.CorruptError {
	t.Helper()
	for i := range neighbours {
		p, err := e.Open(neighbour(i))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for k := range neighbourItems {
			key, value := neighbourItem(i, k)
			item, err := p.Get([]byte(key))
			var damage *store.CorruptError
			switch {
			case errors.As(err, &damage):
				return damage
			case errors.Is(err, store.ErrNotFound):
				if !lost.cover(neighbour(i), key) {
					t.Errorf("%s: %q of %v is gone, which was not announced: %q", what, key, neighbour(i), lost)
					return nil
				}
			case err != nil || string(item.Value) != value:
				t.Errorf("%s: %q of %v is %q, %v", what, key, neighbour(i), item.Value, err)
			}
		}
	}
	return nil
}
