package matrix

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/test/sim"
)

// A strike is one fault in one cluster: what a cell knows while it runs.
type strike struct {
	c *sim.Cluster
	x *sim.Trial
	// owner owned the partition at the epoch when the fault struck.
	owner ring.NodeID
	epoch uint64
	// lost is the node that never returns, if the fault is that.
	lost *sim.Node
	// asked is set when an operator asks for something, answered when there is an answer, and answer then
	// is it.
	asked, answered bool
	answer          error
	// fenced is what was turned away before the fault.
	fenced uint64
	// held is the number of frames that arrive late.
	held int
}

// A fault is one row of the table.
type fault struct {
	// newcomer names the participant that joined after the founding: its disks can be taken.
	newcomer string
	// before happens when the transfer begins.
	before func(s *strike) error
	// strike happens at the point.
	strike func(s *strike)
	// lasts is when the fault ends; then mend happens.
	lasts time.Duration
	mend  func(s *strike)
	// after looks at what the end was, beside what the table says.
	after func(s *strike, end End) error
}

// Times of faults: longer than a failure detector waits, and shorter than any.
const (
	long  = 60 * time.Second
	short = 500 * time.Millisecond
)

// faults are all that the table may name.
var faults = map[string]fault{
	"source restarts":         crash(source),
	"target restarts":         crash(target),
	"source is lost for ever": lose(source),
	"target is lost for ever": lose(target),
	"source stops for 60 s":   pause(source, long),
	"target stops for 60 s":   pause(target, long),
	"source stops for 0.5 s":  pause(source, short),
	"target stops for 0.5 s":  pause(target, short),
	"leader restarts":         crash((*strike).leader),
	"leader stops for 60 s":   pause((*strike).leader, long),

	"source and target are cut for 60 s": cut(func(s *strike) { data(s, source, target); data(s, target, source) }),
	"source to target is cut for 60 s":   cut(func(s *strike) { data(s, source, target) }),
	"target to source is cut for 60 s":   cut(func(s *strike) { data(s, target, source) }),
	"source and record are cut for 60 s": cut(func(s *strike) { s.c.Net.CutLog(s.x.Source.ID) }),
	"target and record are cut for 60 s": cut(func(s *strike) { s.c.Net.CutLog(s.x.Target.ID) }),
	"source is cut off for 60 s":         cut(func(s *strike) { s.others(source, both) }),
	"target is cut off for 60 s":         cut(func(s *strike) { s.others(target, both) }),
	"source is not heard for 60 s":       cut(func(s *strike) { s.others(source, from) }),
	"target is not heard for 60 s":       cut(func(s *strike) { s.others(target, from) }),
	"source hears nothing for 60 s":      cut(func(s *strike) { s.others(source, to) }),
	"target hears nothing for 60 s":      cut(func(s *strike) { s.others(target, to) }),
	"record without a quorum for 60 s": cut(func(s *strike) {
		for _, n := range s.c.Nodes {
			s.c.Net.CutLog(n.ID)
		}
	}),
	"links are slow": {
		strike: func(s *strike) { s.c.Net.MinDelay, s.c.Net.MaxDelay = 10*time.Millisecond, 20*time.Millisecond },
		lasts:  long,
		mend:   func(s *strike) { s.c.Net.MinDelay, s.c.Net.MaxDelay = 100*time.Microsecond, time.Millisecond },
	},

	"frames are doubled":         tamper(sim.Doubles, -1),
	"frames are overtaken":       tamper(sim.Overtaken, 8),
	"a frame is lost":            tamper(sim.Vanishes, 1),
	"a frame is damaged":         tamper(sim.Corrupts, 1),
	"every frame is damaged":     tamper(sim.Corrupts, -1),
	"frames of an older session": {before: olderSession, strike: func(s *strike) { s.held = s.c.Net.Wake(0) }, after: fenced},

	"an item is unreadable":         {strike: func(s *strike) { s.c.W.After(20*time.Second, s.x.Spoil()) }},
	"disk of the source is full":    full(source),
	"disk of the target is full":    full(target),
	"a sync of the source fails":    {strike: func(s *strike) { s.x.Source.FailSync() }},
	"a sync of the target fails":    {strike: func(s *strike) { s.x.Target.FailSync() }},
	"source returns without a disk": wipe(source, "source"),
	"target returns without a disk": wipe(target, "target"),

	"clocks jump by an hour": {strike: func(s *strike) {
		s.x.Source.Skew(time.Hour)
		s.x.Target.Skew(-time.Hour)
		s.leader().Skew(time.Hour)
	}},
	"operator cancels": {
		strike: func(s *strike) { s.asked = true; s.x.Cancel(s.told) },
		after: func(s *strike, end End) error {
			switch {
			case end == Refused && !errors.Is(s.answer, topology.ErrTooLate) && !errors.Is(s.answer, topology.ErrNoTransfer):
				return fmt.Errorf("refused with %w", s.answer)
			case end == Abort && s.x.Ending().Reason != topology.ReasonCancelled:
				return fmt.Errorf("it was given up because of %q", s.x.Ending().Reason)
			}
			return nil
		},
	},
	"a second transfer is asked for": {
		strike: func(s *strike) { s.asked = true; s.x.Second(s.told) },
		after: func(s *strike, _ End) error {
			// The question may come when the first transfer is over.
			if !errors.Is(s.answer, topology.ErrTransferInProgress) && !errors.Is(s.answer, topology.ErrStale) && !errors.Is(s.answer, topology.ErrNotOwner) {
				return fmt.Errorf("the answer was %w", s.answer)
			}
			return nil
		},
	},
}

