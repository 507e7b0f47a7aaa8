package quorum

import (
	"context"
	"fmt"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/replica"
)

// all sends one body to every copy and is done when all have answered. It keeps
// nothing, so that what is measured is the shell.
type all struct {
	set  replica.Set
	body []byte
	left int
}

func (m *all) Step(e replica.Event, sends []replica.Send) []replica.Send {
	if e.Type == replica.Begin {
		for i, c := range m.set.Copies {
			sends = append(sends, replica.Send{ID: i, To: c.Entry, Body: m.body})
		}
		m.left = len(sends)
		return sends
	}
	m.left--
	return sends
}

func (m *all) Ready() bool { return m.left == 0 }
func (m *all) Done() bool  { return m.left == 0 }

// BenchmarkRun is a request to three vnodes of this node: "write" through their
// actors, "read" beside them. Allocations of the machine, the set of copies and
// the vnodes are in it.
func BenchmarkRun(b *testing.B) {
	for name, body := range map[string]string{"write": "wx", "read": "rx"} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, 1, "a")
			h := w.nodes["a"].host
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for head := ring.Partition(0); pb.Next(); head = (head + 1) % ringSize {
					m := &all{set: h.Replicas(kindName, head, 3), body: []byte(body)}
					if err := h.Run(context.Background(), kindName, m); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkRun_many is the same with 10,000 requests at a time.
func BenchmarkRun_many(b *testing.B) {
	w := newWorld(b, 1, "a")
	h := w.nodes["a"].host
	b.ReportAllocs()
	b.SetParallelism(10_000)
	b.RunParallel(func(pb *testing.PB) {
		for head := ring.Partition(0); pb.Next(); head = (head + 1) % ringSize {
			m := &all{set: h.Replicas(kindName, head, 3), body: fmt.Appendf(nil, "wx%d", head)}
			if err := h.Run(context.Background(), kindName, m); err != nil {
				b.Error(err)
			}
		}
	})
}
