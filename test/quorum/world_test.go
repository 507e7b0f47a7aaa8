package quorum

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/store"
	memstore "github.com/dee2748c/baton/store/memory"
	"github.com/dee2748c/baton/test/sim"
	"github.com/dee2748c/baton/vnode"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	kindName = "count"
	ringSize = 8
)

var clusterID = topology.ClusterID{7}

// world is a cluster of hosts whose record, network and time are the test's.
type world struct {
	t     testing.TB
	log   *memory.Log
	board *actors.Switchboard
	nodes map[ring.NodeID]*node
	hosts sync.Map // of each node that was started, stopped or not: for goroutines of the hosts

	proposals int
	tune      func(*actors.Options) // changes the options of each node; optional

	down atomic.Pointer[func(from, to ring.NodeID) bool] // what the failure detectors believe; nil: everybody is up
}

func (w *world) setDown(f func(from, to ring.NodeID) bool) {
	if f == nil {
		w.down.Store(nil)
		return
	}
	w.down.Store(&f)
}

func (w *world) up(from, to ring.NodeID) bool {
	f := w.down.Load()
	return f == nil || !(*f)(from, to)
}

type node struct {
	name   ring.NodeID
	host   *actors.Host
	record *memory.Store
	engine store.Engine
	stop   context.CancelFunc
}

// kindSpecs are the kinds of the clusters here.
func kindSpecs() []topology.KindSpec {
	return []topology.KindSpec{{Name: kindName}, {Name: actors.PipeKind, Volatile: true, Activate: true}}
}

// newWorld starts nodes that own the ring in even parts.
func newWorld(t testing.TB, seed uint64, names ...ring.NodeID) *world {
	t.Helper()
	return newTunedWorld(t, seed, nil, names...)
}

func newTunedWorld(t testing.TB, seed uint64, tune func(*actors.Options), names ...ring.NodeID) *world {
	t.Helper()
	r := &sim.Record{}
	r.Must(topology.CreateCluster{
		ClusterID: clusterID, RingSize: ringSize, TargetN: min(3, len(names)), NVal: 3, Kinds: kindSpecs(),
		Member: topology.Member{Node: names[0], Addr: string(names[0]), Nonce: 1},
	})
	for i, n := range names[1:] {
		r.Must(topology.Join{Node: n, Addr: string(n), Nonce: uint64(i + 2), Kinds: kindSpecs()})
	}
	if len(names) > 1 {
		r.Commit()
		r.Settle()
	}
	w := &world{
		t: t, tune: tune, log: memory.From(r.State), nodes: make(map[ring.NodeID]*node),
		board: actors.NewSwitchboard(actors.SwitchboardOptions{Seed: seed}),
	}
	for _, n := range names {
		w.start(n, disk{memstore.New()})
	}
	t.Cleanup(w.close)
	w.agree()
	return w
}

