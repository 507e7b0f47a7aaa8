package handoff

import (
	"math"
	"time"
)

// memory is how far back a Meter looks: what lies further in the past weighs less than 1/e of what
// happens now.
const memory = 3 * time.Second

// A Wait is what one side of a transfer waits for.
type Wait uint8

// The waits. Each is shorter than a moment while a transfer is well.
const (
	WaitNothing    Wait = iota
	WaitConnection      // of the two nodes
	WaitAdmission       // by the other side, which may wait for its record
	WaitVnode           // to begin the fold, or to say what changed
	WaitRate            // the source's rate limit
	WaitWindow          // as much is on its way as may be: network or target are slower
	WaitSeal            // everything is copied; the record has to let the source seal
	WaitConfirm         // by the target that it has all
	WaitSource          // the target waits for what comes next
	WaitStore           // the target writes

	waitEnd
)

var waitNames = [waitEnd]string{
	"", "connection", "admission", "vnode", "rate limit", "window full", "seal", "confirmation", "source", "disk",
}

// String returns the wait in a word or two; the empty string for WaitNothing.
func (w Wait) String() string { return waitNames[w] }

// A Meter says how fast one side of a transfer goes and what holds it up, now rather than on the
// average since it began. It is not safe for concurrent use. Times are of any clock that does not jump.
type Meter struct {
	began, last  time.Time
	items, bytes float64          // moved, the past weighing less
	waited       [waitEnd]float64 // seconds, likewise
	wait         Wait
}

// NewMeter returns the meter of a stream that begins.
func NewMeter(now time.Time) Meter { return Meter{began: now, last: now, wait: WaitConnection} }

// Moved counts items and their bytes.
func (m *Meter) Moved(now time.Time, items, bytes int) {
	m.advance(now)
	m.items += float64(items)
	m.bytes += float64(bytes)
}

// Waits says what is waited for from now on.
func (m *Meter) Waits(now time.Time, w Wait) {
	m.advance(now)
	m.wait = w
}

// Rates returns items and bytes per second.
func (m Meter) Rates(now time.Time) (items, bytes float64) {
	m.advance(now)
	w := m.weight()
	return m.items / w, m.bytes / w
}

// Stall returns what took more than half of the time; WaitNothing when there is no such thing.
func (m Meter) Stall(now time.Time) Wait {
	m.advance(now)
	for w, s := range m.waited {
		if Wait(w) != WaitNothing && s > m.weight()/2 {
			return Wait(w)
		}
	}
	return WaitNothing
}

// weight is the time that the sums stand for, in seconds. What is younger than a moment says nothing.
func (m *Meter) weight() float64 {
	t := memory.Seconds()
	return max(t*(1-math.Exp(-m.last.Sub(m.began).Seconds()/t)), 0.02)
}

func (m *Meter) advance(now time.Time) {
	d := now.Sub(m.last).Seconds()
	if d <= 0 {
		return
	}
	m.last = now
	t := memory.Seconds()
	keep := math.Exp(-d / t)
	m.items *= keep
	m.bytes *= keep
	for w := range m.waited {
		m.waited[w] *= keep
	}
	m.waited[m.wait] += t * (1 - keep)
}

// Waits returns what the stream waits for when it has nothing to do.
func (s *Sender) Waits() Wait {
	switch s.phase {
	case sendConnecting:
		return WaitConnection
	case sendGreeting:
		return WaitAdmission
	case sendFolding:
		return WaitVnode
	case sendCopying, sendConfirming:
		if !s.reading && !s.room() {
			return WaitWindow
		}
		return WaitVnode
	case sendChasing:
		switch {
		case s.ready && !s.frozen:
			return WaitSeal
		case s.reading:
			return WaitVnode
		}
		return WaitWindow
	case sendFinishing:
		return WaitConfirm
	}
	return WaitNothing
}
