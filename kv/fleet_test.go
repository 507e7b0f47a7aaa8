package kv_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/replica"
	"github.com/dee2748c/baton/vnode"
)

// fleet is n primaries and, as they are needed, their fallbacks.
type fleet struct {
	t       fatal
	copies  []*server
	spares  map[ring.Entry]*server
	down    []bool
	grace   uint64
	pending []*flying
	trace   []string
}

// flying is a Send that has not ended.
type flying struct {
	m    replica.Machine
	send replica.Send
}

func newFleet(t fatal, n int) *fleet {
	f := &fleet{t: t, spares: map[ring.Entry]*server{}, down: make([]bool, n)}
	for i := range n {
		f.copies = append(f.copies, serveAt(t, vnode.Partition{Kind: kv.KindName, ID: testHead + ring.Partition(i), Size: 8, Node: node(i)}))
	}
	return f
}

func node(i int) ring.NodeID { return ring.NodeID(string(rune('a' + i))) }

// set is the copies as node self sees them.
func (f *fleet) set(self ring.NodeID) replica.Set {
	s := replica.Set{Head: testHead, Self: self, Grace: f.grace}
	for i, c := range f.copies {
		copied := replica.Copy{Entry: ring.Entry{Partition: c.at.ID, Node: c.at.Node}, Up: !f.down[i]}
		if f.down[i] {
			copied.Spare = "s" + c.at.Node
		}
		s.Copies = append(s.Copies, copied)
	}
	return s
}

func (f *fleet) at(e ring.Entry) *server {
	if !e.Fallback {
		return f.copies[e.Partition-testHead]
	}
	s := f.spares[e]
	if s == nil {
		s = serveAt(f.t, vnode.Partition{Kind: kv.KindName, ID: e.Partition, Size: 8, Node: e.Node, Fallback: true, Epoch: uint64(len(f.spares) + 1)})
		f.spares[e] = s
	}
	return s
}

func (f *fleet) step(m replica.Machine, e replica.Event) {
	for _, s := range m.Step(e, nil) {
		f.pending = append(f.pending, &flying{m, s})
	}
}

// ending is how a Send ends.
type ending int

const (
	answers  ending = iota
	refuses         // it is not done and the machine is told so
	loses           // it is done and the machine is told that it may be
	vanishes        // it is not done and the machine is told that it may be
	endings  = 4
)

// end ends a pending Send.
func (f *fleet) end(i int, how ending, spare ring.NodeID) {
	p := f.pending[i]
	f.pending = slices.Delete(f.pending, i, i+1)
	f.trace = append(f.trace, fmt.Sprintf("op %d at %s/%d: %d", p.send.Body[0], p.send.To.Node, p.send.To.Partition, how))
	s := f.at(p.send.To)
	switch how {
	case answers:
		f.step(p.m, replica.Event{Type: replica.Answer, Send: p.send.ID, Body: s.send(p.send.Body)})
		return
	case loses:
		s.send(p.send.Body)
	}
	f.step(p.m, replica.Event{Type: replica.Fail, Send: p.send.ID, Err: errors.New("link"), Unknown: how != refuses, Spare: spare})
}

// settle ends every pending Send with an answer.
func (f *fleet) settle() {
	for len(f.pending) > 0 {
		f.end(0, answers, "")
	}
}

func strict(n int) bucket.Properties {
	p := bucket.Defaults(n)
	p.Sloppy = false
	return p
}

func texts(o kv.Object, err error) []string {
	if err != nil {
		return nil
	}
	var out []string
	for _, c := range o.Contents() {
		out = append(out, string(c.Value))
	}
	slices.Sort(out)
	return out
}

// chaos ends Sends in any order and any way until the machine is ready; the rest
// stays pending, and comes late.
func (f *fleet) chaos(t *rapid.T, m replica.Machine, spares bool) {
	for !m.Ready() {
		if len(f.pending) == 0 {
			t.Fatalf("a machine that is not ready waits for nothing: %s", strings.Join(f.trace, "; "))
		}
		i := rapid.IntRange(0, len(f.pending)-1).Draw(t, "which")
		how := answers
		if rapid.IntRange(0, 9).Draw(t, "fate") >= 7 {
			how = ending(rapid.IntRange(0, endings-1).Draw(t, "how"))
		}
		spare := ring.NodeID("")
		if spares && !f.pending[i].send.To.Fallback {
			spare = "t" + f.pending[i].send.To.Node
		}
		if len(f.trace) > 400 || rapid.IntRange(0, 39).Draw(t, "expire") == 0 {
			m.Step(replica.Event{Type: replica.Expire}, nil)
			f.pending = slices.DeleteFunc(f.pending, func(p *flying) bool {
				if p.m == m && rapid.Bool().Draw(t, "arrives") {
					f.trace = append(f.trace, fmt.Sprintf("op %d at %s late", p.send.Body[0], p.send.To.Node))
					f.at(p.send.To).send(p.send.Body)
				}
				return p.m == m
			})
			continue
		}
		f.end(i, how, spare)
	}
}

