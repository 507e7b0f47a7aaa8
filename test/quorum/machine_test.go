package quorum

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/replica"
)

// broadcast sends one body to all copies, and where a Send fails for sure to the
// stand-in if it may. It is ready when need of them have answered, or can't.
type broadcast struct {
	set      replica.Set
	body     []byte
	need     int
	standIns bool
	volatile bool

	to      []ring.Entry
	ends    []int // how often each Send ended
	open    int
	answers int
	unknown int
	errs    []error
	expired bool
	ready   bool

	outcome outcome // written once, before ready
}

type outcome struct {
	answers, unknown int
	counts           []uint64
	errs             []error
}

func (b *broadcast) send(to ring.Entry, sends []replica.Send) []replica.Send {
	b.to = append(b.to, to)
	b.ends = append(b.ends, 0)
	b.open++
	return append(sends, replica.Send{ID: len(b.ends) - 1, To: to, Body: b.body, Volatile: b.volatile})
}

func (b *broadcast) Step(e replica.Event, sends []replica.Send) []replica.Send {
	if b.expired {
		panic("a step after Expire")
	}
	switch e.Type {
	case replica.Begin:
		for _, c := range b.set.Copies {
			to := c.Entry
			if !c.Up && c.Spare != "" && b.standIns {
				to.Node, to.Fallback = c.Spare, true
			}
			sends = b.send(to, sends)
		}
	case replica.Answer:
		b.end(e.Send)
		b.answers++
		if !b.ready {
			b.outcome.counts = append(b.outcome.counts, count(e.Body))
		}
	case replica.Fail:
		b.end(e.Send)
		b.errs = append(b.errs, e.Err)
		if e.Unknown {
			b.unknown++
		} else if b.standIns && e.Spare != "" {
			to := b.to[e.Send]
			to.Node, to.Fallback = e.Spare, true
			sends = b.send(to, sends)
		}
	case replica.Expire:
		b.expired = true
	}
	if !b.ready && (b.answers >= b.need || b.open == 0 || b.expired) {
		b.ready = true
		b.outcome.answers, b.outcome.unknown, b.outcome.errs = b.answers, b.unknown, b.errs[:len(b.errs):len(b.errs)]
	}
	return sends
}

func (b *broadcast) end(id int) {
	b.ends[id]++
	b.open--
	if b.ends[id] > 1 {
		panic(fmt.Sprintf("send %d to %v ended twice (I1)", id, b.to[id]))
	}
}

func (b *broadcast) Ready() bool { return b.ready }
func (b *broadcast) Done() bool  { return b.ready && b.open == 0 }
