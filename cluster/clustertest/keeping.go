package clustertest

import (
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// keeping changes metadata, hints and what copies lack, most of the time as those would who have seen the
// record.
func (g *Generator) keeping() topology.Op {
	k := pick(g.rnd, append(slices.Repeat(kinds, 4), topology.KindSpec{Name: "unknown"}))
	p := ring.Partition(g.rnd.IntN(g.state.RingSize() + 1))
	node := g.member(func(m topology.Member) bool { return m.Status == topology.Valid || m.Status == topology.Leaving })
	m, _ := g.state.Member(node)
	m.Incarnation -= uint64(g.rnd.IntN(12) / 11)
	switch g.rnd.IntN(12) {
	case 0, 1, 2, 3:
		return g.putMetadata()
	case 4, 5:
		return topology.OpenHint{Kind: k.Name, Partition: p, Node: node, Incarnation: m.Incarnation, Grace: g.state.Grace() - min(g.state.Grace(), uint64(g.rnd.IntN(4)))}
	case 6, 7:
		if open := slices.Collect(g.state.AllHints()); len(open) > 0 {
			h := pick(g.rnd, open)
			return g.handBack(h)
		}
		return topology.CloseHint{Kind: k.Name, Partition: p, Node: node}
	case 8:
		return topology.AdvanceGrace{From: g.state.Grace() + uint64(g.rnd.IntN(8)/7)}
	case 9:
		if g.rnd.IntN(2) == 0 {
			return topology.MarkDamaged{Kind: k.Name, Partition: p}
		}
		return topology.MarkIncomplete{Kind: k.Name, Node: node, Incarnation: m.Incarnation}
	}
	for range 8 {
		if x := g.state.Part(k.Name, p); x.Incomplete {
			break
		}
		p = ring.Partition(g.rnd.IntN(g.state.RingSize()))
	}
	x := g.state.Part(k.Name, p)
	if x.Incomplete && x.Transfer == nil && g.rnd.IntN(8) > 0 {
		o, _ := g.state.Member(x.Owner)
		return topology.OpenSession{Type: topology.Repair, Kind: k.Name, Partition: p, Node: o.Node, Incarnation: o.Incarnation, ExpectEpoch: x.Epoch}
	}
	return topology.MarkWhole{
		Session: x.LastSession, Kind: k.Name, Partition: p, Owner: x.Owner, Epoch: x.Epoch, Since: x.Since - uint64(g.rnd.IntN(8)/7), Fence: g.state.Fence() - uint64(g.rnd.IntN(16)/15),
	}
}

// handBack ends a hint, more often than not after a merge.
func (g *Generator) handBack(h topology.Hint) topology.Op {
	x := g.state.Part(h.Kind, h.Partition)
	op := topology.CloseHint{Kind: h.Kind, Partition: h.Partition, Node: h.Node, Opened: h.Opened - uint64(g.rnd.IntN(8)/7)}
	switch {
	case x.Transfer == nil && g.rnd.IntN(4) > 0:
		m, _ := g.state.Member(h.Node)
		return topology.OpenSession{Type: topology.Merge, Kind: h.Kind, Partition: h.Partition, Node: h.Node, Incarnation: m.Incarnation, ExpectEpoch: x.Epoch}
	case x.Transfer != nil && x.Transfer.Type == topology.Merge:
		op.Session = x.Transfer.Session
		op.Sent = topology.Seal{LastSeq: 1, Items: uint64(g.rnd.IntN(9))}
		op.Taken = op.Sent
	}
	return op
}

func (g *Generator) putMetadata() topology.Op {
	op := topology.PutMetadata{Key: fmt.Sprintf("key-%d", g.rnd.IntN(200))}
	kind := g.rnd.IntN(12)
	if kind == 2 {
		op.Key, op.Value = "large", make([]byte, topology.MaxMetadataValue)
	}
	_, op.Expect = g.state.Metadata(op.Key)
	switch kind {
	case 0:
		op.Expect++
	case 1:
		op.Key = ""
	case 3, 4, 5, 6, 7, 8:
		op.Value = fmt.Appendf(nil, "value %d", g.rnd.Uint64())
	}
	return op
}
