package consul_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/consul/consultest"
	"github.com/dee2748c/baton/cluster/topology"
)

// destroySessions ends the sessions of the nodes with the given service ids.
func destroySessions(t *testing.T, c *api.Client, ids ...string) (ended int) {
	t.Helper()
	entries, _, err := c.Session().List(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		for _, id := range ids {
			if e.Name == id {
				if _, err := c.Session().Destroy(e.ID, nil); err != nil {
					t.Fatal(err)
				}
				ended++
			}
		}
	}
	return ended
}

func serviceID(folder, node string) string {
	id := []byte(folder)
	for i, b := range id {
		if b == '/' {
			id[i] = '-'
		}
	}
	return string(id) + "-" + node
}

func testSessionLost(t *testing.T, srv *consultest.Server) {
	folder := prefix()
	s := open(t, options(srv.Addr, folder, "n1"))
	accept(t, s, "founder", create("n1"))
	await(t, "n1 leads", s.Watch, leads)
	if st := s.Status(); st.Leader != "n1" || st.Applied != 1 || st.Err != nil {
		t.Errorf("status %+v", st)
	}
	for i := range uint64(5) {
		if n := destroySessions(t, raw(t, srv.Addr), serviceID(folder, "n1")); n != 1 {
			t.Fatalf("%d sessions ended, want 1", n)
		}
		out, err := s.Propose(limited(t), command("p", i+1, 0, change()))
		if err != nil || !out[0].Changed() {
			t.Fatalf("after the session was lost: %v, %v", out, err)
		}
	}
}

// A node that proposes nothing finds by itself that its session is gone, and can lead again.
func testIdleSessionLost(t *testing.T, srv *consultest.Server) {
	folder := prefix()
	g := newGate(t, srv.Addr)
	first := open(t, options(g.addr, folder, "n1"))
	await(t, "first leads", first.Watch, leads)
	second := open(t, options(srv.Addr, folder, "n2"))
	g.setRefuse("/v1/session/create")
	destroySessions(t, raw(t, srv.Addr), serviceID(folder, "n1"))
	await(t, "second leads", second.Watch, leads)
	await(t, "first no longer leads", first.Watch, func(u cluster.Update) bool { return !u.Leader })
	g.setRefuse("")
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "first leads again", first.Watch, leads)
}

func testNoSession(t *testing.T, srv *consultest.Server) {
	folder := prefix()
	g := newGate(t, srv.Addr)
	o := options(g.addr, folder, "n1")
	o.RequestTimeout = time.Second // how long a proposal waits for a session
	s := open(t, o)
	accept(t, s, "founder", create("n1"))
	g.setRefuse("/v1/session/create")
	destroySessions(t, raw(t, srv.Addr), serviceID(folder, "n1"))
	if out, err := s.Propose(limited(t), command("p", 1, 0, change())); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("without a session: %v, %v, want %v", out, err, cluster.ErrUnavailable)
	}
	if v := read(t, s).Version(); v != 1 {
		t.Errorf("version %d, want 1", v)
	}
	g.setRefuse("")
	accept(t, s, "later", change())
}

func testPausedLeader(t *testing.T, srv *consultest.Server) {
	folder := prefix()
	g := newGate(t, srv.Addr)
	o := options(g.addr, folder, "n1")
	o.RequestTimeout = stuck // a stopped process does not time out
	first := open(t, o)
	await(t, "first leads", first.Watch, leads)
	accept(t, first, "founder", create("n1"), join("n2"), topology.BeginTerm{Node: "n1"})
	second := open(t, options(srv.Addr, folder, "n2"))

	// The leader stops with a write of its term on the way.
	g.setShut(true)
	refused := make(chan error, 1)
	ctx := limited(t)
	go func() {
		_, err := first.Propose(ctx, command("first", 1, 1, topology.MarkExited{Node: "n2"}))
		refused <- err
	}()
	<-g.held
	// Its check fails, its session ends with it, and another node leads.
	await(t, "second leads", second.Watch, leads)
	accept(t, second, "second", topology.BeginTerm{Node: "n2"})
	before := read(t, second).Version()
	g.setShut(false)
	if err := <-refused; !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("the write of the leader that was paused: %v, want %v", err, cluster.ErrUnavailable)
	}
	if v := read(t, second).Version(); v != before {
		t.Errorf("version %d, want %d: a refused write changed the record", v, before)
	}
	await(t, "first no longer leads", first.Watch, func(u cluster.Update) bool { return !u.Leader })
	// The old term is fenced by the record, whoever carries it.
	out, err := first.Propose(ctx, command("first", 2, 1, topology.MarkExited{Node: "n2"}))
	if err != nil || !errors.Is(out[0].Err, topology.ErrStaleTerm) {
		t.Errorf("a command of the old term: %v, %v, want %v", out, err, topology.ErrStaleTerm)
	}
}

