package raft_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/raft"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// I1, I10 (Oxia #935): proposers go on while the leader is cut off and killed, again and again. Terms
// are a counter: none may be lost or given twice.
func TestStore_leaderKilledUnderLoad(t *testing.T) {
	g := newGroup(t)
	nodes := []ring.NodeID{"n1", "n2", "n3"}
	g.start(true, nodes...)
	// The proposers' own server stays outside the configuration, so that it is never killed.
	o := g.options("client", "")
	for _, n := range nodes {
		o.Seeds = append(o.Seeds, addr(n))
	}
	client := g.open(o)
	before, _ := g.read(client).Term()
	const proposers, kills = 6, 3
	stop := make(chan struct{})
	var wg sync.WaitGroup
	terms := make([][]uint64, proposers)
	for i := range proposers {
		wg.Go(func() {
			p := cluster.NewProposer(client, fmt.Sprintf("p%d", i))
			for {
				select {
				case <-stop:
					return
				default:
				}
				out, err := p.Propose(g.ctx, 0, topology.BeginTerm{Node: "n1"})
				if errors.Is(err, cluster.ErrUnavailable) {
					continue // nothing was applied
				}
				if err != nil {
					t.Error(err)
					return
				}
				terms[i] = append(terms[i], out[0].Term)
			}
		})
	}
	for range kills {
		n := g.leader()
		g.isolate(n, append(nodes, "client")...)
		g.close(n)
		g.net.heal()
		version := g.read(client).Version()
		g.seen(g.reopen(n), version)
	}
	close(stop)
	wg.Wait()
	seen := map[uint64]bool{}
	for _, list := range terms {
		for _, term := range list {
			if seen[term] || term <= before {
				t.Errorf("term %d was given twice", term)
			}
			seen[term] = true
		}
	}
	if last, _ := g.read(client).Term(); int(last-before) != len(seen) {
		t.Errorf("%d answers, the record counted %d", len(seen), last-before)
	}
	t.Logf("%d commands, %d leaders killed", len(seen), kills)
}

// I2: a server cut off changes nothing and says which voters do not answer; when the cut heals, all
// agree.
func TestStore_minority(t *testing.T) {
	g := newGroup(t)
	nodes := []ring.NodeID{"n1", "n2", "n3"}
	g.start(true, nodes...)
	n := g.leader()
	old := g.stores[n]
	term := g.begin(old, "n1")
	version := g.read(old).Version()
	led := old.Leads()
	g.isolate(n, nodes...)
	// It still thinks that it leads: what it appends is in doubt, and what it has is not to be read, but by
	// answers that were under way: nobody else leads yet, and it is the newest.
	type answer struct {
		state topology.State
		err   error
	}
	read := make(chan answer, 1)
	go func() {
		state, err := old.Read(g.ctx)
		read <- answer{state, err}
	}()
	_, err := old.Append(g.ctx, topology.Command{ID: topology.CommandID{Proposer: "cut", Seq: 1}, Op: topology.BeginTerm{Node: "n1"}})
	if led && !errors.Is(err, cluster.ErrUnknown) {
		t.Errorf("proposed while leading: %v, want %v", err, cluster.ErrUnknown)
	}
	if a := <-read; a.err == nil && a.state.Version() < version || a.err != nil && !errors.Is(a.err, cluster.ErrUnavailable) {
		t.Errorf("read while leading: version %d, %v, want %v", a.state.Version(), a.err, cluster.ErrUnavailable)
	}
	g.until("stepped down", func() bool { return !old.Leads() })
	err = g.refused(old)
	for _, o := range nodes {
		if o != n && (err == nil || !strings.Contains(err.Error(), raft.ServerID(o, 1))) {
			t.Errorf("the error does not name %s: %v", o, err)
		}
	}
	if _, err := old.Read(g.ctx); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("read: %v, want %v", err, cluster.ErrUnavailable)
	}
	delete(g.stores, n)
	majority := g.stores[g.leader()]
	g.stores[n] = old
	if got := g.begin(majority, "n1"); got != term+1 {
		t.Errorf("the majority's term is %d, want %d", got, term+1)
	}
	g.net.heal()
	version = g.read(majority).Version()
	for _, o := range nodes {
		g.seen(g.stores[o], version)
	}
	if got := g.begin(old, "n1"); got != term+2 {
		t.Errorf("term %d after the cut, want %d", got, term+2)
	}
}

