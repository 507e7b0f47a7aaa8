package baton

import (
	"errors"
	"strings"
	"testing"
)

// TestVerdict: only the first name of exactly the expected nodes creates the
// cluster, and only when all of them run, have none, and expect each other.
func TestVerdict(t *testing.T) {
	nodes := func(names ...string) []greeting {
		var out []greeting
		for _, n := range names {
			out = append(out, greeting{addr: n + ":1", hello: hello{Node: n, Expect: 3, Seeds: "s"}})
		}
		return out
	}
	change := func(all []greeting, i int, f func(*greeting)) []greeting { f(&all[i]); return all }
	for _, c := range []struct {
		name        string
		self        string
		all         []greeting
		join, found bool
		waiting     string
	}{
		{"first", "a", nodes("a", "b", "c"), false, true, ""},
		{"second", "b", nodes("a", "b", "c"), true, false, ""},
		{"one is missing", "a", change(nodes("a", "b", "c"), 2, func(g *greeting) { g.err = errors.New("refused") }), false, false, "c:1 does not answer: refused"},
		{"one has a cluster", "a", change(nodes("a", "b", "c"), 1, func(g *greeting) { g.Cluster = "id" }), true, false, ""},
		{"one has a cluster and one is missing", "a", change(change(nodes("a", "b", "c"), 0, func(g *greeting) { g.err = errors.New("refused") }), 1, func(g *greeting) { g.Cluster = "id" }), true, false, ""},
		{"another list", "a", change(nodes("a", "b", "c"), 1, func(g *greeting) { g.Seeds = "t" }), false, false, "expects other nodes"},
		{"another number", "a", change(nodes("a", "b", "c"), 1, func(g *greeting) { g.Expect = 5 }), false, false, "expects other nodes"},
		{"one name twice", "a", nodes("a", "b", "b"), false, false, `are both node "b"`},
		{"not among them", "d", nodes("a", "b", "c"), false, false, "none of the addresses"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := verdict(hello{Node: c.self, Expect: 3, Seeds: "s"}, c.all)
			if v.join != c.join || v.found != c.found || !strings.Contains(v.waiting, c.waiting) || (v.waiting == "") != (c.waiting == "") {
				t.Errorf("got %+v", v)
			}
		})
	}
}

// TestSeedsHash: order and repetition do not matter.
func TestSeedsHash(t *testing.T) {
	if a, b := seedsHash([]string{"x:1", "y:1", "x:1"}), seedsHash([]string{"y:1", "x:1"}); a != b {
		t.Errorf("%s and %s", a, b)
	}
	if a, b := seedsHash([]string{"x:1"}), seedsHash([]string{"y:1"}); a == b {
		t.Error("different lists, one hash")
	}
}
