package history_test

import (
	"strings"
	"testing"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/test/history"
)

// step is an operation that begins and ends between its neighbours, on key "k".
type step = history.Op

// ran returns the history of steps, one after the other.
func ran(steps ...step) *history.History {
	h := history.New()
	for _, s := range steps {
		s.Key = "k"
		if s.Final {
			h.Final()
		}
		h.End(h.Begin(s), s)
	}
	return h
}

// at returns the context of a clock with one actor.
func at(n uint64) kv.Context {
	return kv.Context(kv.AppendContext(nil, kv.Clock{{Actor: "a", N: n}}))
}

func put(v string, n uint64, seen ...string) step {
	return step{Kind: history.Put, Outcome: history.OK, Value: v, Seen: seen, Context: at(n)}
}

func unknown(s step) step { s.Outcome, s.Context = history.Unknown, ""; return s }

func notDone(s step) step { s.Outcome, s.Context = history.NotDone, ""; return s }

func get(n uint64, values ...string) step {
	s := step{Kind: history.Get, Outcome: history.OK, Values: values}
	if n > 0 {
		s.Context = at(n)
	}
	return s
}

func remove(seen ...string) step {
	return step{Kind: history.Delete, Outcome: history.OK, Seen: seen}
}

func final(s step) step { s.Final = true; return s }

// TestCheck: each promise, kept and broken. What breaks only a strict one is right for the other.
func TestCheck(t *testing.T) {
	const clean = ""
	for _, c := range []struct {
		name             string
		steps            []step
		eventual, strict string // what the error says
	}{
		{"kept", []step{put("1", 1), get(1, "1"), put("2", 2, "1"), get(2, "2"), final(get(2, "2"))}, clean, clean},
		{"siblings", []step{put("1", 1), put("2", 2), final(get(2, "2", "1"))}, clean, clean},
		{"sibling lost", []step{put("1", 1), put("2", 2), final(get(2, "2"))}, "lost", "not returned"},
		{"read once and lost", []step{unknown(put("1", 1)), get(1, "1"), final(get(0))}, "lost", "not returned"},
		{"unknown and gone", []step{unknown(put("1", 1)), get(0), final(get(0))}, clean, clean},
		{"unknown and late", []step{unknown(put("1", 1)), get(0), final(get(1, "1"))}, clean, clean},
		{"unknown took the place", []step{put("1", 1), unknown(put("2", 2, "1")), final(get(2, "2"))}, clean, clean},
		{"not done took the place", []step{put("1", 1), notDone(put("2", 2, "1")), final(get(1))}, "lost", "not returned"},
		{"not done and read", []step{notDone(put("1", 1)), final(get(1, "1"))}, "not done was read", "not done was read"},
		{"invented", []step{put("1", 1), final(get(2, "1", "x"))}, "nobody wrote", "nobody wrote"},
		{"from the future", []step{get(1, "1"), put("1", 1), final(get(1, "1"))}, "before it was written", "before it was written"},
		{"deleted", []step{put("1", 1), remove("1"), get(0), final(get(0))}, clean, clean},
		{"resurrected", []step{put("1", 1), remove("1"), final(get(1, "1"))}, "though superseded", "came back"},
		{"resurrected for a moment", []step{put("1", 1), remove("1"), get(1, "1"), final(get(0))}, clean, "came back"},
		{"superseded stands", []step{put("1", 1), put("2", 2, "1"), final(get(2, "2", "1"))}, "though superseded", "came back"},
		{"two ends", []step{put("1", 1), final(get(1, "1")), final(get(1))}, "differ", "not returned"},
		{"no end", []step{put("1", 1), get(1, "1")}, "not read at the end", "not read at the end"},
		{"stale read", []step{put("1", 1), get(0), final(get(1, "1"))}, clean, "not returned"},
		{"flicker", []step{put("1", 1), unknown(put("2", 2, "1")), get(2, "2"), get(1, "1"), final(get(2, "2"))}, clean, "came back"},
		{"reads go back", []step{put("1", 5), get(5, "1"), final(get(4, "1"))}, clean, "descend"},
		{"a delete forgets the clock", []step{put("1", 5), remove("1"), put("2", 1), final(get(1, "2"))}, clean, clean},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := ran(c.steps...)
			expect(t, h.Check(history.Eventual), c.eventual)
			expect(t, h.Check(history.Strict), c.strict)
		})
	}
}

func expect(t *testing.T, wrong []error, want string) {
	t.Helper()
	var all []string
	for _, err := range wrong {
		all = append(all, err.Error())
	}
	got := strings.Join(all, "\n")
	if (want == "") != (got == "") || !strings.Contains(got, want) {
		t.Errorf("want %q, found:\n%s", want, got)
	}
}

// TestConcurrent: operations that overlap bind each other to nothing.
func TestConcurrent(t *testing.T) {
	h := history.New()
	p := put("1", 1)
	p.Key = "k"
	g := get(0)
	g.Key = "k"
	write, read := h.Begin(p), h.Begin(g)
	h.End(write, p)
	h.End(read, g)
	d := remove("1")
	d.Key = "k"
	gone, again := h.Begin(d), h.Begin(g)
	h.End(again, get(1, "1"))
	h.End(gone, d)
	h.Final()
	h.End(h.Begin(g), g)
	for _, wrong := range h.Check(history.Strict) {
		t.Error(wrong)
	}
	if c := h.Counts(); c != (history.Counts{Gets: 3, Puts: 1, Deletes: 1, OK: 5}) {
		t.Errorf("counts %v", c)
	}
}

func TestListed(t *testing.T) {
	want := []string{"a", "b"}
	for got, says := range map[string]string{"b,a": "", "a": `"b" is missing`, "a,b,b": "twice", "a,b,c": "should not"} {
		err := history.Listed(want, strings.Split(got, ","))
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("listing %s: %v", got, err)
		}
	}
}
