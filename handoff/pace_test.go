package handoff_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/handoff"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestPace: streams that wait as they are told send the rate, whatever the size of their batches.
func TestPace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Uint64Range(64<<10, 1<<30).Draw(t, "rate")
		var p handoff.Pace
		now := noon
		p.SetRate(now, rate)
		batch := rapid.IntRange(int(rate)/200, int(rate)).Draw(t, "batch")
		took := time.Duration(rapid.IntRange(0, 1_000_000).Draw(t, "took"))
		sent := 0
		for now.Sub(noon) < 10*time.Second {
			if d := p.Wait(now); d > 0 {
				now = now.Add(d)
				continue
			}
			p.Charge(now, batch)
			sent += batch
			now = now.Add(took)
		}
		elapsed := now.Sub(noon).Seconds()
		least, most := float64(rate)*(elapsed-0.05)-float64(batch), float64(rate)*(elapsed+0.05)+2*float64(batch)
		if got := float64(sent); got < least || got > most {
			t.Fatalf("%v bytes in %v s at %d B/s in batches of %d", sent, elapsed, rate, batch)
		}
	})
}

// TestPace_change: without a bound nobody waits; a lower rate holds at once, a higher one too.
func TestPace_change(t *testing.T) {
	var p handoff.Pace
	p.Charge(noon, 1<<30)
	if d := p.Wait(noon); d != 0 {
		t.Errorf("without a rate it waits %v", d)
	}
	p.SetRate(noon, 1<<20)
	p.Charge(noon, 10<<20)
	if d := p.Wait(noon); d < 9*time.Second || d > 10*time.Second {
		t.Errorf("10 MiB at 1 MiB/s: waits %v", d)
	}
	p.SetRate(noon, 100<<20)
	if d := p.Wait(noon); d < 90*time.Millisecond || d > 100*time.Millisecond {
		t.Errorf("10 MiB at 100 MiB/s: waits %v", d)
	}
	p.SetRate(noon, 0)
	if d := p.Wait(noon); d != 0 {
		t.Errorf("with no rate any more it waits %v", d)
	}
	p.SetRate(noon.Add(time.Hour), 1<<20)
	p.Charge(noon.Add(time.Hour), 1<<20)
	if d := p.Wait(noon.Add(time.Hour)); d < 900*time.Millisecond {
		t.Errorf("an hour of rest is saved up: waits %v after 1 MiB at 1 MiB/s", d)
	}
}

// TestMeter: rates follow what happens now, and a stall is what takes most of the time.
func TestMeter(t *testing.T) {
	m := handoff.NewMeter(noon)
	now := noon
	run := func(d time.Duration, bytes int, moving time.Duration, then handoff.Wait) {
		for end := now.Add(d); now.Before(end); now = now.Add(100 * time.Millisecond) {
			m.Moved(now, bytes/100, bytes)
			m.Waits(now, handoff.WaitNothing)
			m.Waits(now.Add(moving), then)
		}
	}
	near := func(what string, want float64, wait handoff.Wait) {
		t.Helper()
		items, bytes := m.Rates(now)
		if bytes < 0.9*want || bytes > 1.1*want || items < 0.009*want || items > 0.011*want || m.Stall(now) != wait {
			t.Errorf("%s: %.0f items/s, %.0f B/s, want %.0f; stalled by %q, want %q", what, items, bytes, want, m.Stall(now), wait)
		}
	}
	run(time.Second, 1e6, 90*time.Millisecond, handoff.WaitWindow)
	near("the first second", 1e7, handoff.WaitNothing)
	run(time.Minute, 1e5, 10*time.Millisecond, handoff.WaitRate)
	near("slower for a minute", 1e6, handoff.WaitRate)
	run(time.Minute, 1e6, 90*time.Millisecond, handoff.WaitRate)
	near("and fast again", 1e7, handoff.WaitNothing)
	m.Waits(now, handoff.WaitSeal)
	now = now.Add(30 * time.Second)
	if _, bytes := m.Rates(now); bytes > 1e4 || m.Stall(now) != handoff.WaitSeal {
		t.Errorf("after a rest: %f B/s, %q", bytes, m.Stall(now))
	}
}

// TestPace_rest: what was not sent is not made up for.
func TestPace_rest(t *testing.T) {
	const rate = 100 << 20
	var p handoff.Pace
	p.SetRate(noon, rate)
	now := noon.Add(time.Hour)
	sent := 0
	for p.Wait(now) == 0 {
		p.Charge(now, 64<<10)
		sent += 64 << 10
	}
	if most := rate*3/1000 + 64<<10; sent > most {
		t.Errorf("%d bytes at once after a rest, at most %d", sent, most)
	}
}
