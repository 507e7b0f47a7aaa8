package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/handoff/session"
)

// A Node is one simulated process and its disks.
type Node struct {
	ID ring.NodeID
	// State is the newest record that the process has applied.
	State topology.State

	c     *Cluster
	wal   *Disk // the log
	data  *Disk // the partitions
	voter bool
	nonce uint64
	up    bool
	life  int // the number of the process

	rep    *peer
	client *client
	heard  time.Duration
	// incarnation is what the record granted to this process; 0 while it asks.
	incarnation uint64
	leaving     bool
	shown       topology.State // to the vnodes
	told        bool           // the update is on its way

	coord *cluster.Coordination
	wakes int
	skew  time.Duration                 // of its wall clock
	since map[ring.NodeID]time.Duration // when it last heard of others
	reach map[ring.NodeID]cluster.Reach // what it believes of them

	queue     []topology.Op // reports to come
	reporting bool

	paused  bool
	backlog []func() // what happens when it goes on

	vault    *vault         // of durable kinds
	volatile *vault         // of the others
	parts    [][]*partition // by kind and number, nil when nothing was to do with it
	sessions *session.Registry
	asks     asks

	tasks   []*sourceTask
	sources map[conn]*sourceTask // by the stream at work
	conns   uint64

	streams  handoff.Streams
	incoming []*targetStream
	targets  map[conn]*targetStream
	drains   []drain

	refused error // the answer to its join or start
}

// start runs a process. The first one of a founder knows its incarnation; others ask for it.
func (n *Node) start(incarnation uint64) {
	n.life++
	n.up = true
	n.paused, n.backlog = false, nil
	life := n.life
	n.c.W.Note("%s starts, life %d", n.ID, life)
	n.State = n.c.base
	n.rep = newPeer(n)
	n.client = newClient(n.c, n.ID, fmt.Sprintf("%s life %d", n.ID, life), func(d time.Duration, f func()) {
		n.c.W.After(d, func() { n.exec(life, f) })
	})
	n.incarnation, n.leaving, n.shown, n.told = incarnation, false, topology.State{}, false
	n.coord, n.queue, n.reporting = nil, nil, false
	n.parts, n.tasks, n.incoming, n.drains = nil, nil, nil, nil
	n.sources, n.targets, n.streams = map[conn]*sourceTask{}, map[conn]*targetStream{}, handoff.Streams{}
	n.sessions, n.asks = session.New(), asks{n: n, open: map[uint64]*ask{}}
	n.vault, n.volatile = newVault(n.data), newVault(nil)
	var broken error
	err := errors.Join(n.wal.Load(n.rep.load), n.data.Load(func(key string, data []byte) {
		broken = errors.Join(broken, n.vault.load(key, data))
	}), broken)
	if err != nil {
		n.c.W.Note("%s does not start: %v", n.ID, err)
		n.up = false
		return
	}
	n.c.Net.Listen(n.ID, func(from ring.NodeID, msg any) {
		n.exec(life, func() { n.receive(from, msg) })
	})
	if incarnation == 0 {
		n.enter()
		return
	}
	n.serve()
}

// enter asks the record for an incarnation: as a member that starts again, or as one that joins.
func (n *Node) enter() {
	id := n.c.base.ClusterID()
	if !n.c.foreign.IsZero() {
		id = n.c.foreign
	}
	op := topology.Op(topology.StartNode{ClusterID: id, Node: n.ID, Nonce: n.nonce, Addr: string(n.ID), Kinds: n.c.kinds})
	if !n.voter && !n.c.knows(n.ID) {
		op = topology.Join{ClusterID: id, Node: n.ID, Nonce: n.nonce, Addr: string(n.ID), Kinds: n.c.kinds}
	}
	n.client.propose(0, []topology.Op{op}, func(out []topology.Outcome, err error) {
		if err != nil {
			n.after(askAgain, n.enter)
			return
		}
		n.c.W.Note("%s: %s: %v", n.ID, topology.OpName(op), out[0].Code)
		if out[0].Err != nil {
			n.refused = out[0].Err
			return
		}
		n.incarnation = out[0].Incarnation
		n.serve()
	})
}

