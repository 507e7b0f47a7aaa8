package actors

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// sweepEvery is how often all runs are looked at for what no message ends.
const sweepEvery = time.Second

// clock wakes runs: one goroutine and one timer for all of a host's.
type clock struct {
	mu   sync.Mutex
	due  alarms
	wake chan struct{} // holds one: the earliest alarm may be another
}

type alarm struct {
	at  time.Time
	run *run
}

func newClock() *clock { return &clock{wake: make(chan struct{}, 1)} }

// at has a run retry what is due then.
func (c *clock) at(t time.Time, r *run) {
	c.mu.Lock()
	heap.Push(&c.due, alarm{t, r})
	first := c.due[0].run == r
	c.mu.Unlock()
	if first {
		token(c.wake)
	}
}

// pop returns a run that is due, or when the next one will be.
func (c *clock) pop(now time.Time) (r *run, next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.due) == 0:
		return nil, time.Time{}
	case c.due[0].at.After(now):
		return nil, c.due[0].at
	}
	return heap.Pop(&c.due).(alarm).run, time.Time{}
}

// run serves the alarms, and calls sweep every second.
func (c *clock) run(ctx context.Context, sweep func(now time.Time)) {
	timer := time.NewTimer(sweepEvery)
	defer timer.Stop()
	swept := time.Now()
	for {
		select {
		case <-timer.C:
		case <-c.wake:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		r, next := c.pop(now)
		for ; r != nil; r, next = c.pop(now) {
			r.retry(now)
		}
		if now.Sub(swept) >= sweepEvery {
			sweep(now)
			swept = now
		}
		pause := swept.Add(sweepEvery).Sub(now)
		if !next.IsZero() {
			pause = min(pause, next.Sub(now))
		}
		timer.Reset(pause)
	}
}

// alarms is a heap by time.
type alarms []alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(x any)        { *a = append(*a, x.(alarm)) }

func (a *alarms) Pop() any {
	old := *a
	n := len(old) - 1
	x := old[n]
	old[n] = alarm{}
	*a = old[:n]
	return x
}
