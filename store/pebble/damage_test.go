package pebble_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
)

const damagedItems = 300

func damagedItem(i int) (key, value string) {
	return fmt.Sprintf("key%04d", i), strings.Repeat(fmt.Sprintf("value %d;", i), 8)
}

// sound returns a closed store of damagedItems items in a table.
func sound(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	e := mustOpen(t, small(t, fs))
	p, err := e.Open(someID)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.(store.BulkLoader).BulkLoad(new(pairs)); err != nil {
		t.Fatal(err)
	}
	closeAll(t, e)
	return fs
}

// pairs yields the damagedItems.
type pairs struct{ at int }

func (l *pairs) Next() bool   { l.at++; return l.at <= damagedItems }
func (l *pairs) Err() error   { return nil }
func (l *pairs) Close() error { return nil }
func (l *pairs) Item() store.Item {
	key, value := damagedItem(l.at - 1)
	return store.Item{Key: []byte(key), Value: []byte(value), Version: uint64(l.at - 1)}
}

// files returns the paths with a suffix and their sizes.
func files(t *testing.T, fs vfs.FS, suffix string) map[string]int64 {
	t.Helper()
	names, err := fs.List("store")
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int64{}
	for _, name := range names {
		path := fs.PathJoin("store", name)
		if info, err := fs.Stat(path); err != nil {
			t.Fatal(err)
		} else if strings.HasSuffix(name, suffix) && info.Size() > 0 {
			sizes[path] = info.Size()
		}
	}
	return sizes
}

// flipped returns a copy of the disk with one bit of a file flipped.
func flipped(t *testing.T, from vfs.FS, path string, at int64, bit uint) vfs.FS {
	t.Helper()
	fs := vfs.NewMem()
	if ok, err := vfs.Clone(from, fs, "store", "store"); err != nil || !ok {
		t.Fatalf("clone: %v, %v", ok, err)
	}
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	closeAll(t, f)
	b[at] ^= 1 << bit
	f, err = fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	closeAll(t, f)
	return fs
}

// TestEngine_flippedTable flips a bit of every k-th byte of the tables. What is
// read is right, or it is an error that says what can't be read.
func TestEngine_flippedTable(t *testing.T) {
	fs := sound(t)
	const step = 97
	flips, found := 0, 0
	for path, size := range files(t, fs, ".sst") {
		for at := int64(0); at < size; at += step {
			if readDamaged(t, flipped(t, fs, path, at, uint(at%8)), fmt.Sprintf("bit %d of byte %d of %s", at%8, at, path)) {
				found++
			}
			flips++
		}
		for at := max(0, size-64); at < size; at++ { // the footer
			readDamaged(t, flipped(t, fs, path, at, uint(at%8)), fmt.Sprintf("bit %d of byte %d of %s", at%8, at, path))
		}
	}
	t.Logf("%d of %d flips were met", found, flips)
	if found < flips/2 || flips < 50 {
		t.Errorf("only %d of %d flips were met", found, flips)
	}
}

// A store opens although the block of the first items is damaged, for the engine can give them up.
func TestOpen_damagedFirstItem(t *testing.T) {
	fs := sound(t)
	first, most := "", int64(0)
	for path, size := range files(t, fs, ".sst") {
		if size > most {
			first, most = path, size
		}
	}
	e := mustOpen(t, small(t, flipped(t, fs, first, 10, 0)))
	defer closeAll(t, e)
	p, err := e.Open(someID)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := damagedItem(0)
	if _, err := p.Get([]byte(key)); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("get of a damaged item: %v", err)
	}
}

// readDamaged reads all that a damaged store holds, in every way there is, and
// returns whether the damage was met.
func readDamaged(t *testing.T, fs vfs.FS, what string) bool {
	t.Helper()
	e, err := pebble.Open("store", small(t, fs))
	if err != nil {
		if !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: open: %v, want ErrCorrupt", what, err)
		}
		return true
	}
	defer func() {
		if err := e.Close(); err != nil && !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: close: %v", what, err)
		}
	}()
	p, err := e.Open(someID)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	met := false
	wrong := func(call string, key string, err error) {
		t.Helper()
		met = true
		var damage *store.CorruptError
		if !errors.As(err, &damage) || damage.ID != someID || !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: %s: %v, want a CorruptError of %v", what, call, err, someID)
		} else if string(damage.From) > key || (damage.To != nil && string(damage.To) <= key) {
			t.Errorf("%s: %s of %q: damage from %q to %q", what, call, key, damage.From, damage.To)
		}
	}
	for i := range damagedItems {
		key, value := damagedItem(i)
		if item, err := p.Get([]byte(key)); err != nil {
			wrong("get", key, err)
		} else if string(item.Value) != value || item.Version != uint64(i) || string(item.Key) != key {
			t.Errorf("%s: get %q: %q@%d", what, key, item.Value, item.Version)
		}
	}
	snap := p.Snapshot()
	it := snap.Scan(nil, nil)
	seen := 0
	for ; it.Next(); seen++ {
		key, value := damagedItem(seen)
		if item := it.Item(); string(item.Key) != key || string(item.Value) != value || item.Version != uint64(seen) {
			t.Fatalf("%s: item %d is %q %q@%d", what, seen, item.Key, item.Value, item.Version)
		}
	}
	if err := it.Err(); err != nil {
		key, _ := damagedItem(seen)
		wrong("scan", key, err)
	} else if seen != damagedItems {
		t.Errorf("%s: a scan of %d items", what, seen)
	}
	closeAll(t, it)
	// A copy of it, as a handoff makes one, is whole or none.
	target, err := e.Open(store.ID{Kind: "kv", Partition: 2})
	if err != nil {
		t.Fatal(err)
	}
	it = snap.Scan(nil, nil)
	if err := target.(store.BulkLoader).BulkLoad(it); err != nil {
		if met = true; !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: copy: %v", what, err)
		}
	}
	closeAll(t, it, snap)
	if n := target.Summary().Items; n != 0 && n != damagedItems {
		t.Errorf("%s: a copy of %d items", what, n)
	}
	return met
}