// serve starts what a member runs, once the record that it has shows that it is one: an older record
// could show it partitions that others serve by now.
func (n *Node) serve() {
	if m, _ := n.State.Member(n.ID); m.Incarnation < n.incarnation {
		n.after(time.Millisecond, n.serve)
		return
	}
	n.coord = cluster.NewCoordination(cluster.CoordinationOptions{Node: n.ID})
	n.open()
	n.since, n.reach = map[ring.NodeID]time.Duration{}, map[ring.NodeID]cluster.Reach{}
	n.watch()
	n.changed()
}

// Crash ends the process: what is not on its disks is gone.
func (n *Node) Crash() {
	if !n.up {
		return
	}
	n.c.W.Note("%s crashes", n.ID)
	n.up = false
	n.wal.Crash()
	n.data.Crash()
	n.c.check.stopped(n)
}

// Restart starts a new process on the disks of the last one.
func (n *Node) Restart() {
	if !n.up {
		n.start(0)
	}
}

// Up reports whether the process runs.
func (n *Node) Up() bool { return n.up }

// after calls f unless the process ends before.
func (n *Node) after(d time.Duration, f func()) { n.client.after(d, f) }

// exec lets something happen in a life of the process: now, when it goes on, or never.
func (n *Node) exec(life int, f func()) {
	switch {
	case !n.up || n.life != life:
	case n.paused:
		n.backlog = append(n.backlog, f)
	default:
		f()
	}
}

// Pause stops the process: nothing happens in it, and what comes waits.
func (n *Node) Pause() {
	if n.up && !n.paused {
		n.c.W.Note("%s is paused", n.ID)
		n.paused = true
	}
}

// Resume lets the process go on as if no time had passed.
func (n *Node) Resume() {
	if !n.up || !n.paused {
		return
	}
	n.c.W.Note("%s goes on", n.ID)
	n.paused = false
	backlog := n.backlog
	n.backlog = nil
	for _, f := range backlog {
		n.after(0, f)
	}
}

// Skew sets the wall clock of the process ahead, or back. Nothing but the times of writes comes from it.
func (n *Node) Skew(d time.Duration) { n.skew += d }

// wall is the time that the process believes it is.
func (n *Node) wall() time.Time { return n.c.W.Clock().Add(n.skew) }

func (n *Node) send(to ring.NodeID, msg any) { n.c.Net.Send(n.ID, to, msg) }

// sync makes what was put on a disk durable. A process whose sync fails ends, and starts again.
func (n *Node) sync(d *Disk, done func()) {
	life := n.life
	d.Sync(func(err error) {
		n.exec(life, func() {
			if err == nil {
				done()
				return
			}
			n.c.W.Note("%s: %v", n.ID, err)
			n.Crash()
			n.c.W.After(time.Second, n.Restart)
		})
	})
}

// flush makes durable what the partitions have written.
func (n *Node) flush(done func()) {
	n.sync(n.data, func() {
		n.vault.tidy()
		done()
	})
}

func (n *Node) receive(from ring.NodeID, msg any) {
	switch m := msg.(type) {
	case answerMsg:
		n.client.receive(m)
	case *frame, *request, *response:
		n.receiveData(m)
	case nil: // bytes that were not understood
	default:
		n.rep.receive(from, msg)
	}
}

// changed lets the process look at its record soon; changes that come until then are seen together.
func (n *Node) changed() {
	if n.told || n.coord == nil {
		return
	}
	n.told = true
	n.after(n.c.W.Between(0, 500*time.Microsecond), func() {
		n.told = false
		n.look()
	})
}

// look shows the record to the vnodes and to the coordination.
func (n *Node) look() {
	s := n.State
	if n.shown.Version() != s.Version() {
		old := n.shown
		n.shown = s
		n.follow(old, s)
	}
	if m, ok := s.Member(n.ID); ok && m.Status == topology.Exiting && !n.leaving {
		n.leaving = true
		n.report(topology.RemoveMember{Node: n.ID})
	}
	n.coordinate(cluster.Changed{At: n.c.W.Clock(), Update: cluster.Update{State: s, Leader: n.rep.leads()}})
}

