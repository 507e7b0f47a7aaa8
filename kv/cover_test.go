package kv_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/replica"
	"github.com/dee2748c/baton/vnode"
)

// copySet are n copies of one head, and the states that every copy together
// would hold.
type copySet struct {
	t      fatal
	copies []*server
	record []vnode.Copy         // what it says about each copy
	all    map[string]*kv.State // by bucket/key
	events uint64
}

func newCopySet(t fatal, n int) *copySet {
	r := &copySet{t: t, all: make(map[string]*kv.State)}
	for range n {
		r.copies, r.record = append(r.copies, serve(t)), append(r.record, vnode.Copy{})
	}
	return r
}

// ask sends a request to a copy.
func (r *copySet) ask(copy int, body []byte) []byte {
	c := r.copies[copy]
	cx := vnode.NewContext(c.at, c.store, &c.seq, nil)
	cx.SetCopy(r.record[copy])
	reply, ok := c.vnode.HandleCommand(cx, vnode.Command{Body: body}).(vnode.Reply)
	if !ok || cx.Err() != nil {
		r.t.Fatal("no reply", cx.Err())
	}
	return reply.Body
}

func (r *copySet) merge(copy int, bucket, key string, s kv.State) {
	c := r.copies[copy]
	cx := vnode.NewContext(c.at, c.store, &c.seq, nil)
	if err := kv.MergeInto(c.vnode, cx, testHead, "", bucket, key, s); err != nil {
		r.t.Fatal(err)
	}
	if err := c.store.Write(cx.Batch()); err != nil {
		r.t.Fatal(err)
	}
}

// write makes a write at the first copy of to that has seen what that copy
// holds, or nothing, and brings the state to all of to.
func (r *copySet) write(to []int, bucket, key string, blind bool, c kv.Content) {
	var s kv.State
	if stored, ok := r.copies[to[0]].store[string(kv.AppendKey(nil, testHead, "", bucket, key))]; ok {
		if err := s.Decode(bytes.Clone(stored.Value)); err != nil {
			r.t.Fatal(err)
		}
	}
	var seen kv.Clock
	if !blind {
		seen = slices.Clone(s.Clock)
	}
	r.events++
	v := kv.Sibling{Dot: kv.Dot{Actor: kv.Actor("copy" + strconv.Itoa(to[0])), N: r.events}, Modified: r.events, Deleted: c.Deleted}
	if !c.Deleted {
		v.Content = kv.EncodeContent(c)
	}
	s.Write(seen, v)
	for _, i := range to {
		r.merge(i, bucket, key, s)
	}
	name := bucket + "/" + key
	if r.all[name] == nil {
		r.all[name] = &kv.State{}
	}
	r.all[name].Merge(s)
}

// set says where the copies are: each on a node of its own.
func (r *copySet) set() replica.Set {
	s := replica.Set{Head: testHead, Self: "n0"}
	for i := range r.copies {
		s.Copies = append(s.Copies, replica.Copy{Entry: ring.Entry{Partition: testHead + ring.Partition(i), Node: ring.NodeID(fmt.Sprint("n", i))}, Up: true})
	}
	return s
}

// read runs the machine: answers come in the order that choose says, and a send
// to a copy that down says fails.
func (r *copySet) read(m *kv.CoverPage, choose func(n int) int, down func(copy int) bool) {
	pending := m.Step(replica.Event{Type: replica.Begin}, nil)
	for !m.Done() {
		if len(pending) == 0 {
			r.t.Fatal("the machine waits for nothing")
		}
		i := choose(len(pending))
		s := pending[i]
		pending = slices.Delete(pending, i, i+1)
		copy := int(s.To.Partition - testHead)
		e := replica.Event{Type: replica.Answer, Send: s.ID}
		if down(copy) {
			e.Type, e.Err = replica.Fail, errDown
		} else {
			e.Body = r.ask(copy, s.Body)
		}
		pending = m.Step(e, pending)
	}
}

var errDown = errors.New("node is down")

func never(int) bool { return false }
func first(int) int  { return 0 }

// scan reads a scan to its end, page by page.
func (r *copySet) scan(s *kv.Scan, o kv.PageOptions, choose func(int) int, down func(int) bool) ([]kv.IndexEntry, error) {
	var all []kv.IndexEntry
	place, err := s.Resume("", 8)
	if err != nil {
		r.t.Fatal(err)
	}
	for {
		m := kv.NewCoverPage(s, r.set(), place.Position, o)
		r.read(m, choose, down)
		page, err := m.Result()
		for i := range page.Len() {
			e, err := page.Entry(i)
			if err != nil {
				r.t.Fatal(err)
			}
			all = append(all, e)
		}
		if err != nil || !page.More {
			return all, err
		}
		// Through a continuation, as a client would.
		if place, err = s.Resume(s.Continuation(8, kv.Place{Head: uint32(testHead), Position: page.Next}), 8); err != nil {
			r.t.Fatal(err)
		}
	}
}

