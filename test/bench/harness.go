package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"
)

// Case is something to measure.
type Case struct {
	// Name is a path: what, then in what form ("pipe/1-fitting/unbatched").
	Name string
	// Unit is that of the value: a rate ("MB/s", "inputs/s") or, with Lower, a
	// time per operation ("ns", "ms").
	Unit string
	// Lower says that less is better: the value is time per operation.
	Lower bool
	// Run does the work once: setup, m.Start, work, m.Stop.
	Run func(m *Meter) error
}

// Limit is what the machine can do without Baton.
type Limit struct {
	Case
	// CPU is the CPU time per operation in microseconds that such a machine is
	// known to need, 0 if it is not known.
	CPU float64
}

// Bench is one line of the table.
type Bench struct {
	ID string
	Case
	// Limit is measured in alternation with the case; nil if there is none.
	Limit *Limit
	// Peer is another system's value in the same unit, 0 if there is none.
	Peer     float64
	PeerName string
	// Floor is the value that has to be reached, and FloorRatio the ratio to the
	// limit; 0 where none is asked for.
	Floor, FloorRatio float64
}

// Meter measures one run.
type Meter struct {
	// Small asks for a small amount of work: the run is a test of the benchmark.
	Small bool
	// Scale is the share of the work to do, 1 if it is 0.
	Scale float64
	// Profile is where the CPU profile of the measured part goes; optional.
	Profile string

	began   time.Time
	cpu     time.Duration
	wall    time.Duration
	used    time.Duration
	ops     float64
	mallocs uint64
	stopped bool

	value float64 // given by Report, 0 if it follows from ops
	note  string  // given by Note
	floor float64 // given by Require, 0 if the benchmark's counts

	profile    *os.File // nil while none is written
	profileErr error
}

// Count returns how much work to do: the meter's share of n, a thousandth of it
// in a small run, at least 1.
func (m *Meter) Count(n int) int {
	if m.Small {
		return max(1, n/1000)
	}
	if m.Scale > 0 {
		return max(1, int(float64(n)*m.Scale))
	}
	return n
}

// Start begins the measured part.
func (m *Meter) Start() {
	runtime.GC()
	m.startProfile()
	m.mallocs = mallocs()
	m.cpu = cpuTime()
	m.began = time.Now()
}

// Stop ends it. ops is how many operations were done, in the unit of the case:
// megabytes for "MB/s".
func (m *Meter) Stop(ops float64) {
	m.wall = time.Since(m.began)
	m.used = cpuTime() - m.cpu
	m.mallocs = mallocs() - m.mallocs
	m.ops = ops
	m.stopped = true
	m.stopProfile()
}

func (m *Meter) startProfile() {
	if m.Profile == "" {
		return
	}
	if m.profile, m.profileErr = os.Create(m.Profile); m.profileErr == nil {
		m.profileErr = pprof.StartCPUProfile(m.profile)
	}
}

func (m *Meter) stopProfile() {
	if m.profile != nil {
		pprof.StopCPUProfile()
		m.profileErr = errors.Join(m.profileErr, m.profile.Close())
		m.profile = nil
	}
}

// Report gives the value of the run, in the unit of the case, in place of the
// rate that Stop was told: the median of latencies, say.
func (m *Meter) Report(value float64) { m.value = value }

// Require sets the value that has to be reached where it depends on the machine.
func (m *Meter) Require(value float64) { m.floor = value }

// Note adds words to the value of the run: the other percentiles, say.
func (m *Meter) Note(format string, args ...any) { m.note = fmt.Sprintf(format, args...) }

// mallocs returns how many objects this process has allocated so far.
func mallocs() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs
}

// sample is what one run gave.
type sample struct {
	value  float64
	cpuUS  float64 // per operation
	allocs float64 // per operation
	note   string
	floor  float64
}

// timeUnits are the units of time per operation.
var timeUnits = map[string]time.Duration{
	"ns": time.Nanosecond, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second,
}

// measure runs the case once by a meter with the settings of m.
func (c Case) measure(m Meter) (sample, error) {
	err := c.Run(&m)
	m.stopProfile()
	if err = errors.Join(err, m.profileErr); err != nil {
		return sample{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	if !m.stopped || m.ops <= 0 || m.wall <= 0 {
		return sample{}, fmt.Errorf("%s: measured nothing", c.Name)
	}
	s := sample{cpuUS: float64(m.used.Microseconds()) / m.ops, allocs: float64(m.mallocs) / m.ops, note: m.note, floor: m.floor}
	switch {
	case m.value > 0:
		s.value = m.value
	case c.Lower:
		unit, ok := timeUnits[c.Unit]
		if !ok {
			return sample{}, fmt.Errorf("%s: %q is no unit of time", c.Name, c.Unit)
		}
		s.value = float64(m.wall) / float64(unit) / m.ops
	default:
		s.value = m.ops / m.wall.Seconds()
	}
	return s, nil
}

// median returns the sample with the median value; of an even number, the lower
// of the two in the middle.
func median(samples []sample) sample {
	sorted := slices.SortedFunc(slices.Values(samples), func(a, b sample) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	return sorted[(len(sorted)-1)/2]
}

// run measures the benchmark and its limit in alternation and compares them. A
// profile is that of the benchmark's last run.
func (b Bench) run(repeats int, settings Meter) (Result, error) {
	plain := settings
	plain.Profile = ""
	var own, limit []sample
	for range repeats {
		if b.Limit != nil {
			s, err := b.Limit.measure(plain)
			if err != nil {
				return Result{}, err
			}
			limit = append(limit, s)
		}
		s, err := b.measure(settings)
		if err != nil {
			return Result{}, err
		}
		own = append(own, s)
	}
	return b.result(own, limit), nil
}

// slowBy is the factor of CPU time from which on a limit is void.
const slowBy = 1.25

func (b Bench) result(own, limit []sample) Result {
	mid := median(own)
	r := Result{ID: b.ID, Name: b.Name, Value: mid.value, Unit: b.Unit, CPU: mid.cpuUS, Allocs: mid.allocs, Note: mid.note, Peer: b.Peer, PeerName: b.PeerName}
	if b.Peer > 0 {
		r.TimesPeer = b.better(mid.value, b.Peer)
	}
	if len(limit) > 0 {
		bound := median(limit)
		r.Limit, r.LimitName, r.LimitCPU = bound.value, b.Limit.Name, bound.cpuUS
		if b.Limit.CPU > 0 && bound.cpuUS > b.Limit.CPU*slowBy {
			r.Void = fmt.Sprintf("the limit took %.3g CPU-us per operation, %.3g are known", bound.cpuUS, b.Limit.CPU)
		} else {
			r.Ratio = b.better(mid.value, bound.value)
		}
	}
	if mid.floor > 0 {
		b.Floor = mid.floor
	}
	r.Missed = b.missed(r)
	return r
}

// better says by which factor a value is better than another.
func (c Case) better(value, other float64) float64 {
	if c.Lower {
		return other / value
	}
	return value / other
}

// missed says which floor was not reached.
func (b Bench) missed(r Result) string {
	switch {
	case b.Floor > 0 && b.better(r.Value, b.Floor) < 1:
		return fmt.Sprintf("%.3g %s asked for", b.Floor, b.Unit)
	case b.FloorRatio > 0 && r.Ratio > 0 && r.Ratio < b.FloorRatio:
		return fmt.Sprintf("%.2g x the limit asked for", b.FloorRatio)
	}
	return ""
}
