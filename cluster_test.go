package baton_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
)

// members starts a cluster of durable nodes named after the first ones of the
// alphabet, each on a directory of its own.
type members struct {
	*testing.T
	ctx context.Context
	dir string
	all map[string]*baton.Node
}

func startMembers(t *testing.T, names ...string) *members {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	m := &members{T: t, ctx: ctx, dir: t.TempDir(), all: make(map[string]*baton.Node)}
	t.Cleanup(m.stop)
	for i, name := range names {
		m.start(m.options(name, i == 0))
	}
	if len(names) > 1 {
		m.rebalance(names[0])
	}
	return m
}

func (m *members) options(name string, bootstrap bool) baton.Options {
	o := baton.Options{
		Name: name, Engine: baton.EnginePebble, DataDir: filepath.Join(m.dir, name), RingSize: 16,
		TargetN: 2, Bootstrap: bootstrap, Logger: testLog(),
	}
	for _, n := range m.all {
		if !bootstrap {
			o.Join = append(o.Join, n.Addr())
		}
	}
	return o
}

func (m *members) start(o baton.Options) *baton.Node {
	m.Helper()
	n, err := baton.Start(m.ctx, o)
	if err != nil {
		m.Fatal(err)
	}
	m.all[o.Name] = n
	return n
}

func (m *members) rebalance(at string) {
	m.Helper()
	if err := m.all[at].Rebalance(m.ctx); err != nil {
		m.Fatal(err)
	}
}

func (m *members) stop() {
	for name, n := range m.all {
		if err := n.Stop(context.Background()); err != nil {
			m.Errorf("stop %s: %v", name, err)
		}
	}
}