// expect computes what a query has to answer from the states.
func (r *copySet) expect(q kv.IndexQuery) (want []kv.IndexEntry) {
	for name, s := range r.all {
		bucket, key, _ := strings.Cut(name, "/")
		if bucket != q.Bucket {
			continue
		}
		o, err := kv.DecodeObject(kv.AppendKey(nil, testHead, "", bucket, key), s.Append(nil))
		if err != nil {
			r.t.Fatal(err)
		}
		terms := make(map[string]bool)
		for _, c := range o.Contents() {
			switch {
			case c.Deleted:
			case q.Index == "" || q.Index == kv.KeyIndex:
				terms[key] = q.Index == "" || key >= q.From && (q.To == "" || key <= q.To)
			default:
				for _, e := range c.Indexes {
					if e.FullName() == q.Index {
						text, in := e.Bin, e.Bin >= q.From && (q.To == "" || e.Bin <= q.To)
						if e.Kind == kv.IntIndex {
							text = strconv.FormatInt(e.Int, 10)
							from, to := int64(math.MinInt64), int64(math.MaxInt64)
							if q.From != "" {
								from, _ = strconv.ParseInt(q.From, 10, 64)
							}
							if q.To != "" {
								to, _ = strconv.ParseInt(q.To, 10, 64)
							}
							in = from <= e.Int && e.Int <= to
						}
						terms[text] = in
					}
				}
			}
		}
		for term, in := range terms {
			if in {
				want = append(want, kv.IndexEntry{Term: term, Key: key})
			}
		}
	}
	slices.SortFunc(want, func(a, b kv.IndexEntry) int {
		if strings.HasSuffix(q.Index, "_int") {
			x, _ := strconv.ParseInt(a.Term, 10, 64)
			y, _ := strconv.ParseInt(b.Term, 10, 64)
			return cmp.Or(cmp.Compare(x, y), cmp.Compare(a.Key, b.Key))
		}
		return cmp.Or(cmp.Compare(a.Term, b.Term), cmp.Compare(a.Key, b.Key))
	})
	return want
}

func drawContent(t *rapid.T) kv.Content {
	if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
		return kv.Content{Deleted: true}
	}
	c := kv.Content{Value: []byte("v")}
	for range rapid.IntRange(0, 3).Draw(t, "entries") {
		e := kv.Index{Name: "n", Kind: kv.IntIndex, Int: rapid.Int64Range(-3, 3).Draw(t, "int")}
		if rapid.Bool().Draw(t, "bin") {
			e = kv.Index{Name: rapid.SampledFrom([]string{"n", "n_bin"}).Draw(t, "name"), Bin: rapid.SampledFrom([]string{"", "\x00", "a", "ab", "b"}).Draw(t, "term")}
		}
		c.Indexes = append(c.Indexes, e)
	}
	return c
}

var coverQueries = []kv.IndexQuery{
	{Bucket: "b"},
	{Bucket: "b", Index: kv.KeyIndex, From: "k1", To: "k2"},
	{Bucket: "b", Index: "n_int"},
	{Bucket: "b", Index: "n_int", From: "-1", To: "2"},
	{Bucket: "b", Index: "n_bin"},
	{Bucket: "b", Index: "n_bin", From: "\x00", To: "a"},
}