func source(s *strike) *sim.Node { return s.x.Source }

func target(s *strike) *sim.Node { return s.x.Target }

func (s *strike) leader() *sim.Node { return s.c.Leader() }

// told takes the answer to an operator.
func (s *strike) told(o topology.Outcome) { s.answered, s.answer = true, o.Err }

func crash(who func(*strike) *sim.Node) fault {
	return fault{strike: func(s *strike) {
		n := who(s)
		n.Crash()
		s.c.W.After(time.Second, n.Restart)
	}}
}

func lose(who func(*strike) *sim.Node) fault {
	return fault{lasts: long, strike: func(s *strike) {
		s.lost = who(s)
		s.lost.Crash()
	}}
}

func pause(who func(*strike) *sim.Node, lasts time.Duration) fault {
	f := fault{strike: func(s *strike) {
		n := who(s)
		n.Pause()
		s.c.W.After(lasts, n.Resume)
	}}
	if lasts == long {
		f.lasts = lasts
	}
	return f
}

func cut(do func(s *strike)) fault {
	return fault{strike: do, lasts: long, mend: func(s *strike) { s.c.Net.Heal() }}
}

// data cuts what vnodes of the one send to those of the other.
func data(s *strike, from, to func(*strike) *sim.Node) { s.c.Net.CutData(from(s).ID, to(s).ID) }

// Directions of a cut between a node and all others.
const (
	both = iota
	from
	to
)

func (s *strike) others(who func(*strike) *sim.Node, direction int) {
	n := who(s)
	for _, o := range s.c.Nodes {
		if o == n {
			continue
		}
		if direction != to {
			s.c.Net.Cut(n.ID, o.ID)
		}
		if direction != from {
			s.c.Net.Cut(o.ID, n.ID)
		}
	}
}

// streamed are the frames that follow one another on a connection. The first of each side, the hello, is no
// such frame: what it is tells which connection it is.
var streamed = []messages.Type{
	messages.TypeHandoffItems, messages.TypeHandoffDelta, messages.TypeHandoffAck,
	messages.TypeHandoffFin, messages.TypeHandoffFinReply,
}

// tamper does something to the next frames of transfers that source and target send.
func tamper(fate sim.Fate, count int) fault {
	return fault{lasts: 20 * time.Second, mend: func(s *strike) { s.c.Net.Tamper = nil }, strike: func(s *strike) {
		left := count
		s.c.Net.Tamper = func(sender, _ ring.NodeID, msg any) sim.Fate {
			h := sim.Envelope(msg)
			if h == nil || !slices.Contains(streamed, h.Type) || left == 0 || sender != s.x.Source.ID && sender != s.x.Target.ID {
				return sim.Arrives
			}
			left--
			return fate
		}
	}}
}

// olderSession makes the data of a first transfer, which is given up, wait on the way.
func olderSession(s *strike) error {
	s.c.Tampers(s.x.Source, messages.TypeHandoffItems, -1, sim.Lingers)
	if err := s.c.Run(s.x.At(sim.Copying), time.Minute); err != nil {
		return err
	}
	s.x.Cancel(func(topology.Outcome) {})
	if err := s.c.Run(func() bool { return s.x.Ending().Over }, time.Minute); err != nil {
		return err
	}
	s.c.Net.Tamper = nil
	s.fenced = s.c.Counts.Fenced
	s.x.Again()
	return nil
}

func fenced(s *strike, _ End) error {
	switch {
	case s.held == 0:
		return errors.New("no frame of the older session was on the way")
	case s.c.Counts.Fenced < s.fenced+uint64(s.held):
		return fmt.Errorf("%d frames came late, and %d were turned away", s.held, s.c.Counts.Fenced-s.fenced)
	}
	return nil
}

func full(who func(*strike) *sim.Node) fault {
	return fault{
		strike: func(s *strike) { who(s).Fill(true) },
		lasts:  20 * time.Second,
		mend:   func(s *strike) { who(s).Fill(false) },
	}
}

// wipe lets a node come back under its name without anything: it must not be taken for what it was.
func wipe(who func(*strike) *sim.Node, newcomer string) fault {
	return fault{newcomer: newcomer, lasts: long, strike: func(s *strike) {
		s.lost = who(s)
		s.lost.Crash()
		s.lost.Wipe()
		s.c.Join(s.lost.ID, 77)
	}, after: func(s *strike, _ End) error {
		if s.lost.Refused() == nil {
			return errors.New("a node without its disk was taken for the member of that name")
		}
		return nil
	}}
}
