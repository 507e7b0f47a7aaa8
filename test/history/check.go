package history

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dee2748c/baton/kv"
)

// Promise is what the checks hold a history to.
type Promise uint8

// The promises, which the package comment states.
const (
	Eventual Promise = iota
	Strict
)

// Check returns what is wrong with the history, nothing if it is as promised.
func (h *History) Check(p Promise) []error {
	byKey := map[string][]Op{}
	var keys []string
	for _, o := range h.Ops() {
		if byKey[o.Key] == nil {
			keys = append(keys, o.Key)
		}
		byKey[o.Key] = append(byKey[o.Key], o)
	}
	var wrong []error
	for _, key := range keys {
		k := newKey(byKey[key])
		wrong = slices.Concat(wrong, k.invented(), k.ends())
		if p == Strict {
			wrong = slices.Concat(wrong, k.lives(), k.contexts())
		}
	}
	return wrong
}

// Listed compares a listing with the keys that should be in it: each once.
func Listed(want, got []string) error {
	sorted := slices.Sorted(slices.Values(got))
	if slices.Equal(sorted, slices.Sorted(slices.Values(want))) {
		return nil
	}
	var b strings.Builder
	for _, key := range want {
		if !slices.Contains(sorted, key) {
			fmt.Fprintf(&b, " %q is missing;", key)
		}
	}
	for i, key := range sorted {
		if i > 0 && key == sorted[i-1] {
			fmt.Fprintf(&b, " %q is there twice;", key)
		}
		if !slices.Contains(want, key) {
			fmt.Fprintf(&b, " %q should not be there;", key)
		}
	}
	return fmt.Errorf("listing of %d keys, %d expected:%s", len(got), len(want), b.String())
}

// A key is all that was done to one key.
type key struct {
	ops   []Op
	puts  map[string]*Op   // by value
	after map[string][]*Op // writes that had seen the value and may have been done
	reads []*Op            // that were answered, by begin
	with  map[string][]*Op // those that returned the value
}

func newKey(ops []Op) *key {
	k := &key{ops: ops, puts: map[string]*Op{}, after: map[string][]*Op{}, with: map[string][]*Op{}}
	for i := range ops {
		o := &ops[i]
		switch {
		case o.Kind == Get && o.Outcome == OK:
			k.reads = append(k.reads, o)
			for _, v := range o.Values {
				k.with[v] = append(k.with[v], o)
			}
		case o.Kind == Put:
			k.puts[o.Value] = o
		}
		if o.Kind != Get && o.Outcome != NotDone {
			for _, v := range o.Seen {
				k.after[v] = append(k.after[v], o)
			}
		}
	}
	return k
}

// invented is I1.
func (k *key) invented() (wrong []error) {
	for _, r := range k.reads {
		for _, v := range r.Values {
			switch put := k.puts[v]; {
			case put == nil:
				wrong = append(wrong, fmt.Errorf("nobody wrote %q to the key: %v", v, r))
			case put.Outcome == NotDone:
				wrong = append(wrong, fmt.Errorf("a write that was not done was read: %v by %v", put, r))
			case put.Begin > r.End:
				wrong = append(wrong, fmt.Errorf("read before it was written: %v by %v", put, r))
			}
		}
	}
	return wrong
}

// ends is I2, I3 and I4.
func (k *key) ends() (wrong []error) {
	var first *Op
	for _, r := range k.reads {
		switch {
		case !r.Final:
		case first == nil:
			first = r
		case !slices.Equal(slices.Sorted(slices.Values(first.Values)), slices.Sorted(slices.Values(r.Values))):
			wrong = append(wrong, fmt.Errorf("two reads at the end differ: %v and %v", first, r))
		}
	}
	if first == nil {
		return append(wrong, fmt.Errorf("key %q was not read at the end", k.ops[0].Key))
	}
	for v, put := range k.puts {
		if k.known(put) > 0 && !slices.Contains(first.Values, v) && len(k.after[v]) == 0 {
			wrong = append(wrong, fmt.Errorf("lost: %v, at the end there is %q", put, first.Values))
		}
	}
	for _, v := range first.Values {
		if w := k.superseded(v); w != nil {
			wrong = append(wrong, fmt.Errorf("%q stands at the end, though superseded by %v: %v", v, w, first))
		}
	}
	return wrong
}

// known returns when it was first sure that the value was there, 0 if never.
func (k *key) known(put *Op) uint64 {
	var at uint64
	if put.Outcome == OK {
		at = put.End
	}
	for _, r := range k.with[put.Value] {
		if at == 0 || r.End < at {
			at = r.End
		}
	}
	return at
}

// superseded returns the first acknowledged write that had seen the value, or nil.
func (k *key) superseded(v string) (first *Op) {
	for _, w := range k.after[v] {
		if w.Outcome == OK && (first == nil || w.End < first.End) {
			first = w
		}
	}
	return first
}

// lives is I5 and I6.
func (k *key) lives() (wrong []error) {
	for v, put := range k.puts {
		known := k.known(put)
		if known == 0 {
			continue
		}
		gone := k.superseded(v)
		if miss := k.missed(v, known); miss != nil {
			if !slices.ContainsFunc(k.after[v], func(w *Op) bool { return w.Begin < miss.End }) {
				wrong = append(wrong, fmt.Errorf("not returned though it was there (since %d): %v by %v", known, put, miss))
			}
			if gone == nil || miss.End < gone.End {
				gone = miss
			}
		}
		if gone == nil {
			continue
		}
		for _, r := range k.with[v] {
			if r.Begin > gone.End {
				wrong = append(wrong, fmt.Errorf("%q came back: gone at %v, and read by %v", v, gone, r))
			}
		}
	}
	return wrong
}

// missed returns the read that ended first of those that began after the value
// was known and did not return it, or nil.
func (k *key) missed(v string, known uint64) (first *Op) {
	from, _ := slices.BinarySearchFunc(k.reads, known, func(r *Op, at uint64) int {
		if r.Begin > at {
			return 1
		}
		return -1
	})
	for _, r := range k.reads[from:] {
		if first != nil && r.Begin > first.End {
			break
		}
		if (first == nil || r.End < first.End) && !slices.Contains(r.Values, v) {
			first = r
		}
	}
	return first
}

// contexts is I7.
func (k *key) contexts() (wrong []error) {
	var answers []*Op
	for i := range k.ops {
		o := &k.ops[i]
		switch {
		case o.Kind == Delete && o.Outcome != NotDone:
			return nil
		case o.Outcome == OK:
			answers = append(answers, o)
		}
	}
	byEnd := slices.SortedFunc(slices.Values(answers), func(a, b *Op) int { return int(a.End) - int(b.End) })
	var seen kv.Clock
	for _, o := range answers {
		for len(byEnd) > 0 && byEnd[0].End < o.Begin {
			clock, err := byEnd[0].Context.Clock(nil)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%v: %w", byEnd[0], err))
			}
			seen, byEnd = seen.Join(clock), byEnd[1:]
		}
		if o.Kind != Get {
			continue
		}
		if clock, err := o.Context.Clock(nil); err == nil && !clock.Descends(seen) {
			wrong = append(wrong, fmt.Errorf("the context of a read does not descend from earlier answers: %v, clock %v, seen %v", o, clock, seen))
		}
	}
	return wrong
}
