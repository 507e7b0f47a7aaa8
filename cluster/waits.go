package cluster

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// A Waiting is a partition of a kind that is not where the committed ring wants it and that no transfer
// moves there.
type Waiting struct {
	Kind      topology.Kind
	Partition ring.Partition
	Source    ring.NodeID
	Target    ring.NodeID
	// Why says what it waits for, in words.
	Why string
}

// Waits lists the partitions that have to move and do not, in the order of partitions and kinds. It is a
// pure function of the record and the limits; of what Limits.Hold would know, the failed attempts tell.
func Waits(s topology.State, limits Limits) []Waiting {
	if s.Ring() == nil {
		return nil
	}
	m := newMoves(s, limits.withDefaults())
	var out []Waiting
	for p := range ring.Partition(s.RingSize()) {
		for _, spec := range s.Kinds() {
			x := s.Part(spec.Name, p)
			if target := s.Ring().Owner(p); x.Owner != target && (x.Transfer == nil || x.Transfer.Target != target) {
				out = append(out, Waiting{spec.Name, p, x.Owner, target, m.why(spec.Name, x, target)})
			}
		}
	}
	return out
}

func (m *moves) why(kind topology.Kind, x topology.Part, target ring.NodeID) string {
	if t := x.Transfer; t != nil {
		return fmt.Sprintf("session %d to %s has its slot, in %s", t.Session, t.Target, t.Stage)
	}
	if o := m.obstacle(kind, x.Owner, target); o.what != "" {
		return o.String()
	}
	switch {
	case x.Attempts == 0:
		return "its turn comes next"
	case x.LastReason == topology.ReasonCancelled:
		return "an operator cancelled it: it is opened again after a pause"
	}
	return fmt.Sprintf("attempt %d failed (%s): it is opened again after a pause", x.Attempts, x.LastReason)
}

// An obstacle is why a transfer cannot be opened; it has no what where it can.
type obstacle struct {
	node ring.NodeID
	what string
	n    int // transfers under way, for limits
}

const (
	sendsLimit    = "sends"
	receivesLimit = "receives"
)

func (o obstacle) String() string {
	if o.what == sendsLimit || o.what == receivesLimit {
		return fmt.Sprintf("%s %s %d already, which is its limit", o.node, o.what, o.n)
	}
	return fmt.Sprintf("%s %s", o.node, o.what)
}

// obstacle returns what keeps a transfer of a kind from being opened now.
func (m *moves) obstacle(kind topology.Kind, source, target ring.NodeID) obstacle {
	from, _ := m.s.Member(source)
	to, _ := m.s.Member(target)
	switch {
	case from.Status != topology.Valid && from.Status != topology.Leaving:
		return obstacle{source, "is " + from.Status.String(), 0}
	case to.Status != topology.Valid:
		return obstacle{target, "is " + to.Status.String(), 0}
	case !m.limits.Up(source):
		return obstacle{source, "does not answer", 0}
	case !m.limits.Up(target):
		return obstacle{target, "does not answer", 0}
	case !m.s.Sends(source, kind):
		return obstacle{source, "has outbound transfers disabled", 0}
	case !m.s.Receives(target, kind):
		return obstacle{target, "has inbound transfers disabled", 0}
	case m.out[source] >= m.limit(source):
		return obstacle{source, sendsLimit, m.out[source]}
	case m.in[target] >= m.limit(target):
		return obstacle{target, receivesLimit, m.in[target]}
	}
	return obstacle{}
}
