package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/store"
)

// Disk is a medium that outlives its engines.
type Disk interface {
	// Open opens the engine that is on the disk.
	Open(tb testing.TB) store.Engine
	// Crash ends the engine that is open as a loss of power would: what was not
	// synced is lost, except that each piece of it survives with the given
	// probability in percent. The seed decides which.
	Crash(tb testing.TB, percent int, seed uint64)
}

// RunDurable checks that engines on disks that newDisk makes keep what they
// promised when they are closed and when they crash.
func RunDurable(t *testing.T, newDisk func(tb testing.TB) Disk) {
	t.Helper()
	for _, end := range []struct {
		name string
		stop func(testing.TB, Disk, store.Engine)
	}{
		{"Close", func(tb testing.TB, _ Disk, e store.Engine) { closeAll(tb, e) }},
		{"Crash", func(tb testing.TB, d Disk, _ store.Engine) { d.Crash(tb, 0, 0) }},
	} {
		for _, test := range durableTests {
			t.Run(end.name+"/"+test.name, func(t *testing.T) {
				d := newDisk(t)
				e := d.Open(t)
				made, fresh := e.Identity()
				if made == ([16]byte{}) || !fresh {
					t.Errorf("identity % x of a new store, fresh %v", made, fresh)
				}
				test.before(t, e)
				end.stop(t, d, e)
				e = d.Open(t)
				if id, fresh := e.Identity(); id != made || fresh {
					t.Errorf("identity % x, fresh %v, after % x", id, fresh, made)
				}
				test.after(t, e)
				closeAll(t, e)
			})
		}
	}
	t.Run("I2 a batch that was not synced is lost whole", func(t *testing.T) { testTornBatches(t, newDisk) })
	t.Run("Model", func(t *testing.T) { testCrashModel(t, newDisk) })
}