// TestCover_everyAcknowledgedWrite: whatever copies a write has reached, if it
// was acknowledged by w of them, then n-w+1 copies, in any order, with failures
// between, show exactly what all copies together hold, each entry once and in
// order, page by page.
func TestCover_everyAcknowledgedWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "n")
		w := rapid.IntRange(1, n).Draw(t, "w")
		r := newCopySet(t, n)
		for range rapid.IntRange(0, 25).Draw(t, "writes") {
			to := rapid.Permutation(counted(n)).Draw(t, "copies")[:rapid.IntRange(w, n).Draw(t, "acknowledged")]
			bucket := rapid.SampledFrom([]string{"b", "b\x00", "c"}).Draw(t, "bucket")
			key := "k" + strconv.Itoa(rapid.IntRange(0, 4).Draw(t, "key"))
			r.write(to, bucket, key, rapid.Bool().Draw(t, "blind"), drawContent(t))
		}
		lost := make(map[int]bool)
		down := func(i int) bool {
			if !lost[i] && len(lost) < w-1 && rapid.IntRange(0, 5).Draw(t, "fails") == 0 {
				lost[i] = true
			}
			return lost[i]
		}
		choose := func(k int) int { return rapid.IntRange(0, k-1).Draw(t, "next") }
		for _, q := range coverQueries {
			s, err := q.Scan()
			if err != nil {
				t.Fatal(err)
			}
			o := kv.PageOptions{Demands: []kv.Demand{kv.DemandOf(n, w)}, Limit: rapid.IntRange(1, 4).Draw(t, "limit"), Bytes: rapid.IntRange(1, 200).Draw(t, "bytes")}
			got, err := r.scan(s, o, choose, down)
			if err != nil {
				t.Fatal(err)
			}
			if d := gocmp.Diff(r.expect(q), got); d != "" {
				t.Fatalf("%+v with %+v (-want +got):\n%s", q, o, d)
			}
		}
		buckets, err := kv.BucketScan("")
		if err != nil {
			t.Fatal(err)
		}
		o := kv.PageOptions{Demands: []kv.Demand{kv.DemandOf(n, w)}, Limit: rapid.IntRange(1, 2).Draw(t, "limit"), Bytes: 100}
		got, err := r.scan(buckets, o, choose, down)
		if err != nil {
			t.Fatal(err)
		}
		names := make(map[string]bool)
		for _, e := range got {
			names[e.Key] = true
		}
		for name, s := range r.all {
			if bucket, _, _ := strings.Cut(name, "/"); s.Live() > 0 && !names[bucket] {
				t.Fatalf("bucket %q is missing in %q", bucket, slices.Collect(maps.Keys(names)))
			}
		}
	})
}

func counted(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

// TestCover_oneCopy: the index of one copy is what its states say, after any
// writes, and its entries are gone with the last value.
func TestCover_oneCopy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newCopySet(t, 1)
		for range rapid.IntRange(0, 30).Draw(t, "writes") {
			r.write([]int{0}, "b", "k"+strconv.Itoa(rapid.IntRange(0, 3).Draw(t, "key")), rapid.Bool().Draw(t, "blind"), drawContent(t))
		}
		entries := 0
		for _, index := range []string{"n_int", "n_bin", "n_bin_bin"} {
			entries += len(r.expect(kv.IndexQuery{Bucket: "b", Index: index}))
		}
		for key := range r.copies[0].store {
			if key[0] == 0x20 {
				entries--
			}
		}
		if entries != 0 {
			t.Fatalf("the store has %d entries fewer than the objects", entries)
		}
	})
}

