package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// Kinds are the vnode kinds of a simulated cluster that names none: a durable one and one that dies with the
// process, both of registers.
var Kinds = []topology.KindSpec{{Name: "register"}, {Name: "queue", Volatile: true, Activate: true}}

// ObjectKinds has the kind of objects beside these.
var ObjectKinds = append(Kinds[:2:2], topology.KindSpec{Name: kv.KindName})

// Options configures a simulated cluster.
type Options struct {
	Seed uint64
	// ClusterID is the cluster's. Default: one that all simulated clusters share.
	ClusterID topology.ClusterID
	// Nodes is the number of founders, n1 to nN, which vote.
	Nodes int
	// RingSize is the number of partitions; they belong to the founders evenly.
	RingSize int
	// Kinds are the vnode kinds, Kinds or ObjectKinds. Default Kinds.
	Kinds []topology.KindSpec
	// Drop, Double, Late and Swap are the network's, FailSync is the disks'.
	Drop, Double, Late, Swap, FailSync float64
	// Refuse is the probability that a vnode says no to the start of a handoff.
	Refuse float64
	// Items is how many items a founder's partition of a durable kind of registers holds. Default 3 to 5.
	Items int
	// ApplyTime is the longest time between the admission of a batch and its write. Default 100 us.
	ApplyTime time.Duration
	// LooseItems is how many items a founder's partition of a volatile kind of registers holds. Default none.
	LooseItems int
	// Reports is the number of reports of a node that go in one proposal. Default 32, as in package
	// actors.
	Reports int
}

// A Cluster is a world with nodes in it, founded and at rest.
type Cluster struct {
	W     *World
	Net   *Network
	Nodes []*Node
	// Counts are what happened so far.
	Counts Counts

	opts    Options
	kinds   []topology.KindSpec
	modules []vnode.Kind   // by kind
	base    topology.State // that the log begins from
	// foreign is the id that nodes which start from now on believe in, if it is not zero.
	foreign  topology.ClusterID
	refuse   float64
	hooks    hooks
	commands map[string][]topology.Command // of the last entries
	check    *checker
	op       *operator
	load     *load
	steps    []Step
	calm     bool // the faults of a test are over

	leaderless time.Duration // when followers lose their patience; 0 while there is a leader
}

// Counts are figures of a history.
type Counts struct {
	Handoffs     uint64 // transfers that came to their end
	Aborted      uint64 // transfers that were given up
	Acknowledged uint64 // operations of clients
	Unknown      uint64 // requests of clients without an answer
	Fenced       uint64 // frames, requests and streams that were turned away
}

func (k *Counts) add(o Counts) {
	k.Handoffs += o.Handoffs
	k.Aborted += o.Aborted
	k.Acknowledged += o.Acknowledged
	k.Unknown += o.Unknown
	k.Fenced += o.Fenced
}

func (k Counts) String() string {
	return fmt.Sprintf("%d handoffs, %d aborted, %d operations acknowledged, %d requests with an unknown outcome, %d messages fenced",
		k.Handoffs, k.Aborted, k.Acknowledged, k.Unknown, k.Fenced)
}

// hooks let a test take part.
type hooks struct {
	// commit is called before and after a leader commits an entry; true says that the node crashed.
	commit func(n *Node, index uint64, after bool) bool
	// stepped is called when a vnode took an event, before its actions are performed.
	stepped func(x *partition)
	// seals is asked what a target says of the copy that it has verified.
	seals func(t *targetStream, s topology.Seal) topology.Seal
}