// coordinate lets the coordination take an event.
func (n *Node) coordinate(e cluster.Event) {
	for _, a := range n.coord.Step(e) {
		switch a := a.(type) {
		case cluster.Wake:
			n.wakes++
			wake := n.wakes
			n.after(a.After, func() {
				if wake == n.wakes {
					n.coordinate(cluster.Elapsed{At: n.c.W.Clock()})
				}
			})
		case cluster.Propose:
			n.client.propose(a.Term, a.Ops, func(out []topology.Outcome, err error) {
				n.coordinate(cluster.Answered{At: n.c.W.Clock(), Outcomes: out, Err: err})
			})
		}
	}
}

// askAgain is the pause before a node asks a record anew that was not available.
const askAgain = 10 * time.Millisecond

// report queues a report; they go out in order.
func (n *Node) report(op topology.Op) {
	n.queue = append(n.queue, op)
	n.sendReports()
}

func (n *Node) sendReports() {
	if n.reporting || len(n.queue) == 0 {
		return
	}
	n.reporting = true
	count := min(len(n.queue), n.c.opts.Reports)
	batch := n.queue[:count:count]
	n.client.propose(0, batch, func(out []topology.Outcome, err error) {
		n.reporting = false
		if err != nil {
			n.after(askAgain, n.sendReports)
			return
		}
		n.queue = n.queue[count:]
		for i, o := range out {
			if o.Err != nil {
				n.c.W.Note("%s: %s refused: %v", n.ID, topology.OpName(batch[i]), o.Code)
			}
		}
		n.sendReports()
	})
}

// follow makes a newer record the one that the process goes by: sessions first, so that no vnode sees a
// stage whose session is unknown, then the vnodes whose entry changed, then who waits for a newer record. A
// vnode is opened for what the node owns, sends or receives.
func (n *Node) follow(old, s topology.State) {
	var open []uint64
	for _, t := range s.Transfers() {
		if t.Stage <= topology.StageSeal {
			open = append(open, t.Session)
		}
	}
	n.sessions.Apply(s.Version(), open)
	n.drained()
	for k, spec := range n.c.kinds {
		for p, part := range s.Parts(spec.Name) {
			if old.Ring() != nil {
				before := old.Part(spec.Name, p)
				if before.Transfer == part.Transfer && before.Owner == part.Owner && before.Epoch == part.Epoch && old.Fence() == s.Fence() {
					continue
				}
			}
			concerned := part.Owner == n.ID || part.Transfer != nil && (part.Transfer.Source == n.ID || part.Transfer.Target == n.ID)
			if n.parts[k][p] != nil || concerned {
				n.tell(n.vnode(k, p))
			}
		}
	}
	for _, t := range slices.Clone(n.tasks) {
		t.closing()
	}
	for _, t := range slices.Clone(n.incoming) {
		t.viewed()
		if _, open := slices.BinarySearch(open, t.session); !open && !t.over {
			n.after(brokenAfter, func() { t.cancel(session.ErrClosed) })
		}
	}
}

// brokenAfter is when a target notices that the connection of a stream is gone whose session is over.
const brokenAfter = time.Second

// forget takes out a task that has ended.
func (n *Node) forget(s *sourceTask) {
	n.tasks = slices.DeleteFunc(n.tasks, func(o *sourceTask) bool { return o == s })
}

// open opens the partitions that the disk knows.
func (n *Node) open() {
	n.parts = make([][]*partition, len(n.c.kinds))
	for k := range n.parts {
		n.parts[k] = make([]*partition, n.c.base.RingSize())
	}
	active, err := n.vault.Partitions()
	if err != nil {
		n.c.W.Failf("%s: partitions: %v", n.ID, err)
		return
	}
	for _, id := range n.vault.known(active) {
		if k := n.c.kindIndex(id.Kind); k >= 0 {
			newPartition(n, k, id.Partition)
		}
	}
}
