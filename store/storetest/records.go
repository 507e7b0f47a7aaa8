package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
)

func wantRecord(tb failer, e store.Engine, id store.ID, want store.Record) {
	tb.Helper()
	got, err := e.Record(id)
	noError(tb, "record", err)
	if diff := cmp.Diff(want, got); diff != "" {
		tb.Fatalf("record of %v (-want +got):\n%s", id, diff)
	}
}

func testRecords(t *testing.T, open Factory) {
	full := store.Record{
		Epoch: 3, RingVersion: 9, MaxSession: 7, Frozen: 7, Sealed: 6, Tombstone: "b@10.0.0.2",
		Seal: &topology.Seal{LastSeq: 12, Items: 34, Bytes: 56, Digest: topology.Digest{1, 15: 2}},
	}
	runAll(t, open, []engineTest{
		{"zero at first", func(t *testing.T, e store.Engine) {
			wantRecord(t, e, kv(1), store.Record{})
			mustOpen(t, e, kv(1))
			wantRecord(t, e, kv(1), store.Record{})
		}},
		{"set and replaced", func(t *testing.T, e store.Engine) {
			noError(t, "set", e.SetRecord(kv(1), full))
			wantRecord(t, e, kv(1), full)
			wantRecord(t, e, kv(2), store.Record{})
			thawed := store.Record{Epoch: 3, RingVersion: 9, MaxSession: 7}
			noError(t, "set", e.SetRecord(kv(1), thawed))
			wantRecord(t, e, kv(1), thawed)
		}},
		{"a record alone is no partition", func(t *testing.T, e store.Engine) {
			noError(t, "set", e.SetRecord(kv(1), full))
			if ids, err := e.Partitions(); err != nil || len(ids) != 0 {
				t.Errorf("partitions %v, %v", ids, err)
			}
		}},
		{"I6 outlives drop and promotion", func(t *testing.T, e store.Engine) {
			mustWrite(t, mustOpen(t, e, kv(1)), put("a", "1", 1))
			noError(t, "set", e.SetRecord(kv(1), full))
			mustStage(t, e, kv(1), 8)
			noError(t, "promote", e.Promote(kv(1), 8))
			wantRecord(t, e, kv(1), full)
			mustStage(t, e, kv(1), 9)
			noError(t, "drop staging", e.DropStaging(kv(1), 9))
			noError(t, "drop", e.Drop(kv(1)))
			wantRecord(t, e, kv(1), full)
		}},
		{"I6 fences never fall", func(t *testing.T, e store.Engine) {
			noError(t, "set", e.SetRecord(kv(1), full))
			for _, lower := range []func(*store.Record){
				func(r *store.Record) { r.Epoch-- },
				func(r *store.Record) { r.RingVersion-- },
				func(r *store.Record) { r.MaxSession-- },
			} {
				r := full.Clone()
				lower(&r)
				wantError(t, "lower a fence", e.SetRecord(kv(1), r), store.ErrFenceLowered)
				wantRecord(t, e, kv(1), full)
			}
		}},
		{"shares no memory with its user", func(t *testing.T, e store.Engine) {
			mine := full.Clone()
			noError(t, "set", e.SetRecord(kv(1), mine))
			mine.Seal.Items++
			got, err := e.Record(kv(1))
			noError(t, "record", err)
			got.Seal.Digest[0]++
			wantRecord(t, e, kv(1), full)
		}},
	})
}
