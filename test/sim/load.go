package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/messages"
)

// Load is what clients do.
type Load struct {
	// Clients is how many write to the registers of each partition.
	Clients int
	// Run is the most operations that go in one command. Default 16.
	Run int
	// Think is the longest pause between two commands of a client. Default 10 ms.
	Think time.Duration
	// Objects is how many keys are written and read.
	Objects int
	// Operations is how many are acknowledged before the clients rest; 0 is no limit.
	Operations uint64
}

// load are the clients of a cluster. They are no part of any process: each command goes by way of some node.
type load struct {
	Load
	c       *Cluster
	clients []*registerClient
	objects []*object
	resting bool
}

// A registerClient has registers of its own in one partition, and knows what they must be.
type registerClient struct {
	l      *load
	id     uint64
	at     slot
	p      ring.Partition
	number uint64
	acked  [width]uint64 // acknowledged
	asked  [width]uint64 // that may be there
	lost   int           // as the checker counted when acked was right
	turn   uint64        // of the last command
	since  time.Duration // when it was sent, while it has no answer
	busy   bool
	seen   bool // since it was asked for
}

// Serve starts clients.
func (c *Cluster) Serve(o Load) {
	if o.Run == 0 {
		o.Run = 16
	}
	if o.Think == 0 {
		o.Think = 10 * time.Millisecond
	}
	c.load = &load{Load: o, c: c}
	c.W.After(askLimit, c.load.sweep)
	c.load.addObjects()
	for k, spec := range c.kinds {
		if spec.Name == kv.KindName {
			continue
		}
		for p := range c.base.RingSize() {
			for range o.Clients {
				l := &registerClient{l: c.load, id: uint64(len(c.load.clients)) + 1, at: slot{k, p}, p: ring.Partition(p)}
				c.load.clients = append(c.load.clients, l)
				c.W.After(c.W.Between(0, o.Think), l.next)
			}
		}
	}
}

// addObjects starts the clients of objects.
func (o *load) addObjects() {
	for i := range o.Objects {
		x := &object{l: o, key: fmt.Sprint("k", i)}
		o.objects = append(o.objects, x)
		o.c.W.After(o.c.W.Between(0, 50*o.Think), x.next)
	}
}

// Rest makes the clients stop, and then look at what is there: Verified tells when each has seen it.
func (c *Cluster) Rest() {
	if c.load == nil || c.load.resting {
		return
	}
	c.load.resting = true
	for _, l := range c.load.clients {
		if !l.busy {
			l.next()
		}
	}
}

// Verified reports whether every client has seen all that was acknowledged, since it rests.
func (c *Cluster) Verified() bool {
	if c.load == nil {
		return true
	}
	for _, l := range c.load.clients {
		if !l.seen {
			return false
		}
	}
	for _, o := range c.load.objects {
		if !o.final {
			return false
		}
	}
	return true
}

// gateway returns some node that takes part.
func (c *Cluster) gateway() *Node {
	first := c.W.rnd.IntN(len(c.Nodes))
	for i := range c.Nodes {
		if n := c.Nodes[(first+i)%len(c.Nodes)]; n.up && !n.paused && n.parts != nil && n.shown.Ring() != nil {
			return n
		}
	}
	return nil
}

// next sends the next command of the client.
func (l *registerClient) next() {
	c := l.l.c
	if l.l.Operations > 0 && c.Counts.Acknowledged >= l.l.Operations {
		c.Rest()
	}
	n := c.gateway()
	if l.busy || l.seen {
		return
	}
	if n == nil {
		c.W.After(50*time.Millisecond, l.next)
		return
	}
	body := binary.BigEndian.AppendUint64(make([]byte, 0, 8+opBytes*l.l.Run), l.id)
	var sets [width]uint64
	ops := 0
	if !l.l.resting {
		ops = 1 + c.W.rnd.IntN(l.l.Run)
	}
	for range ops {
		l.number++
		at := byte(l.number * 7 % width)
		sets[at], l.asked[at] = l.number, l.number
		body = binary.LittleEndian.AppendUint64(append(body, at), l.number)
	}
	l.busy, l.since = true, c.W.now
	l.turn++
	turn, final := l.turn, l.l.resting
	n.ask(c.kinds[l.at.kind].Name, l.p, body, func(reply []byte, err error) {
		if l.turn == turn && l.busy {
			l.answered(reply, err, &sets, ops, final)
		}
	})
}

// sweep gives up the commands whose way led over a node that is no more.
func (o *load) sweep() {
	for _, l := range o.clients {
		if l.busy && l.since+2*askLimit < o.c.W.now {
			l.answered(nil, errUnknownOutcome, nil, 0, false)
		}
	}
	o.c.W.After(askLimit/2, o.sweep)
}

// answered holds an answer against what was acknowledged before.
func (l *registerClient) answered(reply []byte, err error, sets *[width]uint64, ops int, final bool) {
	c := l.l.c
	l.busy = false
	defer c.W.After(c.W.Between(0, l.l.Think), l.next)
	if err != nil {
		if errors.Is(err, errUnknownOutcome) || errors.Is(err, messages.ErrInternal) {
			c.Counts.Unknown++
		}
		return
	}
	lost := c.check.lost[l.at]
	known := lost == l.lost && !c.check.forced
	if !known {
		l.lost, l.acked = lost, [width]uint64{} // the answer may be older than the loss
	}
	for i := range width {
		was := binary.LittleEndian.Uint64(reply[8*i:])
		switch {
		case was < l.acked[i]:
			c.W.Failf("S14 register %d of client %d in %s/%d is %d, and %d was acknowledged", i, l.id, c.kinds[l.at.kind].Name, l.p, was, l.acked[i])
		case was > l.asked[i]:
			c.W.Failf("S14 register %d of client %d in %s/%d is %d, and nobody set it", i, l.id, c.kinds[l.at.kind].Name, l.p, was)
		case known:
			l.acked[i] = max(was, sets[i])
		}
	}
	c.Counts.Acknowledged += uint64(ops)
	l.seen = l.seen || final
}