// start runs the next life of a node on an engine.
func (w *world) start(name ring.NodeID, engine store.Engine) *node {
	w.t.Helper()
	n := &node{name: name, record: w.log.Store(name), engine: engine}
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	m, _ := w.log.State().Member(name)
	p := cluster.NewProposer(n.record, fmt.Sprintf("%s starts after %d", name, m.Incarnation))
	out, err := p.Propose(ctx, 0, topology.StartNode{ClusterID: clusterID, Node: name, Addr: string(name), Nonce: m.Nonce, Kinds: kindSpecs()})
	if err == nil {
		err = out[0].Err
	}
	if err != nil {
		w.t.Fatal(err)
	}
	self := actors.Peer{Node: name, Incarnation: out[0].Incarnation, Addr: string(name)}
	transport, err := w.board.Node(actors.TransportOptions{Node: name, Incarnation: self.Incarnation, ClusterID: clusterID, Addr: string(name)})
	if err != nil {
		w.t.Fatal(err)
	}
	o := actors.Options{
		Self: self, Agreement: n.record, Transport: transport, Engine: engine, Volatile: memstore.New(),
		Kinds: []vnode.Kind{countKind{}}, Workers: pipe.NewRegistry(),
		Up: func(to ring.NodeID) bool { return w.up(name, to) },
	}
	if w.tune != nil {
		w.tune(&o)
	}
	n.host, err = actors.Start(ctx, o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.nodes[name] = n
	w.hosts.Store(name, n.host)
	return n
}

func (w *world) close() {
	for name := range w.nodes {
		w.stop(name)
	}
}

// stop ends a node in an orderly way.
func (w *world) stop(name ring.NodeID) {
	n := w.nodes[name]
	delete(w.nodes, name)
	if err := n.host.Stop(context.Background()); err != nil {
		w.t.Errorf("stop %s: %v", name, err)
	}
	n.stop()
	_ = n.record.Close()
}

// restart ends a node and starts its next life on the same disk; meanwhile runs
// between the two.
func (w *world) restart(name ring.NodeID, meanwhile func()) {
	engine := w.nodes[name].engine
	w.stop(name)
	meanwhile()
	w.start(name, engine)
}

// disk is a memory engine that outlives the process.
type disk struct{ store.Engine }

func (disk) Close() error { return nil }

// coordinate runs the coordinator of a node until the test ends.
func (w *world) coordinate(name ring.NodeID) (stop func()) {
	c, err := cluster.NewCoordinator(cluster.CoordinatorOptions{
		CoordinationOptions: cluster.CoordinationOptions{Node: name}, Store: w.nodes[name].record, Proposer: "coordinator",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if !w.log.Lead(name) {
		w.t.Fatalf("%s can't lead", name)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	return func() { cancel(); <-done }
}

// rotate moves every partition to the next node and waits until all are there.
func (w *world) rotate(round int) {
	w.t.Helper()
	p := cluster.NewProposer(w.nodes["a"].record, fmt.Sprintf("operator %d", round))
	next := map[ring.NodeID]ring.NodeID{"a": "b", "b": "c", "c": "a"}
	for q := range ring.Partition(ringSize) {
		owner := w.log.State().Ring().Owner(q)
		out, err := p.Propose(context.Background(), 0, topology.MovePartition{Partition: q, Target: next[owner], ExpectOwner: owner})
		if err != nil || out[0].Err != nil {
			w.t.Fatalf("move %d: %v, %v", q, err, out)
		}
	}
	w.until("all partitions have moved", func() bool { return w.log.State().Settled() })
}

// propose has operators change the record, as if they were its coordinator.
func (w *world) propose(op topology.Op) {
	w.t.Helper()
	w.proposals++
	handle := w.log.Store("operator")
	defer handle.Close()
	term, _ := w.log.State().Term()
	out, err := cluster.NewProposer(handle, fmt.Sprintf("operator %d", w.proposals)).Propose(context.Background(), term, op)
	if err != nil || out[0].Err != nil {
		w.t.Fatalf("%T: %v, %v", op, err, out)
	}
}

// agree waits until all nodes have applied the newest record.
func (w *world) agree() {
	version := w.log.State().Version()
	for _, n := range w.nodes {
		for v := n.host.View(); v.Version() < version; v = n.host.View() {
			<-v.Changed()
		}
	}
}

// until waits for something that must happen.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for range 60_000 {
		if ok() {
			return
		}
		pass(time.Millisecond)
	}
	w.t.Fatalf("not within a minute: %s", what)
}

// inBubble runs a test with nodes a to c in a bubble of its own time.
func inBubble(t *testing.T, seed uint64, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed, "a", "b", "c")
		test(t, w)
		w.close()
		pass(time.Second) // the actor library's throttle of dead letters ends by itself
	})
}

