package sim

import (
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"
)

// A World is a clock, a heap of events and a seed. It belongs to one goroutine.
type World struct {
	// Seed names the history.
	Seed   uint64
	now    time.Duration
	seq    uint64
	events eventHeap
	rnd    *rand.Rand
	hash   hash.Hash64 // of all events and lines
	moment [16]byte
	lines  []string // the last ones
	steps  int
	err    error
}

// NewWorld returns a world at time 0.
func NewWorld(seed uint64) *World {
	return &World{Seed: seed, rnd: rand.New(rand.NewPCG(seed, 0x5eed)), hash: fnv.New64a()}
}

type event struct {
	at  time.Duration
	seq uint64
	do  func()
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// An eventHeap has the next event first.
type eventHeap []event

func (h *eventHeap) push(e event) {
	*h = append(*h, e)
	for i := len(*h) - 1; i > 0; {
		up := (i - 1) / 2
		if !(*h)[i].before(&(*h)[up]) {
			break
		}
		(*h)[i], (*h)[up] = (*h)[up], (*h)[i]
		i = up
	}
}

func (h *eventHeap) pop() event {
	old := *h
	first, n := old[0], len(old)-1
	old[0] = old[n]
	old[n] = event{}
	*h = old[:n]
	for i := 0; ; {
		next := 2*i + 1
		if next >= n {
			break
		}
		if next+1 < n && old[next+1].before(&old[next]) {
			next++
		}
		if !old[next].before(&old[i]) {
			break
		}
		old[i], old[next] = old[next], old[i]
		i = next
	}
	return first
}

// After lets f happen when d has passed. Events of one moment happen in the order of their calls.
func (w *World) After(d time.Duration, f func()) {
	w.seq++
	w.events.push(event{w.now + d, w.seq, f})
}

// Now returns the time since the beginning.
func (w *World) Now() time.Duration { return w.now }

// Clock returns the time as machines take it.
func (w *World) Clock() time.Time { return time.Unix(0, 0).Add(w.now) }

// Chance is true with probability p.
func (w *World) Chance(p float64) bool { return p > 0 && w.rnd.Float64() < p }

// Between returns a duration from low up to high.
func (w *World) Between(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(w.rnd.Int64N(int64(high-low)))
}

// kept is the number of lines that a failure prints.
const kept = 40

// Note adds a line to the history.
func (w *World) Note(format string, args ...any) {
	line := fmt.Sprintf("%v "+format, append([]any{w.now}, args...)...)
	_, _ = w.hash.Write([]byte(line)) // never fails
	if len(w.lines) >= 2*kept {
		w.lines = append(w.lines[:0], w.lines[kept:]...)
	}
	w.lines = append(w.lines, line)
}

// Hash returns the hash of the history so far.
func (w *World) Hash() uint64 { return w.hash.Sum64() }

// Steps returns the number of events that happened.
func (w *World) Steps() int { return w.steps }

// Failf ends the history with a violation.
func (w *World) Failf(format string, args ...any) {
	if w.err == nil {
		w.Note("VIOLATION "+format, args...)
		w.err = fmt.Errorf(format, args...)
	}
}

// Run lets events happen until the condition holds. It fails after a violation, when nothing is left to
// happen, and at the limit of simulated time.
func (w *World) Run(until func() bool, limit time.Duration) error {
	limit += w.now
	for w.err == nil && !until() {
		if len(w.events) == 0 || w.events[0].at > limit {
			w.Failf("still waiting at %v", w.now)
			break
		}
		e := w.events.pop()
		w.now = e.at
		w.steps++
		binary.LittleEndian.PutUint64(w.moment[:], uint64(e.at))
		binary.LittleEndian.PutUint64(w.moment[8:], e.seq)
		_, _ = w.hash.Write(w.moment[:]) // never fails
		e.do()
	}
	if w.err == nil {
		return nil
	}
	return fmt.Errorf("seed %d, hash %016x, after %d events: %w\n  %s", w.Seed, w.Hash(), w.steps, w.err, strings.Join(w.lines[max(0, len(w.lines)-kept):], "\n  "))
}
