package storetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/dee2748c/baton/store"
)

// testBulkLoad checks engines whose partitions are a store.BulkLoader; of the
// others it asks nothing.
func testBulkLoad(t *testing.T, open Factory) {
	e := open(t)
	_, ok := mustOpen(t, e, kv(1)).(store.BulkLoader)
	closeAll(t, e)
	if !ok {
		return
	}
	runAll(t, open, []engineTest{
		{"equals the source", testBulkEqual},
		{"of nothing", func(t *testing.T, e store.Engine) {
			p := mustStage(t, e, kv(1), 1)
			noError(t, "load", bulk(p, &listIterator{}))
			mustHold(t, p, nil)
		}},
		{"into a generation with items", func(t *testing.T, e store.Engine) {
			p := mustStage(t, e, kv(1), 1)
			mustWrite(t, p, put("a", "1", 1))
			wantError(t, "load", bulk(p, listOf("b")), store.ErrNotEmpty)
			mustHold(t, p, contents{"a": {"1", 1}})
		}},
		{"into a generation that was emptied", func(t *testing.T, e store.Engine) {
			p := mustStage(t, e, kv(1), 1)
			mustWrite(t, p, put("b", "old", 1), put("c", "old", 1))
			mustWrite(t, p, del("b"), del("c"))
			noError(t, "load", bulk(p, listOf("a", "b")))
			mustHold(t, p, contents{"a": {"a", 1}, "b": {"b", 1}})
		}},
		{"then written and promoted", func(t *testing.T, e store.Engine) {
			p := mustStage(t, e, kv(1), 1)
			noError(t, "load", bulk(p, listOf("a", "b", "c")))
			mustWrite(t, p, put("b", "delta", 2), del("c"), put("bb", "new", 3), put("d", "last", 4))
			want := contents{"a": {"a", 1}, "b": {"delta", 2}, "bb": {"new", 3}, "d": {"last", 4}}
			mustHold(t, p, want)
			noError(t, "promote", e.Promote(kv(1), 1))
			mustHold(t, mustOpen(t, e, kv(1)), want)
		}},
		{"a failed source leaves nothing", func(t *testing.T, e store.Engine) {
			p := mustStage(t, e, kv(1), 1)
			torn := errors.New("torn")
			source := listOf("a", "b")
			source.err = torn
			wantError(t, "load", bulk(p, source), torn)
			mustHold(t, p, nil)
			noError(t, "load again", bulk(p, listOf("a", "b")))
			mustHold(t, p, contents{"a": {"a", 1}, "b": {"b", 1}})
		}},
		{"keys out of order", func(t *testing.T, e store.Engine) {
			p := mustStage(t, e, kv(1), 1)
			wantError(t, "descending", bulk(p, listOf("b", "a")), store.ErrOrder)
			wantError(t, "equal", bulk(p, listOf("a", "a")), store.ErrOrder)
			mustHold(t, p, nil)
		}},
		{"I8 ended by Close", func(t *testing.T, e store.Engine) {
			loadUntil(t, e, func() error { return e.Close() }, store.ErrClosed)
		}},
		{"I8 a silent source does not hold up Close", func(t *testing.T, e store.Engine) {
			testSilentSource(t, e, e.Close, store.ErrClosed)
		}},
		{"a silent source does not hold up a drop", func(t *testing.T, e store.Engine) {
			testSilentSource(t, e, func() error { return e.DropStaging(kv(1), 1) }, store.ErrDropped)
			p := mustStage(t, e, kv(1), 1)
			noError(t, "load again", bulk(p, listOf("a")))
			mustHold(t, p, contents{"a": {"a", 1}})
		}},
		{"of two loads one fills it", testTwoLoads},
		{"in batches", testLoad},
		{"in batches out of order", testLoadOrder},
		{"ended by a drop", func(t *testing.T, e store.Engine) {
			loadUntil(t, e, func() error { return e.DropStaging(kv(1), 1) }, store.ErrDropped)
			mustHold(t, mustStage(t, e, kv(1), 1), nil)
		}},
		{"ended by another staging of the session", func(t *testing.T, e store.Engine) {
			loadUntil(t, e, func() error { _, err := e.Stage(kv(1), 1); return err }, store.ErrDropped)
		}},
		{"into a dropped generation", func(t *testing.T, e store.Engine) {
			p := mustStage(t, e, kv(1), 1)
			noError(t, "drop", e.DropStaging(kv(1), 1))
			wantError(t, "load", bulk(p, listOf("a")), store.ErrDropped)
		}},
	})
}

func testBulkEqual(t *testing.T, e store.Engine) {
	source, target := mustOpen(t, e, kv(1)), mustStage(t, e, kv(2), 1)
	want := contents{}
	for i := range 2000 {
		key := fmt.Sprintf("%05d", i*7919%5000)
		want[key] = held{fmt.Sprint("value", i), uint64(i)}
		mustWrite(t, source, put(key, fmt.Sprint("value", i), uint64(i)))
	}
	snap := source.Snapshot()
	it := snap.Scan(nil, nil)
	defer closeAll(t, it, snap)
	noError(t, "load", bulk(target, it))
	mustHold(t, target, want)
	if source.Summary() != target.Summary() {
		t.Errorf("summary %+v of the target, %+v of the source", target.Summary(), source.Summary())
	}
	if _, err := target.Get([]byte("absent")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get of an absent key: %v", err)
	}
}

// endless yields items for ever, and tells when it has begun.
type endless struct {
	n     uint64
	begun chan struct{}
}

