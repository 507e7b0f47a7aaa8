package vnode

import (
	"fmt"
	"time"
)

// Looks at a vnode's counts are made at even intervals, about a second.
const (
	shedLooks = 3 // in a row with refusals, before a vnode counts as shedding
	calmLooks = 5 // in a row without trouble anywhere, before a node has recovered
)

// Counts are of the requests at one vnode, ever: those let in, those of them that
// no longer wait, and those refused because too many waited. They only grow.
type Counts struct{ Entered, Left, Refused int64 }

// A Pulse finds out from the counts of a vnode how long its requests wait. The
// zero Pulse is ready to use. It is pure.
type Pulse struct {
	last    Counts
	mark    int64     // Entered at since
	since   time.Time // not all that had entered by then have left; zero if nothing waits
	refused int       // looks in a row
}

// Look takes the counts at a moment. It returns how long some request has waited
// at least, and whether requests are refused for longer than a burst takes.
func (p *Pulse) Look(now time.Time, c Counts) (waits time.Duration, sheds bool) {
	p.refused++
	if c.Refused == p.last.Refused {
		p.refused = 0
	}
	p.last = c
	switch {
	case c.Left >= c.Entered:
		p.since = time.Time{}
	case p.since.IsZero() || c.Left >= p.mark:
		p.mark, p.since = c.Entered, now
	default:
		waits = now.Sub(p.since)
	}
	return waits, p.refused >= shedLooks
}

// Strain says whether a node keeps up with its requests. It takes its time to say
// that it does again, so that it is not now the one and now the other. The zero
// Strain is that of a node that does. It is pure.
type Strain struct {
	reason string
	calm   int    // looks in a row
	worst  string // of the look under way
	tight  bool   // of the look under way
}

// Note adds what was seen of one vnode in a look: how long requests wait there,
// where slow is too long, and whether it sheds.
func (s *Strain) Note(kind string, partition uint32, waits, slow time.Duration, sheds bool) {
	s.tight = s.tight || sheds || waits >= slow/2
	switch {
	case s.worst != "":
	case waits >= slow:
		s.worst = fmt.Sprintf("requests wait for vnode %s/%d for %v or more", kind, partition, waits.Truncate(time.Second))
	case sheds:
		s.worst = fmt.Sprintf("vnode %s/%d has more requests than may wait for it", kind, partition)
	}
}

// End ends a look and returns why the node does not keep up; empty if it does.
func (s *Strain) End() string {
	switch {
	case s.worst != "":
		s.reason, s.calm = s.worst, 0
	case s.tight:
		s.calm = 0
	case s.reason != "":
		if s.calm++; s.calm >= calmLooks {
			s.reason = ""
		}
	}
	s.worst, s.tight = "", false
	return s.reason
}
