package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/dee2748c/baton/store"
)

func testGenerations(t *testing.T, open Factory) {
	runAll(t, open, []engineTest{
		{"I4 staging is apart from active", func(t *testing.T, e store.Engine) {
			active, staged := mustOpen(t, e, kv(1)), mustStage(t, e, kv(1), 1)
			mustWrite(t, active, put("a", "active", 1))
			mustWrite(t, staged, put("a", "staged", 2), put("b", "staged", 2))
			mustHold(t, active, contents{"a": {"active", 1}})
			mustHold(t, staged, contents{"a": {"staged", 2}, "b": {"staged", 2}})
			mustHold(t, mustOpen(t, e, kv(1)), contents{"a": {"active", 1}})
		}},
		{"I4 staging starts empty", testStagingEmpty},
		{"I5 promote", testPromote},
		{"I5 stale sessions are refused", testStaleSessions},
		{"a staging generation is opened again", testOpenStaged},
		{"drop staging", testDropStaging},
		{"a failed install leaves the old copy serving", testFailedInstall},
		{"drop", testDrop},
		{"dropped handles answer ErrDropped", testDroppedHandles},
		{"sessions of partitions are independent", func(t *testing.T, e store.Engine) {
			mustWrite(t, mustStage(t, e, kv(1), 9), put("a", "9", 9))
			mustWrite(t, mustStage(t, e, kv(2), 3), put("a", "3", 3))
			noError(t, "promote", e.Promote(kv(1), 9))
			noError(t, "promote", e.Promote(kv(2), 3))
			mustHold(t, mustOpen(t, e, kv(1)), contents{"a": {"9", 9}})
			mustHold(t, mustOpen(t, e, kv(2)), contents{"a": {"3", 3}})
		}},
	})
}

func wantStaged(tb failer, e store.Engine, id store.ID, session uint64) {
	tb.Helper()
	if got, ok := e.Staged(id); got != session || ok != (session != 0) {
		tb.Fatalf("Staged(%v) = %d, %v, want session %d", id, got, ok, session)
	}
}

func testStagingEmpty(t *testing.T, e store.Engine) {
	wantStaged(t, e, kv(1), 0)
	first := mustStage(t, e, kv(1), 4)
	mustWrite(t, first, put("a", "1", 1))
	wantStaged(t, e, kv(1), 4)
	for _, session := range []uint64{4, 5, 5} {
		again := mustStage(t, e, kv(1), session)
		mustHold(t, again, nil)
		wantStaged(t, e, kv(1), session)
		mustWrite(t, again, put("a", "2", 2))
	}
	_, err := first.Get([]byte("a"))
	wantError(t, "get from a former staging generation", err, store.ErrDropped)
	noError(t, "drop", e.DropStaging(kv(1), 5))
	mustHold(t, mustStage(t, e, kv(1), 5), nil)
}

func testPromote(t *testing.T, e store.Engine) {
	old, staged := mustOpen(t, e, kv(1)), mustStage(t, e, kv(1), 6)
	mustWrite(t, old, put("a", "old", 1), put("b", "old", 1))
	mustWrite(t, staged, put("a", "new", 2))
	want := contents{"a": {"new", 2}}
	for range 3 {
		noError(t, "promote", e.Promote(kv(1), 6))
		mustHold(t, mustOpen(t, e, kv(1)), want)
		wantStaged(t, e, kv(1), 0)
	}
	mustHold(t, staged, want)
	mustWrite(t, staged, put("c", "after", 3))
	mustHold(t, mustOpen(t, e, kv(1)), contents{"a": {"new", 2}, "c": {"after", 3}})
	wantError(t, "write to the former generation", old.Write(batchOf(put("x", "y", 1))), store.ErrDropped)

	mustStage(t, e, kv(1), 7)
	noError(t, "promote of the active session", e.Promote(kv(1), 6))
	wantStaged(t, e, kv(1), 7)

	// A promotion to a node that never held the partition.
	mustWrite(t, mustStage(t, e, kv(2), 8), put("z", "moved", 1))
	if ids, err := e.Partitions(); err != nil || fmt.Sprint(ids) != "[kv/1]" {
		t.Errorf("partitions %v, %v before the promotion", ids, err)
	}
	noError(t, "promote", e.Promote(kv(2), 8))
	if ids, err := e.Partitions(); err != nil || fmt.Sprint(ids) != "[kv/1 kv/2]" {
		t.Errorf("partitions %v, %v after the promotion", ids, err)
	}
}

func testStaleSessions(t *testing.T, e store.Engine) {
	stale := func(what string, err error) {
		t.Helper()
		wantError(t, what, err, store.ErrStaleSession)
	}
	_, err := e.Stage(kv(1), 0)
	stale("stage session 0", err)
	stale("promote session 0", e.Promote(kv(1), 0))
	wantError(t, "promote what was never staged", e.Promote(kv(1), 5), store.ErrNotStaged)
	staged := mustStage(t, e, kv(1), 5)
	_, err = e.Stage(kv(1), 4)
	stale("stage below the staged session", err)
	stale("promote below the staged session", e.Promote(kv(1), 4))
	wantError(t, "promote above the staged session", e.Promote(kv(1), 6), store.ErrNotStaged)
	mustWrite(t, staged, put("a", "1", 1))
	noError(t, "promote", e.Promote(kv(1), 5))
	for session := range uint64(6) {
		_, err = e.Stage(kv(1), session)
		stale(fmt.Sprintf("stage %d after promotion of 5", session), err)
	}
	noError(t, "drop", e.Drop(kv(1)))
	stale("promote what was dropped", e.Promote(kv(1), 5))
	_, err = e.Stage(kv(1), 5)
	stale("stage what was promoted and dropped", err)
	mustStage(t, e, kv(1), 6)
}

