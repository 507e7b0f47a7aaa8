package kv_test

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/replica"
	"github.com/dee2748c/baton/vnode"
)

// world is the copies of one key, the nodes that keep them, the record that each
// node has applied so far, and all messages that may still arrive.
type world struct {
	t       fatal
	rand    *rand.Rand
	props   bucket.Properties
	catalog *bucket.Catalog

	nodes   []ring.NodeID // of the primaries; then those of fallbacks
	copies  []*server
	spares  map[ring.Entry]*server
	down    []bool
	record  []recordVersion
	applied map[ring.NodeID]int
	lives   uint64

	flights []*flight
	late    []replica.Send // told to have failed, or sent twice: they may come at any time
	merges  []replica.Send // all that were ever sent
	trace   []string
	calm    bool // nothing happens by itself any more
}

// recordVersion is what the replicated record says.
type recordVersion struct {
	grace uint64
	hints map[ring.Entry]uint64 // fallback to the version that opened it
	// hinted is the period before which a closed hint of a partition counts.
	hinted map[ring.Partition]uint64
}

// flight is a Send that has not ended.
type flight struct {
	m    replica.Machine
	send replica.Send
}

const testSpares = 2

func newWorld(t fatal, r *rand.Rand, n int, p bucket.Properties) *world {
	var none iter.Seq2[string, []byte] = func(func(string, []byte) bool) {}
	w := &world{
		t: t, rand: r, props: p, catalog: bucket.NewCatalog(p, none), spares: map[ring.Entry]*server{},
		down: make([]bool, n), record: []recordVersion{{}}, applied: map[ring.NodeID]int{},
	}
	for i := range n {
		w.nodes = append(w.nodes, node(i))
		w.copies = append(w.copies, w.serve(vnode.Partition{Kind: kv.KindName, ID: testHead + ring.Partition(i), Size: 8, Node: node(i)}))
	}
	for i := range testSpares {
		w.nodes = append(w.nodes, ring.NodeID(fmt.Sprint("s", i)))
	}
	return w
}

func (w *world) serve(at vnode.Partition) *server {
	s := &server{t: w.t, store: mapStore{}, at: at}
	w.open(s)
	return s
}

// open starts a vnode: the store is all there is.
func (w *world) open(s *server) {
	v, err := kv.Kind(func() *bucket.Catalog { return w.catalog }).Open(s.at)
	if err != nil {
		w.t.Fatal(err)
	}
	s.vnode, s.seq = v, vnode.FirstVersion(s.at.Epoch, s.at.Incarnation)
}

func (w *world) restart(s *server) {
	w.lives++
	s.at.Incarnation, s.damaged = w.lives, nil
	w.open(s)
}

func (w *world) notef(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *world) failf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatal(fmt.Sprintf(format, args...), "\n"+strings.Join(w.trace, "\n"))
}

func (w *world) chance(percent int) bool { return w.rand.IntN(100) < percent }

func (w *world) latest() *recordVersion { return &w.record[len(w.record)-1] }

func (w *world) view(n ring.NodeID) *recordVersion { return &w.record[w.applied[n]] }

// change makes a new version of the record.
func (w *world) change(f func(*recordVersion)) {
	v := recordVersion{grace: w.latest().grace, hints: map[ring.Entry]uint64{}, hinted: map[ring.Partition]uint64{}}
	maps.Copy(v.hints, w.latest().hints)
	maps.Copy(v.hinted, w.latest().hinted)
	f(&v)
	w.record = append(w.record, v)
}

func (w *world) applyAll() {
	for _, n := range w.nodes {
		w.applied[n] = len(w.record) - 1
	}
}

// set is the copies as a node sees them.
func (w *world) set(self ring.NodeID) replica.Set {
	s := replica.Set{Head: testHead, Self: self, Grace: w.view(self).grace}
	for i, c := range w.copies {
		copied := replica.Copy{Entry: ring.Entry{Partition: c.at.ID, Node: c.at.Node}, Up: !w.down[i]}
		if w.down[i] {
			copied.Spare = w.spare()
		}
		s.Copies = append(s.Copies, copied)
	}
	return s
}

