package kv

import (
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/replica"
)

// A slot is one of the n copies of a request, wherever it is kept now.
type slot struct {
	at     ring.Entry // who was asked last
	flight int        // the Send that has not ended, 0 for none
	phase  slotPhase
	tried  bool // the primary was asked, or is not up
	doubt  bool // a Send that ended without an answer may have been done
	spare  ring.NodeID
}

type slotPhase uint8

const (
	slotIdle   slotPhase = iota // nothing was asked
	slotAsked                   // a Send is under way
	slotDone                    // the copy did what was asked
	slotFailed                  // nobody is left to ask
)

// where returns who has the copy, or would be asked for it next.
func (t *slot) where() (node ring.NodeID, primary bool) {
	if t.tried && t.phase != slotAsked && t.phase != slotDone {
		return t.spare, false
	}
	return t.at.Node, !t.at.Fallback
}

// slots are the copies of a request, and the Sends to them. A Send's ID is a
// count and the number of its slot, so that it names both.
type slots struct {
	all   []slot
	set   *replica.Set
	count int
	open  int // Sends that have not ended
	// causes are why copies failed.
	causes []error
}

const slotBits = 4 // numbers up to MaxN

func (s *slots) begin(set *replica.Set, room []slot) {
	s.set = set
	if n := len(set.Copies); n <= len(room) {
		s.all = room[:n]
	} else {
		s.all = make([]slot, n)
	}
	for i := range set.Copies {
		c := &set.Copies[i]
		s.all[i] = slot{at: c.Entry, spare: c.Spare, tried: !c.Up}
	}
}

// first returns the up primary to ask first: one of this node, or the first one;
// -1 if there is none that was not tried.
func (s *slots) first() int {
	found := -1
	for i := range s.all {
		if s.all[i].tried || s.all[i].phase != slotIdle {
			continue
		}
		if s.set.Copies[i].Node == s.set.Self {
			return i
		}
		if found < 0 {
			found = i
		}
	}
	return found
}

// firstSpare returns a slot whose primary failed and that has somebody to stand
// in, -1 if there is none.
func (s *slots) firstSpare() int {
	return slices.IndexFunc(s.all, func(t slot) bool {
		return t.tried && t.spare != "" && t.phase != slotAsked && t.phase != slotDone
	})
}

// ask sends a command to the primary of a slot, or to the node that stands in
// for it; it reports whether there is anybody to ask.
func (s *slots) ask(i int, body []byte, sloppy, volatile bool, sends *[]replica.Send) bool {
	t := &s.all[i]
	to := s.set.Copies[i].Entry
	switch {
	case !t.tried:
		t.tried = true
	case sloppy && t.spare != "":
		to = ring.Entry{Partition: to.Partition, Node: t.spare, Fallback: true}
		t.spare = ""
	default:
		t.phase = slotFailed
		return false
	}
	t.at = to
	s.send(i, body, volatile, sends)
	return true
}

// send sends a further command to whoever the slot is at.
func (s *slots) send(i int, body []byte, volatile bool, sends *[]replica.Send) {
	s.count++
	s.open++
	t := &s.all[i]
	t.phase, t.flight = slotAsked, s.count<<slotBits|i
	*sends = append(*sends, replica.Send{ID: t.flight, To: t.at, Body: body, Volatile: volatile})
}

// owns reports whether an event ends a Send of these slots.
func (s *slots) owns(e *replica.Event) bool {
	i := e.Send & (1<<slotBits - 1)
	return i < len(s.all) && e.Send != 0 && s.all[i].flight == e.Send
}

// ended takes the end of a Send and returns its slot; ok is false for a Send
// that is none of these.
func (s *slots) ended(e *replica.Event) (i int, ok bool) {
	if !s.owns(e) {
		return 0, false
	}
	i = e.Send & (1<<slotBits - 1)
	s.open--
	t := &s.all[i]
	t.flight, t.phase = 0, slotDone
	if e.Type == replica.Fail {
		t.phase = slotFailed
		t.doubt = t.doubt || e.Unknown
		t.spare = e.Spare
		s.cause(e.Err)
	}
	return i, true
}

func (s *slots) cause(err error) {
	if err != nil && len(s.causes) < bucket.MaxN {
		s.causes = append(s.causes, err)
	}
}

// tally counts the slots for which counts says so.
func (s *slots) tally(counts func(*slot) bool) (copies, primaries, nodes int) {
	for i := range s.all {
		t := &s.all[i]
		if !counts(t) {
			continue
		}
		copies++
		node, primary := t.where()
		if primary {
			primaries++
		}
		first := true
		for j := range i {
			other, _ := s.all[j].where()
			first = first && (other != node || !counts(&s.all[j]))
		}
		if first {
			nodes++
		}
	}
	return copies, primaries, nodes
}

// quorum is how many copies a request asks for.
type quorum struct{ copies, primaries, nodes int }

func (q quorum) reached(copies, primaries, nodes int) bool {
	return copies >= q.copies && primaries >= q.primaries && nodes >= q.nodes
}