func testOpenStaged(t *testing.T, e store.Engine) {
	_, err := e.OpenStaged(kv(1), 3)
	wantError(t, "open staged of nothing", err, store.ErrNotStaged)
	mustWrite(t, mustStage(t, e, kv(1), 3), put("a", "1", 1))
	for _, session := range []uint64{0, 2, 4} {
		_, err = e.OpenStaged(kv(1), session)
		wantError(t, "open staged of another session", err, store.ErrNotStaged)
	}
	p, err := e.OpenStaged(kv(1), 3)
	noError(t, "open staged", err)
	mustHold(t, p, contents{"a": {"1", 1}})
	noError(t, "promote", e.Promote(kv(1), 3))
	_, err = e.OpenStaged(kv(1), 3)
	wantError(t, "open staged after promotion", err, store.ErrNotStaged)
}

func testDropStaging(t *testing.T, e store.Engine) {
	active, staged := mustOpen(t, e, kv(1)), mustStage(t, e, kv(1), 5)
	mustWrite(t, active, put("a", "1", 1))
	mustWrite(t, staged, put("b", "2", 2))
	for _, session := range []uint64{0, 4, 6} {
		noError(t, "drop another session", e.DropStaging(kv(1), session))
		wantStaged(t, e, kv(1), 5)
	}
	for range 2 {
		noError(t, "drop staging", e.DropStaging(kv(1), 5))
		wantStaged(t, e, kv(1), 0)
	}
	wantError(t, "write to dropped staging", staged.Write(batchOf(put("c", "3", 3))), store.ErrDropped)
	wantError(t, "promote dropped staging", e.Promote(kv(1), 5), store.ErrNotStaged)
	mustHold(t, active, contents{"a": {"1", 1}})
	noError(t, "drop staging of an unknown partition", e.DropStaging(kv(77), 5))
}

func testDrop(t *testing.T, e store.Engine) {
	noError(t, "drop of nothing", e.Drop(kv(1)))
	mustWrite(t, mustOpen(t, e, kv(1)), put("a", "1", 1))
	mustWrite(t, mustOpen(t, e, kv(2)), put("b", "2", 2))
	staged := mustStage(t, e, kv(1), 5)
	mustWrite(t, staged, put("c", "3", 3))
	for range 2 {
		noError(t, "drop", e.Drop(kv(1)))
	}
	if ids, err := e.Partitions(); err != nil || fmt.Sprint(ids) != "[kv/2]" {
		t.Errorf("partitions %v, %v after the drop", ids, err)
	}
	mustHold(t, staged, contents{"c": {"3", 3}})
	mustHold(t, mustOpen(t, e, kv(2)), contents{"b": {"2", 2}})
	mustHold(t, mustOpen(t, e, kv(1)), nil)
	noError(t, "promote after drop", e.Promote(kv(1), 5))
	mustHold(t, mustOpen(t, e, kv(1)), contents{"c": {"3", 3}})
}

func testDroppedHandles(t *testing.T, e store.Engine) {
	p := mustOpen(t, e, kv(1))
	mustWrite(t, p, put("a", "1", 1))
	before := p.Summary()
	noError(t, "drop", e.Drop(kv(1)))
	_, err := p.Get([]byte("a"))
	wantError(t, "get", err, store.ErrDropped)
	wantError(t, "write", p.Write(batchOf(put("b", "2", 2))), store.ErrDropped)
	wantError(t, "sync", p.Sync(), store.ErrDropped)
	snap := p.Snapshot()
	it := snap.Scan(nil, nil)
	if it.Next() {
		t.Error("an item of a dropped generation")
	}
	wantError(t, "scan", it.Err(), store.ErrDropped)
	closeAll(t, it, snap)
	if p.Summary() != before {
		t.Errorf("summary %+v after the drop, %+v before", p.Summary(), before)
	}
}

// testFailedInstall (T-E11): a copy that could not be completed changes nothing, and the
// next attempt begins with nothing of it.
func testFailedInstall(t *testing.T, e store.Engine) {
	active := mustOpen(t, e, kv(1))
	mustWrite(t, active, put("a", "old", 1))
	gone := errors.New("the source is gone")
	for session := uint64(7); session < 9; session++ {
		staged := mustStage(t, e, kv(1), session)
		if loader, ok := staged.(store.BulkLoader); ok {
			torn := listOf("a", "b")
			torn.err = gone
			wantError(t, "load", loader.BulkLoad(torn), gone)
		}
		mustHold(t, staged, nil)
		wantError(t, "promote what is not staged", e.Promote(kv(1), session+1), store.ErrNotStaged)
		mustWrite(t, active, put("b", "goes on", session))
		mustHold(t, mustOpen(t, e, kv(1)), contents{"a": {"old", 1}, "b": {"goes on", session}})
	}
	mustWrite(t, mustStage(t, e, kv(1), 9), put("a", "new", 9))
	noError(t, "promote", e.Promote(kv(1), 9))
	mustHold(t, mustOpen(t, e, kv(1)), contents{"a": {"new", 9}})
}
