package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dee2748c/baton/cmd/node/ycsb"
)

// The phases of a run as Progress names them.
const (
	phaseLoad   = "load"
	phaseWarmUp = "warm-up"
	phaseRun    = "run"
)

// Setup says what is measured.
type Setup struct {
	Target       string            `json:"target"`
	Workload     string            `json:"workload"`
	Distribution ycsb.Distribution `json:"distribution"`
	// Mix is each operation with its percentage.
	Mix         string `json:"mix"`
	Records     int    `json:"records"`
	ValueSize   int    `json:"value_size"`
	Concurrency int    `json:"concurrency"`
	Seed        uint64 `json:"seed"`
}

// Progress is what happened up to a second of a phase.
type Progress struct {
	Phase  string `json:"phase"`
	Second int    `json:"second"`
	Done   int64  `json:"done"`
	// Total is how many there will be, 0 when not known.
	Total int `json:"total,omitempty"`
	// PerSecond is what this second brought.
	PerSecond int64 `json:"per_second"`
	Errors    int64 `json:"errors"`
}

// Load is what the load phase did, and what the bucket held after it.
type Load struct {
	Records   int     `json:"records"`
	Counted   int     `json:"counted"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
}

// Result is what was measured.
type Result struct {
	Load       Load    `json:"load"`
	Seconds    float64 `json:"seconds"`
	Operations uint64  `json:"operations"`
	// PerSecond counts what succeeded.
	PerSecond float64   `json:"per_second"`
	Latency   []Latency `json:"latency"`
	// Errors are counts by operation and code.
	Errors map[string]uint64 `json:"errors"`
}

// Latency is that of one operation, in microseconds.
type Latency struct {
	Operation string  `json:"operation"`
	Count     uint64  `json:"count"`
	Mean      float64 `json:"mean_us"`
	P50       float64 `json:"p50_us"`
	P90       float64 `json:"p90_us"`
	P99       float64 `json:"p99_us"`
	P999      float64 `json:"p999_us"`
	Max       float64 `json:"max_us"`
}

func newResult(t *tally, took time.Duration) Result {
	r := Result{Seconds: took.Seconds(), Errors: t.errors, Latency: []Latency{}}
	for op := range t.latency {
		h := &t.latency[op]
		if h.Count() == 0 {
			continue
		}
		r.Operations += h.Count()
		us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
		r.Latency = append(r.Latency, Latency{
			Operation: ycsb.Op(op).String(), Count: h.Count(), Mean: us(h.Mean()), P50: us(h.Percentile(50)), P90: us(h.Percentile(90)),
			P99: us(h.Percentile(99)), P999: us(h.Percentile(99.9)), Max: us(h.Max()),
		})
	}
	r.PerSecond = float64(r.Operations) / max(r.Seconds, 1e-9)
	return r
}

func mix(w ycsb.Workload) string {
	var parts []string
	for op, percent := range w.Percent {
		if percent > 0 {
			parts = append(parts, fmt.Sprintf("%d%% %v", percent, ycsb.Op(op)))
		}
	}
	return strings.Join(parts, ", ")
}

// NewJSON returns an output of JSON objects, one a line, each with its event.
func NewJSON(w io.Writer) Output { return jsonOutput{json.NewEncoder(w)} }

type jsonOutput struct{ encoder *json.Encoder }

func (j jsonOutput) write(event string, v any) {
	_ = j.encoder.Encode(struct {
		Event string `json:"event"`
		Data  any    `json:"data"`
	}{event, v}) // a reader that has left needs nothing more
}

func (j jsonOutput) Begin(s Setup)       { j.write("setup", s) }
func (j jsonOutput) Progress(p Progress) { j.write("progress", p) }
func (j jsonOutput) End(r Result)        { j.write("result", r) }

// NewText returns an output for people.
func NewText(w io.Writer) Output { return textOutput{w} }

type textOutput struct{ w io.Writer }

func (t textOutput) Begin(s Setup) {
	fmt.Fprintf(t.w, "target     %s\nworkload   %s: %s, %s\nrecords    %d of %d bytes, %d clients, seed %d\n\n",
		s.Target, strings.ToUpper(s.Workload), s.Mix, s.Distribution, s.Records, s.ValueSize, s.Concurrency, s.Seed)
}

func (t textOutput) Progress(p Progress) {
	of := ""
	if p.Total > 0 {
		of = fmt.Sprintf(" of %d", p.Total)
	}
	errors := ""
	if p.Errors > 0 {
		errors = fmt.Sprintf(", %d errors", p.Errors)
	}
	fmt.Fprintf(t.w, "%-8s %4d s  %9d/s  %d%s%s\n", p.Phase, p.Second, p.PerSecond, p.Done, of, errors)
}

func (t textOutput) End(r Result) {
	fmt.Fprintf(t.w, "\nload       %d records counted, %.0f/s\nrun        %d operations in %.1f s, %.0f/s\n\n", r.Load.Counted, r.Load.PerSecond, r.Operations, r.Seconds, r.PerSecond)
	fmt.Fprintf(t.w, "%-18s %10s %9s %9s %9s %9s %9s %9s\n", "microseconds", "count", "mean", "p50", "p90", "p99", "p99.9", "max")
	for _, l := range r.Latency {
		fmt.Fprintf(t.w, "%-18s %10d %9.0f %9.0f %9.0f %9.0f %9.0f %9.0f\n", l.Operation, l.Count, l.Mean, l.P50, l.P90, l.P99, l.P999, l.Max)
	}
	for _, k := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(t.w, "failed     %s: %d\n", k, r.Errors[k])
	}
}
