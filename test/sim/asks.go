package sim

import (
	"errors"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
)

// Times of requests.
const (
	askLimit = 2 * time.Second        // without an answer the outcome is unknown
	askSweep = 100 * time.Millisecond // between two looks at what has no answer
)

var errUnknownOutcome = errors.New("no answer: outcome unknown")

// asks are the commands that wait for their answers on a node.
type asks struct {
	n        *Node
	open     map[uint64]*ask // by the number of the last sending
	seq      uint64
	order    []*ask // by their beginning
	sweeping bool
}

// An ask is one command until its answer, sent again while it is refused without having been done.
type ask struct {
	kind    topology.Kind
	p       ring.Partition
	body    []byte
	begun   time.Duration
	seq     uint64
	view    uint64 // version of the record that it was addressed by
	refused int
	over    bool
	done    func(body []byte, err error)
}

// ask sends a command to the owner of a partition. done gets the answer, errUnknownOutcome, or the refusal
// of a vnode that did not do it.
func (n *Node) ask(kind topology.Kind, p ring.Partition, body []byte, done func([]byte, error)) {
	a := &ask{kind: kind, p: p, body: body, begun: n.c.W.now, done: done}
	n.asks.order = append(n.asks.order, a)
	n.asks.send(a)
	n.asks.sweepSoon()
}

func (s *asks) send(a *ask) {
	n := s.n
	if a.over {
		return
	}
	owner, epoch := n.shown.Owner(a.kind, a.p)
	s.seq++
	a.seq, a.view = s.seq, n.shown.Version()
	s.open[a.seq] = a
	n.post(&request{Header: messages.Header{
		Type: messages.TypeRequest, From: string(n.ID), FromIncarnation: n.incarnation, To: string(owner),
		Kind: a.kind, Partition: uint32(a.p), RingVersion: a.view, Epoch: epoch, Seq: a.seq, Endpoint: 1,
	}, body: a.body})
}

// answered takes an answer or a refusal.
func (n *Node) answered(seq uint64, code messages.Code, body []byte) {
	s := &n.asks
	a := s.open[seq]
	if a == nil {
		return
	}
	delete(s.open, seq)
	switch code {
	case messages.CodeOK:
		s.end(a, body, nil)
	case messages.CodeWrongOwner, messages.CodeStaleRing, messages.CodeFrozen, messages.CodeNotFound:
		pause := min(time.Millisecond<<min(a.refused, 6), 50*time.Millisecond)
		if code != messages.CodeFrozen && n.shown.Version() != a.view {
			pause = 0
		}
		a.refused++
		n.after(pause, func() { s.send(a) })
	default:
		s.end(a, nil, (&messages.Error{Code: uint32(code)}).Err())
	}
}

func (s *asks) end(a *ask, body []byte, err error) {
	a.over = true
	a.done(body, err)
}

// sweepSoon ends what has had no answer for long.
func (s *asks) sweepSoon() {
	if s.sweeping {
		return
	}
	s.sweeping = true
	s.n.after(askSweep, func() {
		s.sweeping = false
		for len(s.order) > 0 && (s.order[0].over || s.order[0].begun+askLimit <= s.n.c.W.now) {
			a := s.order[0]
			s.order[0] = nil
			s.order = s.order[1:]
			if !a.over {
				delete(s.open, a.seq)
				s.end(a, nil, errUnknownOutcome)
			}
		}
		if len(s.order) > 0 {
			s.sweepSoon()
		}
	})
}