// NewCluster founds a cluster: the ring is at rest, and no log was written yet.
func NewCluster(o Options) *Cluster {
	if o.ClusterID.IsZero() {
		o.ClusterID = topology.ClusterID{1}
	}
	if o.Reports == 0 {
		o.Reports = 32
	}
	if o.ApplyTime == 0 {
		o.ApplyTime = 100 * time.Microsecond
	}
	if o.Kinds == nil {
		o.Kinds = Kinds
	}
	w := NewWorld(o.Seed)
	c := &Cluster{W: w, Net: newNetwork(w), opts: o, kinds: o.Kinds, refuse: o.Refuse, commands: map[string][]topology.Command{}}
	for _, spec := range c.kinds {
		c.modules = append(c.modules, module(spec.Name))
	}
	c.Net.Drop, c.Net.Double, c.Net.Late, c.Net.Swap = o.Drop, o.Double, o.Late, o.Swap
	c.hooks = hooks{
		commit: func(*Node, uint64, bool) bool { return false }, stepped: func(*partition) {},
		seals: func(_ *targetStream, s topology.Seal) topology.Seal { return s },
	}
	c.base = found(o)
	c.check = newChecker(c)
	c.op = &operator{client: newClient(c, "operator", "operator", w.After)}
	c.Net.Listen("operator", func(_ ring.NodeID, msg any) {
		if m, ok := msg.(answerMsg); ok {
			c.op.receive(m)
		}
	})
	for i := range o.Nodes {
		n := c.add(name(i + 1))
		n.voter = true
		n.fill()
		m, _ := c.base.Member(n.ID)
		n.nonce = m.Nonce
	}
	for _, n := range c.Nodes {
		m, _ := c.base.Member(n.ID)
		n.start(m.Incarnation)
		n.fillLoose()
	}
	c.elections()
	return c
}

func name(i int) ring.NodeID { return ring.NodeID(fmt.Sprintf("n%d", i)) }

func (c *Cluster) add(id ring.NodeID) *Node {
	n := &Node{ID: id, c: c}
	n.format()
	c.Nodes = append(c.Nodes, n)
	return n
}

// format gives the node empty disks.
func (n *Node) format() {
	n.wal, n.data = newDisk(n.c.W), newDisk(n.c.W)
	n.wal.FailSync, n.data.FailSync = n.c.opts.FailSync, n.c.opts.FailSync
}

// fill puts the founder's partitions on its disks.
func (n *Node) fill() {
	v := newVault(n.data)
	for k, spec := range n.c.kinds {
		for p := range n.c.base.RingSize() {
			id := store.ID{Kind: spec.Name, Partition: ring.Partition(p)}
			owner, epoch := n.c.base.Owner(spec.Name, id.Partition)
			if owner != n.ID || spec.Volatile {
				continue
			}
			part, err := v.Open(id)
			if err == nil && spec.Name != kv.KindName {
				err = part.Write(fixed(k, p, n.c.items(p)))
			}
			if err = errors.Join(err, v.SetRecord(id, store.Record{Epoch: epoch})); err != nil {
				n.c.W.Failf("found: %v", err)
			}
		}
	}
	n.data.SyncNow()
}

// fillLoose puts what does not last in the founder's partitions.
func (n *Node) fillLoose() {
	for k, spec := range n.c.kinds {
		for p := range ring.Partition(n.c.base.RingSize()) {
			if owner, _ := n.c.base.Owner(spec.Name, p); owner != n.ID || !spec.Volatile || n.c.opts.LooseItems == 0 {
				continue
			}
			part, err := n.volatile.Open(store.ID{Kind: spec.Name, Partition: p})
			if err == nil {
				err = part.Write(fixed(k, int(p), n.c.opts.LooseItems))
			}
			if err != nil {
				n.c.W.Failf("found: %v", err)
			}
		}
	}
}

func (c *Cluster) kindIndex(name topology.Kind) int {
	return slices.IndexFunc(c.kinds, func(s topology.KindSpec) bool { return s.Name == name })
}

// Join starts a node that asks to become a member under a nonce.
func (c *Cluster) Join(id ring.NodeID, nonce uint64) *Node {
	n := c.Node(id)
	if n == nil {
		n = c.add(id)
	}
	n.nonce = nonce
	n.start(0)
	return n
}

// Wipe takes the disks of a node that does not run and does not vote, as a new machine under the old name
// has none. For the log it is another server: leaders forget what the old one acknowledged.
func (n *Node) Wipe() {
	n.format()
	n.nonce = 0
	for _, o := range n.c.Nodes {
		if o.rep != nil && len(o.rep.match) > n.c.number(n.ID) {
			o.rep.match[n.c.number(n.ID)] = 0
		}
	}
}

