package bucket

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/topology"
)

// entries is a record with metadata alone.
type entries struct {
	values   map[string][]byte
	versions map[string]uint64
	version  uint64
	n        int
}

func newEntries() *entries {
	return &entries{values: make(map[string][]byte), versions: make(map[string]uint64), n: 3}
}

func (e *entries) NVal() int { return e.n }

func (e *entries) RingSize() int { return 8 }

func (e *entries) Metadata(key string) ([]byte, uint64) { return e.values[key], e.versions[key] }

func (e *entries) MetadataWith(prefix string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, key := range slices.Sorted(maps.Keys(e.values)) {
			if strings.HasPrefix(key, prefix) && !yield(key, e.values[key]) {
				return
			}
		}
	}
}

// do applies operations as the record does.
func (e *entries) do(t testingT, ops []topology.Op, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	for _, op := range ops {
		put := op.(topology.PutMetadata)
		if put.Expect != e.versions[put.Key] || len(put.Key) > topology.MaxMetadataKey || len(put.Value) > topology.MaxMetadataValue {
			t.Fatalf("%q expects version %d, it is %d; value of %d bytes", put.Key, put.Expect, e.versions[put.Key], len(put.Value))
		}
		if put.Value == nil {
			delete(e.values, put.Key)
			delete(e.versions, put.Key)
			continue
		}
		e.version++
		e.values[put.Key], e.versions[put.Key] = put.Value, e.version
	}
}

type testingT interface {
	Helper()
	Fatalf(format string, args ...any)
}

func (e *entries) catalog(t testingT) *Catalog {
	t.Helper()
	return FromRecord(e)
}

// A type's life, and what is refused on the way.
func TestTypes_life(t *testing.T) {
	e := newEntries()
	check := func(want error, ops []topology.Op, err error) {
		t.Helper()
		if !errors.Is(err, want) || ops != nil {
			t.Fatalf("got %v, %v; want %v", ops, err, want)
		}
	}
	lookup := func(bucketType, name string) *Properties {
		t.Helper()
		p, err := e.catalog(t).Lookup(bucketType, name)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}

	ops, err := Activate(e, "maps")
	check(ErrNoType, ops, err)
	ops, err = Update(e, "maps", Changes{"n_val": 2})
	check(ErrNoType, ops, err)
	ops, err = Set(e, "maps", "b", Changes{"n_val": 2})
	check(ErrNoType, ops, err)
	for _, name := range []string{"default", "any"} {
		ops, err = Create(e, name, nil)
		check(ErrReserved, ops, err)
	}
	for _, name := range []string{"", "a\x00b", "a\nb", "\xff", strings.Repeat("x", 256)} {
		ops, err = Create(e, name, nil)
		check(ErrName, ops, err)
	}

	ops, err = Create(e, "maps", Changes{"n_val": 1})
	e.do(t, ops, err)
	ops, err = Create(e, "maps", Changes{"n_val": 5, "w": 5})
	e.do(t, ops, err)
	if _, err := e.catalog(t).Lookup("maps", "b"); !errors.Is(err, ErrNotActive) {
		t.Errorf("lookup before activation: %v", err)
	}
	ops, err = Update(e, "maps", Changes{"n_val": 2})
	check(ErrNotActive, ops, err)
	ops, err = Set(e, "maps", "b", Changes{"n_val": 2})
	check(ErrNotActive, ops, err)
	if got, err := e.catalog(t).Type("maps"); err != nil || got.Active || got.Properties.NVal != 5 {
		t.Errorf("created type: %+v, %v", got, err)
	}

	ops, err = Activate(e, "maps")
	e.do(t, ops, err)
	if ops, err = Activate(e, "maps"); ops != nil || err != nil {
		t.Errorf("second activation: %v, %v", ops, err)
	}
	ops, err = Create(e, "maps", nil)
	check(ErrActive, ops, err)
	if p := lookup("maps", "b"); p.NVal != 5 || p.W != 5 {
		t.Errorf("active type: %+v", p)
	}

	// The layers: type, then bucket.
	ops, err = Set(e, "maps", "b", Changes{"r": 4})
	e.do(t, ops, err)
	ops, err = Update(e, "maps", Changes{"w": "one", "pr": 1})
	e.do(t, ops, err)
	if p := lookup("maps", "b"); p.NVal != 5 || p.W != One || p.PR != 1 || p.R != 4 {
		t.Errorf("bucket under an updated type: %+v", p)
	}
	if p := lookup("maps", "c"); p.R != Majority || p.W != One {
		t.Errorf("another bucket: %+v", p)
	}
	_, err = Update(e, "maps", Changes{"n_val": 3})
	const text = `update bucket type "maps": its bucket "b", which says otherwise: property r 4: there are 3 copies (n_val): use at most as many, or more copies`
	if err == nil || err.Error() != text {
		t.Errorf("an update that breaks a bucket:\n got %v\nwant %s", err, text)
	}
	e.do(t, Reset(e, "maps", "b"), nil)
	if ops := Reset(e, "maps", "b"); ops != nil {
		t.Errorf("second reset: %v", ops)
	}
	ops, err = Update(e, "maps", Changes{"n_val": nil})
	e.do(t, ops, err)
	if p := lookup("maps", "b"); p.NVal != 3 || p.R != Majority {
		t.Errorf("after the reset, and n_val taken back: %+v", p)
	}
}

