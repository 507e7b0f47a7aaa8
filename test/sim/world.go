package sim

import (
	"container/heap"
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
	hash   hash.Hash64
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

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any) {
	e, _ := x.(event)
	*h = append(*h, e)
}

func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*h = old[:len(old)-1]
	return e
}

// After lets f happen when d has passed. Events of one moment happen in the order of their calls.
func (w *World) After(d time.Duration, f func()) {
	w.seq++
	heap.Push(&w.events, event{w.now + d, w.seq, f})
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
		e, _ := heap.Pop(&w.events).(event)
		w.now = e.at
		w.steps++
		e.do()
	}
	if w.err == nil {
		return nil
	}
	return fmt.Errorf("seed %d, hash %016x, after %d events: %w\n  %s", w.Seed, w.Hash(), w.steps, w.err, strings.Join(w.lines[max(0, len(w.lines)-kept):], "\n  "))
}
