package consul_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/consul"
	"github.com/dee2748c/baton/cluster/consul/consultest"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stuck bounds what a test waits for; nothing takes nearly as long.
const stuck = 2 * time.Minute

var kinds = []topology.KindSpec{{Name: "kv"}}

func create(node ring.NodeID) topology.Op {
	return topology.CreateCluster{
		ClusterID: topology.ClusterID{7}, RingSize: 16, TargetN: 2, NVal: 2, Kinds: kinds,
		Member: topology.Member{Node: node, Addr: string(node) + ":1"},
	}
}

func join(node ring.NodeID) topology.Op {
	return topology.Join{Node: node, Addr: string(node) + ":1", Nonce: 1, Kinds: kinds}
}

var changes atomic.Int64

// change returns an operation that always changes the record and that any node
// may propose, whoever leads.
func change() topology.Op {
	return topology.SetTransferLimit{Limit: 1 + int(changes.Add(1)%1000)}
}

func command(proposer string, seq, term uint64, op topology.Op) topology.Command {
	return topology.Command{ID: topology.CommandID{Proposer: proposer, Seq: seq}, Term: term, Op: op}
}

// limited returns a context that ends when the test is stuck.
func limited(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), stuck)
	t.Cleanup(cancel)
	return ctx
}

func options(addr, prefix string, node ring.NodeID) consul.Options {
	return consul.Options{
		Address: addr, Prefix: prefix, Node: node, Addr: string(node) + ":1",
		CheckTTL: time.Second, RequestTimeout: 10 * time.Second,
	}
}

func open(t testing.TB, o consul.Options) *consul.Store {
	t.Helper()
	s, err := consul.Open(limited(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// accept proposes until the outcome is known and wants every operation applied.
func accept(t testing.TB, s *consul.Store, proposer string, ops ...topology.Op) []topology.Outcome {
	t.Helper()
	out, err := cluster.NewProposer(s, proposer).Propose(limited(t), 0, ops...)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	return out
}

func read(t testing.TB, s *consul.Store) topology.State {
	t.Helper()
	state, err := s.Read(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// await receives until one value is as wanted.
func await[T any](t testing.TB, what string, watch func(context.Context) <-chan T, ok func(T) bool) T {
	t.Helper()
	ctx, cancel := context.WithCancel(limited(t))
	defer cancel()
	var last T
	for v := range watch(ctx) {
		if last = v; ok(v) {
			return v
		}
	}
	t.Fatalf("%s: not seen; the last was %+v", what, last)
	return last
}

func leads(u cluster.Update) bool { return u.Leader }

// raw returns a client of the server, for what an operator or an accident does to it.
func raw(t testing.TB, addr string) *api.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := api.NewClient(&api.Config{Address: addr, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A gate stands between one node and the server. It can be shut, as when the node's process is stopped,
// cut the node off, and lose single writes and answers.
type gate struct {
	addr string

	mu        sync.Mutex
	shut      chan struct{} // closed when the gate opens; nil while it is open
	proposals int
	answers   int
	cut       bool
	refuse    string        // the path of requests that do not get through; empty for none
	held      chan struct{} // told of each write that a shut gate holds
	srv       *httptest.Server
}

func newGate(t testing.TB, server string) *gate {
	t.Helper()
	g := &gate{held: make(chan struct{}, 1024)}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server})
	proxy.Transport = transport
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	g.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.pass(w, r, proxy) }))
	g.addr = strings.TrimPrefix(g.srv.URL, "http://")
	t.Cleanup(func() {
		g.setShut(false)
		g.srv.CloseClientConnections()
		g.srv.Close()
		transport.CloseIdleConnections()
	})
	return g
}

func (g *gate) pass(w http.ResponseWriter, r *http.Request, proxy http.Handler) {
	write := r.URL.Path == "/v1/txn" && !r.URL.Query().Has("consistent")
	g.mu.Lock()
	shut, cut := g.shut, g.cut || g.refuse != "" && r.URL.Path == g.refuse
	loseProposal := write && g.proposals > 0
	loseAnswer := write && !loseProposal && g.answers > 0
	if loseProposal {
		g.proposals--
	}
	if loseAnswer {
		g.answers--
	}
	g.mu.Unlock()
	if shut != nil {
		if write {
			g.held <- struct{}{}
		}
		select {
		case <-shut:
		case <-r.Context().Done():
			return
		}
	}
	if loseProposal || cut {
		panic(http.ErrAbortHandler)
	}
	if loseAnswer {
		proxy.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
	proxy.ServeHTTP(w, r)
}

func (g *gate) setShut(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
	if shut {
		g.shut = make(chan struct{})
	}
}

// setCut cuts the node off, also from answers that are on their way, or takes it back.
func (g *gate) setCut(cut bool) {
	g.mu.Lock()
	g.cut = cut
	g.mu.Unlock()
	if cut {
		g.srv.CloseClientConnections()
	}
}

func (g *gate) setRefuse(path string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse = path
}

func (g *gate) lose(proposals, answers int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.proposals, g.answers = g.proposals+proposals, g.answers+answers
}

var prefixes struct {
	sync.Mutex
	n int
}

// prefix returns a folder that no other test of the package uses.
func prefix() string {
	prefixes.Lock()
	defer prefixes.Unlock()
	prefixes.n++
	return fmt.Sprintf("test/%d", prefixes.n)
}

// TestStore runs what can share one server.
func TestStore(t *testing.T) {
	srv := consultest.Start(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *consultest.Server)
	}{
		{"conformance", testConformance},
		{"I1 a lost session fails no command", testSessionLost},
		{"I1 nothing is written without a session", testNoSession},
		{"an idle node takes another session", testIdleSessionLost},
		{"I2 a paused leader's later write fails", testPausedLeader},
		{"I2 a leader without its lock", testLockGone},
		{"I3 another cluster's record", testForeignRecord},
		{"I3 head deleted", testHeadDeleted},
		{"I5 compaction and a late follower", testCompaction},
		{"I6 a paused node comes back", testPausedNode},
		{"the biggest plan", testBiggestPlan},
		{"speed", testSpeed},
		{"registration lost", testRegistrationLost},
		{"a node that struggles warns", testStruggling},
		{"restarted node takes over from its predecessor", testPredecessor},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, srv) })
	}
}
