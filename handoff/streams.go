package handoff

import (
	"fmt"
	"maps"
	"slices"
)

// Streams keeps the incoming streams of a node apart: a session has one at a
// time, the newest. Without it a second stream could empty what a first one is
// just sealing. The zero Streams is ready. It belongs to one goroutine.
type Streams struct {
	sessions map[uint64]*arrivals
}

type arrivals struct {
	newest uint64
	live   map[uint64]struct{} // attempts whose task has not ended
}

// Arrive registers a stream by the attempt number of its Hello. It returns the
// attempts that must end first: their tasks are cancelled, and only when each
// has left is the View taken that the Receiver judges by. The error is
// ErrStaleStream, and then nothing is registered.
func (s *Streams) Arrive(session, attempt uint64) (ahead []uint64, err error) {
	a := s.sessions[session]
	if a == nil {
		if s.sessions == nil {
			s.sessions = make(map[uint64]*arrivals)
		}
		a = &arrivals{live: make(map[uint64]struct{})}
		s.sessions[session] = a
	}
	if len(a.live) > 0 && attempt <= a.newest {
		return nil, fmt.Errorf("stream %d of session %d behind %d: %w", attempt, session, a.newest, ErrStaleStream)
	}
	ahead = slices.Sorted(maps.Keys(a.live))
	a.newest = attempt
	a.live[attempt] = struct{}{}
	return ahead, nil
}

// Leave says that the stream's task has ended. It may be repeated.
func (s *Streams) Leave(session, attempt uint64) {
	a := s.sessions[session]
	if a == nil {
		return
	}
	delete(a.live, attempt)
	if len(a.live) == 0 {
		delete(s.sessions, session)
	}
}
