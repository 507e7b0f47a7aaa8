package bucket

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// values are drawn for each property; not all are valid together.
var values = map[string][]string{
	"allow_mult": {"true", "false", "null"}, "basic_quorum": {"true", "false"}, "big_vclock": {"0", "7"},
	"chash_keyfun": {`"std"`, `"bucketonly"`}, "dw": {"0", "1", `"all"`, "null"},
	"last_write_wins": {"true", "false", "null"}, "linkfun": {`{"mod":"m","fun":"f"}`}, "n_val": {"1", "2", "3", "5", "16", "null"},
	"node_confirms": {"0", "1", "2"}, "notfound_ok": {"true", "false"}, "old_vclock": {"1"},
	"postcommit": {"[]", `["a"]`}, "pr": {"0", "2", `"quorum"`}, "precommit": {`["a",{"name":"b"}]`, "null"},
	"pw": {`"one"`, `"default"`}, "r": {"1", "2", "4", `"one"`, "null"}, "rw": {`"all"`}, "serve_frozen": {"true"},
	"sloppy_quorum": {"false", "true"}, "small_vclock": {"1"}, "ttl": {"60", `"36h"`, "0", "null"}, "w": {"1", "3", `"quorum"`},
	"write_once": {"true", "false"}, "young_vclock": {"9"},
}

func drawChanges() *rapid.Generator[Changes] {
	return rapid.Custom(func(t *rapid.T) Changes {
		c := make(Changes)
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(names()), 0, 5).Draw(t, "names") {
			c[name] = json.RawMessage(rapid.SampledFrom(values[name]).Draw(t, name))
		}
		own, err := c.canonical()
		if err != nil && c["allow_mult"] == nil {
			t.Fatalf("%v: %v", c, err)
		}
		return own
	})
}

func names() []string {
	all := make([]string, len(definitions))
	for i := range definitions {
		all[i] = definitions[i].name
	}
	return all
}

// Every property has values to draw.
func TestValues(t *testing.T) {
	if len(values) != len(definitions) {
		t.Errorf("%d properties, %d have values", len(definitions), len(values))
	}
}

func encode(t testingT, v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("encode %v: %v", v, err)
	}
	return raw
}

// I2, and what merging and laying over promise each other.
func TestChanges_laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawChanges().Draw(t, "a"), drawChanges().Draw(t, "b"), drawChanges().Draw(t, "c")
		raw := encode(t, a)
		back, err := DecodeChanges(raw)
		if err != nil || !bytes.Equal(encode(t, back), raw) {
			t.Fatalf("%s became %s, %v", raw, encode(t, back), err)
		}
		both := a.merged(b)
		if diff := cmp.Diff(both, both.merged(b)); diff != "" {
			t.Fatalf("the same changes again changed something:\n%s", diff)
		}
		if diff := cmp.Diff(both.merged(c), a.merged(maps.Clone(b).mergedKeepingNull(c))); diff != "" {
			t.Fatalf("merging is not associative:\n%s", diff)
		}
		base := Defaults(3)
		p, err := base.over(Changes(nil).merged(a))
		if err != nil {
			t.Fatalf("over: %v", err)
		}
		// All of it said again gives the same properties, and the same bytes.
		q := Defaults(7)
		if err := json.Unmarshal(encode(t, p), &q); err != nil || !bytes.Equal(encode(t, p), encode(t, q)) {
			t.Fatalf("%s became %s, %v", encode(t, p), encode(t, q), err)
		}
	})
}

// mergedKeepingNull is merged for changes that are themselves still to be merged.
func (c Changes) mergedKeepingNull(later Changes) Changes {
	maps.Copy(c, later)
	return c
}