func (w *world) spare() ring.NodeID {
	return w.nodes[len(w.copies)+w.rand.IntN(testSpares)]
}

// at returns who serves an entry, nil if the fallback's hint was refused.
func (w *world) at(e ring.Entry) *server {
	if !e.Fallback {
		return w.copies[e.Partition-testHead]
	}
	s := w.spares[e]
	if s == nil {
		if w.view(e.Node).grace+1 < w.latest().grace {
			return nil
		}
		opened := uint64(len(w.record))
		w.change(func(v *recordVersion) { v.hints[e] = opened })
		w.applied[e.Node] = len(w.record) - 1
		s = w.serve(vnode.Partition{Kind: kv.KindName, ID: e.Partition, Size: 8, Node: e.Node, Fallback: true, Epoch: opened})
		w.spares[e] = s
	}
	return s
}

// deliver serves a command with what the node has applied; ok is false for one
// that is refused.
func (w *world) deliver(send replica.Send) (reply []byte, ok bool) {
	s := w.at(send.To)
	if s == nil {
		return nil, false
	}
	v := w.view(s.at.Node)
	s.copied.Grace, s.copied.Hinted = v.grace, v.hinted[s.at.ID]
	s.copied.Hints = func(p ring.Partition) bool {
		for e := range v.hints {
			if e.Partition == p {
				return true
			}
		}
		return false
	}
	return s.send(send.Body), true
}

func (w *world) step(m replica.Machine, e replica.Event) {
	for _, s := range m.Step(e, nil) {
		w.flights = append(w.flights, &flight{m, s})
		if s.Body[0] == opMerge {
			w.merges = append(w.merges, s)
		}
	}
}

// Operation codes of bodies, as in request.go.
const (
	opPut, opDelete, opMerge = 1, 3, 5
	mergeLookup              = 2 // set in merges of exchanges and fallbacks
)

var errLink = errors.New("link")

// end ends a Send.
func (w *world) end(i int, how ending) {
	f := w.flights[i]
	w.flights = slices.Delete(w.flights, i, i+1)
	e := replica.Event{Type: replica.Fail, Send: f.send.ID, Err: errLink, Unknown: how != refuses}
	switch how {
	case answers, loses:
		reply, ok := w.deliver(f.send)
		switch {
		case !ok:
			how, e.Unknown = refuses, false
		case how == answers:
			e = replica.Event{Type: replica.Answer, Send: f.send.ID, Body: reply}
		}
	case vanishes:
		if op := f.send.Body[0]; op == opPut || op == opDelete || op == opMerge {
			w.late = append(w.late, f.send)
		}
	}
	if e.Type == replica.Fail && !f.send.To.Fallback && w.chance(70) {
		e.Spare = w.spare()
	}
	w.notef("    op %d at %v: %v", f.send.Body[0], f.send.To, [...]string{"answers", "refuses", "loses", "vanishes"}[how])
	w.step(f.m, e)
}

// expire ends a machine whose time is up; what it has sent may still arrive.
func (w *world) expire(m replica.Machine) {
	m.Step(replica.Event{Type: replica.Expire}, nil)
	w.flights = slices.DeleteFunc(w.flights, func(f *flight) bool {
		if f.m == m && f.send.Body[0] != opMerge && w.chance(50) {
			w.late = append(w.late, f.send)
		}
		return f.m == m
	})
}

// handBack gives a page of a fallback to its primary, and ends the fallback.
func (w *world) handBack(e ring.Entry) {
	s := w.spares[e]
	body, damaged, err := s.vnode.(vnode.Mergeable).MergeCommand(w.view(e.Node).grace, slices.Collect(s.items()))
	if err != nil {
		w.t.Fatal(err)
	}
	if err != nil || damaged != nil {
		w.failf("hand-back of %v: %q is damaged, %v", e, damaged, err)
	}
	send := replica.Send{To: ring.Entry{Partition: e.Partition, Node: w.copies[e.Partition-testHead].at.Node}, Body: body}
	w.merges = append(w.merges, send)
	reply, _ := w.deliver(send)
	_, err = s.vnode.(vnode.Mergeable).MergeReply(reply)
	w.notef("  hand-back of %v: %v", e, err)
	if err == nil {
		delete(w.spares, e)
		w.change(func(v *recordVersion) {
			delete(v.hints, e)
			v.hinted[e.Partition] = v.grace + 2
		})
	}
}

