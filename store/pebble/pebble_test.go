package pebble_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
	"github.com/dee2748c/baton/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is enough for tests, which open hundreds of engines.
func small(tb testing.TB, fs vfs.FS) pebble.Options {
	return pebble.Options{
		MemTableSize: 1 << 20, CacheSize: 1 << 20, LoadSize: 16 << 10, FS: fs,
		Fatal: func(err error) { tb.Errorf("fatal: %v", err) },
	}
}

func TestEngine(t *testing.T) {
	storetest.Run(t, func(tb testing.TB) store.Engine {
		e, err := pebble.Open("store", small(tb, vfs.NewMem()))
		if err != nil {
			tb.Fatal(err)
		}
		return e
	})
}