// refused proposes where nothing can be applied. What is sent over a connection that was open before
// the cut is in doubt; what is tried after is not.
func (g *group) refused(s *raft.Store) error {
	g.Helper()
	for {
		_, err := s.Propose(g.ctx, topology.Command{ID: topology.CommandID{Proposer: "cut", Seq: 1}, Op: topology.BeginTerm{Node: "n1"}})
		if !errors.Is(err, cluster.ErrUnknown) {
			g.want(err, cluster.ErrUnavailable)
			return err
		}
	}
}

// The leader is not heard but hears: the others go on without it.
func TestStore_oneWayCut(t *testing.T) {
	g := newGroup(t)
	nodes := []ring.NodeID{"n1", "n2", "n3"}
	g.start(false, nodes...)
	n := g.leader()
	old := g.stores[n]
	term := g.begin(old, "n1")
	for _, o := range nodes {
		if o != n {
			g.net.cut(addr(n), addr(o))
		}
	}
	g.until("stepped down", func() bool { return !old.Leads() })
	err := g.refused(old)
	delete(g.stores, n)
	if got := g.begin(g.stores[g.leader()], "n1"); got != term+1 {
		t.Errorf("%v; the others' term is %d, want %d", err, got, term+1)
	}
	g.stores[n] = old
	g.net.heal()
	g.seen(old, g.read(old).Version())
	if got := g.begin(old, "n1"); got != term+2 {
		t.Errorf("term %d after the cut, want %d", got, term+2)
	}
}

// I4 (Oxia #1170): many snapshots, short logs, everything restarts, and the record is there.
func TestStore_restartsPastCompaction(t *testing.T) {
	g := newGroup(t)
	nodes := []ring.NodeID{"n1", "n2", "n3"}
	g.start(true, nodes...)
	for _, n := range nodes {
		g.close(n)
		o := g.opts[n]
		o.SnapshotEvery, o.Trailing, o.Timeouts.Snapshot = 8, 4, 5*time.Millisecond
		g.open(o)
	}
	s := g.stores[g.leader()]
	var term uint64
	for range 5 {
		for range 40 {
			term = g.begin(s, "n1")
		}
		for _, n := range nodes {
			g.until("a snapshot", func() bool { st := g.stores[n].Status(); return st.Applied-st.Snapshot < 16 })
		}
	}
	want := g.read(s)
	for range 2 {
		for _, n := range nodes {
			g.close(n)
		}
		for _, n := range nodes {
			g.reopen(n)
		}
		for _, n := range nodes {
			got := g.read(g.stores[n])
			if at, _ := got.Term(); at != term || got.Version() != want.Version() || len(got.Members()) != 3 {
				t.Errorf("%s: term %d version %d, want %d %d", n, at, got.Version(), term, want.Version())
			}
		}
	}
	g.voters(g.stores["n1"], 3)
}

// A follower that was away longer than the log reaches gets a snapshot.
func TestStore_followerLagsPastCompaction(t *testing.T) {
	g := newGroup(t)
	g.start(true, "n1", "n2", "n3")
	n := ring.NodeID("n1")
	for g.leader() == n {
		if err := g.stores[n].HandOver(g.ctx); err != nil {
			t.Log(err)
		}
	}
	g.close(n)
	s := g.stores[g.leader()]
	for range 50 {
		g.begin(s, "n2")
	}
	for m, o := range g.opts {
		if m == n {
			continue
		}
		g.close(m)
		o.Trailing = 1
		s := g.open(o)
		g.begin(s, m)
		g.seen(s, g.read(s).Version())
		if err := s.Snapshot(); err != nil {
			t.Fatal(err)
		}
	}
	version := g.read(g.stores[g.leader()]).Version()
	g.seen(g.reopen(n), version)
}

func TestStore_oneAndTwoNodes(t *testing.T) {
	g := newGroup(t)
	g.start(true, "n1", "n2")
	if st := g.stores["n1"].Status(); len(st.Voters) != 1 || len(st.Nonvoters) != 1 {
		t.Errorf("voters %v, others %v; want one each", st.Voters, st.Nonvoters)
	}
	term := g.begin(g.stores["n2"], "n1")
	g.close("n2")
	if got := g.begin(g.stores["n1"], "n1"); got != term+1 {
		t.Errorf("term %d without the second node, want %d", got, term+1)
	}
	// I9
	g.want(g.stores["n1"].Bootstrap(g.ctx), raft.ErrHasRecord)
	g.close("n1")
	g.want(g.reopen("n1").Bootstrap(g.ctx), raft.ErrHasRecord)
	g.want(g.reopen("n2").Bootstrap(g.ctx), raft.ErrHasRecord)
	if got, _ := g.read(g.stores["n2"]).Term(); got != term+1 {
		t.Errorf("term %d after the restart, want %d", got, term+1)
	}
}

