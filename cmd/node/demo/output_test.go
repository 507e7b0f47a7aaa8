package demo

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// history is a demo in the events that it tells.
var history = []Event{
	Started{Nodes: []NodeAt{{"n1", "127.0.0.1:4001"}, {"n2", "127.0.0.1:4002"}}, Ring: 64, Engine: "memory", Seed: 7, Input: "corpus", Files: 3, Bytes: 3_000_000},
	Owning{Version: 9, Shares: []Share{{"n1", 32}, {"n2", 32}}, Settled: true},
	Loading{Files: 1, Inputs: 1, Bytes: 300_000, Of: 3_000_000},
	Loading{Files: 2, Inputs: 2, Bytes: 800_000, Of: 3_000_000},
	Loading{Files: 2, Inputs: 3, Bytes: 1_400_000, Of: 3_000_000},
	Loading{Files: 3, Inputs: 4, Bytes: 3_000_000, Of: 3_000_000},
	Mapping{Done: 1, Of: 4},
	Joining{Node: "n3", Addr: "127.0.0.1:4003", Inputs: 1},
	Moving{Opened: 2},
	Moved{Session: 3, Kind: "kv", Partition: 17, From: "n1", To: "n3", Items: 2, Bytes: 1_700_000, Digest: "a1b2", Match: true, DuringJob: true},
	Mapping{Done: 2, Of: 4},
	Owning{Version: 20, Shares: []Share{{"n1", 23}, {"n2", 21}, {"n3", 20}}},
	Moving{Opened: 2, Flipped: 2, Ended: 2},
	Owning{Version: 21, Shares: []Share{{"n1", 22}, {"n2", 21}, {"n3", 21}}, Settled: true},
	Mapping{Done: 4, Of: 4},
	Moved{Session: 4, Kind: "kv", Partition: 18, From: "n1", To: "n3", Match: true, DuringJob: true}, // empty: counted only
	Transfers{Ended: 2, Matching: 2, Empty: 1},
	Phase{Phase: "map", In: 4, Out: 90},
	Phase{Phase: "reduce", In: 90, Out: 80},
	Recounting{Bytes: 3_000_000, Of: 3_000_000},
	Frequent{Words: []WordCount{{"the", 12}, {"a", 9}}},
	Differing{Words: 3, First: []Difference{{"a", 9, 10}, {"b", 0, 1}}},
	Summary{Exact: false, Words: 500, Distinct: 80, Inputs: 4, Files: 3, Skipped: 1, Bytes: 3_000_000, Moved: 2, Archived: 5, HandoffBytes: 1_800_000, ElapsedMS: 900, JobMS: 300},
}

const plainHistory = `input      corpus: 3 files, 3.0 MB
node       n1 at 127.0.0.1:4001
node       n2 at 127.0.0.1:4002
cluster    ring of 64 partitions, memory engine, seed 7
ring       version 9: n1 32, n2 32
load        26%  2 files, 2 objects, 0.8 MB
load       100%  3 files, 4 objects, 3.0 MB
job         25%  1 of 4 inputs
join       n3 joins at 127.0.0.1:4003 after 1 inputs
transfer   kv    17  n1 -> n3  2 items, 1700000 bytes, digests match (a1b2), during the job
job         50%  2 of 4 inputs
ring       version 21: n1 22, n2 21, n3 21
job        100%  4 of 4 inputs
transfers  2 ended: 2 with matching digests, 0 with different ones; 1 had nothing to move
phase      map        in 4, out 90
phase      reduce     in 90, out 80
recount    100%  3.0 MB in one goroutine
the 2 most frequent words:
          12  the
           9  a
3 words differ:
  "a": the job counted 9, the recount 10
  "b": the job counted 0, the recount 1
  and 1 more
words      500, 80 distinct
input      3 files (1 binary skipped), 3000000 bytes, 4 objects
moved      2 partitions with data while the job ran, 5 workers archived, 1800000 bytes handed off
time       900 ms in all, 300 ms for the job
exact: false
`

