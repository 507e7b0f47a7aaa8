package memory_test

import (
	"fmt"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/memory"
)

// A partition is moved into a staging generation and promoted.
func ExampleEngine() {
	engine := memory.New()
	defer engine.Close()
	id := store.ID{Kind: "kv", Partition: 3}

	staged, err := engine.Stage(id, 7)
	if err != nil {
		fmt.Println(err)
		return
	}
	var batch store.Batch
	batch.Put([]byte("apple"), []byte("red"), 1)
	batch.Put([]byte("plum"), []byte("blue"), 2)
	if err := staged.Write(&batch); err != nil {
		fmt.Println(err)
		return
	}
	if err := engine.Promote(id, 7); err != nil {
		fmt.Println(err)
		return
	}

	active, err := engine.Open(id)
	if err != nil {
		fmt.Println(err)
		return
	}
	snapshot := active.Snapshot()
	defer snapshot.Close()
	items := snapshot.Scan(nil, nil)
	defer items.Close()
	for items.Next() {
		item := items.Item()
		fmt.Printf("%s is %s\n", item.Key, item.Value)
	}
	fmt.Println(active.Summary().Items, "items of", active.Summary().Bytes, "bytes")
	// Output:
	// apple is red
	// plum is blue
	// 2 items of 16 bytes
}
