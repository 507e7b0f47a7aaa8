package kv_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/replica"
	"github.com/dee2748c/baton/vnode"
)

// TestIndexQuery: what a query may ask for, and what a wrong one is told.
func TestIndexQuery(t *testing.T) {
	for _, test := range []struct {
		query kv.IndexQuery
		err   error
		says  string
	}{
		{query: kv.IndexQuery{Bucket: "b"}},
		{query: kv.IndexQuery{Bucket: "b", Index: "$bucket", Values: true}},
		{query: kv.IndexQuery{Bucket: "b", Index: "$key", From: "a", To: "b", Values: true}},
		{query: kv.IndexQuery{Bucket: "b", Index: "x_bin", From: "", Exact: true}},
		{query: kv.IndexQuery{Bucket: "b", Index: "x_bin", From: "a", To: "a"}},
		{query: kv.IndexQuery{Bucket: "b", Index: "x_int", From: "-9223372036854775808", To: "9223372036854775807"}},
		{query: kv.IndexQuery{Bucket: "b", Index: "x_int", From: "5", Exact: true, Regex: "^5"}},
		{kv.IndexQuery{}, kv.ErrEmptyName, "empty bucket"},
		{kv.IndexQuery{Bucket: "b", Index: "x"}, kv.ErrBadRequest, "end the name with _int or _bin"},
		{kv.IndexQuery{Bucket: "b", Index: "$bucket", From: "a"}, kv.ErrBadRequest, "use $key for a range"},
		{kv.IndexQuery{Bucket: "b", Index: "$key", From: "b", To: "a"}, kv.ErrBadRequest, "turn the range around"},
		{kv.IndexQuery{Bucket: "b", Index: "x_bin", From: "b", To: "a"}, kv.ErrBadRequest, "turn the range around"},
		{kv.IndexQuery{Bucket: "b", Index: "x_int", From: "2", To: "-1"}, kv.ErrBadRequest, "2 is above -1"},
		{kv.IndexQuery{Bucket: "b", Index: "x_int", From: "a"}, kv.ErrBadRequest, "no whole number"},
		{kv.IndexQuery{Bucket: "b", Index: "x_int", To: "9223372036854775808"}, kv.ErrBadRequest, "64 bits"},
		{kv.IndexQuery{Bucket: "b", Index: "x_int", From: "1", To: "2", Exact: true}, kv.ErrBadRequest, "leave To out"},
		{kv.IndexQuery{Bucket: "b", Index: "x_int", Values: true}, kv.ErrBadRequest, "$key and $bucket only"},
		{kv.IndexQuery{Bucket: "b", Index: "x_bin", Regex: "("}, kv.ErrBadRequest, "regular expression"},
		{kv.IndexQuery{Bucket: "b", Index: "x_bin", Regex: strings.Repeat("a", kv.MaxPatternBytes+1)}, kv.ErrTooLarge, "the limit is 1024"},
		{kv.IndexQuery{Bucket: "b", Limit: -1}, kv.ErrBadRequest, "above 0"},
		{kv.IndexQuery{Bucket: strings.Repeat("b", kv.MaxNameBytes+1)}, kv.ErrTooLarge, "the limit is"},
	} {
		_, err := test.query.Scan()
		switch {
		case test.err == nil && err != nil, test.err != nil && !errors.Is(err, test.err):
			t.Errorf("%+v: %v, want %v", test.query, err, test.err)
		case err != nil && !strings.Contains(err.Error(), test.says):
			t.Errorf("%+v: %q does not say %q", test.query, err, test.says)
		}
	}
}

// TestIndexQuery_regex: terms are matched as they are written, and a filter that
// nothing passes ends its pages all the same.
func TestIndexQuery_regex(t *testing.T) {
	r := newCopySet(t, 1)
	for i, term := range []string{"apple", "apricot", "banana"} {
		for k := range 20 {
			key := string(rune('a'+i)) + string(rune('a'+k))
			r.write([]int{0}, "b", key, true, kv.Content{Value: []byte("v"), Indexes: []kv.Index{
				{Name: "fruit", Bin: term},
				{Name: "nr", Kind: kv.IntIndex, Int: int64(i*20 + k)},
			}})
		}
	}
	for _, test := range []struct {
		index, regex string
		want         int
	}{
		{"fruit_bin", "^ap", 40},
		{"fruit_bin", "an", 20},
		{"fruit_bin", "x", 0},
		{"nr_int", "^1.?$", 11},
		{"$key", "^a", 20},
	} {
		s, err := kv.IndexQuery{Bucket: "b", Index: test.index, Regex: test.regex}.Scan()
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.scan(s, kv.PageOptions{Demands: []kv.Demand{{N: 1, Copies: 1}}, Limit: 2, Bytes: 1000}, first, never)
		if err != nil || len(got) != test.want {
			t.Errorf("%s matching %s: %d entries, want %d; %v", test.index, test.regex, len(got), test.want, err)
		}
	}
}

