package kv_test

import (
	"errors"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/replica"
)

// survey asks two copies, as often as they count.
func survey(t fatal, head ring.Partition, n int, a, b *copied, copies uint64) []kv.Root {
	t.Helper()
	set := replica.Set{Head: head, Copies: []replica.Copy{
		{Entry: ring.Entry{Partition: a.at.ID, Node: a.at.Node}}, {Entry: ring.Entry{Partition: b.at.ID, Node: b.at.Node}},
	}}
	for range 10_000 {
		s := kv.NewSurvey(set, n, copies)
		for _, send := range s.Step(replica.Event{Type: replica.Begin}, nil) {
			to := a
			if send.To.Partition == b.at.ID {
				to = b
			}
			s.Step(replica.Event{Type: replica.Answer, Send: send.ID, Body: to.send(send.Body, false)}, nil)
		}
		if !s.Done() {
			t.Fatal("not done")
		}
		if r := s.Roots(); !r[0].Counting && !r[1].Counting {
			return r
		}
	}
	t.Fatal("no end")
	return nil
}

// Equal copies have equal roots, one that lacks a key has another; asking changes nothing.
func TestSurvey(t *testing.T) {
	catalog := counts(1, 2, 3)
	a, b := newCopied(t, testHead, catalog), newCopied(t, testHead+1, catalog)
	fill(50, a, b)
	copies := kv.CopiesSignature(catalog)
	r := survey(t, testHead, 3, a, b, copies)
	if r[0].Err != nil || r[1].Err != nil || r[0].Keys != 50 || r[0].Keys != r[1].Keys || r[0].Sum != r[1].Sum || r[0].Partition != testHead {
		t.Errorf("equal copies: %+v", r)
	}
	fill(51, a)
	if r = survey(t, testHead, 3, a, b, copies); r[0].Sum == r[1].Sum || r[0].Keys != 51 {
		t.Errorf("copies that differ: %+v", r)
	}
	if again := survey(t, testHead, 3, a, b, copies); again[0] != r[0] || again[1] != r[1] {
		t.Errorf("%+v, then %+v", r, again)
	}
	if r = survey(t, testHead, 3, a, b, copies+1); !errors.Is(r[0].Err, kv.ErrOtherCopies) {
		t.Errorf("other numbers of copies: %+v", r)
	}
}

// A copy that fails, or does not answer in time, is told.
func TestSurvey_fails(t *testing.T) {
	set := replica.Set{Copies: make([]replica.Copy, 3)}
	s := kv.NewSurvey(set, 3, 0)
	if s.Ready() {
		t.Error("it is ready before it has begun")
	}
	sends := s.Step(replica.Event{Type: replica.Begin}, nil)
	gone := errors.New("gone")
	s.Step(replica.Event{Type: replica.Fail, Send: sends[1].ID, Err: gone}, nil)
	if s.Done() {
		t.Error("two have not answered")
	}
	s.Step(replica.Event{Type: replica.Expire}, nil)
	s.Step(replica.Event{Type: replica.Answer, Send: sends[0].ID}, nil) // too late
	if r := s.Roots(); !s.Done() || r[0].Err == nil || !errors.Is(r[1].Err, gone) || r[2].Err == nil {
		t.Errorf("%+v", r)
	}
}

// FuzzSurvey: whatever a copy answers is a root or an error.
func FuzzSurvey(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 9})
	f.Add([]byte{0, 0, 0, 1, 5})
	f.Add([]byte{4})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := kv.NewSurvey(replica.Set{Copies: make([]replica.Copy, 1)}, 3, 0)
		s.Step(replica.Event{Type: replica.Begin}, nil)
		s.Step(replica.Event{Type: replica.Answer, Body: b}, nil)
		if r := s.Roots()[0]; !s.Done() || r.Err != nil && r.Sum != 0 {
			t.Errorf("%+v", r)
		}
	})
}
