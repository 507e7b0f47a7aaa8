package pebble_test

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
	"github.com/dee2748c/baton/store/storetest"
)

// disk is a file system in memory that forgets what was not synced.
type disk struct {
	fs   *vfs.MemFS
	open *pebble.Engine
}

func (d *disk) Open(tb testing.TB) store.Engine {
	tb.Helper()
	e, err := pebble.Open("store", small(tb, d.fs))
	if err != nil {
		tb.Fatalf("open after a stop: %v", err)
	}
	d.open = e
	return e
}

func (d *disk) Crash(tb testing.TB, percent int, seed uint64) {
	tb.Helper()
	tb.Logf("crash: %d percent survive by seed %d", percent, seed)
	after := d.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, seed))})
	// The engine's goroutines end with it; what it does now no longer matters.
	if err := d.open.Close(); err != nil {
		tb.Errorf("close: %v", err)
	}
	d.fs = after
}

func TestEngine_durable(t *testing.T) {
	storetest.RunDurable(t, func(testing.TB) storetest.Disk {
		return &disk{fs: vfs.NewCrashableMem()}
	})
}