func TestPlain(t *testing.T) {
	var b bytes.Buffer
	show(t, NewPlain(&b), history)
	if diff := cmp.Diff(plainHistory, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func show(t *testing.T, o Output, events []Event) {
	t.Helper()
	for _, e := range events {
		if err := o.Show(e); err != nil {
			t.Fatal(err)
		}
	}
}

// TestJSON checks that each line is one object, that all but the last name
// their event, and that the last has exactly the keys of a summary, in order.
func TestJSON(t *testing.T) {
	var b bytes.Buffer
	show(t, NewJSON(&b), history)
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) != len(history) {
		t.Fatalf("%d lines for %d events", len(lines), len(history))
	}
	for i, line := range lines[:len(lines)-1] {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("line %d: %v: %s", i, err, line)
		}
		if object["event"] != history[i].name() {
			t.Errorf("line %d: event is %v, want %q", i, object["event"], history[i].name())
		}
	}
	want := `{"exact":false,"words":500,"distinct":80,"inputs":4,"files":3,"skipped":1,"bytes":3000000,"moved":2,"archived":5,"handoff_bytes":1800000,"elapsed_ms":900,"job_ms":300}`
	if diff := cmp.Diff(want, lines[len(lines)-1]); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

// TestTerminal replays what was written on a screen of lines and checks what is
// seen in the middle and at the end.
func TestTerminal(t *testing.T) {
	var b bytes.Buffer
	clock := time.Unix(0, 0)
	o := NewTerminal(&b, func() time.Time { clock = clock.Add(time.Second); return clock })
	show(t, o, history[:12])
	if diff := cmp.Diff(golden(t, "terminal-middle.txt", screen(b.String())), screen(b.String())); diff != "" {
		t.Errorf("in the middle (-want +got):\n%s", diff)
	}
	show(t, o, history[12:])
	got := screen(b.String())
	if diff := cmp.Diff(golden(t, "terminal-end.txt", got), got); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
	if !strings.HasSuffix(got, "exact: false\n") {
		t.Error("the last line is not the result")
	}
}

// TestTerminal_throttled checks that progress is not drawn more often than a
// reader can see.
func TestTerminal_throttled(t *testing.T) {
	var b bytes.Buffer
	start := time.Unix(100, 0)
	o := NewTerminal(&b, func() time.Time { return start })
	for i := range 1000 {
		show(t, o, []Event{Mapping{Done: i, Of: 1000}})
	}
	if n := strings.Count(b.String(), "\n"); n != 1 {
		t.Errorf("drew %d times within one moment, want once", n)
	}
	show(t, o, []Event{Mapping{Done: 1000, Of: 1000}})
	if !strings.Contains(screen(b.String()), "100%") {
		t.Error("the end of a progress was not drawn")
	}
}

// screen interprets the few control sequences that a terminal Output uses.
func screen(written string) string {
	var rows []string
	at := 0
	for len(written) > 0 {
		if rest, ok := strings.CutPrefix(written, "\x1b["); ok {
			n := 0
			for rest[0] >= '0' && rest[0] <= '9' {
				n, rest = n*10+int(rest[0]-'0'), rest[1:]
			}
			switch rest[0] {
			case 'A':
				at -= n
			case 'J':
				rows = rows[:at]
			}
			written = rest[1:]
			continue
		}
		line, rest, _ := strings.Cut(written, "\x1b[K\n")
		rows = append(rows[:at:at], append([]string{line}, rows[min(at+1, len(rows)):]...)...)
		at++
		written = rest
	}
	return strings.Join(rows, "\n") + "\n"
}

var rewrite = flag.Bool("rewrite", false, "rewrite the files of testdata")

// golden returns the named file of testdata; with -rewrite it is
// rewritten first.
func golden(t *testing.T, name, got string) string {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(want)
}

func TestSteps(t *testing.T) {
	s := steps{per: 4}
	var shown []int
	for i := range 1001 {
		if s.reached(Mapping{Done: i, Of: 1000}) {
			shown = append(shown, i)
		}
	}
	if diff := cmp.Diff([]int{250, 500, 750, 1000}, shown); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !s.reached(Loading{}) || !s.reached(Moving{}) {
		t.Error("another progress, or an event that is none, was held back")
	}
}
