package storetest

import (
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/store"
)

// held is what a generation holds under one key.
type held struct {
	Value   string
	Version uint64
}

// contents is what a generation holds.
type contents map[string]held

func kv(p ring.Partition) store.ID { return store.ID{Kind: "kv", Partition: p} }

// change adds one operation to a batch.
type change func(*store.Batch)

func put(key, value string, version uint64) change {
	return func(b *store.Batch) { b.Put([]byte(key), []byte(value), version) }
}

func del(key string) change {
	return func(b *store.Batch) { b.Delete([]byte(key)) }
}

func batchOf(changes ...change) *store.Batch {
	b := new(store.Batch)
	for _, c := range changes {
		c(b)
	}
	return b
}

func mustOpen(tb testing.TB, e store.Engine, id store.ID) store.Partition {
	tb.Helper()
	p, err := e.Open(id)
	if err != nil {
		tb.Fatalf("Open(%v): %v", id, err)
	}
	return p
}

func mustStage(tb testing.TB, e store.Engine, id store.ID, session uint64) store.Partition {
	tb.Helper()
	p, err := e.Stage(id, session)
	if err != nil {
		tb.Fatalf("Stage(%v, %d): %v", id, session, err)
	}
	return p
}

func mustWrite(tb testing.TB, p store.Partition, changes ...change) {
	tb.Helper()
	if err := p.Write(batchOf(changes...)); err != nil {
		tb.Fatalf("Write: %v", err)
	}
}

// failer is what testing.TB and rapid.T have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

func noError(tb failer, what string, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatalf("%s: %v", what, err)
	}
}

func wantError(tb failer, what string, err, want error) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func closeAll(tb failer, closers ...io.Closer) {
	tb.Helper()
	for _, c := range closers {
		if err := c.Close(); err != nil {
			tb.Errorf("close %T: %v", c, err)
		}
	}
}

// collect returns all items of it and the summary that they add up to, and
// closes it. It checks that keys ascend.
func collect(tb failer, it store.Iterator) (contents, store.Summary) {
	tb.Helper()
	defer closeAll(tb, it)
	got, sum, last := contents{}, store.Summary{}, ""
	for it.Next() {
		item := it.Item()
		key := string(item.Key)
		if len(got) > 0 && key <= last {
			tb.Fatalf("scan: key %q after %q", key, last)
		}
		got[key], last = held{string(item.Value), item.Version}, key
		sum.Add(item.Hash(), len(item.Key)+len(item.Value))
	}
	noError(tb, "scan", it.Err())
	return got, sum
}

// holds checks that a snapshot holds exactly want, and that its summary says so.
func holds(tb failer, snap store.Snapshot, want contents) {
	tb.Helper()
	got, sum := collect(tb, snap.Scan(nil, nil))
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		tb.Fatalf("contents (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(sum, snap.Summary()); diff != "" {
		tb.Fatalf("summary (-recounted +running):\n%s", diff)
	}
}

// mustHold checks that a partition holds exactly want, by scan, by summary and
// by reading each key.
func mustHold(tb failer, p store.Partition, want contents) {
	tb.Helper()
	snap := p.Snapshot()
	defer closeAll(tb, snap)
	holds(tb, snap, want)
	if got := p.Summary(); got != snap.Summary() {
		tb.Fatalf("summary %+v of the partition, %+v of its snapshot", got, snap.Summary())
	}
	for key, h := range want {
		item, err := p.Get([]byte(key))
		noError(tb, "get "+key, err)
		if string(item.Key) != key || string(item.Value) != h.Value || item.Version != h.Version {
			tb.Fatalf("get %q: %q %q@%d, want %q@%d", key, item.Key, item.Value, item.Version, h.Value, h.Version)
		}
	}
}
