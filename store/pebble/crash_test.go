package pebble_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	db "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
)

// crashes keeps what the disk would hold had the power failed before each of
// the operations on it.
type crashes struct {
	fs *vfs.MemFS

	mu    sync.Mutex
	step  int // steps of the script that are done
	disks []crashed
}

type crashed struct {
	fs   *vfs.MemFS
	step int
	what string
}

func (c *crashes) before(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, percent := range []int{0, 50} {
		seed := uint64(len(c.disks))
		c.disks = append(c.disks, crashed{
			fs:   c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 0))}),
			step: c.step,
			what: fmt.Sprintf("%d percent survive by seed %d before operation %d on %s", percent, seed, op.Kind, op.Path),
		})
	}
	return nil
}

func (c *crashes) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step++
}

// list yields the keys k000, k001 and so on, with large values.
type list struct{ at, n int }

func (l *list) Next() bool   { l.at++; return l.at <= l.n }
func (l *list) Err() error   { return nil }
func (l *list) Close() error { return nil }
func (l *list) Item() store.Item {
	return store.Item{Key: fmt.Appendf(nil, "k%03d", l.at-1), Value: make([]byte, 1024), Version: 1}
}

// script is a partition's life. Each step says what is active and what is
// staged (as "active staged") once it is done, as the number of items; a step
// that is cut short may show what the step before shows.
var script = []struct {
	name string
	run  func(e *pebble.Engine) error
	want string
}{
	{"record", func(e *pebble.Engine) error { return e.SetRecord(someID, store.Record{Epoch: 1}) }, "0 0"},
	{"write", func(e *pebble.Engine) error {
		p, err := e.Open(someID)
		if err != nil {
			return err
		}
		b := new(store.Batch)
		for i := range 3 {
			b.Put(fmt.Appendf(nil, "%d", i), []byte("active"), 1)
		}
		return errors.Join(p.Write(b), p.Sync())
	}, "3 0"},
	{"stage", func(e *pebble.Engine) error { _, err := e.Stage(someID, 7); return err }, "3 0"},
	{"load", func(e *pebble.Engine) error {
		p, err := e.OpenStaged(someID, 7)
		if err != nil {
			return err
		}
		return p.(store.BulkLoader).BulkLoad(&list{n: 50})
	}, "3 50"},
	{"delta", func(e *pebble.Engine) error {
		p, err := e.OpenStaged(someID, 7)
		if err != nil {
			return err
		}
		return errors.Join(p.Write(batch("delta", "1", 2)), p.Sync())
	}, "3 51"},
	{"seal", func(e *pebble.Engine) error { return e.SetRecord(someID, store.Record{Epoch: 2}) }, "3 51"},
	{"promote", func(e *pebble.Engine) error { return e.Promote(someID, 7) }, "51 0"},
	{"drop", func(e *pebble.Engine) error { return e.Drop(someID) }, "0 0"},
}

// TestEngine_crashPoints stops the power before every operation on the disk.
func TestEngine_crashPoints(t *testing.T) {
	c := &crashes{fs: vfs.NewCrashableMem()}
	e := mustOpen(t, small(t, errorfs.Wrap(c.fs, errorfs.InjectorFunc(c.before))))
	for _, step := range script {
		if err := step.run(e); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		c.done()
	}
	closeAll(t, e)
	t.Logf("%d crashes", len(c.disks))
	if len(c.disks) < 100 {
		t.Errorf("only %d crashes", len(c.disks))
	}
	for _, d := range c.disks {
		if d.step > 0 {
			checkCrashed(t, d)
		}
	}
}

func checkCrashed(t *testing.T, d crashed) {
	t.Helper()
	e, err := pebble.Open("store", small(t, d.fs))
	if err != nil {
		t.Fatalf("open after %d steps, %s: %v", d.step, d.what, err)
	}
	defer closeAll(t, e)
	allowed := []string{script[d.step-1].want}
	if d.step < len(script) {
		allowed = append(allowed, script[d.step].want)
	}
	var active, staged uint64
	if ids, err := e.Partitions(); err != nil {
		t.Fatal(err)
	} else if len(ids) > 0 {
		p, err := e.Open(someID)
		active = recount(t, p, err)
	}
	if session, ok := e.Staged(someID); ok {
		p, err := e.OpenStaged(someID, session)
		staged = recount(t, p, err)
	}
	if got := fmt.Sprint(active, " ", staged); got != allowed[0] && got != allowed[len(allowed)-1] {
		t.Errorf("holds %s, want one of %q, after %d steps, %s", got, allowed, d.step, d.what)
	}
	if r, err := e.Record(someID); err != nil || r.Epoch == 0 || (d.step >= 6 && r.Epoch != 2) {
		t.Errorf("record %+v (%v) after %d steps, %s", r, err, d.step, d.what)
	}
	names, err := d.fs.List("store")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".load") {
			t.Errorf("%s is left, after %d steps, %s", name, d.step, d.what)
		}
	}
}