func testLockGone(t *testing.T, srv *consultest.Server) {
	folder := prefix()
	g := newGate(t, srv.Addr)
	o := options(g.addr, folder, "n1")
	o.RequestTimeout = stuck
	s := open(t, o)
	await(t, "leads", s.Watch, leads)
	accept(t, s, "founder", create("n1"), topology.BeginTerm{Node: "n1"})
	g.setShut(true)
	refused := make(chan error, 2)
	ctx := limited(t)
	go func() {
		_, err := s.Propose(ctx, command("leader", 1, 1, topology.MarkExited{Node: "n1"}))
		refused <- err
	}()
	<-g.held
	if _, err := raw(t, srv.Addr).KV().Delete(folder+"/leader", nil); err != nil {
		t.Fatal(err)
	}
	g.setShut(false)
	if err := <-refused; !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("a write of the term without the lock: %v, want %v", err, cluster.ErrUnavailable)
	}
	await(t, "leads again", s.Watch, leads)
}

// A node that restarts does not wait for the session of the life before.
func testPredecessor(t *testing.T, srv *consultest.Server) {
	folder := prefix()
	g := newGate(t, srv.Addr)
	o := options(g.addr, folder, "n1")
	old := open(t, o)
	await(t, "leads", old.Watch, leads)
	accept(t, old, "founder", create("n1"))
	g.setShut(true) // as good as killed
	next := open(t, options(srv.Addr, folder, "n1"))
	await(t, "the next life leads", next.Watch, leads)
	accept(t, next, "next", change())
	g.setShut(false)
}

func testRegistrationLost(t *testing.T, srv *consultest.Server) {
	folder := prefix()
	s := open(t, options(srv.Addr, folder, "n1"))
	other := open(t, options(srv.Addr, folder, "n2"))
	accept(t, s, "founder", create("n1"))
	await(t, "n1 is reachable", other.Liveness().Watch, func(h cluster.Health) bool { return h.Of("n1") == cluster.Reachable })
	client := raw(t, srv.Addr)
	if err := client.Agent().ServiceDeregister(serviceID(folder, "n1")); err != nil {
		t.Fatal(err)
	}
	await(t, "n1 is suspect", other.Liveness().Watch, func(h cluster.Health) bool { return h.Of("n1") != cluster.Reachable })
	await(t, "n1 is back", other.Liveness().Watch, func(h cluster.Health) bool { return h.Of("n1") == cluster.Reachable })
	ctx, cancel := context.WithCancel(limited(t))
	defer cancel()
	if _, err := s.Propose(ctx, command("p", 1, 0, change())); err != nil {
		t.Error(err)
	}
}

// A node that does not keep up with its requests says so: its check warns with
// the reason, which stands through a new registration; the others spare it, and it
// is up all the same.
func testStruggling(t *testing.T, srv *consultest.Server) {
	folder := prefix()
	s, other := open(t, options(srv.Addr, folder, "n1")), open(t, options(srv.Addr, folder, "n2"))
	open(t, options(srv.Addr, folder, "n3")) // one of two that struggles is spared
	accept(t, s, "founder", create("n1"), join("n2"), join("n3"))
	await(t, "n3 is reachable", other.Liveness().Watch, func(h cluster.Health) bool { return h.Of("n3") == cluster.Reachable })
	client := raw(t, srv.Addr)
	see := func(want cluster.Reach, status, note string) {
		t.Helper()
		await(t, want.String(), other.Liveness().Watch, func(h cluster.Health) bool { return h.Of("n1") == want })
		if h := other.Liveness().Health(); !h.Up("n1") || h.Serves("n1") != (want == cluster.Reachable) {
			t.Errorf("n1 is %v: up %v, serves %v", want, h.Up("n1"), h.Serves("n1"))
		}
		checks, err := client.Agent().Checks()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range checks {
			if c.ServiceID == serviceID(folder, "n1") && (c.Status != status || c.Output != note) {
				t.Errorf("the check is %s, %q, want %s, %q", c.Status, c.Output, status, note)
			}
		}
	}
	see(cluster.Reachable, api.HealthPassing, "")
	s.SetStruggling("kv/3 has waited 6s")
	see(cluster.Struggling, api.HealthWarning, "kv/3 has waited 6s")
	if err := client.Agent().ServiceDeregister(serviceID(folder, "n1")); err != nil {
		t.Fatal(err)
	}
	await(t, "gone", other.Liveness().Watch, func(h cluster.Health) bool { return h.Of("n1") != cluster.Struggling })
	see(cluster.Struggling, api.HealthWarning, "kv/3 has waited 6s")
	s.SetStruggling("")
	see(cluster.Reachable, api.HealthPassing, "")
}

// A process that stops for longer than everything is suspected, then unreachable, and is the same member
// when it goes on.
func testPausedNode(t *testing.T, srv *consultest.Server) {
	folder := prefix()
	g := newGate(t, srv.Addr)
	o := options(srv.Addr, folder, "n1")
	o.UnreachableAfter = 2 * o.CheckTTL
	watcher := open(t, o)
	paused := open(t, options(g.addr, folder, "n2"))
	accept(t, watcher, "founder", create("n1"), join("n2"))
	before, _ := read(t, watcher).Member("n2")
	for _, step := range []struct {
		shut bool
		want cluster.Reach
	}{{true, cluster.Suspect}, {true, cluster.Unreachable}, {false, cluster.Reachable}} {
		g.setShut(step.shut)
		await(t, step.want.String(), watcher.Liveness().Watch, func(h cluster.Health) bool { return h.Of("n2") == step.want })
	}
	accept(t, paused, "paused", change())
	if after, _ := read(t, paused).Member("n2"); after != before {
		t.Errorf("%+v, was %+v", after, before)
	}
}
