package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTable runs everything that is measured at a small size (I3).
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range Table() {
		t.Run(b.ID, func(t *testing.T) {
			if seen[b.ID] {
				t.Errorf("the id %s is taken twice", b.ID)
			}
			seen[b.ID] = true
			r, err := b.run(1, Meter{Small: true})
			if err != nil {
				t.Fatal(err)
			}
			if r.Value <= 0 {
				t.Errorf("value is %v", r.Value)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2},
	} {
		var samples []sample
		for _, v := range tt.values {
			samples = append(samples, sample{value: v})
		}
		if got := median(samples).value; got != tt.want {
			t.Errorf("median of %v is %v, want %v", tt.values, got, tt.want)
		}
	}
}

// TestBench_result checks ratios, void limits (I1) and missed floors.
func TestBench_result(t *testing.T) {
	rate := Case{Name: "x", Unit: "MB/s"}
	elapsed := Case{Name: "x", Unit: "ms", Lower: true}
	limit := &Limit{Case: Case{Name: "limit"}, CPU: 10}
	for _, tt := range []struct {
		name         string
		bench        Bench
		own, limit   sample
		ratio, times float64
		void, missed bool
	}{
		{"a rate", Bench{Case: rate, Limit: limit, Peer: 10}, sample{value: 50, cpuUS: 20}, sample{value: 100, cpuUS: 10}, 0.5, 5, false, false},
		{"a time", Bench{Case: elapsed, Limit: limit, Peer: 100}, sample{value: 20, cpuUS: 20}, sample{value: 10, cpuUS: 10}, 0.5, 5, false, false},
		{"a limit a little slow", Bench{Case: rate, Limit: limit}, sample{value: 50, cpuUS: 20}, sample{value: 100, cpuUS: 12}, 0.5, 0, false, false},
		{"a limit too slow", Bench{Case: rate, Limit: limit}, sample{value: 50, cpuUS: 20}, sample{value: 100, cpuUS: 13}, 0, 0, true, false},
		{"floors reached", Bench{Case: rate, Limit: limit, Floor: 50, FloorRatio: 0.5}, sample{value: 50, cpuUS: 20}, sample{value: 100, cpuUS: 10}, 0.5, 0, false, false},
		{"a rate too low", Bench{Case: rate, Limit: limit, Floor: 51}, sample{value: 50, cpuUS: 20}, sample{value: 100, cpuUS: 10}, 0.5, 0, false, true},
		{"a time too long", Bench{Case: elapsed, Limit: limit, Floor: 19}, sample{value: 20, cpuUS: 20}, sample{value: 10, cpuUS: 10}, 0.5, 0, false, true},
		{"a ratio too low", Bench{Case: rate, Limit: limit, FloorRatio: 0.6}, sample{value: 50, cpuUS: 20}, sample{value: 100, cpuUS: 10}, 0.5, 0, false, true},
		{"no limit", Bench{Case: rate}, sample{value: 50, cpuUS: 20}, sample{}, 0, 0, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var limits []sample
			if tt.bench.Limit != nil {
				limits = []sample{tt.limit}
			}
			r := tt.bench.result([]sample{tt.own}, limits)
			if math.Abs(r.Ratio-tt.ratio) > 1e-9 || math.Abs(r.TimesPeer-tt.times) > 1e-9 {
				t.Errorf("ratio %v, times peer %v; want %v, %v", r.Ratio, r.TimesPeer, tt.ratio, tt.times)
			}
			if (r.Void != "") != tt.void || (r.Missed != "") != tt.missed {
				t.Errorf("void %q, missed %q; want %t, %t", r.Void, r.Missed, tt.void, tt.missed)
			}
		})
	}
}

// TestCase_measure checks what is counted (I2) and what is refused.
func TestCase_measure(t *testing.T) {
	busy := func(m *Meter) error {
		m.Start()
		for deadline := time.Now().Add(20 * time.Millisecond); time.Now().Before(deadline); {
		}
		m.Stop(10)
		return nil
	}
	s, err := Case{Name: "busy", Unit: "ms", Lower: true, Run: busy}.measure(Meter{})
	if err != nil {
		t.Fatal(err)
	}
	if s.value < 2 || s.cpuUS <= 0 {
		t.Errorf("20 ms for 10 operations measured as %v ms and %v CPU-us each", s.value, s.cpuUS)
	}
	broken := errors.New("broken")
	if _, err := (Case{Run: func(*Meter) error { return broken }}).measure(Meter{}); !errors.Is(err, broken) {
		t.Errorf("error is %v, want the benchmark's", err)
	}
	if _, err := (Case{Run: func(*Meter) error { return nil }}).measure(Meter{}); err == nil {
		t.Error("a benchmark that measured nothing was accepted")
	}
	if _, err := (Case{Unit: "weeks", Lower: true, Run: busy}).measure(Meter{}); err == nil {
		t.Error("an unknown unit of time was accepted")
	}
}

func TestRun(t *testing.T) {
	var b bytes.Buffer
	out := filepath.Join(t.TempDir(), "new", "results.jsonl")
	if err := run([]string{"-only", "l3, L4", "-repeats", "1", "-small", "-out", out}, &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"L3 ", "L4 ", "CPU-us/op", "load"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("output does not have %q:\n%s", want, b.String())
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a small run was kept as a result")
	}
	if err := run([]string{"-only", "B99"}, &b); err == nil || !strings.Contains(err.Error(), "B99") {
		t.Errorf("error for an unknown id is %v", err)
	}
}

func TestResult_keep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "results.jsonl")
	for _, id := range []string{"B1", "B2"} {
		r := Result{ID: id, Value: 1.5}
		r.stamp("abc", time.Unix(0, 0))
		if err := r.keep(path); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines, want 2", len(lines))
	}
	var r Result
	if err := json.Unmarshal([]byte(lines[1]), &r); err != nil {
		t.Fatal(err)
	}
	if r.ID != "B2" || r.Commit != "abc" || r.Date != "1970-01-01T00:00:00Z" {
		t.Errorf("kept %+v", r)
	}
}

// TestCorpus checks that the corpus is the one that is described.
func TestCorpus(t *testing.T) {
	texts, size := corpus(1 << 20)
	again, _ := corpus(1 << 20)
	for i := range texts {
		if !bytes.Equal(texts[i], again[i]) {
			t.Fatal("two corpora differ")
		}
	}
	lines := bytes.SplitAfter(bytes.Join(texts, nil), []byte("\n"))
	total := 0
	for _, line := range lines[:len(lines)-1] {
		total += len(line)
		if len(line) < 1000 || len(line) > 1023 {
			t.Fatalf("a line of %d bytes", len(line))
		}
	}
	if total != size || size < 1<<20 {
		t.Errorf("%d bytes in lines, %d in all", total, size)
	}
}

func TestCountPlainly(t *testing.T) {
	texts := [][]byte{[]byte("a b_1 a"), []byte("b_1 c"), nil, []byte("...")}
	for _, goroutines := range []int{1, 2, 5} {
		got := countPlainly(texts, goroutines)
		want := map[string]uint64{"a": 2, "b_1": 2, "c": 1}
		if len(got) != len(want) {
			t.Errorf("%d goroutines found %d words", goroutines, len(got))
		}
		for word, n := range want {
			if got[word] == nil || *got[word] != n {
				t.Errorf("%d goroutines: count of %q is wrong", goroutines, word)
			}
		}
	}
}