// I7: a voter that is declared down gives its vote to the next member, and a removed one is told.
func TestStore_voterDownAndRemoved(t *testing.T) {
	g := newGroup(t)
	g.start(false, "n1", "n2", "n3", "n4")
	s := g.stores[g.leader()]
	var gone ring.NodeID
	for _, v := range s.Status().Voters {
		if n := ring.NodeID(strings.TrimSuffix(v.Server, "/1")); g.stores[n] != s {
			gone = n
		}
	}
	away := g.stores[gone]
	g.isolate(gone, "n1", "n2", "n3", "n4")
	g.must(s, topology.MarkDown{Node: gone})
	g.until("its vote moves", func() bool {
		for _, v := range s.Status().Voters {
			if v.Server == raft.ServerID(gone, 1) {
				return false
			}
		}
		return len(s.Status().Voters) == 3
	})
	g.must(s, topology.StageForceRemove{Node: gone})
	g.commit(s)
	g.until("it is no server", func() bool { return len(s.Status().Nonvoters) == 0 })
	g.net.heal()
	for u := range away.Watch(g.ctx) {
		if m, _ := u.State.Member(gone); m.Status == topology.Removed {
			break
		}
	}
	out := g.propose(away, 0, topology.StartNode{ClusterID: topology.ClusterID{1}, Node: gone, Nonce: 1, Addr: addr(gone), Kinds: kinds})
	g.want(out.Err, topology.ErrNotMember)
}

// I8: a node that lost its data comes back under its name and address as another server, which takes
// nothing that is meant for the former one.
func TestStore_wipedNodeJoinsAsNew(t *testing.T) {
	g := newGroup(t)
	g.start(true, "n1", "n2", "n3")
	g.close("n3")
	o := g.options("n3", t.TempDir())
	o.Nonce, o.Seeds = 2, []string{addr("n1"), addr("n2")}
	fresh := g.open(o)
	s := g.stores[g.leader()]
	version := g.must(s, topology.BeginTerm{Node: "n1"}).Version
	g.seen(fresh, version) // as a node outside
	if at := fresh.Status().Applied; at != 0 {
		t.Fatalf("the new server took entry %d, meant for the former one", at)
	}
	g.must(s, topology.StageForceRemove{Node: "n3"})
	g.commit(s)
	g.must(fresh, topology.Join{Node: "n3", Addr: addr("n3"), Nonce: 2, Kinds: kinds})
	g.commit(s)
	g.until("the new server votes", func() bool {
		v := s.Status().Voters
		return len(v) == 3 && v[2].Server == raft.ServerID("n3", 2)
	})
}

// A node that starts at another address finds the leader by its record, and is found again.
func TestStore_movedNode(t *testing.T) {
	g := newGroup(t)
	g.start(true, "n1", "n2", "n3")
	n := ring.NodeID("n2")
	g.close(n)
	o := g.opts[n]
	o.Addr, o.Seeds = "elsewhere:9", nil
	s := g.open(o)
	out := g.must(s, topology.StartNode{ClusterID: topology.ClusterID{1}, Node: n, Nonce: 1, Addr: o.Addr, Kinds: kinds})
	g.until("its log goes on", func() bool { return s.Status().Applied >= out.Version && s.Status().Leader != "" })
	g.seen(s, g.begin(s, n))
}