// Untyped buckets are those of the default type, which can be updated.
func TestTypes_default(t *testing.T) {
	e := newEntries()
	e.n = 2
	ops, err := Update(e, "", Changes{"allow_mult": false})
	e.do(t, ops, err)
	ops, err = Set(e, "default", "b", Changes{"n_val": 1})
	e.do(t, ops, err)
	c := e.catalog(t)
	for _, bucketType := range []string{"", "default"} {
		p, err := c.Lookup(bucketType, "b")
		if err != nil || p.NVal != 1 || p.AllowMult {
			t.Errorf("type %q: %+v, %v", bucketType, p, err)
		}
	}
	if p, _ := c.Lookup("", "other"); p.NVal != 2 || p.Siblings() {
		t.Errorf("another bucket: %+v", p)
	}
	if ops, err := Activate(e, "default"); ops != nil || err != nil {
		t.Errorf("activate default: %v, %v", ops, err)
	}
	if diff := cmp.Diff([]string{"b"}, c.Buckets("")); diff != "" {
		t.Error(diff)
	}
}

// Taking back the last change of a bucket leaves no entry behind.
func TestSet_nothingLeft(t *testing.T) {
	e := newEntries()
	ops, err := Set(e, "", "b", Changes{"n_val": 2})
	e.do(t, ops, err)
	if ops, err = Set(e, "", "b", Changes{"n_val": 2}); ops != nil || err != nil {
		t.Errorf("the same again: %v, %v", ops, err)
	}
	ops, err = Set(e, "", "b", Changes{"n_val": nil})
	e.do(t, ops, err)
	if len(e.values) != 0 {
		t.Errorf("entries left: %q", e.values)
	}
}

// I4: what decides where objects lie is said at the creation.
func TestFixed(t *testing.T) {
	e := newEntries()
	ops, err := Create(e, "t", Changes{"chash_keyfun": "bucketonly"})
	e.do(t, ops, err)
	ops, err = Activate(e, "t")
	e.do(t, ops, err)
	for _, f := range []func() ([]topology.Op, error){
		func() ([]topology.Op, error) { return Update(e, "t", Changes{"chash_keyfun": "std"}) },
		func() ([]topology.Op, error) { return Update(e, "t", Changes{"chash_keyfun": nil}) },
		func() ([]topology.Op, error) { return Update(e, "t", Changes{"write_once": true}) },
		func() ([]topology.Op, error) { return Set(e, "t", "b", Changes{"chash_keyfun": "std"}) },
		func() ([]topology.Op, error) { return Set(e, "", "b", Changes{"chash_keyfun": "bucketonly"}) },
		func() ([]topology.Op, error) { return Update(e, "", Changes{"write_once": true}) },
	} {
		ops, err := f()
		var p *PropertyError
		if !errors.As(err, &p) || ops != nil || !strings.Contains(p.Remedy, "created") {
			t.Errorf("got %v, %v", ops, err)
		}
	}
	ops, err = Set(e, "t", "b", Changes{"chash_keyfun": "bucketonly", "n_val": 2})
	e.do(t, ops, err)
}

func TestEnsure(t *testing.T) {
	e := newEntries()
	for range 2 {
		for _, name := range []string{"t", "default"} {
			ops, err := Ensure(e, name, Changes{"n_val": 1})
			e.do(t, ops, err)
			p, err := e.catalog(t).Lookup(name, "b")
			if err != nil || p.NVal != 1 {
				t.Fatalf("%s: %+v, %v", name, p, err)
			}
		}
	}
	for _, name := range []string{"t", "default"} {
		if ops, err := Ensure(e, name, Changes{"n_val": 2}); ops != nil || err != nil {
			t.Errorf("%s is there: %v, %v", name, ops, err)
		}
	}
	if _, err := Ensure(e, "any", nil); !errors.Is(err, ErrReserved) {
		t.Errorf("any: %v", err)
	}
}

