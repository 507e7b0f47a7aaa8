package baton_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// everywhere waits until all nodes have applied what one of them has.
func everywhere(t *testing.T, ctx context.Context, from *baton.Node, nodes []*baton.Node) {
	t.Helper()
	version := from.View().Version()
	for _, n := range nodes {
		for v := n.View(); v.Version() < version; v = n.View() {
			select {
			case <-v.Changed():
			case <-ctx.Done():
				t.Fatalf("node %s is at version %d, not at %d", n.Name(), v.Version(), version)
			}
		}
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestBuckets_typeLife: a type is created at one node, activated at another,
// updated at a third, and each change holds at all of them.
func TestBuckets_typeLife(t *testing.T) {
	ctx := within(t)
	c := batontest.Start(t, batontest.Options{})
	a, b, d := c.Node("a"), c.Node("b"), c.Node("c")
	if _, err := a.Buckets().Properties("maps", "x"); !errors.Is(err, bucket.ErrNoType) {
		t.Errorf("before the creation: %v", err)
	}
	if err := a.Buckets().CreateType(ctx, "maps", bucket.Changes{"n_val": 2, "allow_mult": false}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Buckets().Properties("maps", "x"); !errors.Is(err, bucket.ErrNotActive) {
		t.Errorf("before the activation: %v", err)
	}
	if err := b.Buckets().ActivateType(ctx, "maps"); err != nil {
		t.Fatal(err)
	}
	if err := d.Buckets().UpdateType(ctx, "maps", bucket.Changes{"w": "all"}); err != nil {
		t.Fatal(err)
	}
	want, err := bucket.Defaults(a.View().NVal()).With(bucket.Changes{"n_val": 2, "allow_mult": false, "w": bucket.All})
	if err != nil {
		t.Fatal(err)
	}
	everywhere(t, ctx, d, c.Nodes())
	for _, n := range append(c.Nodes(), c.Join("d")) {
		got, err := n.Buckets().Properties("maps", "x")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("at node %s: %v\n%s", n.Name(), err, diff)
		}
		var names []string
		for _, typ := range n.Buckets().Types() {
			names = append(names, typ.Name)
		}
		if diff := cmp.Diff([]string{"default", "maps"}, names); diff != "" {
			t.Errorf("types at node %s:\n%s", n.Name(), diff)
		}
	}
}

// TestBuckets_concurrent: properties of one bucket that are set at the same
// time, through all nodes, are all in force afterwards.
func TestBuckets_concurrent(t *testing.T) {
	ctx := within(t)
	c := batontest.Start(t, batontest.Options{})
	nodes := c.Nodes()
	all := []bucket.Changes{
		{"n_val": 4},
		{"allow_mult": false},
		{"basic_quorum": true},
		{"big_vclock": 1},
		{"dw": "all"},
		{"linkfun": bucket.ModFun{Mod: "m", Fun: "f"}},
		{"node_confirms": 1},
		{"notfound_ok": false},
		{"old_vclock": 2},
		{"pr": 1},
		{"pw": 1},
		{"r": "one"},
		{"rw": "one"},
		{"serve_frozen": true},
		{"sloppy_quorum": false},
		{"small_vclock": 3},
		{"ttl": 60},
		{"w": 1},
		{"young_vclock": 4},
		{"precommit": []string{}},
	}
	want := bucket.Changes{}
	var wg sync.WaitGroup
	for i, changes := range all {
		for name, v := range changes {
			want[name] = v
		}
		wg.Go(func() {
			n := nodes[i%len(nodes)]
			got, err := n.Buckets().SetProperties(ctx, "", "books", changes)
			if err != nil {
				t.Errorf("%v: %v", changes, err)
				return
			}
			// What was set is in force at this node.
			again, err := got.With(changes)
			if diff := cmp.Diff(got, again); err != nil || diff != "" {
				t.Errorf("%v: %v\n%s", changes, err, diff)
			}
		})
	}
	wg.Wait()
	expected, err := bucket.Defaults(nodes[0].View().NVal()).With(want)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		everywhere(t, ctx, n, nodes)
	}
	for _, n := range nodes {
		got, err := n.Buckets().Properties("default", "books")
		if diff := cmp.Diff(expected, got, cmpEmpty); err != nil || diff != "" {
			t.Errorf("at node %s: %v\n%s", n.Name(), err, diff)
		}
	}
}

// cmpEmpty takes no hooks and an empty list of them for the same.
var cmpEmpty = cmp.Transformer("JSON", func(p bucket.Properties) string {
	raw, err := json.Marshal(p)
	if err != nil {
		return err.Error()
	}
	return string(raw)
})

func TestBuckets_reset(t *testing.T) {
	ctx := within(t)
	b := batontest.Start(t, batontest.Options{Nodes: 1}).Any().Buckets()
	before, err := b.Properties("", "books")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := b.SetProperties(ctx, "", "books", bucket.Changes{"r": "one", "last_write_wins": true}); err != nil || p.R != bucket.One || p.Siblings() {
		t.Fatalf("%+v, %v", p, err)
	}
	if diff := cmp.Diff([]string{"books"}, b.Names("")); diff != "" {
		t.Error(diff)
	}
	var refused *bucket.PropertyError
	if _, err := b.SetProperties(ctx, "", "books", bucket.Changes{"nval": 1}); !errors.As(err, &refused) || !strings.Contains(refused.Remedy, "n_val") {
		t.Errorf("a misspelled name: %v", err)
	}
	for range 2 {
		if err := b.Reset(ctx, "", "books"); err != nil {
			t.Fatal(err)
		}
	}
	after, err := b.Properties("", "books")
	if diff := cmp.Diff(before, after); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	// The defaults of the cluster, changed for all buckets without a type.
	if err := b.UpdateType(ctx, "default", bucket.Changes{"notfound_ok": false}); err != nil {
		t.Fatal(err)
	}
	if p, err := b.Properties("", "books"); err != nil || p.NotFoundOK {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestBuckets_hooks: a hook that this node does not have is refused when it is
// named.
func TestBuckets_hooks(t *testing.T) {
	ctx := within(t)
	hooks := baton.Hooks{
		Pre:  map[string]baton.PreCommit{"check": func(context.Context, *kv.Object) error { return nil }},
		Post: map[string]baton.PostCommit{"tell": func(context.Context, kv.Object) {}},
	}
	b := batontest.Start(t, batontest.Options{Nodes: 1, Node: baton.Options{Hooks: hooks}}).Any().Buckets()
	if _, err := b.SetProperties(ctx, "", "books", bucket.Changes{"precommit": []string{"check"}, "postcommit": []string{"tell"}}); err != nil {
		t.Fatal(err)
	}
	unknown := bucket.Changes{"precommit": []string{"check", "tell"}}
	_, setErr := b.SetProperties(ctx, "", "books", unknown)
	for what, err := range map[string]error{
		"set": setErr, "create": b.CreateType(ctx, "t", unknown), "update": b.UpdateType(ctx, "", unknown),
	} {
		var hook *baton.HookError
		if !errors.As(err, &hook) || hook.Hook != "tell" || !errors.Is(err, baton.ErrNoHook) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestBuckets_options: the types that nodes start with are made once, and stay
// as they have become. They outlive the processes.
func TestBuckets_options(t *testing.T) {
	ctx := within(t)
	o := baton.Options{
		Name: "a", Engine: baton.EnginePebble, DataDir: filepath.Join(t.TempDir(), "a"), Bootstrap: true, Logger: testLog(),
		BucketTypes: map[string]bucket.Changes{"plain": nil, "no_siblings": {"allow_mult": false}, "default": {"basic_quorum": true}},
	}
	for life := range 2 {
		n, err := baton.Start(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		p, err := n.Buckets().Properties("no_siblings", "b")
		if err != nil || p.Siblings() || p.BasicQuorum || (p.R == bucket.One) != (life == 1) {
			t.Errorf("life %d: %+v, %v", life, p, err)
		}
		if p, err := n.Buckets().Properties("", "b"); err != nil || !p.BasicQuorum {
			t.Errorf("life %d: %+v, %v", life, p, err)
		}
		if err := n.Buckets().UpdateType(ctx, "no_siblings", bucket.Changes{"r": "one"}); err != nil {
			t.Error(err)
		}
		if err := n.Stop(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []bucket.Changes{{"nval": 3}, {"precommit": []string{"none"}}} {
		o := baton.Options{Name: "b", Bootstrap: true, BucketTypes: map[string]bucket.Changes{"t": bad}}
		if n, err := baton.Start(ctx, o); err == nil {
			t.Errorf("%v was accepted", bad)
			n.Stop(ctx)
		}
	}
}