// TestStart_restart: a whole cluster that is stopped comes back on its data
// directories, with its record and its objects, and no node at its address: two
// are where others were, and each is told where another is.
func TestStart_restart(t *testing.T) {
	m := startMembers(t, "a", "b", "c")
	if err := m.all["a"].KV().Put(m.ctx, kv.Object{Bucket: "b", Key: "k", Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	before := m.all["a"].View().State
	addrs := map[string]string{}
	for name, n := range m.all {
		addrs[name] = n.Addr()
	}
	m.stop()
	var starting sync.WaitGroup
	var mu sync.Mutex
	for name := range addrs {
		o := m.options(name, false)
		o.Addr = map[string]string{"a": addrs["b"], "b": addrs["c"]}[name]
		o.Join = map[string][]string{"a": {addrs["c"]}, "b": {addrs["b"]}, "c": {addrs["b"]}}[name]
		starting.Go(func() {
			n, err := baton.Start(m.ctx, o)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			m.all[name] = n
		})
	}
	starting.Wait()
	if t.Failed() {
		return
	}
	o, err := m.all["b"].KV().Get(m.ctx, "b", "k")
	if err != nil || string(o.Value) != "v" {
		t.Errorf("got %q, %v", o.Value, err)
	}
	after := m.all["a"].View().State
	if after.ClusterID() != before.ClusterID() || after.Version() <= before.Version() {
		t.Errorf("cluster %v version %d after, %v version %d before", after.ClusterID(), after.Version(), before.ClusterID(), before.Version())
	}
	for p := range ring.Partition(16) {
		if was, is := before.Part(kv.KindName, p).Owner, after.Part(kv.KindName, p).Owner; was != is {
			t.Errorf("partition %d was %s's and is %s's", p, was, is)
		}
	}
}

// TestStart_dirInUse: a second process on one directory is refused by the lock.
func TestStart_dirInUse(t *testing.T) {
	m := startMembers(t, "a")
	_, err := baton.Start(m.ctx, m.options("a", true))
	if !errors.Is(err, baton.ErrDirInUse) {
		t.Errorf("got %v", err)
	}
}

// TestStart_otherCluster: a member of one cluster that is pointed at another is
// told both ids, and neither cluster changes.
func TestStart_otherCluster(t *testing.T) {
	one, two := startMembers(t, "a"), startMembers(t, "b")
	before := two.all["b"].View().Members()
	idOne, idTwo := one.all["a"].Cluster().String(), two.all["b"].Cluster().String()
	if err := one.all["a"].Stop(one.ctx); err != nil {
		t.Fatal(err)
	}
	o := one.options("a", false)
	o.Join = []string{two.all["b"].Addr()}
	_, err := baton.Start(one.ctx, o)
	if !errors.Is(err, topology.ErrClusterMismatch) || !strings.Contains(err.Error(), idOne) || !strings.Contains(err.Error(), idTwo) {
		t.Errorf("got %v, want the ids %s and %s", err, idOne, idTwo)
	}
	o.Join = nil
	a := one.start(o)
	if id := a.Cluster().String(); id != idOne {
		t.Errorf("cluster %s, was %s", id, idOne)
	}
	if diff := cmp.Diff(before, two.all["b"].View().Members()); diff != "" {
		t.Errorf("the other cluster (-before +after):\n%s", diff)
	}
}

// TestStart_wiped: a node that lost its directory is not the member of its name.
func TestStart_wiped(t *testing.T) {
	m := startMembers(t, "a", "b", "c")
	if err := m.all["c"].Stop(m.ctx); err != nil {
		t.Fatal(err)
	}
	delete(m.all, "c")
	o := m.options("c", false)
	o.DataDir = t.TempDir()
	if n, err := baton.Start(m.ctx, o); !errors.Is(err, topology.ErrNameTaken) {
		t.Errorf("got %v, %v", n, err)
	}
}

// TestNode_leave: a node that another one is told to take out gives everything
// away and ends without an error.
func TestNode_leave(t *testing.T) {
	m := startMembers(t, "a", "b", "c")
	c := m.all["c"]
	if err := c.Leave(m.ctx); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if err := c.Err(); err != nil {
		t.Error(err)
	}
	if s, ok := m.all["a"].View().Member("c"); ok && s.Status != topology.Removed {
		t.Errorf("c is %v", s.Status)
	}
	_, err := baton.Start(m.ctx, m.options("c", false))
	if !errors.Is(err, baton.ErrRemoved) {
		t.Errorf("started again: %v", err)
	}
}

// TestNode_rebalanceAtJoiner: a node that has just joined and has applied little
// of the record waits for the ring that it committed, not for the one it knows.
func TestNode_rebalanceAtJoiner(t *testing.T) {
	m := startMembers(t, "a")
	m.start(m.options("b", false))
	m.rebalance("b")
	v := m.all["b"].View()
	if n := v.Ring().Count("b"); n != 8 {
		t.Errorf("the ring gives b %d of 16 partitions", n)
	}
	for _, k := range v.Kinds() {
		for p, part := range v.Parts(k.Name) {
			if part.Owner != v.Ring().Owner(p) {
				t.Errorf("%s/%d is %s's, not %s's", k.Name, p, part.Owner, v.Ring().Owner(p))
			}
		}
	}
}

// TestStart_told: a node without a cluster says so, and joins when it is told to;
// a refusal leaves it as it was.
func TestStart_told(t *testing.T) {
	m := startMembers(t, "a")
	o := m.options("b", false)
	o.Join, o.AdminAddr = nil, "127.0.0.1:0"
	found := make(chan string, 1)
	o.Logger = slog.New(&seen{attr: "admin", found: found})
	started := make(chan error, 1)
	go func() {
		b, err := baton.Start(m.ctx, o)
		if err == nil {
			t.Cleanup(func() { _ = b.Stop(context.Background()) })
		}
		started <- err
	}()
	client, err := admin.NewClient(<-found)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if h, err := client.Health(m.ctx); err != nil || h.Ready {
		t.Errorf("health: %+v, %v", h, err)
	}
	if _, err := client.Members(m.ctx); !errors.Is(err, admin.ErrUnjoined) {
		t.Errorf("members: %v", err)
	}
	other := startMembers(t, "b") // has the name in its own cluster only
	addrs := []string{m.all["a"].Addr()}
	if _, err := client.Leave(m.ctx, "b"); !errors.Is(err, admin.ErrUnjoined) {
		t.Errorf("leave: %v", err)
	}
	if _, err := client.Join(m.ctx, []string{other.all["b"].Addr()}); !errors.Is(err, topology.ErrNameTaken) {
		t.Errorf("join where the name is taken: %v", err)
	}
	if _, err := client.Join(m.ctx, addrs); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	if _, err := client.Join(m.ctx, addrs); !errors.Is(err, admin.ErrJoined) {
		t.Errorf("join a second time: %v", err)
	}
	m.rebalance("a")
	if h, err := client.Health(m.ctx); err != nil || !h.Ready {
		t.Errorf("health: %+v, %v", h, err)
	}
}

// seen is a log handler that reports one attribute.
type seen struct {
	attr  string
	found chan string
}

func (s *seen) Enabled(context.Context, slog.Level) bool { return true }
func (s *seen) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s *seen) WithGroup(string) slog.Handler            { return s }
func (s *seen) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == s.attr {
			select {
			case s.found <- a.Value.String():
			default:
			}
		}
		return true
	})
	return nil
}