var durableTests = []struct {
	name          string
	before, after func(*testing.T, store.Engine)
}{
	{
		"I7 written and synced",
		func(t *testing.T, e store.Engine) {
			p := mustOpen(t, e, kv(1))
			mustWrite(t, p, put("a", "1", 1), put("b", "2", 2))
			mustWrite(t, p, put("a", "3", 3), del("b"), put("", "4", 4))
			noError(t, "sync", p.Sync())
		},
		func(t *testing.T, e store.Engine) {
			mustHold(t, mustOpen(t, e, kv(1)), contents{"": {"4", 4}, "a": {"3", 3}})
		},
	},
	{
		"I1 the summary goes on from where it was",
		func(t *testing.T, e store.Engine) {
			p := mustOpen(t, e, kv(1))
			mustWrite(t, p, put("a", "1", 1), put("m", "2", 2))
			noError(t, "sync", p.Sync())
		},
		func(t *testing.T, e store.Engine) {
			p := mustOpen(t, e, kv(1))
			mustWrite(t, p, put("m", "3", 3), del("a"), put("z", "5", 5), put("c", "4", 4))
			mustHold(t, p, contents{"c": {"4", 4}, "m": {"3", 3}, "z": {"5", 5}})
		},
	},
	{
		"I5 promoted without a sync",
		func(t *testing.T, e store.Engine) {
			mustWrite(t, mustOpen(t, e, kv(1)), put("old", "1", 1))
			mustWrite(t, mustStage(t, e, kv(1), 7), put("new", "2", 2))
			noError(t, "promote", e.Promote(kv(1), 7))
		},
		func(t *testing.T, e store.Engine) {
			wantStaged(t, e, kv(1), 0)
			mustHold(t, mustOpen(t, e, kv(1)), contents{"new": {"2", 2}})
			noError(t, "promote again", e.Promote(kv(1), 7))
			_, err := e.Stage(kv(1), 7)
			wantError(t, "stage a promoted session", err, store.ErrStaleSession)
		},
	},
	{
		"staged and synced, then promoted",
		func(t *testing.T, e store.Engine) {
			p := mustOpen(t, e, kv(1))
			mustWrite(t, p, put("old", "1", 1))
			staged := mustStage(t, e, kv(1), 7)
			mustWrite(t, staged, put("new", "2", 2))
			noError(t, "sync", staged.Sync())
		},
		func(t *testing.T, e store.Engine) {
			wantStaged(t, e, kv(1), 7)
			staged, err := e.OpenStaged(kv(1), 7)
			noError(t, "open staged", err)
			mustHold(t, staged, contents{"new": {"2", 2}})
			mustHold(t, mustOpen(t, e, kv(1)), contents{"old": {"1", 1}})
			noError(t, "promote", e.Promote(kv(1), 7))
			mustHold(t, mustOpen(t, e, kv(1)), contents{"new": {"2", 2}})
		},
	},
	{
		"I4 staged again after a drop",
		func(t *testing.T, e store.Engine) {
			staged := mustStage(t, e, kv(1), 7)
			mustWrite(t, staged, put("torn", "1", 1))
			noError(t, "sync", staged.Sync())
			noError(t, "drop staging", e.DropStaging(kv(1), 7))
		},
		func(t *testing.T, e store.Engine) {
			wantStaged(t, e, kv(1), 0)
			mustHold(t, mustStage(t, e, kv(1), 7), nil)
		},
	},
	{
		"dropped",
		func(t *testing.T, e store.Engine) {
			p := mustOpen(t, e, kv(1))
			mustWrite(t, p, put("a", "1", 1))
			mustWrite(t, mustOpen(t, e, kv(2)), put("b", "2", 2))
			noError(t, "sync", p.Sync())
			noError(t, "drop", e.Drop(kv(1)))
		},
		func(t *testing.T, e store.Engine) {
			if ids, err := e.Partitions(); err != nil || fmt.Sprint(ids) != "[kv/2]" {
				t.Errorf("partitions %v, %v", ids, err)
			}
			mustHold(t, mustOpen(t, e, kv(1)), nil)
			mustHold(t, mustOpen(t, e, kv(2)), contents{"b": {"2", 2}})
		},
	},
	{
		"I6 a record",
		func(t *testing.T, e store.Engine) {
			noError(t, "set", e.SetRecord(kv(1), store.Record{Epoch: 3, MaxSession: 9, Frozen: 9}))
			noError(t, "drop", e.Drop(kv(1)))
		},
		func(t *testing.T, e store.Engine) {
			wantRecord(t, e, kv(1), store.Record{Epoch: 3, MaxSession: 9, Frozen: 9})
			wantError(t, "lower a fence", e.SetRecord(kv(1), store.Record{Epoch: 2, MaxSession: 9}), store.ErrFenceLowered)
		},
	},
	{
		"bulk loaded",
		func(t *testing.T, e store.Engine) {
			// Opened, not staged: nothing else makes its pointer durable.
			p := mustOpen(t, e, kv(1))
			if l, ok := p.(store.BulkLoader); ok {
				noError(t, "load", l.BulkLoad(listOf("a", "b")))
				return
			}
			mustWrite(t, p, put("a", "a", 1), put("b", "b", 1))
			noError(t, "sync", p.Sync())
		},
		func(t *testing.T, e store.Engine) {
			p := mustOpen(t, e, kv(1))
			mustHold(t, p, contents{"a": {"a", 1}, "b": {"b", 1}})
			mustWrite(t, p, put("aa", "x", 2), put("b", "y", 3))
			mustHold(t, p, contents{"a": {"a", 1}, "aa": {"x", 2}, "b": {"y", 3}})
		},
	},
}