// TestIndex_lostRange: entries that were given up with a damaged range are made
// again, and an entry whose object was given up says nothing.
func TestIndex_lostRange(t *testing.T) {
	r := newCopySet(t, 1)
	for _, key := range []string{"k", "l"} {
		r.write([]int{0}, "b", key, true, kv.Content{Value: []byte("v"), Indexes: []kv.Index{{Name: "x", Bin: key}}})
	}
	s, err := kv.IndexQuery{Bucket: "b", Index: "x_bin"}.Scan()
	if err != nil {
		t.Fatal(err)
	}
	o := kv.PageOptions{Demands: []kv.Demand{{N: 1, Copies: 1}}, Limit: 10, Bytes: 1000}
	c := r.copies[0]
	for key := range c.store {
		if key[0] == 0x20 {
			delete(c.store, key)
		}
	}
	if got, err := r.scan(s, o, first, never); err != nil || len(got) != 0 {
		t.Fatalf("without entries: %v, %v", got, err)
	}
	cx := vnode.NewContext(c.at, c.store, &c.seq, nil)
	c.vnode.(vnode.InfoHandler).HandleInfo(cx, vnode.Excised{From: []byte{0x1f}, To: []byte{0x30}})
	if err := c.store.Write(cx.Batch()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.scan(s, o, first, never); err != nil || len(got) != 2 {
		t.Errorf("made again: %v, %v", got, err)
	}
	delete(c.store, string(kv.AppendKey(nil, testHead, "", "b", "k")))
	if got, err := r.scan(s, o, first, never); err != nil || len(got) != 1 || got[0].Key != "l" {
		t.Errorf("without an object: %v, %v", got, err)
	}
}

// TestContinuation: what was given out for a scan goes on there, all else is
// refused with what to do.
func TestContinuation(t *testing.T) {
	s, err := kv.IndexQuery{Bucket: "b", Index: "x_int", From: "3"}.Scan()
	if err != nil {
		t.Fatal(err)
	}
	begin, err := s.Resume("", 8)
	if err != nil {
		t.Fatal(err)
	}
	at := kv.Place{Head: 7, Position: append(bytes.Clone(begin.Position), "key"...)}
	text := s.Continuation(8, at)
	if got, err := s.Resume(text, 8); err != nil || got.Head != 7 || !bytes.Equal(got.Position, at.Position) {
		t.Fatalf("%+v, %v, want %+v", got, err, at)
	}
	other, err := kv.IndexQuery{Bucket: "b", Index: "x_int", From: "4"}.Scan()
	if err != nil {
		t.Fatal(err)
	}
	damaged := []byte(text)
	damaged[12] ^= 1
	for _, test := range []struct {
		scan  *kv.Scan
		text  string
		size  int
		cause string
	}{
		{other, text, 8, "of another query"},
		{s, text, 16, "of a ring of another size"},
		{s, string(damaged), 8, "damaged"},
		{s, "???", 8, "not one of ours"},
		{s, s.Continuation(8, kv.Place{Head: 8, Position: at.Position}), 8, "not one of ours"},
		{s, s.Continuation(8, kv.Place{Position: []byte{1}}), 8, "before the beginning"},
	} {
		if _, err := test.scan.Resume(test.text, test.size); !errors.Is(err, kv.ErrContinuation) || !strings.Contains(err.Error(), test.cause) {
			t.Errorf("%q: %v, want %q", test.text, err, test.cause)
		}
	}
}

func FuzzContinuation(f *testing.F) {
	s, err := kv.IndexQuery{Bucket: "b", Index: "x_bin"}.Scan()
	if err != nil {
		f.Fatal(err)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(s.Continuation(8, kv.Place{Head: 3, Position: []byte("p")}))
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		text := base64.RawURLEncoding.EncodeToString(raw)
		at, err := s.Resume(text, 8)
		if err == nil && text != "" && s.Continuation(8, at) != text {
			t.Errorf("%x is accepted and would be given out as %q", raw, s.Continuation(8, at))
		}
	})
}

// FuzzCoverPage: no body makes a partition or the reader of its reply panic.
func FuzzCoverPage(f *testing.F) {
	r := newCopySet(f, 1)
	r.write([]int{0}, "b", "k", true, kv.Content{Value: []byte("v"), Indexes: []kv.Index{{Name: "x", Bin: "t"}}})
	scans := make([]*kv.Scan, 0, 3)
	for _, q := range []kv.IndexQuery{{Bucket: "b", Index: "x_bin"}, {Bucket: "b", Values: true}} {
		s, err := q.Scan()
		if err != nil {
			f.Fatal(err)
		}
		scans = append(scans, s)
	}
	buckets, err := kv.BucketScan("")
	if err != nil {
		f.Fatal(err)
	}
	scans = append(scans, buckets)
	begin := func(s *kv.Scan) (*kv.CoverPage, []byte) {
		m := kv.NewCoverPage(s, r.set(), nil, kv.PageOptions{Demands: []kv.Demand{{N: 1, Copies: 1}}, Limit: 4, Bytes: 100})
		return m, m.Step(replica.Event{Type: replica.Begin}, nil)[0].Body
	}
	for _, s := range scans {
		_, body := begin(s)
		f.Add(body)
		f.Add(r.ask(0, body))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r.t = t
		if err := kv.CheckPage(raw); err == nil {
			r.ask(0, raw)
		}
		for _, s := range scans {
			m, _ := begin(s)
			m.Step(replica.Event{Type: replica.Answer, Body: raw}, nil)
		}
		if again, err := kv.CheckOutline(raw); err == nil && !bytes.Equal(raw, again) {
			t.Errorf("outline %x is encoded as %x", raw, again)
		}
	})
}
