package pebble_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	db "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
)

// losses notes what is announced to be given up.
type losses []store.Excised

func (l *losses) announce(lost []store.Excised) error { *l = append(*l, lost...); return nil }

func (l losses) cover(id store.ID, key string) bool {
	for _, lost := range l {
		if lost.ID == id && string(lost.From) <= key && (lost.To == nil || key < string(lost.To)) {
			return true
		}
	}
	return false
}

// firstDamage reads all of a partition and returns the first damage met.
func firstDamage(t *testing.T, p store.Partition, what string) *store.CorruptError {
	t.Helper()
	met := func(err error) *store.CorruptError {
		var damage *store.CorruptError
		if !errors.As(err, &damage) {
			t.Fatalf("%s: %v, want a CorruptError", what, err)
		}
		return damage
	}
	for i := range damagedItems {
		key, _ := damagedItem(i)
		if _, err := p.Get([]byte(key)); err != nil && !errors.Is(err, store.ErrNotFound) {
			return met(err)
		}
	}
	snap := p.Snapshot()
	it := snap.Scan(nil, nil)
	defer closeAll(t, it, snap)
	for it.Next() {
	}
	if err := it.Err(); err != nil {
		return met(err)
	}
	return nil
}

// checkExcised checks that a partition holds every item that was not given up.
func checkExcised(t *testing.T, p store.Partition, lost losses, what string) (missing int) {
	t.Helper()
	recount(t, p, nil)
	for i := range damagedItems {
		key, value := damagedItem(i)
		item, err := p.Get([]byte(key))
		switch {
		case errors.Is(err, store.ErrNotFound):
			if missing++; !lost.cover(someID, key) {
				t.Errorf("%s: %q is gone, which was not announced: %q", what, key, lost)
			}
		case err != nil || string(item.Value) != value || item.Version != uint64(i):
			t.Errorf("%s: %q is %q@%d, %v", what, key, item.Value, item.Version, err)
		}
	}
	return missing
}

// TestPartition_Excise flips a bit of every k-th byte of the tables, and has the
// damage cut out where it is met. All else is there afterwards, is compacted,
// and what is lost can be written again.
func TestPartition_Excise(t *testing.T) {
	fs := sound(t)
	cuts, most, refused := 0, 0, 0
	for path, size := range files(t, fs, ".sst") {
		for at := int64(0); at < size; at += 131 {
			what := fmt.Sprintf("bit %d of byte %d of %s", at%8, at, path)
			missing, err := heal(t, flipped(t, fs, path, at, uint(at%8)), what)
			switch {
			case err != nil:
				refused++
			case missing > 0:
				cuts, most = cuts+1, max(most, missing)
			}
		}
	}
	t.Logf("%d cuts, at most %d items lost, %d refused at open", cuts, most, refused)
	// Two of the four tables are small and hold pointers.
	if cuts < 40 || most == damagedItems || refused > cuts {
		t.Errorf("%d cuts, at most %d items lost, %d refused at open", cuts, most, refused)
	}
}

// heal cuts the damage of a disk out and returns how many items that cost. The
// error is that of a store that can't be opened.
func heal(t *testing.T, fs vfs.FS, what string) (missing int, err error) {
	t.Helper()
	e, err := pebble.Open("store", small(t, fs))
	if err != nil {
		if !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: open: %v", what, err)
		}
		return 0, err
	}
	p, err := e.Open(someID)
	if err != nil {
		t.Fatal(err)
	}
	var lost losses
	for damage := firstDamage(t, p, what); damage != nil; damage = firstDamage(t, p, what) {
		if len(lost) > 20 {
			t.Fatalf("%s: still damaged after %q", what, lost)
		}
		if err := e.Excise(damage, lost.announce); err != nil {
			t.Fatalf("%s: excise %q to %q: %v", what, damage.From, damage.To, err)
		}
	}
	missing = checkExcised(t, p, lost, what)
	b := new(store.Batch)
	for i := range damagedItems {
		key, value := damagedItem(i)
		b.Put([]byte(key), []byte(value), uint64(i))
	}
	if err := p.Write(b); err != nil {
		t.Fatalf("%s: repair: %v", what, err)
	}
	closeAll(t, e)
	raw(t, fs, func(d *db.DB) error { return d.Compact(t.Context(), []byte("a"), []byte("z"), false) })
	e = mustOpen(t, small(t, fs))
	defer closeAll(t, e)
	p, err = e.Open(someID)
	if n := recount(t, p, err); n != damagedItems || checkExcised(t, p, nil, what) != 0 {
		t.Errorf("%s: %d items after the repair", what, n)
	}
	return missing, nil
}

// damagedStore returns a disk whose largest table has a damaged block.
func damagedStore(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := sound(t)
	largest, most := "", int64(0)
	for path, size := range files(t, fs, ".sst") {
		if size > most {
			largest, most = path, size
		}
	}
	synced := vfs.NewCrashableMem()
	if ok, err := vfs.Clone(flipped(t, fs, largest, most/3, 0), synced, "store", "store", vfs.CloneSync); err != nil || !ok {
		t.Fatalf("clone: %v, %v", ok, err)
	}
	return synced
}

