package topology

import (
	"cmp"
	"fmt"
	"iter"

	"github.com/dee2748c/baton/cluster/ring"
)

// MaxHints bounds the hints of a record.
const MaxHints = 1 << 17

// A Hint says that a node keeps, as a fallback, data of a partition of a kind for its owner, and has not
// handed all of it back.
type Hint struct {
	Kind      Kind
	Partition ring.Partition
	// Node is the fallback's.
	Node ring.NodeID
	// Opened is the version of the record at the opening.
	Opened uint64
}

func (h Hint) order(o Hint) int {
	return cmp.Or(cmp.Compare(h.Kind, o.Kind), cmp.Compare(h.Partition, o.Partition), cmp.Compare(h.Node, o.Node))
}

// Hints returns the open hints for a partition of a kind, in node order: a new slice, nil when there is
// none. It costs O(log hints).
func (s State) Hints(kind Kind, p ring.Partition) []Hint {
	var out []Hint
	for h := range s.rec().hints.from(Hint{Kind: kind, Partition: p}) {
		if h.Kind != kind || h.Partition != p {
			break
		}
		out = append(out, h)
	}
	return out
}

// HintsOf returns the open hints whose data a node keeps, a new slice. It costs O(hints).
func (s State) HintsOf(node ring.NodeID) []Hint {
	var out []Hint
	for h := range s.AllHints() {
		if h.Node == node {
			out = append(out, h)
		}
	}
	return out
}

// AllHints returns all open hints in the order of kinds, partitions and nodes.
func (s State) AllHints() iter.Seq[Hint] { return s.rec().hints.from(Hint{}) }

// Grace returns the grace period: a counter that AdvanceGrace moves on. What was read in a period is
// welcome in it and in the next one.
func (s State) Grace() uint64 { return s.rec().grace }

func (op OpenHint) operand() string {
	return fmt.Sprintf("%s/%d by %s@%d in period %d", op.Kind, op.Partition, op.Node, op.Incarnation, op.Grace)
}

func (op OpenHint) apply(c *change) {
	h := Hint{Kind: op.Kind, Partition: op.Partition, Node: op.Node, Opened: c.version}
	if !c.addressed(op.Kind, op.Partition) {
		return
	}
	m, ok := c.running(op.Node, op.Incarnation)
	_, open := c.hints.get(h)
	switch {
	case !ok:
	case m.Status != Valid && m.Status != Leaving:
		c.refuse(CodeMemberStatus, "it is %s: only a valid or a leaving member keeps data for others", m.Status)
	case op.Grace+staleAfter <= c.grace:
		c.refuse(CodeStaleGrace, "it is period %d: read the record and begin the request again", c.grace)
	case open:
	case c.hints.size >= MaxHints:
		c.refuse(CodeRecordFull, "there are %d hints: bring the owners back, or remove them by force", MaxHints)
	default:
		c.hints = c.hints.put(h)
		c.applied()
	}
}

// addressed reports whether there is such a partition, or refuses.
func (c *change) addressed(kind Kind, p ring.Partition) bool {
	switch k := c.kindIndex(kind); {
	case k < 0:
		c.refuse(CodeUnknownKind, "the cluster has no such kind: name one of its own")
	case int(p) >= c.parts[k].size:
		c.refuse(CodeUnknownPartition, "the ring has %d partitions: name one below", c.parts[k].size)
	default:
		return true
	}
	return false
}

// running returns the member whose running process has the incarnation, or refuses.
func (c *change) running(node ring.NodeID, incarnation uint64) (Member, bool) {
	m, ok := c.member(node)
	switch {
	case !ok || m.Status == Removed:
		c.refuse(CodeNotMember, "it has no part in the cluster: join it first")
	case m.Incarnation != incarnation:
		c.refuse(CodeStale, "the node's incarnation is %d: this process was replaced", m.Incarnation)
	default:
		return m, true
	}
	return m, false
}

func (op CloseHint) operand() string {
	return fmt.Sprintf("%s/%d by %s opened %d", op.Kind, op.Partition, op.Node, op.Opened)
}

func (op CloseHint) apply(c *change) {
	h, open := c.hints.get(Hint{Kind: op.Kind, Partition: op.Partition, Node: op.Node})
	if !open || h.Opened != op.Opened {
		return
	}
	t := c.mergeOf(h)
	switch {
	case op.Session != 0 && (t == nil || t.Session != op.Session):
		c.refuse(CodeNoTransfer, "its merge is not session %d: hand it back again", op.Session)
		return
	case op.Sent != op.Taken:
		c.refuse(CodeInvalid, "%s was sent, %s was taken: hand it back again", op.Sent, op.Taken)
		return
	}
	c.hints = c.hints.drop(h)
	c.linger(h)
	switch {
	case op.Session != 0:
		c.complete(*t, op.Sent, op.Taken)
	case t != nil:
		c.giveUp(*t, ReasonSuperseded)
	}
	c.applied()
}

// staleAfter is for how many grace periods what was read in one of them is taken: in it and in the
// next one. A hint that was closed counts as long, for tombstones.
const staleAfter = 2

// linger keeps a hint in mind that is closed now.
func (c *change) linger(h Hint) {
	k := c.kindIndex(h.Kind)
	x := *c.parts[k].at(h.Partition)
	x.hinted = c.grace + staleAfter
	c.putPart(k, h.Partition, x)
}

func (op AdvanceGrace) operand() string { return fmt.Sprintf("from %d", op.From) }

func (op AdvanceGrace) apply(c *change) {
	switch {
	case op.From > c.grace:
		c.refuse(CodeStale, "it is period %d: read the record and decide again", c.grace)
	case op.From == c.grace:
		c.grace++
		c.applied()
	}
}

func (w *writer) hints(r *record) {
	w.int(r.hints.size)
	for _, chunk := range r.hints.chunks {
		for _, h := range chunk {
			w.int(r.kindIndex(h.Kind))
			w.partition(h.Partition)
			w.member(r, h.Node)
			w.u64(h.Opened)
		}
	}
}

func (r *reader) hints(c *record) {
	n := r.count()
	if n > MaxHints {
		r.fail("%d hints", n)
		return
	}
	list := make([]Hint, 0, n)
	for ; n > 0 && r.err == nil; n-- {
		k := r.below(len(c.kinds))
		if r.err != nil {
			return
		}
		h := Hint{Kind: c.kinds[k].Name, Partition: r.partition()}
		m := r.member(c)
		h.Node, h.Opened = m.Node, r.u64()
		if int(h.Partition) >= c.ring.Size() || m.Status == Removed || h.Opened == 0 || h.Opened > c.version ||
			len(list) > 0 && list[len(list)-1].order(h) >= 0 {
			r.fail("hint %s/%d of %s opened %d", h.Kind, h.Partition, h.Node, h.Opened)
		}
		list = append(list, h)
	}
	c.hints = sortedOf(list)
}
