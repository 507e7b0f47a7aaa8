package kv_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/vnode"
)

func (s *server) get(key string) (kv.Object, error) {
	s.t.Helper()
	r := kv.Get{Bucket: "b", Key: key}
	return s.doGet(r)
}

// values returns all values of the key k, sorted.
func (s *server) values() (out []string) {
	s.t.Helper()
	o, err := s.get("k")
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range o.Contents() {
		out = append(out, string(c.Value))
	}
	slices.Sort(out)
	return out
}

func (s *server) wantValues(want ...string) {
	s.t.Helper()
	if got := s.values(); !slices.Equal(got, want) {
		s.t.Fatal("values", got, "want", want)
	}
}

func value(text string, x kv.Context) kv.Put {
	return kv.Put{Object: kv.Object{Bucket: "b", Key: "k", Value: []byte(text), Context: x}}
}

func TestPut_keepsWhatItHasNotSeen(t *testing.T) {
	s := serve(t)
	first := s.write(value("v1", ""))
	s.write(value("v2", first.Context))
	s.wantValues("v2")

	stale := s.write(value("v3", first.Context))
	if stale.Siblings != 2 || stale.Context != "" {
		t.Errorf("a put beside another: %+v, want 2 siblings and no context, since nobody has seen both", stale)
	}
	s.write(value("v4", ""))
	s.wantValues("v2", "v3", "v4")

	o, err := s.get("k")
	if err != nil {
		t.Fatal(err)
	}
	if o.Text() != "v4" || len(o.Siblings) != 3 || string(o.Siblings[0].Value) != "v4" {
		t.Errorf("the fields show %q, want the newest of %d siblings", o.Text(), len(o.Siblings))
	}
	if w := s.write(value("settled", o.Context)); w.Siblings != 1 {
		t.Errorf("settled: %+v", w)
	}
	s.wantValues("settled")
}

// What a job is given: one object with all its siblings.
func TestDecodeItem_showsSiblings(t *testing.T) {
	s := serve(t)
	s.write(value("v1", ""))
	s.write(value("v2", ""))
	key := kv.AppendKey(nil, testHead, "", "b", "k")
	o, err := kv.DecodeItem(kv.AppendItem(nil, key, s.store[string(key)].Value))
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Siblings) != 2 || o.Text() != "v2" || string(o.Siblings[1].Value) != "v1" {
		t.Errorf("object %q with %d siblings", o.Text(), len(o.Siblings))
	}
	again, err := kv.DecodeItem(item(o))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(o.Siblings, again.Siblings); diff != "" {
		t.Errorf("siblings of an encoded object:\n%s", diff)
	}
}

func TestPut_lastWriteWins(t *testing.T) {
	s := serve(t)
	s.write(value("v1", ""))
	s.write(value("v2", ""))
	lossy := one
	lossy.AllowMult, lossy.LastWriteWins = false, true
	if w, err := s.putIn(value("v3", ""), &lossy); w.Siblings != 1 || err != nil {
		t.Errorf("%+v, %v", w, err)
	}
	s.wantValues("v3")
}

