package memory_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/memory"
	"github.com/dee2748c/baton/store/storetest"
)

const itemBytes = 1 + 10 + memory.ItemOverhead // of the items of put

func put(p store.Partition, key string, value int) error {
	var b store.Batch
	b.Put([]byte(key), make([]byte, value), 1)
	return p.Write(&b)
}

func remove(t *testing.T, p store.Partition, key string) {
	t.Helper()
	var b store.Batch
	b.Delete([]byte(key))
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
}

// T-B17: all generations share the limit, and room comes back.
func TestLimit(t *testing.T) {
	e := memory.Open(memory.Options{MaxBytes: 4 * itemBytes})
	defer e.Close()
	p, err := e.Open(store.ID{Kind: "kv", Partition: 1})
	if err != nil {
		t.Fatal(err)
	}
	q, err := e.Stage(store.ID{Kind: "kv", Partition: 2}, 5)
	if err != nil {
		t.Fatal(err)
	}
	fits := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	full := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, store.ErrDiskFull) {
			t.Fatalf("%s: %v, want ErrDiskFull", what, err)
		}
	}
	for _, k := range []string{"a", "b"} {
		fits("put", put(p, k, 10))
		fits("put to a staged copy", put(q, k, 10))
	}
	full("a fifth item", put(p, "c", 10))
	full("a fifth item, staged", put(q, "c", 10))
	full("a value that grows", put(p, "a", 11))
	fits("a value that does not grow", put(p, "a", 10))
	if _, err := p.Get([]byte("c")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what was refused: %v, want ErrNotFound", err)
	}
	if n := p.Summary().Items; n != 2 {
		t.Errorf("%d items, want 2", n)
	}

	var b store.Batch
	b.Delete([]byte("a"))
	b.Delete([]byte("a"))
	b.Put([]byte("c"), make([]byte, 10), 1)
	b.Put([]byte("d"), make([]byte, 10), 1)
	full("one out, two in", p.Write(&b))
	if _, err := p.Get([]byte("a")); err != nil {
		t.Errorf("a batch that was refused has deleted: %v", err)
	}
	b.Reset()
	b.Put([]byte("c"), make([]byte, 10), 1)
	b.Put([]byte("c"), make([]byte, 10), 2)
	b.Delete([]byte("a"))
	fits("one out, one in", p.Write(&b))

	remove(t, p, "c")
	fits("after a delete", put(q, "c", 10))
	full("after it", put(p, "x", 10))
	fits("drop", e.DropStaging(store.ID{Kind: "kv", Partition: 2}, 5))
	for _, k := range []string{"e", "f", "g"} {
		fits("after a drop", put(p, k, 10))
	}
	full("after all of them", put(p, "x", 10))
	fits("drop", e.Drop(store.ID{Kind: "kv", Partition: 1}))
	if p, err = e.Open(store.ID{Kind: "kv", Partition: 1}); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"e", "f", "g", "h"} {
		fits("in an empty engine", put(p, k, 10))
	}
}

// Writers that come at the same time never take more than there is, and when all
// is removed all of it is there again.
func TestLimit_concurrent(t *testing.T) {
	const items, writers = 50, 4
	e := memory.Open(memory.Options{MaxBytes: items * itemBytes})
	defer e.Close()
	var all sync.WaitGroup
	parts := make([]store.Partition, writers)
	for w := range parts {
		p, err := e.Open(store.ID{Kind: "kv", Partition: ring.Partition(w)})
		if err != nil {
			t.Fatal(err)
		}
		parts[w] = p
		all.Go(func() {
			dice := rand.New(rand.NewPCG(uint64(w), 1))
			for range 5000 {
				key := string(rune('a' + dice.IntN(26)))
				if dice.IntN(3) == 0 {
					remove(t, p, key)
				} else if err := put(p, key, dice.IntN(20)); err != nil && !errors.Is(err, store.ErrDiskFull) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	var held uint64
	for _, p := range parts {
		s := p.Summary()
		held += s.Bytes + s.Items*memory.ItemOverhead
		for key := range 26 {
			remove(t, p, string(rune('a'+key)))
		}
	}
	if held > items*itemBytes {
		t.Errorf("%d bytes, and the limit is %d", held, items*itemBytes)
	}
	for i := range items {
		if err := put(parts[i%writers], string(rune(i)), 10); err != nil {
			t.Fatalf("item %d of an empty engine: %v", i, err)
		}
	}
	if err := put(parts[0], "z", 10); !errors.Is(err, store.ErrDiskFull) {
		t.Errorf("beyond the limit: %v", err)
	}
}

// The limit changes nothing else.
func TestLimit_engine(t *testing.T) {
	storetest.Run(t, func(testing.TB) store.Engine { return memory.Open(memory.Options{MaxBytes: 1 << 40}) })
}