// recount counts the items and checks that the summary says the same.
func recount(t *testing.T, p store.Partition, err error) uint64 {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	snap := p.Snapshot()
	it := snap.Scan(nil, nil)
	defer closeAll(t, it, snap)
	var sum store.Summary
	for it.Next() {
		item := it.Item()
		sum.Add(item.Hash(), len(item.Key)+len(item.Value))
	}
	if err := it.Err(); err != nil {
		t.Fatal(err)
	}
	if sum != p.Summary() || sum != snap.Summary() {
		t.Errorf("recounted %+v, running %+v and %+v", sum, p.Summary(), snap.Summary())
	}
	return sum.Items
}

// A generation that no pointer names is removed at the next open, and its
// number is not used again.
func TestOpen_orphans(t *testing.T) {
	fs := vfs.NewMem()
	e := mustOpen(t, small(t, fs))
	p, err := e.Open(someID)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(batch("kept", "1", 1)); err != nil {
		t.Fatal(err)
	}
	closeAll(t, e)
	const prefix = "g\x00\x00\x00\x00\x00\x00\x00"
	raw(t, fs, func(d *db.DB) error {
		return errors.Join(
			d.Set([]byte(prefix+"\x00\x00x"), []byte("12345678"), db.Sync),
			d.Set([]byte(prefix+"\x02\x00x"), []byte("12345678"), db.Sync),
			d.Set([]byte(prefix+"\x02\x01"), []byte("summary"), db.Sync),
			d.Set([]byte("g\xff\xff\xff\xff\xff\xff\xff\xfe\x00x"), []byte("12345678"), db.Sync))
	})
	e = mustOpen(t, small(t, fs))
	p, err = e.Open(someID)
	if n := recount(t, p, err); n != 1 {
		t.Errorf("%d items, want 1", n)
	}
	for session := range uint64(3) {
		p, err := e.Stage(someID, session+1)
		if n := recount(t, p, err); n != 0 {
			t.Errorf("a staging generation begins with %d items", n)
		}
	}
	left := generationKeys(t, e, fs)
	want := []string{prefix + "\x01\x00kept", prefix + "\x01\x01"}
	if fmt.Sprintf("%q", left) != fmt.Sprintf("%q", want) {
		t.Errorf("keys %q, want %q", left, want)
	}
}

// What is dropped, replaced or promoted over leaves no key behind.
func TestEngine_leavesNothing(t *testing.T) {
	for name, run := range map[string]func(e *pebble.Engine) error{
		"Drop":         func(e *pebble.Engine) error { return e.Drop(someID) },
		"DropStaging":  func(e *pebble.Engine) error { return e.DropStaging(someID, 7) },
		"Promote":      func(e *pebble.Engine) error { return e.Promote(someID, 7) },
		"Stage again":  func(e *pebble.Engine) error { _, err := e.Stage(someID, 7); return err },
		"Stage higher": func(e *pebble.Engine) error { _, err := e.Stage(someID, 8); return err },
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			e := mustOpen(t, small(t, fs))
			active, err := e.Open(someID)
			staged, stageErr := e.Stage(someID, 7)
			if err := errors.Join(err, stageErr, active.Write(batch("a", "1", 1)), staged.Write(batch("b", "2", 2))); err != nil {
				t.Fatal(err)
			}
			before := len(generationKeys(t, e, fs))
			e = mustOpen(t, small(t, fs))
			if err := run(e); err != nil {
				t.Fatal(err)
			}
			if after := len(generationKeys(t, e, fs)); before != 4 || after != 2 {
				t.Errorf("%d keys before, %d after, want 4 and 2", before, after)
			}
		})
	}
}

// generationKeys closes the engine and returns the keys of all generations.
func generationKeys(t *testing.T, e *pebble.Engine, fs vfs.FS) []string {
	t.Helper()
	closeAll(t, e)
	var keys []string
	raw(t, fs, func(d *db.DB) error {
		it, err := d.NewIter(&db.IterOptions{LowerBound: []byte("g"), UpperBound: []byte("h")})
		if err != nil {
			return err
		}
		for it.First(); it.Valid(); it.Next() {
			keys = append(keys, string(it.Key()))
		}
		return it.Close()
	})
	return keys
}

// Generation numbers that were reserved before a crash are not used after it.
func TestEngine_numbersAreNotReused(t *testing.T) {
	fs := vfs.NewCrashableMem()
	seen := map[string]bool{}
	for round := range 3 {
		e := mustOpen(t, small(t, fs))
		if _, err := e.Open(store.ID{Kind: "kv", Partition: 100}); err != nil {
			t.Fatal(err)
		}
		p, err := e.Stage(someID, uint64(round+1))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(p.Write(batch("a", "1", 1)), p.Sync()); err != nil {
			t.Fatal(err)
		}
		after := fs.CrashClone(vfs.CrashCloneCfg{})
		closeAll(t, e)
		fs = after
		raw(t, after.CrashClone(vfs.CrashCloneCfg{}), func(d *db.DB) error {
			it, err := d.NewIter(&db.IterOptions{LowerBound: []byte("g"), UpperBound: []byte("h")})
			if err != nil {
				return err
			}
			if !it.Last() || seen[string(it.Key()[:9])] {
				t.Errorf("round %d: generation % x was used before", round, it.Key()[:9])
			}
			seen[string(it.Key()[:9])] = true
			return it.Close()
		})
	}
}
