package storetest

import (
	"fmt"
	"testing"

	"github.com/dee2748c/baton/store"
)

func testSnapshot(t *testing.T, open Factory) {
	runAll(t, open, []engineTest{
		{"I3 unchanged by writes", testSnapshotIsolation},
		{"I3 readable after a drop", func(t *testing.T, e store.Engine) {
			p := mustOpen(t, e, kv(1))
			mustWrite(t, p, put("a", "1", 1))
			snap := p.Snapshot()
			defer closeAll(t, snap)
			noError(t, "drop", e.Drop(kv(1)))
			mustWrite(t, mustOpen(t, e, kv(1)), put("a", "2", 2))
			holds(t, snap, contents{"a": {"1", 1}})
		}},
		{"I3 readable after a promotion", func(t *testing.T, e store.Engine) {
			p := mustOpen(t, e, kv(1))
			mustWrite(t, p, put("a", "1", 1))
			snap := p.Snapshot()
			defer closeAll(t, snap)
			mustWrite(t, mustStage(t, e, kv(1), 5), put("b", "2", 2))
			noError(t, "promote", e.Promote(kv(1), 5))
			holds(t, snap, contents{"a": {"1", 1}})
		}},
		{"iterators outlive their snapshot", func(t *testing.T, e store.Engine) {
			p := mustOpen(t, e, kv(1))
			mustWrite(t, p, put("a", "1", 1), put("b", "2", 2))
			snap := p.Snapshot()
			it := snap.Scan(nil, nil)
			closeAll(t, snap, snap)
			mustWrite(t, p, del("a"), put("b", "3", 3))
			got, _ := collect(t, it)
			if len(got) != 2 || got["b"].Value != "2" {
				t.Errorf("items %v", got)
			}
			it = snap.Scan(nil, nil)
			if it.Next() {
				t.Error("an item of a closed snapshot")
			}
			wantError(t, "scan of a closed snapshot", it.Err(), store.ErrClosed)
			closeAll(t, it)
		}},
		{"of an empty partition", func(t *testing.T, e store.Engine) {
			snap := mustOpen(t, e, kv(1)).Snapshot()
			defer closeAll(t, snap)
			holds(t, snap, nil)
		}},
	})
}

// testSnapshotIsolation takes a snapshot after each of many writes and looks at
// all of them at the end.
func testSnapshotIsolation(t *testing.T, e store.Engine) {
	p := mustOpen(t, e, kv(1))
	now := contents{}
	var snaps []store.Snapshot
	var want []contents
	for i := range 60 {
		var changes []change
		for j := range 40 {
			key := fmt.Sprintf("%03d", (i*31+j*17)%400)
			if j%5 == 4 {
				changes = append(changes, del(key))
				delete(now, key)
				continue
			}
			changes = append(changes, put(key, fmt.Sprint(i), uint64(i)))
			now[key] = held{fmt.Sprint(i), uint64(i)}
		}
		mustWrite(t, p, changes...)
		cut := contents{}
		for k, v := range now {
			cut[k] = v
		}
		snaps, want = append(snaps, p.Snapshot()), append(want, cut)
	}
	for i, snap := range snaps {
		holds(t, snap, want[i])
		closeAll(t, snap)
	}
	mustHold(t, p, now)
}