// Acknowledged writes are never lost, siblings keep every concurrent write, what
// was not done never appears, and reads never go back: under any order of
// answers, refusals, losses and late messages, with R + W > N and no fallbacks.
func TestMachines_loseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 2, 3, 3, 5}).Draw(t, "n")
		f := newFleet(t, n)
		p := strict(n)
		var acked, never, seen, gone, exempt []string
		for i := range rapid.IntRange(1, 14).Draw(t, "requests") {
			self := node(rapid.IntRange(0, n-1).Draw(t, "self"))
			text := fmt.Sprint("v", i)
			switch rapid.IntRange(0, 5).Draw(t, "request") {
			case 0, 1, 2:
				put := kv.Put{Object: kv.Object{Bucket: "b", Key: "k", Value: []byte(text)}}
				put.IfNoneMatch = rapid.IntRange(0, 3).Draw(t, "conditional") == 0
				m, err := kv.NewWrite(f.set(self), put, &p)
				if err != nil {
					t.Fatal(err)
				}
				f.step(m, replica.Event{Type: replica.Begin})
				f.chaos(t, m, false)
				_, err = m.Written()
				switch {
				case err == nil && put.IfNoneMatch && len(without(acked, exempt)) > 0:
					t.Fatalf("%s written although %v are there: %s", text, acked, strings.Join(f.trace, "; "))
				case err == nil:
					acked = append(acked, text)
				case !errors.Is(err, kv.ErrUnknown):
					never = append(never, text)
				}
			case 3, 4:
				m, err := kv.NewRead(f.set(self), kv.Get{Bucket: "b", Key: "k"}, &p, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				f.step(m, replica.Event{Type: replica.Begin})
				f.chaos(t, m, false)
				o, err := m.Object()
				if errors.Is(err, kv.ErrNotDone) {
					continue
				}
				got := texts(o, err)
				f.wants(t, got, without(append(slices.Clone(acked), seen...), exempt), append(slices.Clone(never), gone...))
				seen = got
			case 5:
				m, err := kv.NewRemove(f.set(self), kv.Delete{Bucket: "b", Key: "k"}, &p)
				if err != nil {
					t.Fatal(err)
				}
				was := append(slices.Clone(acked), seen...)
				f.step(m, replica.Event{Type: replica.Begin})
				f.chaos(t, m, false)
				switch _, err := m.Deleted(); {
				case err == nil:
					gone = append(gone, was...)
					acked, seen = nil, nil
				case errors.Is(err, kv.ErrUnknown):
					for j := range i { // they may go at any later time
						exempt = append(exempt, fmt.Sprint("v", j))
					}
				}
			}
		}
		f.settle()
		m, err := kv.NewRead(f.set("a"), kv.Get{Bucket: "b", Key: "k"}, &p, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		f.step(m, replica.Event{Type: replica.Begin})
		f.settle()
		if !m.Done() {
			t.Fatal("read is not done")
		}
		f.wants(t, texts(m.Object()), without(append(acked, seen...), exempt), append(never, gone...))
		f.equal(t)
	})
}

func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(v string) bool { return slices.Contains(some, v) })
}

func (f *fleet) wants(t *rapid.T, got, all, none []string) {
	t.Helper()
	for _, v := range all {
		if !slices.Contains(got, v) {
			t.Fatalf("%s is lost, %v is there: %s", v, got, strings.Join(f.trace, "; "))
		}
	}
	for _, v := range got {
		if slices.Contains(none, v) {
			t.Fatalf("%s is there and must not be: %s", v, strings.Join(f.trace, "; "))
		}
	}
}

// equal checks that all copies hold the same after a read that everybody answered.
func (f *fleet) equal(t fatal) {
	t.Helper()
	key := kv.AppendKey(nil, testHead, "", "b", "k")
	for _, c := range f.copies[1:] {
		if !bytes.Equal(c.store[string(key)].Value, f.copies[0].store[string(key)].Value) {
			t.Fatal("copies differ after the repair", c.at.Node)
		}
	}
}
