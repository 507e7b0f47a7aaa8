package memory_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/memory"
)

// TestSnapshot_ordersWhatIsFresh: whatever was written, overwritten and deleted
// between two snapshots, each of them has the items of its moment, in order, and
// keeps them. More keys come than may wait to be ordered.
func TestSnapshot_ordersWhatIsFresh(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	e := memory.New()
	defer e.Close()
	p, err := e.Open(store.ID{Kind: "kv"})
	if err != nil {
		t.Fatal(err)
	}
	type cut struct {
		snapshot store.Snapshot
		want     map[string]string
	}
	model, cuts := make(map[string]string), []cut(nil)
	write := func(n, keys uint64, deletes int) {
		var b store.Batch
		for range n {
			key := binary.BigEndian.AppendUint64(nil, r.Uint64N(keys)*0x9E3779B97F4A7C15)
			if r.IntN(10) < deletes {
				b.Delete(key)
				delete(model, string(key))
			} else {
				value := fmt.Sprint(r.Uint64())
				b.Put(key, []byte(value), 1)
				model[string(key)] = value
			}
		}
		if err := p.Write(&b); err != nil {
			t.Fatal(err)
		}
	}
	snapshot := func() { cuts = append(cuts, cut{p.Snapshot(), maps.Clone(model)}) }
	prepare := p.(store.Preparer).Prepare
	for range 60 {
		for range r.IntN(5) {
			write(1+r.Uint64N(40), 200, 3)
			if r.IntN(2) == 0 {
				prepare()
			}
		}
		snapshot()
	}
	write(40_000, 1<<40, 0)
	steps := 1
	for ; prepare(); steps++ {
	}
	if steps < 200 {
		t.Errorf("16384 fresh records were ordered in %d steps", steps)
	}
	write(5_000, 200, 9)
	snapshot()
	write(5_000, 200, 5)
	snapshot()
	for i, c := range cuts {
		keys := slices.Sorted(maps.Keys(c.want))
		it := c.snapshot.Scan(nil, nil)
		n := 0
		for ; it.Next(); n++ {
			item := it.Item()
			if n >= len(keys) || string(item.Key) != keys[n] || string(item.Value) != c.want[keys[n]] {
				t.Fatalf("snapshot %d, item %d: %x = %q", i, n, item.Key, item.Value)
			}
		}
		if n != len(keys) || c.snapshot.Summary().Items != uint64(n) {
			t.Errorf("snapshot %d: %d items, summary %d, want %d", i, n, c.snapshot.Summary().Items, len(keys))
		}
		it.Close()
		c.snapshot.Close()
	}
	for key, want := range model {
		if item, err := p.Get([]byte(key)); err != nil || string(item.Value) != want {
			t.Fatalf("%x is %q, %v", key, item.Value, err)
		}
	}
}