func TestSet_names(t *testing.T) {
	e := newEntries()
	for _, name := range []string{"", strings.Repeat("x", MaxNames)} {
		if _, err := Set(e, "", name, Changes{"n_val": 1}); !errors.Is(err, ErrName) {
			t.Errorf("a name of %d bytes: %v", len(name), err)
		}
	}
	for _, name := range []string{"a\x00b", "/", "\xff", strings.Repeat("x", MaxNames-len(DefaultType))} {
		ops, err := Set(e, "", name, Changes{"n_val": 1})
		e.do(t, ops, err)
		if p, err := e.catalog(t).Lookup("", name); err != nil || p.NVal != 1 {
			t.Errorf("%q: %v, %v", name, p, err)
		}
	}
}

// I5: an entry of a newer build concerns its own bucket or type.
func TestCatalog_unreadable(t *testing.T) {
	e := newEntries()
	e.values[typeKey("new")] = []byte(`{"active":true,"properties":{"colour":"red"}}`)
	e.values[bucketKey("default", "b")] = []byte(`{"colour":"red"}`)
	e.values[Prefix+"s-of-another-kind"] = []byte("x")
	c := e.catalog(t)
	if _, err := c.Lookup("new", "x"); !errors.Is(err, ErrEntry) {
		t.Errorf("type: %v", err)
	}
	if _, err := c.Lookup("", "b"); !errors.Is(err, ErrEntry) {
		t.Errorf("bucket: %v", err)
	}
	if _, err := c.Lookup("", "c"); err != nil {
		t.Errorf("another bucket: %v", err)
	}
	if _, err := Set(e, "", "b", Changes{"n_val": 1}); !errors.Is(err, ErrEntry) {
		t.Errorf("set: %v", err)
	}
	if _, err := Update(e, "new", Changes{"n_val": 1}); !errors.Is(err, ErrEntry) {
		t.Errorf("update: %v", err)
	}
	if _, err := c.Type("none"); !errors.Is(err, ErrNoType) {
		t.Errorf("no type: %v", err)
	}
	e.do(t, Reset(e, "", "b"), nil)
	if _, err := e.catalog(t).Lookup("", "b"); err != nil {
		t.Errorf("after the reset: %v", err)
	}
}

// Copies are on different partitions of the ring, which has 8 here.
func TestSet_ringSize(t *testing.T) {
	e := newEntries()
	_, err := Set(e, "", "b", Changes{"n_val": 9})
	const text = `set properties of bucket "b" of type "default": property n_val 9: the ring has 8 partitions: use at most as many copies`
	if err == nil || err.Error() != text {
		t.Errorf("got %v\nwant %s", err, text)
	}
	ops, err := Set(e, "", "b", Changes{"n_val": 8})
	e.do(t, ops, err)
}

func TestChanges_Hooks(t *testing.T) {
	pre, post, err := Changes{"precommit": []string{"a"}, "postcommit": []any{map[string]any{"name": "b"}}, "n_val": 1}.Hooks()
	if err != nil || !slices.Equal(pre, []string{"a"}) || !slices.Equal(post, []string{"b"}) {
		t.Errorf("%q %q %v", pre, post, err)
	}
	if _, _, err := (Changes{"precommit": 1}).Hooks(); err == nil {
		t.Error("a number was taken for hooks")
	}
}

func TestWarnings(t *testing.T) {
	old := Defaults(3)
	for _, c := range []struct {
		changes Changes
		want    int
	}{{Changes{"w": 1}, 0}, {Changes{"n_val": 4}, 1}, {Changes{"n_val": 2, "last_write_wins": true}, 2}} {
		p, err := old.With(c.changes)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Warnings(&old); len(got) != c.want {
			t.Errorf("%v: %q", c.changes, got)
		}
	}
}

// What last write wins implies stays with it.
func TestSet_implied(t *testing.T) {
	e := newEntries()
	for _, c := range []Changes{{"last_write_wins": true}, {"allow_mult": nil}} {
		ops, err := Set(e, "", "b", c)
		e.do(t, ops, err)
	}
	const want = `{"allow_mult":false,"last_write_wins":true}`
	if got := string(e.values[bucketKey("default", "b")]); got != want {
		t.Errorf("the entry is %s, want %s", got, want)
	}
}