// Node returns the node of that name, or nil.
func (c *Cluster) Node(id ring.NodeID) *Node {
	for _, n := range c.Nodes {
		if n.ID == id {
			return n
		}
	}
	return nil
}

func (c *Cluster) number(id ring.NodeID) int {
	for i, n := range c.Nodes {
		if n.ID == id {
			return i
		}
	}
	return -1
}

// Leader returns the running leader of the newest term, or nil.
func (c *Cluster) Leader() *Node {
	var leader *Node
	for _, n := range c.Nodes {
		if n.up && n.rep.leads() && (leader == nil || n.rep.term > leader.rep.term) {
			leader = n
		}
	}
	return leader
}

// Newest returns the newest record that a running node has.
func (c *Cluster) Newest() topology.State {
	s := c.base
	for _, n := range c.Nodes {
		if n.up && n.State.Version() > s.Version() {
			s = n.State
		}
	}
	return s
}

// knows reports whether the node was ever accepted as a member under its present nonce.
func (c *Cluster) knows(id ring.NodeID) bool {
	m, ok := c.Newest().Member(id)
	return ok && m.Nonce == c.Node(id).nonce && m.Status != topology.Removed
}

// Run lets the cluster live until the condition holds, and checks what must hold at rest.
func (c *Cluster) Run(until func() bool, limit time.Duration) error {
	if err := c.W.Run(until, limit); err != nil {
		return fmt.Errorf("%w\n%s", err, c)
	}
	return nil
}

// String tells where the cluster stands, for failures.
func (c *Cluster) String() string {
	s := c.Newest()
	var b strings.Builder
	term, holder := s.Term()
	fmt.Fprintf(&b, "version %d, term %d of %s; steps left for the operator: %d", s.Version(), term, holder, len(c.steps))
	for _, n := range c.Nodes {
		m, _ := s.Member(n.ID)
		fmt.Fprintf(&b, "\n%s: up %t, leads %t, version %d, log %d committed of %d; a %s member, incarnation %d",
			n.ID, n.up, n.up && n.rep.leads(), n.State.Version(), n.rep.commit, len(n.rep.log), m.Status, m.Incarnation)
	}
	for _, t := range s.Transfers() {
		fmt.Fprintf(&b, "\nsession %d: %s/%d in %s, source %s@%d is %s, target %s@%d is %s, frozen %t, sealed %t", t.Session, t.Kind, t.Partition, t.Stage,
			t.Source, t.SourceIncarnation, c.life(t.Source, t), t.Target, t.TargetIncarnation, c.life(t.Target, t), t.Frozen != nil, t.Sealed != nil)
	}
	return b.String()
}

// life tells the state of a vnode of a transfer.
func (c *Cluster) life(id ring.NodeID, t *topology.Transfer) string {
	n := c.Node(id)
	if n == nil || !n.up || n.parts == nil {
		return "not running"
	}
	for k, spec := range c.kinds {
		if x := n.parts[k][t.Partition]; spec.Name == t.Kind && x != nil {
			return x.life.State().String()
		}
	}
	return "not open"
}

// Settled reports whether nothing is left to do: the operator is done, every running node has the same
// record, and in it all partitions are where the ring wants them.
func (c *Cluster) Settled() bool {
	if c.Operating() {
		return false
	}
	s := c.Newest()
	for _, n := range c.Nodes {
		if n.up && n.incarnation != 0 && n.State.Version() != s.Version() {
			return false
		}
	}
	for _, m := range s.Members() {
		if m.Status == topology.Leaving || m.Status == topology.Exiting {
			return false
		}
	}
	return s.Settled() && c.check.served(s)
}

// found makes the record of a cluster whose founders own the ring.
func found(o Options) topology.State {
	r := &Record{}
	r.Must(topology.CreateCluster{
		ClusterID: o.ClusterID, RingSize: o.RingSize, TargetN: 3, NVal: 3, Kinds: o.Kinds,
		Member: topology.Member{Node: name(1), Addr: "n1", Nonce: 1},
	})
	for i := 2; i <= o.Nodes; i++ {
		r.Must(topology.Join{Node: name(i), Addr: string(name(i)), Nonce: uint64(i), Kinds: o.Kinds})
	}
	r.Commit()
	r.Settle()
	return r.State
}