// slice begins a slice of an exchange.
func (w *world) slice(x *kv.Exchange, self ring.NodeID) {
	x.Slice(w.set(self), 1, 1<<20)
	w.step(x, replica.Event{Type: replica.Begin})
}

func (w *world) newExchange(i, j int) *kv.Exchange {
	w.notef("  exchange of %s and %s", node(i), node(j))
	return kv.NewExchange(testHead, len(w.copies), w.copies[i].at.ID, w.copies[j].at.ID, kv.CopiesSignature(w.catalog))
}

// exchange runs an exchange to its end, with nothing else between.
func (w *world) exchange(i, j int) error {
	others := w.flights
	w.flights = nil
	x := w.newExchange(i, j)
	for rounds := 0; x.More(); rounds++ {
		if rounds > 100 {
			w.failf("an exchange without end")
		}
		w.slice(x, node(i))
		for len(w.flights) > 0 {
			w.end(0, answers)
		}
		if x.Err() != nil {
			break
		}
	}
	w.flights = others
	return x.Err()
}

// reap begins to reap what the head's copy says can be reaped.
func (w *world) reap() *kv.Reap {
	to := ring.Entry{Partition: testHead, Node: node(0)}
	reply, _ := w.deliver(replica.Send{To: to, Body: kv.EncodeReapable(kv.Reapable{})})
	page, err := kv.Reapable{}.DecodeReply(reply)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(page.Reapable) == 0 {
		return nil
	}
	w.notef("  reap")
	m := kv.NewReap(w.set(node(0)), page.Reapable)
	w.step(m, replica.Event{Type: replica.Begin})
	return m
}

// stored returns what a copy holds of the key.
func (w *world) stored(i int) []byte {
	return w.copies[i].store[string(testKey)].Value
}

var testKey = kv.AppendKey(nil, testHead, "", "b", "k")

// lacks makes a copy one that has lost data, in the record that its node has
// applied.
func (w *world) lacks(i int) {
	w.change(func(v *recordVersion) { v.grace += 2 })
	w.applied[node(i)] = len(w.record) - 1
	w.copies[i].copied = vnode.Copy{Incomplete: true, Lost: uint64(len(w.record)), Grace: w.latest().grace}
}

// lose takes a copy's data away; the record says so before.
func (w *world) lose(i int) {
	w.notef("  %s loses its data", node(i))
	w.lacks(i)
	clear(w.copies[i].store)
	w.restart(w.copies[i])
}

// mend lets the record say that the damage is known which a copy has met, or has
// the copy give it up after that.
func (w *world) mend() {
	for i, s := range w.copies {
		switch {
		case len(s.damaged) == 0:
		case !s.copied.Incomplete:
			w.notef("  %s has met damage", node(i))
			w.lacks(i)
		default:
			w.notef("  %s gives up what is damaged", node(i))
			s.giveUp()
		}
	}
}

// damage spoils the bytes of the key at a copy.
func (w *world) damage(i int) {
	if item, ok := w.copies[i].store[string(testKey)]; ok {
		w.notef("  damage at %s", node(i))
		item.Value = []byte(damagedBytes)
		w.copies[i].store[string(testKey)] = item
	}
}

const damagedBytes = "\x02\xc8\x01"

func (w *world) damaged(i int) bool { return string(w.stored(i)) == damagedBytes }

func (w *world) damagedAny() bool {
	return slices.ContainsFunc(w.copies, func(s *server) bool { return string(s.store[string(testKey)].Value) == damagedBytes })
}

// makeWhole repairs a copy that lost data from all others, unless it is about to
// lose more.
func (w *world) makeWhole(i int) {
	for j := range w.copies {
		if len(w.copies[i].damaged) > 0 || j != i && w.exchange(i, j) != nil {
			return
		}
	}
	w.copies[i].copied.Incomplete = false
}

// broken reports whether a copy has lost something that it has not got back.
func (w *world) broken() bool {
	return w.damagedAny() || slices.ContainsFunc(w.copies, func(s *server) bool { return s.copied.Incomplete })
}
