package mapred

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/pipe/mapreduce/js"
	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

func script(source string) string {
	text, _ := query.AppendJSON(nil, source)
	return `"language":"javascript","source":` + string(text)
}

// TestC06_javascript: phases in JavaScript, alone and beside others.
func TestC06_javascript(t *testing.T) {
	w := startWith(t, 2, []mapreduce.Engine{js.New(js.Options{})}, functions()...)
	w.numbers(10)
	w.put(kv.Object{Bucket: "src", Key: "double", Value: []byte(`function(o) { return [2 * o.values[0].data]; }`)})
	w.put(kv.Object{Bucket: "text", Key: "k1", Value: []byte("the day the fox came")})
	w.put(kv.Object{Bucket: "text", Key: "k2", Value: []byte("the end")})
	words := `{"map":{` + script(`function(v) { var c = {}; v.values[0].data.split(" ").forEach(function(w) { c[w] = (c[w] || 0) + 1; }); return [c]; }`) + `}}`
	merge := `{"reduce":{` + script(`function(v) { var r = {}; v.forEach(function(c) { for (var w in c) { r[w] = (r[w] || 0) + c[w]; } }); return [r]; }`) + `}}`
	numbers := `{"map":{"language":"javascript","name":"Riak.mapValuesJson"}}`
	for _, tt := range []struct{ job, want string }{
		{job(`"foonum"`, numbers, `{"reduce":{"language":"javascript","name":"Riak.reduceSum"}}`), `[55]`},
		{job(`"foonum"`, numbers, sum), `[55]`},
		{job(`"foonum"`, values, toInt, `{"reduce":{"language":"javascript","name":"Riak.reduceMax"}}`), `[10]`},
		{job(`"foonum"`, numbers, `{"reduce":{"language":"javascript","name":"Riak.reduceSort","arg":"function(a,b) { return b - a; }"}}`), `[10,9,8,7,6,5,4,3,2,1]`},
		{job(`"text"`, words, merge), `[{"came":1,"day":1,"end":1,"fox":1,"the":3}]`},
		{job(`"text"`, words, `{"reduce":{"language":"erlang","module":"riak_kv_mapreduce","function":"reduce_plist_sum"}}`), `[{"came":1,"day":1,"end":1,"fox":1,"the":3}]`},
		{job(`"foonum"`, `{"map":{"language":"javascript","bucket":"src","key":"double"}}`, sum), `[110]`},
		{job(`[["foonum","no",1]]`, `{"map":{"language":"javascript","name":"Riak.mapValues"}}`), `[{"not_found":{"bucket":"foonum","key":"no","keydata":1}}]`},
		{job(`[["text","k2"]]`, `{"map":{`+script(`function(o) { return [["foonum", "bar4", o.key]]; }`)+`}}`, `{"map":{`+script(`function(o, d) { return [[o.key, d, o.values[0].data]]; }`)+`}}`), `[["bar4","k2","4"]]`},
	} {
		w.want(tt.job, tt.want)
	}
	_, err := w.run(job(`"foonum"`, numbers, `{"reduce":{`+script("function(v) {\n  throw new Error('no more');\n}")+`}}`))
	var e *mapreduce.PhaseError
	if !errors.As(err, &e) || e.Phase != 1 || !strings.Contains(e.Text, "no more") || !strings.Contains(e.Stack, "source:2") {
		t.Errorf("an error in a reduce: %v", err)
	}
	w.noZombies()
}

