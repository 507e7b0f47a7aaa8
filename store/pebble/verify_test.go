package pebble_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
)

// flipInPlace flips a bit of a file of a store that is open.
func flipInPlace(t *testing.T, fs vfs.FS, path string, at int64) {
	t.Helper()
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, f)
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	b[0] ^= 4
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

func verify(t *testing.T, e *pebble.Engine) []*store.CorruptError {
	t.Helper()
	read := uint64(0)
	damage, err := e.Verify(t.Context(), func(n uint64) error { read += n; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if read == 0 {
		t.Error("nothing was read")
	}
	return damage
}

// TestEngine_Verify flips bits of the tables of a store whose items are all in its cache, one at a time: each
// flip among the items is found, and nothing else; the range that is named is told to whoever mends.
func TestEngine_Verify(t *testing.T) {
	fs := sound(t)
	e := mustOpen(t, small(t, fs))
	defer closeAll(t, e)
	told := 0
	e.OnDamage(func(*store.CorruptError) { told++ })
	p, err := e.Open(someID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range damagedItems {
		key, _ := damagedItem(i)
		if _, err := p.Get([]byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	if damage := verify(t, e); len(damage) > 0 {
		t.Fatalf("a sound store: %v", damage)
	}
	path, size := "", int64(0)
	for name, n := range files(t, fs, ".sst") {
		if n > size {
			path, size = name, n
		}
	}
	flips := 0
	for at := int64(5); at < size; at += 501 {
		flips++
		flipInPlace(t, fs, path, at)
		damage := verify(t, e)
		for _, d := range damage {
			if d.ID != someID || !errors.Is(d, store.ErrCorrupt) {
				t.Errorf("byte %d: %v", at, d)
			}
		}
		if len(damage) != 1 {
			t.Errorf("byte %d of %d: %v", at, size, damage)
		}
		flipInPlace(t, fs, path, at)
	}
	if damage := verify(t, e); len(damage) > 0 {
		t.Errorf("nothing is flipped any more: %v", damage)
	}
	if told != flips {
		t.Errorf("damage was told %d times, there were %d flips", told, flips)
	}
}

// What was found can be mended at once, though the cache had it.
func TestEngine_Verify_mends(t *testing.T) {
	fs := sound(t)
	e := mustOpen(t, small(t, fs))
	defer closeAll(t, e)
	p, err := e.Open(someID)
	if err != nil {
		t.Fatal(err)
	}
	path, size := "", int64(0)
	for name, n := range files(t, fs, ".sst") {
		if n > size {
			path, size = name, n
		}
	}
	for i := range damagedItems { // now the cache has them
		key, _ := damagedItem(i)
		if _, err := p.Get([]byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	flipInPlace(t, fs, path, size/2)
	damage := verify(t, e)
	if len(damage) != 1 {
		t.Fatal(damage)
	}
	given := 0
	if err := e.Excise(damage[0], func(l []store.Excised) error { given += len(l); return nil }); err != nil {
		t.Fatal(err)
	}
	if damage := verify(t, e); given == 0 || len(damage) > 0 {
		t.Errorf("%d ranges were given up; after that: %v", given, damage)
	}
}

// The range that is named holds the item, and most others are outside of it.
func TestEngine_Verify_names(t *testing.T) {
	fs := sound(t)
	e := mustOpen(t, small(t, fs))
	defer closeAll(t, e)
	path, size := "", int64(0)
	for name, n := range files(t, fs, ".sst") {
		if n > size {
			path, size = name, n
		}
	}
	flipInPlace(t, fs, path, size/2)
	damage := verify(t, e)
	if len(damage) != 1 {
		t.Fatal(damage)
	}
	inside := 0
	p, err := e.Open(someID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range damagedItems {
		key, _ := damagedItem(i)
		in := key >= string(damage[0].From) && (damage[0].To == nil || key < string(damage[0].To))
		if in {
			inside++
		}
		if _, err := p.Get([]byte(key)); (err != nil) && !in {
			t.Errorf("%s can't be read and is outside of %v", key, damage[0])
		}
	}
	if inside == 0 || inside > damagedItems/3 {
		t.Errorf("%d of %d keys are in doubt: %v", inside, damagedItems, damage[0])
	}
}

// Whoever paces can end it; a closed store is not read.
func TestEngine_Verify_ends(t *testing.T) {
	fs := sound(t)
	e := mustOpen(t, small(t, fs))
	enough := fmt.Errorf("enough")
	if _, err := e.Verify(t.Context(), func(uint64) error { return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
	closeAll(t, e)
	if _, err := e.Verify(t.Context(), func(uint64) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
}
