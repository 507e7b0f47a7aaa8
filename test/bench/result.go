package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Result is one measured line, as it is kept in bench/results.jsonl.
type Result struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Value     float64 `json:"value"`
	Unit      string  `json:"unit"`
	Limit     float64 `json:"limit,omitempty"`
	LimitName string  `json:"limit_name,omitempty"`
	Ratio     float64 `json:"ratio,omitempty"`
	CPU       float64 `json:"cpu_us_per_op"`
	Allocs    float64 `json:"allocs_per_op,omitempty"`
	LimitCPU  float64 `json:"limit_cpu_us_per_op,omitempty"`
	Peer      float64 `json:"peer,omitempty"`
	PeerName  string  `json:"peer_name,omitempty"`
	TimesPeer float64 `json:"times_peer,omitempty"`
	Load      float64 `json:"load"`
	// Realtime says that the process ran before all others (chrt): the load did
	// not take its cores, only caches and memory.
	Realtime bool   `json:"realtime,omitempty"`
	Commit   string `json:"commit"`
	Date     string `json:"date"`
	// Note is what the benchmark says beside its value.
	Note string `json:"note,omitempty"`
	// Void says why there is no ratio although there is a limit.
	Void string `json:"void,omitempty"`
	// Missed says which floor was not reached.
	Missed string `json:"missed,omitempty"`
}

// print writes the result on one line for a reader.
func (r Result) print(w io.Writer) {
	fmt.Fprintf(w, "%-14s %-44s %12s %-9s %10.4g CPU-us/op", r.ID, r.Name, number(r.Value), r.Unit, r.CPU)
	if r.Allocs >= 1 && r.Allocs < 1000 {
		fmt.Fprintf(w, " %5.1f allocs", r.Allocs)
	}
	if r.LimitName != "" {
		ratio := fmt.Sprintf("%.2f of", r.Ratio)
		if r.Void != "" {
			ratio = "void, "
		}
		fmt.Fprintf(w, "  %s %s %s (%.4g CPU-us)", ratio, r.LimitName, number(r.Limit), r.LimitCPU)
	}
	if r.Peer > 0 {
		fmt.Fprintf(w, "  %.1f x %s", r.TimesPeer, r.PeerName)
	}
	fmt.Fprintf(w, "  load %.1f", r.Load)
	if r.Realtime {
		fmt.Fprint(w, ", at real-time priority")
	}
	fmt.Fprintln(w)
	if r.Note != "" {
		fmt.Fprintf(w, "     %s\n", r.Note)
	}
	if r.Void != "" {
		fmt.Fprintf(w, "     void: %s\n", r.Void)
	}
	if r.Missed != "" {
		fmt.Fprintf(w, "     MISSED: %s\n", r.Missed)
	}
}

func number(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2f M", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.1f k", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}

// stamp adds when, at which commit and on how loaded a machine it was measured.
func (r *Result) stamp(commit string, now time.Time) {
	r.Load, r.Realtime, r.Commit, r.Date = loadAverage(), realtime(), commit, now.UTC().Format(time.RFC3339)
}

// keep appends the result to a file of JSON lines, which is made if needed.
func (r Result) keep(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(f).Encode(r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// commit names what is checked out, "unknown" outside a repository.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// loadAverage returns the machine's load over the last minute, 0 where the
// system does not tell.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	var load float64
	if _, err := fmt.Sscan(string(text), &load); err != nil {
		return 0
	}
	return load
}

// realtime reports whether this process has a real-time priority; false where
// that can't be told.
func realtime() bool {
	const priority = 40 - 3 // field 40 of proc_pid_stat(5); what follows the name begins with field 3
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	return len(fields) > priority && fields[priority] != "0"
}

// cpuTime returns the CPU time of this process so far, user and system.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