func TestCover_failures(t *testing.T) {
	r := newCopySet(t, 3)
	for i := range 10 {
		r.write([]int{0, 1, 2}, "b", fmt.Sprint("k", i), true, kv.Content{Value: []byte("v")})
	}
	s, err := kv.IndexQuery{Bucket: "b"}.Scan()
	if err != nil {
		t.Fatal(err)
	}
	o := kv.PageOptions{Demands: []kv.Demand{kv.DemandOf(3, 2)}, Limit: 4, Bytes: 1 << 20}
	down := func(i int) bool { return i > 0 }
	got, err := r.scan(s, o, first, down)
	var short *kv.CoverageError
	if !errors.As(err, &short) || !errors.Is(err, kv.ErrCoverage) || !errors.Is(err, errDown) || len(got) > 0 {
		t.Fatalf("two of three copies down: %d entries, %v", len(got), err)
	}
	if h := short.Heads; len(h) != 1 || h[0].Head != testHead || h[0].Answered != 1 || h[0].Wanted != 2 || len(h[0].Causes) != 2 {
		t.Errorf("%+v", h)
	}
	for _, part := range []string{"head partition 3: 1 of 2 copies answered", "node is down", "Partial"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	o.Partial = true
	m := kv.NewCoverPage(s, r.set(), nil, o)
	r.read(m, first, down)
	page, err := m.Result()
	if page.Len() != 4 || !page.More || !errors.As(err, &short) {
		t.Errorf("partial: %d entries, more %v, %v", page.Len(), page.More, err)
	}
}

// TestCover_incompleteCopies: a copy that lacks data, or whose partition has an
// open hint, does not count.
func TestCover_incompleteCopies(t *testing.T) {
	r := newCopySet(t, 3)
	r.write([]int{1, 2}, "b", "k", true, kv.Content{Value: []byte("v")})
	s, err := kv.IndexQuery{Bucket: "b"}.Scan()
	if err != nil {
		t.Fatal(err)
	}
	o := kv.PageOptions{Demands: []kv.Demand{{N: 3, Copies: 1}}, Limit: 4, Bytes: 1 << 20}
	hinted := vnode.Copy{Hints: func(p ring.Partition) bool { return p == testHead }}
	for _, c := range []vnode.Copy{{Incomplete: true}, hinted} {
		r.record[0] = c
		if got, err := r.scan(s, o, first, never); err != nil || len(got) != 1 {
			t.Errorf("one of three copies is %+v: %v, %v", c, got, err)
		}
		r.record[1], r.record[2] = c, c
		if got, err := r.scan(s, o, first, never); !errors.Is(err, kv.ErrCoverage) {
			t.Errorf("all copies are %+v: %v, %v", c, got, err)
		}
		o.Partial = true
		if got, err := r.scan(s, o, first, never); !errors.Is(err, kv.ErrCoverage) || len(got) != 1 {
			t.Errorf("all copies are %+v, and what there is: %v, %v", c, got, err)
		}
		o.Partial, r.record[1], r.record[2] = false, vnode.Copy{}, vnode.Copy{}
	}
}

// TestCover_expire: who does not answer is named, and the page ends.
func TestCover_expire(t *testing.T) {
	r := newCopySet(t, 3)
	s, err := kv.IndexQuery{Bucket: "b"}.Scan()
	if err != nil {
		t.Fatal(err)
	}
	m := kv.NewCoverPage(s, r.set(), nil, kv.PageOptions{Demands: []kv.Demand{kv.DemandOf(3, 2)}, Limit: 4, Bytes: 1 << 20})
	sends := m.Step(replica.Event{Type: replica.Begin}, nil)
	m.Step(replica.Event{Type: replica.Answer, Send: sends[0].ID, Body: r.ask(0, sends[0].Body)}, nil)
	if more := m.Step(replica.Event{Type: replica.Expire}, nil); len(more) > 0 || !m.Done() {
		t.Fatalf("after its time: %d sends, done %v", len(more), m.Done())
	}
	if _, err := m.Result(); !errors.Is(err, kv.ErrCoverage) || !slices.Equal(m.Silent(), []ring.NodeID{"n1"}) {
		t.Errorf("%v, silent %v", err, m.Silent())
	}
}

// TestCover_valuesAndExpiry: values come merged, and what has expired is hidden.
func TestCover_valuesAndExpiry(t *testing.T) {
	r := newCopySet(t, 2)
	r.write([]int{0}, "b", "k", true, kv.Content{Value: []byte("one")})
	r.write([]int{1}, "b", "k", true, kv.Content{Value: []byte("two")})
	s, err := kv.IndexQuery{Bucket: "b", Values: true}.Scan()
	if err != nil {
		t.Fatal(err)
	}
	o := kv.PageOptions{Demands: []kv.Demand{kv.DemandOf(2, 1)}, Limit: 4, Bytes: 1 << 20}
	got, err := r.scan(s, o, first, never)
	if err != nil || len(got) != 1 || len(got[0].Object.Siblings) != 2 || got[0].Object.Text() != "two" {
		t.Fatalf("%+v, %v", got, err)
	}
	o.Settle = true
	if got, err := r.scan(s, o, first, never); err != nil || len(got) != 1 || got[0].Object.Siblings != nil || got[0].Object.Text() != "two" {
		t.Errorf("settled: %+v, %v", got, err)
	}
	o.Now, o.TTL = time.UnixMilli(12), 9*time.Millisecond
	if got, err := r.scan(s, o, first, never); err != nil || len(got) != 0 {
		t.Errorf("expired: %+v, %v", got, err)
	}
}

// TestTerm_order: positions compare as (term, key) do, and split into them.
func TestTerm_order(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]kv.IndexKind{kv.IntIndex, kv.BinIndex}).Draw(t, "kind")
		draw := func() (kv.Index, string) {
			e := kv.Index{Kind: kind}
			if kind == kv.IntIndex {
				e.Int = rapid.Int64().Draw(t, "int")
			} else {
				e.Bin = nameGen().Draw(t, "bin")
			}
			return e, nameGen().Draw(t, "key")
		}
		a, x := draw()
		b, y := draw()
		want := cmp.Or(cmp.Compare(a.Int, b.Int), cmp.Compare(a.Bin, b.Bin), cmp.Compare(x, y))
		if got := bytes.Compare(kv.AppendTerm(a, x), kv.AppendTerm(b, y)); got != want {
			t.Fatalf("(%v, %q) and (%v, %q) compare as %d, want %d", a, x, b, y, got, want)
		}
		if e, key, ok := kv.CutTerm(kind, kv.AppendTerm(a, x)); !ok || e != a || key != x {
			t.Fatalf("(%v, %q) is cut into (%v, %q), %v", a, x, e, key, ok)
		}
	})
}