// TestQuery_hostile: what a job does wrong ends that job with a typed error within
// its limits; another one beside it is exact all the time.
func TestQuery_hostile(t *testing.T) {
	w := startWith(t, 2, []mapreduce.Engine{js.New(js.Options{CallTime: 200 * time.Millisecond, CallOutput: 1 << 20})}, functions()...)
	w.numbers(20)
	ctx, cancel := context.WithCancel(context.Background())
	var beside sync.WaitGroup
	beside.Go(func() {
		for ctx.Err() == nil {
			if got, err := runOn(t, w.Node("b"), job(`"foonum"`, values, toInt, sum)); err != nil || got != "[210]" {
				t.Errorf("the job beside: %s, %v", got, err)
				return
			}
		}
	})
	for name, phase := range map[string]string{
		"endless loop":      `{"map":{` + script(`function() { while (true) {} }`) + `}}`,
		"endless recursion": `{"map":{` + script(`function f(o) { return f(o); }`) + `}}`,
		"large output":      `{"map":{` + script(`function() { var a = []; for (var i = 0; i < 200000; i++) { a.push(i); } return a; }`) + `}}`,
		"endless reduce":    `{"reduce":{` + script(`function(v) { while (v) {} }`) + `}}`,
		"wrong type":        `{"map":{` + script(`function() { return 7; }`) + `}}`,
		"functions":         `{"map":{` + script(`function() { return [eval]; }`) + `}}`,
		"panic":             `{"map":{"language":"erlang","module":"test","function":"panic"}}`,
	} {
		_, err := w.run(job(`"foonum"`, phase))
		var e *mapreduce.PhaseError
		if !errors.As(err, &e) || e.Phase != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	cancel()
	beside.Wait()
	w.noZombies()
}

// TestQuery_timeout: a job has its time from end to end; when that is over it ends
// with an error, and what its workers do is broken off.
func TestQuery_timeout(t *testing.T) {
	w := startWith(t, 2, []mapreduce.Engine{js.New(js.Options{CallTime: time.Hour})}, append(functions(), mapreduce.Function{
		Name: "test:stuck", Map: func(ctx context.Context, _ mapreduce.Object, _ any) ([]any, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		},
	})...)
	w.numbers(5)
	for _, phase := range []string{
		`{"map":{` + script(`function() { while (true) {} }`) + `}}`,
		`{"map":{"language":"erlang","module":"test","function":"stuck"}}`,
	} {
		text := strings.TrimSuffix(job(`"foonum"`, phase), "}") + `,"timeout":300}`
		if _, err := w.run(text); !errors.Is(err, baton.ErrJobTimeout) {
			t.Errorf("%s: %v, want a timeout", text, err)
		}
		w.noZombies()
	}
	for _, j := range w.Any().Jobs() {
		if j.State != baton.JobFailed || !errors.Is(j.Err, baton.ErrJobTimeout) || j.Ended.IsZero() {
			t.Errorf("in the book: %+v", j)
		}
	}
}

// TestQuery_cancel: a job is seen while it runs, and ends when it is told to.
func TestQuery_cancel(t *testing.T) {
	w := startWith(t, 2, []mapreduce.Engine{js.New(js.Options{CallTime: time.Hour})})
	w.numbers(5)
	q, err := query.Parse([]byte(job(`"foonum"`, `{"map":{`+script(`function() { while (true) {} }`)+`}}`)))
	if err != nil {
		t.Fatal(err)
	}
	n := w.Any()
	r, err := n.RunQuery(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	j, err := n.Job(r.ID())
	if err != nil || j.State != baton.JobRunning || len(j.Phases) != 1 || j.Phases[0].Name != "map 0" {
		t.Errorf("%+v, %v", j, err)
	}
	if err := n.CancelJob(r.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Collect(); !errors.Is(err, pipe.ErrCancelled) {
		t.Errorf("%v, want that it was cancelled", err)
	}
	<-r.Released()
	until(t, func() bool {
		j, err = n.Job(r.ID())
		return err != nil || j.State == baton.JobCancelled
	})
	if err != nil {
		t.Error(err)
	}
	if err := n.CancelJob(pipe.ID{1}); !errors.Is(err, baton.ErrNoJob) {
		t.Errorf("a job that never was: %v", err)
	}
	w.noZombies()
}

// TestC10_dynamicCluster: answers are exact while nodes join and leave.
func TestC10_dynamicCluster(t *testing.T) {
	w := start(t, 2, functions()...)
	w.numbers(300)
	ctx, cancel := context.WithCancel(context.Background())
	var jobs sync.WaitGroup
	var keys []string
	for i := 1; i <= 300; i++ {
		keys = append(keys, fmt.Sprintf(`["foonum","bar%d"]`, i))
	}
	ran := make([]int, 3)
	for i, tt := range []struct{ job, want string }{
		{job(`"foonum"`, values, toInt, sum), "[45150]"},
		{job("["+strings.Join(keys, ",")+"]", values, toInt, sum), "[45150]"},
		{job(`"foonum"`, count), "[300]"},
	} {
		jobs.Go(func() {
			for ; ctx.Err() == nil || ran[i] == 0; ran[i]++ {
				if got, err := runOn(t, w.Node("a"), tt.job); err != nil || got != tt.want {
					t.Errorf("run %d of %.100s: %s, %v; want %s", ran[i], tt.job, got, err, tt.want)
					return
				}
			}
		})
	}
	w.Join("c")
	w.Leave("b")
	w.Join("d")
	w.Leave("c")
	cancel()
	jobs.Wait()
	t.Logf("%v jobs ran beside two joins and two leaves", ran)
	w.noZombies()
}