// I11: a leader gives a vote and dies. Of the others, which are a majority, one has not heard of the vote:
// they elect a leader all the same.
func TestStore_voteNotHeardOf(t *testing.T) {
	g := newGroup(t)
	nodes := []ring.NodeID{"n1", "n2", "n3"}
	for _, n := range nodes {
		o := g.options(n, "")
		for _, s := range nodes {
			o.Seeds = append(o.Seeds, addr(s))
		}
		g.opts[n] = o
		s, err := raft.OpenStatic(g.wire(o))
		if err != nil {
			t.Fatal(err)
		}
		g.stores[n] = s
	}
	g.bootstrapped(g.stores["n1"].BootstrapVoters(g.ctx, "n1", "n2"))
	g.until("a third vote that one of two has not heard of", func() bool {
		n := g.leader()
		late := map[ring.NodeID]ring.NodeID{"n1": "n2", "n2": "n1"}[n]
		g.isolate(late, nodes...)
		if err := g.stores[n].AddVoter(g.stores["n3"].Status().Server); err != nil {
			t.Log(err)
			g.net.heal()
			return false
		}
		g.until("one of two has heard", func() bool { return len(g.stores["n3"].Status().Voters) == 3 })
		if len(g.stores[late].Status().Voters) != 2 {
			t.Errorf("%s has heard of the vote", late)
		}
		g.close(n)
		g.net.heal()
		return true
	})
	if n := g.leader(); n != "n3" {
		t.Errorf("%s leads, which does not have the last entry", n)
	}
}

func TestStore_HandOver(t *testing.T) {
	g := newGroup(t)
	g.start(false, "n1", "n2", "n3")
	n := g.leader()
	g.until("another leads", func() bool {
		if err := g.stores[n].HandOver(g.ctx); err != nil {
			t.Log(err) // the other did not answer in time
		}
		return g.leader() != n
	})
	g.begin(g.stores[n], n)
}

// An operator goes on with one of three servers when the two others are gone for ever.
func TestRecover(t *testing.T) {
	g := newGroup(t)
	g.start(true, "n1", "n2", "n3")
	term := g.begin(g.stores["n2"], "n1")
	version := g.read(g.stores["n2"]).Version()
	g.until("n2's log has it", func() bool { return g.stores["n2"].Applied() >= version })
	for n := range g.stores {
		g.close(n)
	}
	if err := raft.Recover(g.opts["n2"]); err != nil {
		t.Fatal(err)
	}
	s := g.reopen("n2")
	if got := g.begin(s, "n2"); got != term+1 {
		t.Errorf("term %d, want %d", got, term+1)
	}
	if v := s.Status().Voters; len(v) != 1 || v[0].Server != raft.ServerID("n2", 1) {
		t.Errorf("voters %v", v)
	}
}

// I1: a node that reaches members but not the leader proposes and reads all the same, also when it is
// no server of the record yet.
func TestStore_throughMember(t *testing.T) {
	g := newGroup(t)
	g.start(true, "n1", "n2", "n3")
	leader := g.leader()
	o := g.options("client", "")
	for _, n := range []ring.NodeID{"n1", "n2", "n3"} {
		o.Seeds = append(o.Seeds, addr(n))
	}
	client := g.open(o)
	g.isolate("client", leader)
	out := g.must(client, topology.BeginTerm{Node: "n1"})
	if s := g.read(client); s.Version() < out.Version {
		t.Errorf("version %d read, %d written", s.Version(), out.Version)
	}
}

// I1: what a follower has shown a reader, the leader shows every reader after, also when it is slow to
// apply what it has committed. Found by I10: a read of an older record after a newer one.
func TestStore_leaderAppliesLate(t *testing.T) {
	g := newGroup(t)
	g.start(true, "n1", "n2", "n3")
	leader := g.stores[g.leader()]
	var follower *raft.Store
	for _, s := range g.stores {
		if s != leader {
			follower = s
		}
	}
	before := g.read(leader).Version()
	release := leader.Hold()
	var wg sync.WaitGroup
	for i := range 3 { // the leader applies one of them, and is held
		wg.Go(func() {
			p := cluster.NewProposer(follower, fmt.Sprint("p", i))
			_, err := p.Propose(g.ctx, 0, topology.BeginTerm{Node: "n1"})
			for errors.Is(err, cluster.ErrUnavailable) {
				_, err = p.Propose(g.ctx, 0, topology.BeginTerm{Node: "n1"})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	g.until("two entries at the follower", func() bool { return follower.Applied() >= before+2 })
	shown := follower.Applied()
	ctx, cancel := context.WithTimeout(g.ctx, 200*time.Millisecond)
	defer cancel()
	if s, err := leader.Read(ctx); err == nil && s.Version() < shown {
		t.Errorf("the leader shows version %d, a follower has shown %d", s.Version(), shown)
	}
	release()
	wg.Wait()
	if v := g.read(leader).Version(); v != before+3 {
		t.Errorf("version %d, want %d", v, before+3)
	}
}
