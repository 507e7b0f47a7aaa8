package kv_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/vnode"
)

func clockGen() *rapid.Generator[kv.Clock] {
	return rapid.Custom(func(t *rapid.T) (c kv.Clock) {
		for _, a := range []kv.Actor{"", "a", "b", "\x00"} {
			if n := rapid.Uint64Range(0, 4).Draw(t, "n"); n > 0 {
				c = c.Add(kv.Dot{Actor: a, N: n})
			}
		}
		return c
	})
}

func join(c, d kv.Clock) kv.Clock { return slices.Clone(c).Join(d) }

func TestClock_joinIsAUnion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, d, e := clockGen().Draw(t, "c"), clockGen().Draw(t, "d"), clockGen().Draw(t, "e")
		same := func(what string, x, y kv.Clock) {
			if diff := cmp.Diff(x, y, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s:\n%s", what, diff)
			}
		}
		same("commutative", join(c, d), join(d, c))
		same("associative", join(join(c, d), e), join(c, join(d, e)))
		same("idempotent", join(c, c), c)
		for _, dot := range slices.Concat(c, d, e) {
			if want := c.Has(dot) || d.Has(dot); join(c, d).Has(dot) != want {
				t.Fatalf("%v in the union: %v, want %v", dot, !want, want)
			}
		}
		if !join(c, d).Descends(c) || c.Descends(d) != cmp.Equal(join(c, d), c, cmpopts.EquateEmpty()) {
			t.Fatal("descends is not the order of the union")
		}
	})
}

// The clocks of keys that were written under many owners are as those of few.
func TestClock_many(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) (c kv.Clock, all map[kv.Actor]uint64) {
			all = rapid.MapOfN(rapid.Map(rapid.IntRange(0, 60), func(i int) kv.Actor { return kv.Actor(fmt.Sprint("actor", i)) }),
				rapid.Uint64Range(1, 3), 0, 40).Draw(t, name)
			for a, n := range all {
				c = c.Add(kv.Dot{Actor: a, N: n})
			}
			return c, all
		}
		c, of := draw("c")
		d, other := draw("d")
		descends, union := true, maps.Clone(of)
		for a, n := range other {
			descends = descends && of[a] >= n
			union[a] = max(union[a], n)
		}
		if c.Descends(d) != descends {
			t.Fatalf("%v descends from %v: %v", c, d, !descends)
		}
		both := join(c, d)
		if !slices.IsSortedFunc(both, func(x, y kv.Dot) int { return strings.Compare(string(x.Actor), string(y.Actor)) }) || len(both) != len(union) {
			t.Fatalf("%v of %v and %v", both, c, d)
		}
		for a, n := range union {
			if both.Of(a) != n {
				t.Fatalf("%s is %d, want %d", a, both.Of(a), n)
			}
		}
	})
}

// A merge of two states of a key that was written under 100 owners.
func BenchmarkClock_join(b *testing.B) {
	var c kv.Clock
	for i := range 100 {
		c = c.Add(kv.Dot{Actor: kv.ActorOf(vnode.Partition{ID: 3, Node: "node-1", Epoch: uint64(i)}, 0, false), N: 1 << 41})
	}
	d := slices.Clone(c)
	for b.Loop() {
		c = c.Join(d)
	}
}

func TestContext_isTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clockGen().Draw(t, "c")
		x := kv.Context(kv.AppendContext(nil, c))
		back, err := x.Clock(nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, back, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		d := clockGen().Draw(t, "d")
		if same := cmp.Equal(c, d, cmpopts.EquateEmpty()); same != (x.ETag() == kv.Context(kv.AppendContext(nil, d)).ETag()) {
			t.Fatalf("equal clocks: %v, but not so their tags", same)
		}
	})
}

func TestContext_refuses(t *testing.T) {
	for what, x := range map[string]kv.Context{
		"a later version":     "\x02\x01a\x05",
		"no entry":            "\x01",
		"a cut actor":         "\x01\x05a\x05",
		"no number":           "\x01\x01a",
		"the number zero":     "\x01\x01a\x00",
		"a padded number":     "\x01\x01a\x85\x00",
		"a number too large":  "\x01\x01a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
		"actors out of order": "\x01\x01b\x05\x01a\x05",
		"an actor twice":      "\x01\x01a\x05\x01a\x05",
		"too many entries":    kv.Context("\x01\xff\xff\x03" + strings.Repeat("x", 1<<16-1) + "\x05"),
	} {
		if err := x.Check(); !errors.Is(err, kv.ErrContext) {
			t.Errorf("%s: %v, want ErrContext", what, err)
		}
	}
}

func FuzzContext(f *testing.F) {
	f.Add("\x01\x01a\x05\x01b\x80\x01")
	f.Add("")
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := kv.Context(raw).Clock(nil)
		if err != nil {
			return
		}
		if again := string(kv.AppendContext(nil, c)); again != raw {
			t.Errorf("%x decodes to %v, which encodes to %x", raw, c, again)
		}
	})
}

// riak_kv #679: a counter that starts again under an old name gives one dot to
// two writes, and the later one is taken for seen.
func TestActorOf_changesWithTheLineage(t *testing.T) {
	at := vnode.Partition{Kind: kv.KindName, ID: 3, Size: 8, Node: "a", Epoch: 5, Incarnation: 1}
	with := func(change func(*vnode.Partition)) kv.Actor {
		p := at
		change(&p)
		return kv.ActorOf(p, 0, false)
	}
	if with(func(p *vnode.Partition) { p.Incarnation++ }) != kv.ActorOf(at, 0, false) {
		t.Error("a restart makes another actor")
	}
	seen := map[kv.Actor]bool{kv.ActorOf(at, 0, false): true, kv.ActorOf(at, 9, false): true, kv.ActorOf(at, 0, true): true}
	if len(seen) != 3 {
		t.Error("lost data, or a volatile write, is no other actor")
	}
	for what, change := range map[string]func(*vnode.Partition){
		"epoch":     func(p *vnode.Partition) { p.Epoch++ },
		"node":      func(p *vnode.Partition) { p.Node = "b" },
		"lineage":   func(p *vnode.Partition) { p.Lineage++ },
		"fallback":  func(p *vnode.Partition) { p.Fallback = true },
		"partition": func(p *vnode.Partition) { p.ID = ring.Partition(4) },
	} {
		if a := with(change); seen[a] {
			t.Errorf("another %s is the same actor", what)
		} else {
			seen[a] = true
		}
	}
}