// TestEngine_flippedLog flips a bit of every k-th byte of the log. After Close
// nothing depends on the log. After a crash the store does not open, or it holds
// what was written up to the damage: what is in the last blocks of a log can't
// be told from a write that the power cut short. No byte is ever wrong.
func TestEngine_flippedLog(t *testing.T) {
	for _, test := range []struct {
		name  string
		close bool
	}{{"after Close", true}, {"after a crash", false}} {
		t.Run(test.name, func(t *testing.T) {
			disk := vfs.NewCrashableMem()
			e := mustOpen(t, small(t, disk))
			p, err := e.Open(someID)
			for l := new(pairs); err == nil && l.Next(); {
				item := l.Item()
				err = errors.Join(p.Write(batch(string(item.Key), string(item.Value), item.Version)), p.Sync())
			}
			if err != nil {
				t.Fatal(err)
			}
			fs := disk.CrashClone(vfs.CrashCloneCfg{})
			closeAll(t, e)
			if test.close {
				fs = disk
			}
			flips, refused, short := 0, 0, 0
			for path, size := range files(t, fs, ".log") {
				for at := int64(0); at < size; at += 397 {
					flips++
					n, err := openFlipped(t, fs, path, at)
					if err != nil {
						refused++
					} else if n != damagedItems {
						short++
					}
				}
			}
			t.Logf("%d flips: %d refused, %d short", flips, refused, short)
			if test.close && refused+short > 0 {
				t.Errorf("%d refused, %d short after Close", refused, short)
			}
			if !test.close && refused+short < 100 {
				t.Errorf("only %d of %d flips were met", refused+short, flips)
			}
		})
	}
}

// openFlipped opens the store with a flipped bit, checks what it holds, and
// returns how much that is.
func openFlipped(t *testing.T, from vfs.FS, path string, at int64) (uint64, error) {
	t.Helper()
	what := fmt.Sprintf("bit %d of byte %d of %s", at%8, at, path)
	e, err := pebble.Open("store", small(t, flipped(t, from, path, at, uint(at%8))))
	if err != nil {
		if !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: open: %v, want ErrCorrupt", what, err)
		}
		return 0, err
	}
	defer closeAll(t, e)
	p, err := e.Open(someID)
	n := recount(t, p, err)
	for i := range int(n) {
		key, value := damagedItem(i)
		if item, err := p.Get([]byte(key)); err != nil || string(item.Value) != value {
			t.Errorf("%s: %q is %q, %v", what, key, item.Value, err)
		}
	}
	return n, nil
}

// TestOpen_damagedFiles flips bits of the files that say what the database is.
// The store opens with all that it held, or not at all, and says which file it
// is; but the last record of a manifest may as well be torn.
func TestOpen_damagedFiles(t *testing.T) {
	fs := sound(t)
	for _, test := range []struct {
		prefix  string
		refused bool
	}{{"MANIFEST-", true}, {"OPTIONS-", false}} {
		flips, refused, short := 0, 0, 0
		for path, size := range files(t, fs, "") {
			name := fs.PathBase(path)
			if !strings.HasPrefix(name, test.prefix) {
				continue
			}
			for at := int64(0); at < size; at += 3 {
				flips++
				what := fmt.Sprintf("byte %d of %s", at, path)
				e, err := pebble.Open("store", small(t, flipped(t, fs, path, at, uint(at%8))))
				if err != nil {
					refused++
					var damage *store.DamageError
					if !errors.As(err, &damage) || !errors.Is(err, store.ErrCorrupt) || damage.File != name || !strings.Contains(err.Error(), "remove store") {
						t.Errorf("%s: %v", what, err)
					}
					continue
				}
				p, err := e.Open(someID)
				if n := recount(t, p, err); n != damagedItems {
					short++
				}
				closeAll(t, e)
			}
		}
		t.Logf("%s: %d flips, %d refused, %d short", test.prefix, flips, refused, short)
		if (refused > 0) != test.refused || short > 50 || (!test.refused && short > 0) {
			t.Errorf("%s: %d flips, %d refused, %d short", test.prefix, flips, refused, short)
		}
	}
}
