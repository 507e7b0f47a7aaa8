package handoff

import "time"

// burst is how much a Pace lets through at once after a rest, as time at its rate: enough for a timer that is a
// little late, too little for others to notice. A node that has no time for its transfers does not make up for it.
const burst = 3 * time.Millisecond

// A Pace bounds the bytes per second of several streams together: a bucket of tokens that may be
// overdrawn. Whoever sends asks Wait before it reads and tells Charge what it read, so a batch of any
// size goes out whole and those that follow pay for it: every stream gets on, at any rate. The zero
// Pace has no bound. It is not safe for concurrent use. Times are of any clock that does not jump.
type Pace struct {
	rate   float64 // bytes per second; 0 has no bound
	tokens float64 // bytes that may be sent; negative is owed
	last   time.Time
}

// SetRate changes the bound, in bytes per second; 0 is none. What is owed stays owed, at the new rate,
// and is forgotten without one.
func (p *Pace) SetRate(now time.Time, rate uint64) {
	p.advance(now)
	if p.rate = float64(rate); rate == 0 {
		p.tokens = 0
	}
	p.tokens = min(p.tokens, p.rate*burst.Seconds())
}

// Bound reports whether there is a bound.
func (p *Pace) Bound() bool { return p.rate > 0 }

// Charge counts bytes that are sent.
func (p *Pace) Charge(now time.Time, n int) {
	p.advance(now)
	if p.rate > 0 {
		p.tokens -= float64(n)
	}
}

// Wait returns how long to wait before the next batch; 0 when it may go now. When the rate changes
// meanwhile, another time is right: do not wait for long without asking again.
func (p *Pace) Wait(now time.Time) time.Duration {
	p.advance(now)
	if p.rate == 0 || p.tokens >= 0 {
		return 0
	}
	return max(time.Duration(-p.tokens/p.rate*float64(time.Second)), time.Microsecond)
}

func (p *Pace) advance(now time.Time) {
	if d := now.Sub(p.last); d > 0 {
		if !p.last.IsZero() {
			p.tokens = min(p.tokens+p.rate*d.Seconds(), p.rate*burst.Seconds())
		}
		p.last = now
	}
}
