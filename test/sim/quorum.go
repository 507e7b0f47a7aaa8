package sim

import (
	"errors"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/replica"
)

var errNotUp = errors.New("node does not seem to answer")

// quorumLimit is the time of a request to several replicas.
const quorumLimit = 3 * time.Second

// A quorumRun is one request to several replicas at work on a node.
type quorumRun struct {
	n       *Node
	kind    topology.Kind
	machine replica.Machine
	told    bool
	done    func()
}

// run runs a machine and calls done once its outcome is decided; it goes on until nothing is under way.
func (n *Node) run(kind topology.Kind, m replica.Machine, done func()) {
	r := &quorumRun{n: n, kind: kind, machine: m, done: done}
	n.after(quorumLimit, func() {
		if !m.Done() {
			r.step(replica.Event{Type: replica.Expire})
		}
	})
	r.step(replica.Event{Type: replica.Begin})
}

func (r *quorumRun) step(e replica.Event) {
	for _, s := range r.machine.Step(e, nil) {
		r.send(s)
	}
	if r.machine.Ready() && !r.told {
		r.told = true
		r.done()
	}
}

func (r *quorumRun) send(s replica.Send) {
	if owner, _ := r.n.shown.Owner(r.kind, s.To.Partition); !r.n.believes(owner) {
		r.n.after(0, func() { r.step(replica.Event{Type: replica.Fail, Send: s.ID, Err: errNotUp}) })
		return
	}
	r.n.ask(r.kind, s.To.Partition, s.Body, func(body []byte, err error) {
		if err != nil {
			unknown := errors.Is(err, errUnknownOutcome) || errors.Is(err, messages.ErrInternal)
			r.step(replica.Event{Type: replica.Fail, Send: s.ID, Err: err, Unknown: unknown})
			return
		}
		r.step(replica.Event{Type: replica.Answer, Send: s.ID, Body: body})
	})
}

// believes reports whether a node seems to answer.
func (n *Node) believes(o ring.NodeID) bool { return n.reach[o] == cluster.Reachable }

// replicas returns where the copies of a head partition are by the record that the node goes by.
func (n *Node) replicas(kind topology.Kind, head ring.Partition, count int) replica.Set {
	size := n.shown.RingSize()
	set := replica.Set{Head: head, Self: n.ID, Grace: n.shown.Grace()}
	for i := range min(count, size) {
		p := head.Next(i, size)
		owner, _ := n.shown.Owner(kind, p)
		set.Copies = append(set.Copies, replica.Copy{Entry: ring.Entry{Partition: p, Node: owner}, Up: n.believes(owner)})
	}
	return set
}
