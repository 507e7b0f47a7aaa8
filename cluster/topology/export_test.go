package topology

import "github.com/dee2748c/baton/cluster/ring"

// Operations is the number of operations that the command codec knows.
const Operations = int(tagEnd) - 1

// WithCertificates returns the record as if every partition had been moved once, and then given to its
// owner by force.
func WithCertificates(s State) State {
	r := *s.r
	r.parts = nil
	given := &Reassignment{Version: 1, From: "b"}
	for i, v := range s.r.parts {
		w := newParts(v.size, part{})
		for p := range ring.Partition(v.size) {
			x := *v.at(p)
			x.cert = &Certificate{
				Session: uint64(p) + 1, Type: Swap, Kind: r.kinds[i].Name, Partition: p, Source: x.owner, Target: x.owner,
				EpochBefore: 1, EpochAfter: 2, Items: 1000, Bytes: 1 << 20, FreezeMicros: 900,
			}
			x.given = given
			*w.at(p) = x
		}
		r.parts = append(r.parts, w)
	}
	return State{&r}
}

// WithHints returns the record with hints of one node for all partitions of its first two kinds.
func WithHints(s State, node ring.NodeID) State {
	r := *s.r
	var list []Hint
	for _, k := range r.kinds[:2] {
		for p := range ring.Partition(r.ring.Size()) {
			list = append(list, Hint{Kind: k.Name, Partition: p, Node: node, Opened: 1})
		}
	}
	r.hints = sortedOf(list)
	return State{&r}
}
