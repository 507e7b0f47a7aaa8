package pebble_test

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
)

// What was synced is there when the store is opened again.
func ExampleOpen() {
	disk := vfs.NewMem()
	id := store.ID{Kind: "kv", Partition: 3}
	put := func() error {
		engine, err := pebble.Open("store", pebble.Options{FS: disk})
		if err != nil {
			return err
		}
		defer engine.Close()
		partition, err := engine.Open(id)
		if err != nil {
			return err
		}
		var batch store.Batch
		batch.Put([]byte("apple"), []byte("red"), 1)
		if err := partition.Write(&batch); err != nil {
			return err
		}
		return partition.Sync()
	}
	get := func() (store.Item, error) {
		engine, err := pebble.Open("store", pebble.Options{FS: disk})
		if err != nil {
			return store.Item{}, err
		}
		defer engine.Close()
		partition, err := engine.Open(id)
		if err != nil {
			return store.Item{}, err
		}
		return partition.Get([]byte("apple"))
	}
	if err := put(); err != nil {
		fmt.Println(err)
		return
	}
	item, err := get()
	fmt.Printf("%s=%s at version %d, error %v\n", item.Key, item.Value, item.Version, err)
	// Output: apple=red at version 1, error <nil>
}