// I1 and I3: after any history of operations each lookup is what a naive model
// says, and what was accepted is valid.
func TestCatalog_model(t *testing.T) {
	types := []string{"", "t", "u"}
	buckets := []string{"a", "b", "c\x00d"}
	rapid.Check(t, func(t *rapid.T) {
		e := newEntries()
		e.n = rapid.IntRange(1, 5).Draw(t, "n")
		active := map[string]bool{"": true}
		own := map[string]Changes{} // of types, and of type + "/" + bucket
		grown := e.catalog(t)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			bt, b := rapid.SampledFrom(types).Draw(t, "type"), rapid.SampledFrom(buckets).Draw(t, "bucket")
			c := drawChanges().Draw(t, "changes")
			switch rapid.SampledFrom([]string{"create", "activate", "update", "set", "set", "reset"}).Draw(t, "op") {
			case "create":
				if ops, err := Create(e, bt, c); err == nil {
					e.do(t, ops, err)
					own[bt] = Changes(nil).merged(c)
				}
			case "activate":
				if ops, err := Activate(e, bt); err == nil {
					e.do(t, ops, err)
					active[bt] = true
				}
			case "update":
				if ops, err := Update(e, bt, c); err == nil {
					e.do(t, ops, err)
					own[bt] = own[bt].merged(c)
				}
			case "set":
				if ops, err := Set(e, bt, b, c); err == nil {
					e.do(t, ops, err)
					own[bt+"/"+b] = own[bt+"/"+b].merged(c)
				}
			case "reset":
				e.do(t, Reset(e, bt, b), nil)
				delete(own, bt+"/"+b)
			}
			grown = grown.Next(e.MetadataWith(Prefix))
		}
		catalog := e.catalog(t)
		if diff := cmp.Diff(catalog, grown, cmp.AllowUnexported(Catalog{}, catalogType{}, named{}), cmpopts.EquateErrors()); diff != "" {
			t.Fatalf("the catalog grown step by step is another one:\n%s", diff)
		}
		for _, bt := range types {
			for _, b := range append(buckets, "none") {
				got, err := catalog.Lookup(bt, b)
				if !active[bt] {
					if err == nil {
						t.Fatalf("type %q is not active: %+v", bt, got)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%q/%q: %v", bt, b, err)
				}
				want := Defaults(e.n)
				for _, layer := range []Changes{own[bt], own[bt+"/"+b]} {
					if want, err = want.over(layer); err != nil {
						t.Fatalf("model: %v", err)
					}
				}
				if diff := cmp.Diff(want, *got); diff != "" {
					t.Fatalf("%q/%q:\n%s", bt, b, diff)
				}
				if err := got.Validate(); err != nil {
					t.Fatalf("%q/%q was accepted: %v", bt, b, err)
				}
			}
		}
	})
}

// I3: a lookup does not allocate.
func TestCatalog_allocations(t *testing.T) {
	e := newEntries()
	for _, b := range []string{"a", "b"} {
		ops, err := Set(e, "", b, Changes{"n_val": 1})
		e.do(t, ops, err)
	}
	c := e.catalog(t)
	if n := testing.AllocsPerRun(100, func() {
		for _, b := range []string{"a", "other"} {
			if _, err := c.Lookup("", b); err != nil {
				t.Error(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Bytes from outside: no panic, and what is accepted is stable.
func FuzzDecodeChanges(f *testing.F) {
	for name, all := range values {
		for _, v := range all {
			f.Add([]byte(fmt.Sprintf(`{%q: %s}`, name, v)))
		}
	}
	for _, s := range []string{"", "null", "[]", "{}{}", `{"n_val":1e9}`, `{"ttl":"1h","ttl":"2h"}`, `{"precommit":[[["a"]]]}`, `{"` + "\xff" + `":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := DecodeChanges(raw)
		if err != nil {
			return
		}
		again, err := DecodeChanges(encode(t, c))
		if err != nil || !bytes.Equal(encode(t, again), encode(t, c)) {
			t.Fatalf("%q gives %s, and that %s, %v", raw, encode(t, c), encode(t, again), err)
		}
		if p, err := Defaults(3).With(c); err == nil {
			if err := p.Validate(); err != nil {
				t.Fatalf("%q was accepted: %v", raw, err)
			}
		}
	})
}

// Entries of the record come from other builds and from disk.
func FuzzCatalog(f *testing.F) {
	f.Add("bucket-type/t", []byte(`{"active":true,"properties":{"n_val":1}}`), "bucket/t\x00b", []byte(`{"r":4}`))
	f.Add("bucket-type/default", []byte(`{}`), "bucket/default\x00", []byte(`null`))
	f.Add("bucket/", []byte(`{"properties":1}`), "bucket/t", []byte(`{`))
	f.Fuzz(func(t *testing.T, key1 string, value1 []byte, key2 string, value2 []byte) {
		e := newEntries()
		e.values[key1], e.values[key2] = value1, value2
		c := e.catalog(t)
		for _, bt := range c.Types() {
			for _, b := range append(c.Buckets(bt.Name), "other") {
				if p, err := c.Lookup(bt.Name, b); (err == nil) != (p != nil) {
					t.Fatalf("%q/%q: %v, %v", bt.Name, b, p, err)
				}
			}
		}
	})
}