// What is open when items are given up says so, and other copies can tell.
func TestPartition_Excise_announced(t *testing.T) {
	e := mustOpen(t, small(t, damagedStore(t)))
	defer closeAll(t, e)
	p, err := e.Open(someID)
	if err != nil {
		t.Fatal(err)
	}
	damage := firstDamage(t, p, "before")
	snap := p.Snapshot()
	defer closeAll(t, snap)
	refusal := errors.New("nobody may know")
	if err := e.Excise(damage, func([]store.Excised) error { return refusal }); !errors.Is(err, refusal) {
		t.Errorf("excise: %v, want what announce said", err)
	}
	if _, err := p.Get(damage.From); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("get: %v after a refused excise", err)
	}
	var lost losses
	if err := e.Excise(damage, lost.announce); err != nil || len(lost) != 1 {
		t.Fatalf("excise: %v, %q", err, lost)
	}
	it := snap.Scan(nil, nil)
	defer closeAll(t, it)
	if it.Next() || !errors.Is(it.Err(), store.ErrCorrupt) {
		t.Errorf("a scan of a snapshot with a hole: %v", it.Err())
	}
	if n := checkExcised(t, p, lost, "after"); n == 0 || n > damagedItems/4 {
		t.Errorf("%d items lost", n)
	}
	if err := e.Excise(damage, nil); err != nil {
		t.Errorf("excise of what is sound: %v", err)
	}
}

// Writers of the partition and of another go on while items are given up.
func TestPartition_Excise_underWrites(t *testing.T) {
	for _, stop := range []string{"", "Close", "Drop"} {
		t.Run(stop, func(t *testing.T) {
			e := mustOpen(t, small(t, damagedStore(t)))
			defer closeAll(t, e)
			p, err := e.Open(someID)
			other, otherErr := e.Open(store.ID{Kind: "kv", Partition: 77})
			if err := errors.Join(err, otherErr); err != nil {
				t.Fatal(err)
			}
			damage := firstDamage(t, p, "before")
			done := make(chan struct{})
			failed := make(chan error, 3)
			ended := func(err error) bool {
				return stop != "" && (errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrDropped))
			}
			var wg sync.WaitGroup
			for w, part := range []store.Partition{p, other} {
				wg.Go(func() {
					for n := 0; ; n++ {
						select {
						case <-done:
							return
						default:
						}
						err := part.Write(batch(fmt.Sprint("a", n%10), fmt.Sprint(n, " of ", w), uint64(n)))
						if err != nil {
							if !ended(err) {
								failed <- err
							}
							return
						}
					}
				})
			}
			var lost losses
			wg.Go(func() {
				announced := func(l []store.Excised) error {
					switch stop {
					case "Close":
						wg.Go(func() { failed <- e.Close() })
					case "Drop":
						wg.Go(func() { failed <- e.Drop(someID) })
					}
					return lost.announce(l)
				}
				defer close(done)
				if err := e.Excise(damage, announced); err != nil && !ended(err) {
					failed <- err
				}
			})
			wg.Wait()
			close(failed)
			for err := range failed {
				if err != nil {
					t.Error(err)
				}
			}
			if stop != "Close" {
				recount(t, other, nil)
			}
			if stop == "" && checkExcised(t, p, lost, "after") == 0 {
				t.Error("nothing was lost")
			}
		})
	}
}

// TestPartition_Excise_crashPoints stops the power before every operation on the
// disk: the damage is there or cut out, and the summary is that of the items.
func TestPartition_Excise_crashPoints(t *testing.T) {
	c := &crashes{fs: damagedStore(t)}
	e := mustOpen(t, small(t, errorfs.Wrap(c.fs, errorfs.InjectorFunc(c.before))))
	p, err := e.Open(someID)
	if err != nil {
		t.Fatal(err)
	}
	damage := firstDamage(t, p, "before")
	taken := func() []crashed {
		c.mu.Lock()
		defer c.mu.Unlock()
		return slices.Clone(c.disks)
	}
	first := len(taken())
	var lost losses
	if err := errors.Join(e.Excise(damage, lost.announce), p.Sync()); err != nil {
		t.Fatal(err)
	}
	disks := taken()[first:]
	closeAll(t, e)
	t.Logf("%d crashes", len(disks))
	if len(disks) < 10 {
		t.Errorf("only %d crashes", len(disks))
	}
	for _, d := range disks {
		e := mustOpen(t, small(t, d.fs))
		p, err := e.Open(someID)
		if err != nil {
			t.Fatal(err)
		}
		var again losses
		if damage := firstDamage(t, p, d.what); damage != nil {
			if err := e.Excise(damage, again.announce); err != nil {
				t.Errorf("%s: excise again: %v", d.what, err)
			}
		}
		checkExcised(t, p, append(again, lost...), d.what)
		closeAll(t, e)
	}
}