// pass lets time pass in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// countKind counts: "w" and a name adds one to it, "r" and a name reads it, "f"
// and a name reads it also where the vnode is frozen. The answer is the count.
// "x" and a name removes it; while there is "full", no name that begins with "big"
// is taken from fallbacks. "e" and a name answers the number of the write, "p" panics.
type countKind struct{}

func (countKind) Name() topology.Kind { return kindName }

func (countKind) Open(vnode.Partition) (vnode.Vnode, error) { return counter{}, nil }

// readBeside counts the reads that were served beside a vnode.
var readBeside atomic.Int64

// readMeanwhile, if not nil, is called between such a read and its answer.
var readMeanwhile atomic.Pointer[func()]

var _ vnode.Reader = countKind{}

func (countKind) Read(r *vnode.Reads, cmd vnode.Command) (reply, tail []byte, ok bool) {
	if cmd.Body[0] != 'r' {
		return nil, nil, false
	}
	readBeside.Add(1)
	n := count(r.Get(cmd.Body[1:]))
	if f := readMeanwhile.Load(); f != nil {
		(*f)()
	}
	return binary.BigEndian.AppendUint64(nil, n), nil, true
}

type counter struct{}

func (counter) HandleCommand(cx *vnode.Context, cmd vnode.Command) vnode.Disposition {
	if cmd.Body[0] == 'm' {
		reply := []byte("merged")
		for rest := cmd.Body[1:]; len(rest) > 0; {
			n := rest[0]
			name, value := rest[1:1+n], rest[1+n:9+n]
			rest = rest[9+n:]
			switch {
			case strings.HasPrefix(string(name), "big") && cx.Get([]byte("full")) != nil:
				reply = append(append(reply, ' '), name...)
			case count(value) > count(cx.Get(name)):
				cx.Put(name, value)
			}
		}
		return vnode.Reply{Body: reply}
	}
	name := cmd.Body[1:]
	switch cmd.Body[0] {
	case 'e':
		n := cx.Event()
		cx.Put(name, binary.BigEndian.AppendUint64(nil, n))
		return vnode.Reply{Body: binary.BigEndian.AppendUint64(nil, n)}
	case 'x':
		cx.Delete(name)
		return vnode.Reply{}
	case 'p':
		panic("as asked")
	case 'd':
		cx.Damage(name)
		return vnode.Reply{Body: []byte("damaged")}
	}
	n := count(cx.Get(name))
	if cmd.Body[0] == 'w' {
		n++
		cx.Put(name, binary.BigEndian.AppendUint64(nil, n))
	}
	return vnode.Reply{Body: binary.BigEndian.AppendUint64(nil, n)}
}

// HandleInfo removes what was given up.
func (counter) HandleInfo(cx *vnode.Context, msg any) {
	if lost, ok := msg.(vnode.Excised); ok {
		for key := range cx.Scan(lost.From, lost.To) {
			cx.Delete(bytes.Clone(key))
		}
	}
}

func (counter) ServesFrozen(cmd vnode.Command) bool { return cmd.Body[0] == 'f' }

// MergeCommand is "m" and the counts by name; the higher of two stays.
func (counter) MergeCommand(_ uint64, items []store.Item) (body []byte, damaged [][]byte, err error) {
	body = []byte("m")
	for _, item := range items {
		if len(item.Value) != 8 {
			damaged = append(damaged, item.Key)
			continue
		}
		body = append(append(append(body, byte(len(item.Key))), item.Key...), item.Value...)
	}
	if damaged != nil {
		return nil, damaged, nil
	}
	return body, nil, nil
}

func (counter) MergeReply(body []byte) (left [][]byte, err error) {
	words := bytes.Fields(body)
	if len(words) == 0 || string(words[0]) != "merged" {
		return nil, fmt.Errorf("answer %q", body)
	}
	if left = words[1:]; len(left) > 0 {
		return left, fmt.Errorf("no room for %q", left)
	}
	return nil, nil
}

func count(value []byte) uint64 {
	if len(value) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(value)
}