func (l *endless) Next() bool {
	if l.n++; l.n == 10 {
		close(l.begun)
	}
	return true
}

func (l *endless) Item() store.Item {
	return store.Item{Key: binary.BigEndian.AppendUint64(nil, l.n), Value: []byte("x"), Version: l.n}
}

func (l *endless) Err() error   { return nil }
func (l *endless) Close() error { return nil }

// testSilentSource ends an engine or a generation in the middle of a load whose
// source does not answer, and goes on without it.
func testSilentSource(t *testing.T, e store.Engine, end func() error, want error) {
	t.Helper()
	p := mustStage(t, e, kv(1), 1)
	asked, answer, loaded := make(chan struct{}), make(chan struct{}), make(chan error)
	source := &watcher{items: listOf("a", "b", "c"), each: func() { close(asked); <-answer }}
	go func() { loaded <- bulk(p, source) }()
	<-asked
	noError(t, "end", end())
	close(answer)
	wantError(t, "load", <-loaded, want)
}

// testTwoLoads lets one load finish in the middle of another.
func testTwoLoads(t *testing.T, e store.Engine) {
	p := mustStage(t, e, kv(1), 1)
	source := &watcher{items: listOf("a", "b", "c"), each: func() { noError(t, "load", bulk(p, listOf("x", "y"))) }}
	wantError(t, "the slower load", bulk(p, source), store.ErrNotEmpty)
	mustHold(t, p, contents{"x": {"x", 1}, "y": {"y", 1}})
}

// testLoad fills a generation batch by batch: nothing shows before the end, and
// nothing at all of a load that is given up.
func testLoad(t *testing.T, e store.Engine) {
	p := mustStage(t, e, kv(1), 1)
	for _, finish := range []bool{false, true} {
		l := begin(t, p)
		noError(t, "add", l.Add(putsOf("a", "b")))
		noError(t, "add nothing", l.Add(new(store.Batch)))
		mustHold(t, p, nil)
		noError(t, "add", l.Add(putsOf("c")))
		if finish {
			noError(t, "finish", l.Finish())
		}
		noError(t, "close", l.Close())
		noError(t, "close again", l.Close())
		if !finish {
			mustHold(t, p, nil)
		}
	}
	mustHold(t, p, contents{"a": {"a", 1}, "b": {"b", 1}, "c": {"c", 1}})
	_, err := p.(store.BulkLoader).BeginLoad()
	wantError(t, "load on top", err, store.ErrNotEmpty)

	other := mustStage(t, e, kv(2), 1)
	l := begin(t, other)
	noError(t, "add", l.Add(putsOf("a")))
	mustWrite(t, other, put("x", "1", 1))
	wantError(t, "finish beside a write", l.Finish(), store.ErrNotEmpty)
	noError(t, "close", l.Close())
	mustHold(t, other, contents{"x": {"1", 1}})
}

// testLoadOrder wants each batch behind the one before, and no deletes.
func testLoadOrder(t *testing.T, e store.Engine) {
	p := mustStage(t, e, kv(1), 1)
	gone := new(store.Batch)
	gone.Delete([]byte("c"))
	for name, b := range map[string]*store.Batch{
		"the last key again": putsOf("b"), "a key before": putsOf("a"), "a delete": gone, "within a batch": putsOf("d", "c"),
	} {
		l := begin(t, p)
		noError(t, "add", l.Add(putsOf("a", "b")))
		wantError(t, name, l.Add(b), store.ErrOrder)
		noError(t, "close", l.Close())
		mustHold(t, p, nil)
	}
}

func begin(t *testing.T, p store.Partition) store.Load {
	t.Helper()
	l, err := p.(store.BulkLoader).BeginLoad()
	noError(t, "begin", err)
	return l
}

func putsOf(keys ...string) *store.Batch {
	b := new(store.Batch)
	for _, key := range keys {
		b.Put([]byte(key), []byte(key), 1)
	}
	return b
}

// watcher calls each before its second item.
type watcher struct {
	items *listIterator
	each  func()
}

func (w *watcher) Next() bool {
	if w.items.at == 1 {
		w.each()
	}
	return w.items.Next()
}

func (w *watcher) Item() store.Item { return w.items.Item() }
func (w *watcher) Err() error       { return w.items.Err() }
func (w *watcher) Close() error     { return nil }

// loadUntil lets a load run that never ends by itself until end ends it.
func loadUntil(t *testing.T, e store.Engine, end func() error, want error) {
	t.Helper()
	p := mustStage(t, e, kv(1), 1)
	source, loaded := &endless{begun: make(chan struct{})}, make(chan error)
	go func() { loaded <- bulk(p, source) }()
	<-source.begun
	noError(t, "end", end())
	wantError(t, "load", <-loaded, want)
}

func bulk(p store.Partition, it store.Iterator) error {
	return p.(store.BulkLoader).BulkLoad(it)
}

// listIterator walks over a list and ends with err.
type listIterator struct {
	items []store.Item
	at    int
	err   error
}

// listOf returns items whose value is their key, at version 1.
func listOf(keys ...string) *listIterator {
	l := new(listIterator)
	for _, key := range keys {
		l.items = append(l.items, store.Item{Key: []byte(key), Value: []byte(key), Version: 1})
	}
	return l
}

func (l *listIterator) Next() bool {
	l.at++
	return l.at <= len(l.items)
}

func (l *listIterator) Item() store.Item { return l.items[l.at-1] }

func (l *listIterator) Err() error {
	if l.at <= len(l.items) {
		return nil
	}
	return l.err
}

func (l *listIterator) Close() error { return nil }
