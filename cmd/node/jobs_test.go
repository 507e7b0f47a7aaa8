package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/api/admin/admintest"
)

// fakeJobs runs every job to the same end.
type fakeJobs struct{ job admin.Job }

func (f *fakeJobs) RunJob(_ context.Context, text []byte) (admin.JobRun, error) {
	if !json.Valid(text) {
		return nil, fmt.Errorf("%w: no JSON", admin.ErrRequest)
	}
	return f, nil
}

func (f *fakeJobs) Jobs() []admin.Job { return []admin.Job{f.job} }

func (f *fakeJobs) CancelJob(id string) error {
	if id != f.job.ID {
		return admin.ErrNoJob
	}
	return nil
}

func (f *fakeJobs) ID() string     { return f.job.ID }
func (f *fakeJobs) Job() admin.Job { return f.job }
func (f *fakeJobs) Err() error     { return nil }

func (f *fakeJobs) Parts() iter.Seq[admin.JobPart] {
	return func(yield func(admin.JobPart) bool) {
		_ = yield(admin.JobPart{Phase: 0, Data: json.RawMessage(`["a",{"b":1}]`)}) && yield(admin.JobPart{Phase: 1, Data: json.RawMessage(`[2]`)})
	}
}

func TestJob_commands(t *testing.T) {
	n := admintest.New(t, "n1")
	started := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	ended := started.Add(1500 * time.Millisecond)
	f := &fakeJobs{job: admin.Job{ID: "0a", Name: "query", Node: "n1", State: "complete", Started: started, Ended: &ended, Phases: []admin.JobPhase{
		{Name: "map 0", In: 3, Bytes: 2048, Out: 2, Partitions: 2}, {Name: "reduce 1", In: 2, Bytes: 20, Out: 1, Partitions: 1},
	}}}
	s := httptest.NewServer(admin.NewHandler(admin.Options{Node: n, Jobs: f, Changes: true, ReadWait: time.Minute}))
	t.Cleanup(s.Close)
	t.Setenv("BATON_ADMIN", s.URL)
	file := filepath.Join(t.TempDir(), "job.json")
	if err := os.WriteFile(file, []byte(`{"inputs":"b","query":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"job submit " + file: "0\t\"a\"\n0\t{\"b\":1}\n1\t2\n" +
			"job 0a: complete, map 0 3 -> reduce 1 2, 1.5s\njob 0a: complete, map 0 3 -> reduce 1 2, 1.5s\nexit 0\n",
		"job submit no/such/file": "no such file or directory",
		"job list": `Job  Name   State     Started               Took  Steps  Inputs
-------------------------------------------------------------------------------
0a   query  complete  2026-11-21T20:00:00Z  1.5s      2       3
exit 0
`,
		"job show 0a": `Job 0a (query) at n1: complete
Started 2026-11-21T20:00:00Z, took 1.5s
Step      In    Bytes  Out  Partitions
-------------------------------------------------------------------------------
map 0      3  2.0 KiB    2           2
reduce 1   2     20 B    1           1
exit 0
`,
		"job show 0b":   "no such job",
		"job cancel 0a": "The job is told to end.\nexit 0\n",
		"job cancel 0b": "no such job",
	} {
		if got := typed(strings.Fields(line)...); !strings.Contains(got, want) {
			t.Errorf("baton %s:\n%s\nwant:\n%s", line, got, want)
		}
	}
	if got := typed("job", "submit", file, "--json"); !strings.Contains(got, `{"part":{"phase":1,"data":[2]}}`) {
		t.Errorf("as JSON:\n%s", got)
	}
}