// TestStart_expect: nodes that are started unattended, in any order, become one
// cluster, and nobody begins alone.
func TestStart_expect(t *testing.T) {
	m := startMembers(t)
	var listeners []net.Listener
	var addrs []string
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, l)
		addrs = append(addrs, l.Addr().String())
	}
	type result struct {
		node *baton.Node
		err  error
	}
	results := make(chan result, 3)
	start := func(i int) {
		o := m.options(string(rune('a'+i)), false)
		o.Join, o.BootstrapExpect, o.Addr = addrs, 3, addrs[i]
		_ = listeners[i].Close() // the address was only reserved
		go func() {
			n, err := baton.Start(m.ctx, o)
			results <- result{n, err}
		}()
	}
	for _, i := range []int{2, 0, 1} {
		start(i)
	}
	for range 3 {
		r := <-results
		if r.err != nil {
			t.Fatal(r.err)
		}
		m.all[r.node.Name()] = r.node
	}
	a := m.all["a"]
	for v := a.View(); ; v = a.View() {
		if len(v.Ring().Nodes()) == 3 {
			break
		}
		select {
		case <-v.Changed():
		case <-m.ctx.Done():
			t.Fatalf("members %+v", v.Members())
		}
	}
	for name, n := range m.all {
		if n.Cluster() != a.Cluster() {
			t.Errorf("%s is in cluster %v, a in %v", name, n.Cluster(), a.Cluster())
		}
	}
}

// TestNode_fenced: a second process that starts as this node, from a copy of its
// directory, ends this one.
func TestNode_fenced(t *testing.T) {
	m := startMembers(t, "a", "b", "c", "d")
	d := m.all["d"]
	o := m.options("d", false)
	o.DataDir = filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(o.DataDir, os.DirFS(filepath.Join(m.dir, "d"))); err != nil {
		t.Fatal(err)
	}
	m.start(o)
	<-d.Done()
	if err := d.Err(); !errors.Is(err, baton.ErrFenced) {
		t.Errorf("the older process ended with %v", err)
	}
}

// TestRecover: the survivor of a majority that is gone for ever goes on alone
// with the record that it has, and takes over what the others owned.
func TestRecover(t *testing.T) {
	m := startMembers(t, "a", "b", "c")
	if err := baton.Recover(baton.RecoverOptions{DataDir: filepath.Join(m.dir, "c")}); !errors.Is(err, baton.ErrDirInUse) {
		t.Errorf("recover a node that runs: %v", err)
	}
	c := m.all["c"].Addr()
	m.stop()
	clear(m.all)
	if err := baton.Recover(baton.RecoverOptions{DataDir: filepath.Join(m.dir, "c")}); err != nil {
		t.Fatal(err)
	}
	o := m.options("c", false)
	o.Addr, o.AdminAddr = c, "127.0.0.1:0"
	client, err := admin.NewClient(m.start(o).AdminAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, gone := range []ring.NodeID{"a", "b"} {
		if _, err := client.Down(m.ctx, gone, true); err != nil {
			t.Fatal(err)
		}
		if _, err := client.ForceRemove(m.ctx, gone); err != nil {
			t.Fatal(err)
		}
	}
	m.rebalance("c")
	if nodes := m.all["c"].View().Ring().Nodes(); len(nodes) != 1 {
		t.Errorf("the ring is of %v", nodes)
	}
	if err := m.all["c"].KV().Put(m.ctx, kv.Object{Bucket: "b", Key: "k", Value: []byte("v")}); err != nil {
		t.Error(err)
	}
}

// TestStart_recordLost: a founder that lost its part of the record, and kept the
// rest, neither creates its cluster a second time nor votes again.
func TestStart_recordLost(t *testing.T) {
	m := startMembers(t, "a", "b", "c")
	if err := m.all["a"].Stop(m.ctx); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(m.dir, "a", "record")); err != nil {
		t.Fatal(err)
	}
	for _, o := range []baton.Options{m.options("a", true), m.options("a", false)} {
		if n, err := baton.Start(m.ctx, o); !errors.Is(err, baton.ErrRecordLost) {
			t.Errorf("got %v, %v", n, err)
		}
	}
}