func TestPut_conditions(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before int // writes
		put    func(first, now kv.Object) kv.Put
		want   error
	}{
		{"none match, none there", 0, func(_, _ kv.Object) kv.Put { return kv.Put{IfNoneMatch: true} }, nil},
		{"none match, one there", 1, func(_, _ kv.Object) kv.Put { return kv.Put{IfNoneMatch: true} }, kv.ErrExists},
		{"not modified", 2, func(_, now kv.Object) kv.Put {
			return kv.Put{IfNotModified: true, Object: kv.Object{Context: now.Context}}
		}, nil},
		{"modified", 2, func(first, _ kv.Object) kv.Put {
			return kv.Put{IfNotModified: true, Object: kv.Object{Context: first.Context}}
		}, kv.ErrModified},
		{"not modified, but gone", 0, func(_, _ kv.Object) kv.Put {
			return kv.Put{IfNotModified: true, Object: kv.Object{Context: "\x01\x01x\x05"}}
		}, kv.ErrNotFound},
		{"the tag matches", 2, func(_, now kv.Object) kv.Put { return kv.Put{IfMatch: now.ETag()} }, nil},
		{"an old tag", 2, func(first, _ kv.Object) kv.Put { return kv.Put{IfMatch: first.ETag()} }, kv.ErrModified},
		{"a tag, but gone", 0, func(_, _ kv.Object) kv.Put { return kv.Put{IfMatch: strings.Repeat("0", 32)} }, kv.ErrNotFound},
		{"both, one fails", 2, func(first, now kv.Object) kv.Put {
			return kv.Put{IfNotModified: true, IfMatch: first.ETag(), Object: kv.Object{Context: now.Context}}
		}, kv.ErrModified},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t)
			var first, now kv.Object
			for i := range tt.before {
				s.write(value(fmt.Sprint("v", i), now.Context))
				var err error
				if now, err = s.get("k"); err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					first = now
				}
			}
			before := maps.Clone(s.store)
			r := tt.put(first, now)
			r.Object.Bucket, r.Object.Key, r.Object.Value = "b", "k", []byte("new")
			_, err := s.doPut(r)
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if changed := !cmp.Equal(before, s.store); changed != (err == nil) {
				t.Errorf("store changed: %v, after %v", changed, err)
			}
		})
	}
	s := serve(t)
	for _, r := range []kv.Put{
		{Object: kv.Object{Bucket: "b", Key: "k"}, IfNotModified: true},
		{Object: kv.Object{Bucket: "b", Key: "k"}, IfMatch: "abc"},
	} {
		if _, err := kv.NewWrite(s.set(), r, &one); !errors.Is(err, kv.ErrBadRequest) {
			t.Errorf("%+v: %v, want ErrBadRequest", r, err)
		}
	}
}

func TestDelete_leavesWhatItHasNotSeen(t *testing.T) {
	s := serve(t)
	first := s.write(value("v1", ""))
	s.write(value("v2", ""))
	del := kv.Delete{Bucket: "b", Key: "k", Context: first.Context, Modified: time.UnixMilli(9)}
	d, err := s.doDelete(del)
	if err != nil || !d.Existed || d.Siblings != 1 {
		t.Fatalf("%+v, %v; want one left", d, err)
	}
	s.wantValues("v2")
	get := kv.Get{Bucket: "b", Key: "k", Tombstones: true}
	o, err := s.doGet(get)
	if err != nil {
		t.Fatal(err)
	}
	if o.Text() != "v2" || len(o.Siblings) != 2 || !o.Siblings[1].Deleted {
		t.Errorf("with tombstones: %+v", o)
	}
	// A delete that has seen all leaves one tombstone and the note of it.
	del.Context = o.Context
	if d, err = s.doDelete(del); err != nil || d.Siblings != 0 || len(s.store) != 2 {
		t.Errorf("%+v, %v; %d items left", d, err, len(s.store))
	}
	s.wantValues()
	// A write goes in its place, and the note goes.
	get.Tombstones = true
	if o, err = s.doGet(get); err != nil || !o.Deleted {
		t.Fatalf("%+v, %v; want the tombstone", o, err)
	}
	if w := s.write(value("v3", o.Context)); w.Siblings != 1 || len(s.store) != 1 {
		t.Errorf("%+v; %d items", w, len(s.store))
	}
}

// riak_kv #679: a key that is deleted and written anew does not give its former
// dots again, so that the context of a former reader can't take the new value
// for seen: not in this life of the vnode, and not in another one that has lost
// the data.
func TestPut_afterADeleteIsNotSeen(t *testing.T) {
	for what, next := range map[string]func(*vnode.Partition){
		"same life":                        nil,
		"restart":                          func(p *vnode.Partition) { p.Incarnation++ },
		"moved away and came back":         func(p *vnode.Partition) { p.Epoch += 2 },
		"moved away, restarted, came back": func(p *vnode.Partition) { p.Epoch += 2; p.Incarnation++ },
		"restored to before":               func(p *vnode.Partition) { p.Lineage++ },
		"became a fallback":                func(p *vnode.Partition) { p.Fallback = true },
	} {
		s := serve(t)
		s.put(kv.Object{Bucket: "b", Key: "other"})
		old := s.write(value("old", "")).Context
		del := kv.Delete{Bucket: "b", Key: "k"}
		if _, err := s.doDelete(del); err != nil {
			t.Fatal(err)
		}
		if next != nil {
			clear(s.store)
			next(&s.at)
			s.seq = vnode.FirstVersion(s.at.Epoch, s.at.Incarnation)
			v, err := kv.Kind(nil).Open(s.at)
			if err != nil {
				t.Fatal(err)
			}
			s.vnode = v
		}
		s.write(value("new", ""))
		s.write(value("stale", old))
		if got := s.values(); !slices.Equal(got, []string{"new", "stale"}) {
			t.Errorf("%s: values %q", what, got)
		}
	}
}

