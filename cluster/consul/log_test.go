package consul_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/consul"
	"github.com/dee2748c/baton/cluster/consul/consultest"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

func testCompaction(t *testing.T, srv *consultest.Server) {
	folder := prefix()
	o := options(srv.Addr, folder, "n1")
	o.SnapshotEvery, o.Tail = 20, 5
	g := newGate(t, srv.Addr)
	slow := open(t, options(g.addr, folder, "n2"))
	s := open(t, o)
	accept(t, slow, "founder", create("n1"), join("n2"))
	await(t, "leads", slow.Watch, leads)
	// The slow follower misses everything; the leadership goes to the node that compacts.
	g.setShut(true)
	await(t, "leads", s.Watch, leads)
	p := cluster.NewProposer(s, "p")
	entries := func() int {
		keys, _, err := raw(t, srv.Addr).KV().Keys(folder+"/log/", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(keys)
	}
	var last topology.Outcome
	for done := 0; done < 100 || entries() > 40; done++ {
		out, err := p.Propose(limited(t), 0, change())
		if err != nil {
			t.Fatal(err)
		}
		last = out[0]
		if done > 1000 {
			t.Fatalf("%d entries are left: nothing is compacted", entries())
		}
	}
	want := read(t, s)
	late := open(t, options(srv.Addr, folder, "n3"))
	g.setShut(false)
	for _, follower := range []*consul.Store{late, slow} {
		await(t, "the newest version", follower.Watch, func(u cluster.Update) bool { return u.State.Version() >= last.Version })
		if got := read(t, follower); encode(t, got) != encode(t, want) {
			t.Errorf("version %d differs from version %d that was proposed", got.Version(), want.Version())
		}
	}
	// What was answered before the compaction is still answered the same.
	again, err := late.Propose(limited(t), topology.Command{ID: last.ID, Op: change()})
	if err != nil || again[0].Version != last.Version {
		t.Errorf("repeated: %v, %v; want version %d", again, err, last.Version)
	}
}

func encode(t *testing.T, s topology.State) string {
	t.Helper()
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The biggest proposal there is: a plan of a ring of 65,536 partitions with random owners.
func testBiggestPlan(t *testing.T, srv *consultest.Server) {
	const nodes, seed = 1000, 1
	o := options(srv.Addr, prefix(), "n0000")
	o.SnapshotEvery = 4
	s := open(t, o)
	name := func(i int) ring.NodeID { return ring.NodeID(fmt.Sprintf("n%04d", i)) }
	founder := create(name(0)).(topology.CreateCluster)
	founder.RingSize = ring.MaxSize
	accept(t, s, "founder", founder, topology.BeginTerm{Node: name(0)})
	for from := 1; from < nodes; from += 100 {
		var ops []topology.Op
		for i := from; i < min(from+100, nodes); i++ {
			ops = append(ops, join(name(i)))
		}
		accept(t, s, fmt.Sprintf("joins-%d", from), ops...)
	}
	state := read(t, s)
	rnd := rand.New(rand.NewPCG(seed, seed))
	owners := map[ring.Partition]ring.NodeID{}
	for p := range ring.MaxSize {
		owners[ring.Partition(p)] = name(rnd.IntN(nodes))
	}
	plan := command("planner", 1, 1, topology.StagePlan{Ring: state.Ring().With(owners), BasedOn: state.Membership()})
	b, err := cluster.AppendBatch(nil, []topology.Command{plan})
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Propose(limited(t), plan)
	if err != nil || out[0].Err != nil {
		t.Fatal(err, out)
	}
	t.Logf("a plan of %d partitions on %d nodes: %d bytes before compression", ring.MaxSize, nodes, len(b))
	follower := o
	follower.Node = "n0001"
	if got := read(t, open(t, follower)); encode(t, got) != encode(t, read(t, s)) {
		t.Error("a follower has another record")
	}
	// Many of them at once are too much for one value, and the error says so.
	var many []topology.Command
	for i := range uint64(8) {
		many = append(many, command("planner", i+2, 1, plan.Op))
	}
	if _, err := s.Propose(limited(t), many...); !errors.Is(err, cluster.ErrBatch) {
		t.Errorf("8 plans in one proposal: %v, want %v", err, cluster.ErrBatch)
	}
	// Proposals that wait together do not become too big together.
	var wg sync.WaitGroup
	for _, c := range many {
		wg.Go(func() {
			if _, err := s.Propose(limited(t), c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func testForeignRecord(t *testing.T, srv *consultest.Server) {
	folder := prefix()
	s := open(t, options(srv.Addr, folder, "n1"))
	accept(t, s, "founder", create("n1"))
	o := options(srv.Addr, folder, "n2")
	o.ClusterID = topology.ClusterID{8}
	foreign := open(t, o)
	before := read(t, s).Version()
	_, err := foreign.Propose(limited(t), command("foreign", 1, 0, topology.BeginTerm{Node: "n1"}))
	_, readErr := foreign.Read(limited(t))
	for _, err := range []error{err, readErr} {
		if !errors.Is(err, cluster.ErrTopologyLost) || !errors.Is(err, topology.ErrClusterMismatch) {
			t.Errorf("%v, want %v and %v", err, cluster.ErrTopologyLost, topology.ErrClusterMismatch)
		}
	}
	if v := read(t, s).Version(); v != before {
		t.Errorf("version %d, want %d", v, before)
	}
}

// Somebody deletes the head by hand: the log behind it is not begun again by a node that knows nothing.
func testHeadDeleted(t *testing.T, srv *consultest.Server) {
	folder := prefix()
	s := open(t, options(srv.Addr, folder, "n1"))
	accept(t, s, "founder", create("n1"), change())
	kept := read(t, s)
	if _, err := raw(t, srv.Addr).KV().Delete(folder+"/head", nil); err != nil {
		t.Fatal(err)
	}
	fresh := open(t, options(srv.Addr, folder, "n2"))
	for _, h := range []*consul.Store{s, fresh} {
		if _, err := h.Propose(limited(t), command("p", 1, 0, create("n2"))); !errors.Is(err, cluster.ErrTopologyLost) {
			t.Errorf("propose: %v, want %v", err, cluster.ErrTopologyLost)
		}
	}
	if err := fresh.Restore(limited(t), kept); err != nil {
		t.Fatal(err)
	}
	if err := s.Restore(limited(t), kept); !errors.Is(err, consul.ErrRecordExists) {
		t.Errorf("restored twice: %v, want %v", err, consul.ErrRecordExists)
	}
	accept(t, s, "p2", change())
	if got := read(t, fresh).Version(); got != kept.Version()+1 {
		t.Errorf("version %d, want %d", got, kept.Version()+1)
	}
}

func TestOpen_refused(t *testing.T) {
	for name, o := range map[string]consul.Options{
		"no node": {Addr: "a:1"}, "no address": {Node: "n1"}, "slash": {Node: "a/b", Addr: "a:1"}, "negative": {Node: "n1", Addr: "a:1", CheckTTL: -1},
	} {
		if s, err := consul.Open(context.Background(), o); err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := consul.Open(limited(t), options("127.0.0.1:1", "p", "n1")); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("no server: %v, want %v", err, cluster.ErrUnavailable)
	}
}