// testTornBatches writes batches of many keys at one version each, crashes with
// some of the unsynced bytes kept, and asks for whole batches.
func testTornBatches(t *testing.T, newDisk func(tb testing.TB) Disk) {
	for _, percent := range []int{0, 30, 60, 90, 100} {
		t.Run(fmt.Sprintf("%d percent survive", percent), func(t *testing.T) {
			const synced, all = 3, 40
			d := newDisk(t)
			p := mustOpen(t, d.Open(t), kv(1))
			for version := uint64(1); version <= all; version++ {
				b := new(store.Batch)
				for i := range 200 {
					b.Put(fmt.Appendf(nil, "%03d", i), fmt.Appendf(nil, "value %d of version %d", i, version), version)
				}
				noError(t, "write", p.Write(b))
				if version == synced {
					noError(t, "sync", p.Sync())
				}
			}
			d.Crash(t, percent, uint64(percent))
			e := d.Open(t)
			defer closeAll(t, e)
			p = mustOpen(t, e, kv(1))
			version, err := cutOf(p, 200)
			noError(t, "read", err)
			if version < synced || version > all {
				t.Errorf("version %d after the crash, of %d written and %d synced", version, all, synced)
			}
			t.Logf("version %d of %d survived", version, all)
		})
	}
}

// past is what one ID may be after a crash: any of its states since the last
// that is durable, oldest first.
type past []slot

func testCrashModel(t *testing.T, newDisk func(tb testing.TB) Disk) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newDisk(t)
		w := newWalk(d.Open(t))
		pasts := map[store.ID]past{}
		remember := func(id store.ID) { pasts[id] = append(pasts[id], w.slots[id].clone()) }
		w.wrote = remember
		w.synced = func(id store.ID) { pasts[id] = pasts[id][len(pasts[id])-1:] }
		for _, id := range modelIDs {
			remember(id)
		}
		actions := w.actions()
		actions["crash"] = func(rt *rapid.T) {
			w.release(rt)
			d.Crash(t, rapid.SampledFrom([]int{0, 20, 50, 80, 100}).Draw(rt, "percent"), rapid.Uint64().Draw(rt, "seed"))
			w.engine, w.live = d.Open(t), nil
			for _, id := range modelIDs {
				w.reconcile(rt, id, pasts[id])
				pasts[id] = nil
				remember(id)
			}
		}
		actions["close"] = func(rt *rapid.T) {
			w.release(rt)
			closeAll(rt, w.engine)
			w.engine, w.live = d.Open(t), nil
			for _, id := range modelIDs {
				w.reconcile(rt, id, pasts[id][len(pasts[id])-1:])
				pasts[id] = nil
				remember(id)
			}
		}
		rt.Repeat(actions)
		w.release(rt)
		closeAll(rt, w.engine)
	})
}

// reconcile finds what the engine remembers of id, which must be one of the
// states that it may remember, and goes on from there.
func (w *walk) reconcile(t *rapid.T, id store.ID, allowed past) {
	got := w.observe(t, id)
	for _, s := range slices.Backward(allowed) {
		// How far a session was promoted can't be seen, so it is taken from there.
		got.promoted = s.promoted
		if cmp.Equal(s, got, cmp.AllowUnexported(slot{}, generation{})) {
			*w.slots[id] = s.clone()
			return
		}
	}
	last := allowed[len(allowed)-1]
	t.Fatalf("%v is none of the %d states that it may be; to the last of them (-want +got):\n%s", id, len(allowed),
		cmp.Diff(last, got, cmp.AllowUnexported(slot{}, generation{})))
}

// observe reads all that can be read of id.
func (w *walk) observe(t *rapid.T, id store.ID) slot {
	var s slot
	var err error
	s.record, err = w.engine.Record(id)
	noError(t, "record", err)
	ids, err := w.engine.Partitions()
	noError(t, "partitions", err)
	if slices.Contains(ids, id) {
		p, err := w.engine.Open(id)
		noError(t, "open", err)
		s.active = &generation{items: read(t, p)}
	}
	if session, ok := w.engine.Staged(id); ok {
		p, err := w.engine.OpenStaged(id, session)
		noError(t, "open staged", err)
		s.staged, s.session = &generation{items: read(t, p)}, session
	}
	return s
}

// read returns what a partition holds, and checks that its summary says so.
func read(t *rapid.T, p store.Partition) contents {
	snap := p.Snapshot()
	defer closeAll(t, snap)
	got, sum := collect(t, snap.Scan(nil, nil))
	if sum != snap.Summary() || sum != p.Summary() {
		t.Fatalf("recounted %+v, running %+v and %+v", sum, snap.Summary(), p.Summary())
	}
	return got
}