// A context can't claim what has not happened, or later writes would be lost.
func TestPut_refusesAContextAhead(t *testing.T) {
	s := serve(t)
	s.put(kv.Object{Bucket: "b", Key: "other"})
	for _, ahead := range []kv.Clock{{{Actor: kv.ActorOf(s.at, 0, false), N: 2}}, {{Actor: "x", N: 1<<62 + 1}}} {
		r := value("v", kv.Context(kv.AppendContext(nil, ahead)))
		if _, err := s.doPut(r); !errors.Is(err, kv.ErrContext) {
			t.Errorf("%v: %v, want ErrContext", ahead, err)
		}
	}
}

func TestPut_refusesTooManySiblings(t *testing.T) {
	s := serve(t)
	for i := range kv.MaxSiblings {
		s.write(value(fmt.Sprint(i), ""))
	}
	r := value("one more", "")
	if _, err := s.doPut(r); !errors.Is(err, kv.ErrSiblings) {
		t.Errorf("sibling %d: %v, want ErrSiblings", kv.MaxSiblings+1, err)
	}
	o, err := s.get("k")
	if err != nil || len(o.Siblings) != kv.MaxSiblings {
		t.Fatalf("%d siblings, %v", len(o.Siblings), err)
	}
	s.write(value("settled", o.Context))
	s.wantValues("settled")

	big := value("", "")
	big.Object.Value = bytes.Repeat([]byte("x"), kv.MaxValueBytes)
	if _, err := s.doPut(big); err != nil {
		t.Errorf("a large sibling beside a small one: %v", err)
	}
	if _, err := s.doPut(big); !errors.Is(err, kv.ErrSiblings) {
		t.Errorf("two large siblings: %v, want ErrSiblings", err)
	}
}

// riak_kv #679 with copies: a vnode that has lost its data, or a process that
// has lost what was not durable, must not claim its forgotten writes: they stand
// in another copy.
func TestPut_doesNotClaimWhatWasLost(t *testing.T) {
	for what, lose := range map[string]func(*server, *kv.Put){
		"data":     func(s *server, _ *kv.Put) { s.copied.Lost, s.copied.Incomplete = 17, true },
		"volatile": func(_ *server, r *kv.Put) { r.Options.DW = bucket.None },
	} {
		s := serve(t)
		key := string(kv.AppendKey(nil, testHead, "", "b", "k"))
		put := func(v string) (state kv.State) {
			r := kv.Put{Object: kv.Object{Bucket: "b", Key: "k", Value: []byte(v)}}
			lose(s, &r)
			if _, err := s.doPut(r); err != nil {
				t.Fatal(err)
			}
			if err := state.Decode(s.store[key].Value); err != nil {
				t.Fatal(err)
			}
			return state
		}
		s.copied.Lost = 3
		lost := lose
		if what == "data" {
			lose = func(*server, *kv.Put) {}
		}
		other := put("acknowledged by another copy")
		lose = lost
		clear(s.store)
		s.seq, s.at.Incarnation = 0, s.at.Incarnation+1
		v, err := kv.Kind(nil).Open(s.at)
		if err != nil {
			t.Fatal(err)
		}
		s.vnode = v
		now := put("new")
		now.Merge(other)
		if len(now.Siblings) != 2 {
			t.Errorf("%s: the copies have %d values together, want both", what, len(now.Siblings))
		}
	}
}
