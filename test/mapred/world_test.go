package mapred

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stuck is when a test gives up.
const stuck = 2 * time.Minute

// world is a cluster that queries are sent to.
type world struct {
	*batontest.Cluster
	t testing.TB
}

func start(t testing.TB, nodes int, functions ...mapreduce.Function) world {
	t.Helper()
	return startWith(t, nodes, nil, functions...)
}

func startWith(t testing.TB, nodes int, engines []mapreduce.Engine, functions ...mapreduce.Function) world {
	t.Helper()
	return world{t: t, Cluster: batontest.Start(t, batontest.Options{Nodes: nodes, Node: baton.Options{
		RingSize: 8, AdminAddr: "127.0.0.1:0", Functions: functions, Engines: engines, Entropy: baton.EntropyOptions{Interval: -1},
		BucketTypes: map[string]bucket.Changes{"typed": {}},
	}})}
}

func (w world) put(o kv.Object) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stuck)
	defer cancel()
	if err := w.Any().KV().Put(ctx, o); err != nil {
		w.t.Fatal(err)
	}
}

// numbers stores objects foonum/barI with the value I, for I from 1 on.
func (w world) numbers(n int) {
	w.t.Helper()
	for i := 1; i <= n; i++ {
		w.put(kv.Object{Bucket: "foonum", Key: fmt.Sprintf("bar%d", i), Value: fmt.Append(nil, i), ContentType: "text/plain"})
	}
}

// run runs a job through the first node and returns its result as JSON.
func (w world) run(job string) (string, error) {
	return runOn(w.t, w.Any(), job)
}

func runOn(t testing.TB, n *baton.Node, job string) (string, error) {
	t.Helper()
	q, err := query.Parse([]byte(job))
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), stuck)
	defer cancel()
	r, err := n.RunQuery(ctx, q)
	if err != nil {
		return "", err
	}
	result, err := r.Collect()
	select {
	case <-r.Released():
	case <-ctx.Done():
		t.Error("something of the job is left")
	}
	if err != nil {
		return "", err
	}
	if err := r.Report().Check(); err != nil {
		t.Errorf("%s: %v", r.Report(), err)
	}
	text, err := query.AppendJSON(nil, result.Value())
	return string(text), err
}

// want runs a job and holds its result to a JSON text.
func (w world) want(job, want string) {
	w.t.Helper()
	got, err := w.run(job)
	if err != nil {
		w.t.Errorf("%s: %v", job, err)
	} else if !sameJSON(got, want) {
		w.t.Errorf("%s: %s, want %s", job, got, want)
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}

// noZombies fails the test if a worker is left at any node.
func (w world) noZombies() {
	w.t.Helper()
	deadline := time.Now().Add(stuck)
	for _, n := range w.Nodes() {
		for n.Workers() > 0 {
			if time.Now().After(deadline) {
				w.t.Fatalf("node %s: %d workers are left", n.Name(), n.Workers())
			}
			<-time.After(10 * time.Millisecond)
		}
	}
}

func until(t testing.TB, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(stuck)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("stuck")
		}
		<-time.After(10 * time.Millisecond)
	}
}
