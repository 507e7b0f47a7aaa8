package mapred

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/pipe/mapreduce/js"
)

func client(t *testing.T, w world) *admin.Client {
	t.Helper()
	c, err := admin.NewClient(w.Any().AdminAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestAdmin_jobs submits jobs as the command does, sees them, and cancels one.
func TestAdmin_jobs(t *testing.T) {
	w := startWith(t, 2, []mapreduce.Engine{js.New(js.Options{CallTime: stuck})}, functions()...)
	w.numbers(10)
	c := client(t, w)
	ctx, cancel := context.WithTimeout(context.Background(), stuck)
	defer cancel()

	var parts, states []string
	var last admin.Job
	err := c.SubmitJob(ctx, strings.NewReader(job(`"foonum"`, values, with(toInt, `"keep":true`), sum)), false, func(e admin.JobEvent) {
		if e.Part != nil {
			parts = append(parts, string(e.Part.Data))
			return
		}
		states, last = append(states, e.Job.State), *e.Job
	})
	if err != nil || parts[len(parts)-1] != "[55]" || states[0] != "running" || last.State != "complete" {
		t.Errorf("%v %v %v", parts, states, err)
	}
	if len(last.Phases) != 3 || last.Phases[0].In != 10 || last.Phases[0].Out != 10 || last.Ended == nil {
		t.Errorf("%+v", last)
	}

	for text, want := range map[string]error{
		`{`:                                admin.ErrRequest,
		job(`[]`):                          admin.ErrRequest,
		job(`"foonum"`, toInt):             admin.ErrJob,
		job(`[["foonum","none"]]`, values): admin.ErrJob,
		job(`"foonum"`, `{"map":{"language":"erlang","module":"no","function":"such"}}`):                                      mapreduce.ErrUnknownFunction,
		job(`"foonum"`, `{"map":{"language":"lua","source":"x"}}`):                                                            mapreduce.ErrLanguage,
		job(`"foonum"`, `{"map":{`+script("function(")+`}}`):                                                                  admin.ErrRequest,
		job(`"foonum"`, `{"map":{"language":"javascript","bucket":"no","key":"such"}}`):                                       kv.ErrNotFound,
		strings.TrimSuffix(job(`"foonum"`, `{"map":{`+script("function() { while(true) {} }")+`}}`), "}") + `,"timeout":200}`: admin.ErrJobTimeout,
	} {
		if err := c.SubmitJob(ctx, strings.NewReader(text), false, func(admin.JobEvent) {}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}

	// One that never ends is watched until it is cancelled.
	endless := job(`"foonum"`, `{"map":{`+script("function() { while(true) {} }")+`}}`)
	watched := 0
	err = c.SubmitJob(ctx, strings.NewReader(endless), true, func(e admin.JobEvent) {
		if watched++; watched != 3 {
			return
		}
		l, err := c.Jobs(ctx)
		if err != nil || l.Jobs[len(l.Jobs)-1].ID != e.Job.ID || e.Job.State != "running" {
			t.Errorf("%+v, %v", l, err)
		}
		if _, err := c.CancelJob(ctx, e.Job.ID); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, pipe.ErrCancelled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := c.CancelJob(ctx, strings.Repeat("00", 16)); !errors.Is(err, admin.ErrNoJob) {
		t.Errorf("cancel of no job: %v", err)
	}
	if _, err := c.CancelJob(ctx, "x"); !errors.Is(err, admin.ErrRequest) {
		t.Errorf("cancel of no id: %v", err)
	}

	// A client that goes takes its job along.
	gone, leave := context.WithCancel(ctx)
	err = c.SubmitJob(gone, strings.NewReader(endless), false, func(admin.JobEvent) { leave() })
	if err == nil {
		t.Error("a client that goes has its job ended regularly")
	}
	until(t, func() bool {
		l, err := c.Jobs(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return l.Jobs[len(l.Jobs)-1].State == "cancelled"
	})
	w.noZombies()
}
