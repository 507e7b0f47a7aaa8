package store_test

import (
	"fmt"
	"testing"

	"github.com/dee2748c/baton/store"
)

func TestBatch_Reset(t *testing.T) {
	var b store.Batch
	b.Put([]byte("key"), []byte("value"), 1)
	b.Delete([]byte("gone"))
	ops := b.Ops()
	b.Reset()
	if b.Len() != 0 || b.Size() != 0 || len(b.Ops()) != 0 {
		t.Errorf("%d operations of %d bytes after Reset", b.Len(), b.Size())
	}
	for i, op := range ops {
		if op.Key != nil || op.Value != nil {
			t.Errorf("operation %d still holds %q=%q", i, op.Key, op.Value)
		}
	}
	if n := testing.AllocsPerRun(10, func() {
		b.Put(nil, nil, 1)
		b.Put(nil, nil, 2)
		b.Reset()
	}); n != 0 {
		t.Errorf("%v allocations in a batch that has room", n)
	}
}

func TestAfter(t *testing.T) {
	key := []byte("key")
	next := store.After(key[:2])
	if string(next) != "ke\x00" || string(key) != "key" {
		t.Errorf("after %q comes %q", key[:2], next)
	}
}

func ExampleBatch() {
	var b store.Batch
	b.Put([]byte("apple"), []byte("red"), 1)
	b.Delete([]byte("plum"))
	fmt.Println(b.Len(), "changes,", b.Size(), "bytes")
	b.Reset()
	fmt.Println(b.Len(), "changes,", b.Size(), "bytes")
	// Output:
	// 2 changes, 12 bytes
	// 0 changes, 0 bytes
}
