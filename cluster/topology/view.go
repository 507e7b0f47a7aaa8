package topology

import (
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// MemberAt returns the member, not Removed, that listens at the address. It costs O(members).
func (s State) MemberAt(addr string) (Member, bool) {
	for _, m := range s.rec().members {
		if m.Addr == addr && m.Status != Removed {
			return m, true
		}
	}
	return Member{}, false
}

// Preflist appends to dst the n vnodes of a kind that serve p and the partitions after it now. While
// partitions move, kinds may sit apart, and apart from the committed ring. It does not allocate when
// dst has room; it appends nothing when there is no such kind or partition.
func (s State) Preflist(kind Kind, p ring.Partition, n int, dst []ring.Entry) []ring.Entry {
	return s.PrimaryPreflist(kind, p, n, func(ring.NodeID) bool { return true }, dst)
}

// PrimaryPreflist is Preflist without the vnodes whose node is not up.
func (s State) PrimaryPreflist(kind Kind, p ring.Partition, n int, up func(ring.NodeID) bool, dst []ring.Entry) []ring.Entry {
	v, ok := s.rec().vector(kind, p)
	if !ok {
		return dst
	}
	for i := range min(n, v.size) {
		q := p.Next(i, v.size)
		if node := v.at(q).owner; up(node) {
			dst = append(dst, ring.Entry{Partition: q, Node: node})
		}
	}
	return dst
}

// ActivePreflist is PrimaryPreflist with a fallback for each node that is not up, by the rule of
// ring.Ring's method of that name.
func (s State) ActivePreflist(kind Kind, p ring.Partition, n int, up func(ring.NodeID) bool, dst []ring.Entry) []ring.Entry {
	v, ok := s.rec().vector(kind, p)
	if !ok {
		return dst
	}
	n = min(n, v.size)
	dst = s.PrimaryPreflist(kind, p, n, up, dst)
	next := n
	for i := range n {
		q := p.Next(i, v.size)
		if up(v.at(q).owner) {
			continue
		}
		for next < v.size && !up(v.at(p.Next(next, v.size)).owner) {
			next++
		}
		if next == v.size {
			return dst
		}
		dst = append(dst, ring.Entry{Partition: q, Node: v.at(p.Next(next, v.size)).owner, Fallback: true})
		next++
	}
	return dst
}

// Owners returns the ring of the nodes that serve the partitions of a kind now, or nil when there is
// no such kind. It costs O(partitions): it is for coverage plans and displays.
func (s State) Owners(kind Kind) *ring.Ring {
	v, ok := s.rec().vector(kind, 0)
	if !ok {
		return nil
	}
	owners := make([]ring.NodeID, v.size)
	for p := range owners {
		owners[p] = v.at(ring.Partition(p)).owner
	}
	r, err := ring.New(owners)
	if err != nil {
		return nil // an owner without a name cannot get into a record
	}
	return r
}

// Settled reports whether every partition is where the committed ring wants it and none is moving. It costs O(partitions).
func (s State) Settled() bool {
	r := s.rec()
	if r.ring == nil || slices.ContainsFunc(r.transfers, func(t *Transfer) bool { return t.Type == Swap }) {
		return false
	}
	for _, v := range r.parts {
		for p := range v.size {
			if v.at(ring.Partition(p)).owner != r.ring.Owner(ring.Partition(p)) {
				return false
			}
		}
	}
	return true
}

// Busy reports whether the node owns partitions, now or in the committed ring, takes part in a transfer, or
// keeps data for others (hints): it can not leave yet. It costs O(partitions).
func (s State) Busy(node ring.NodeID) bool {
	return s.rec().ring != nil && s.r.busy(node)
}

// Lost returns why an active transfer cannot complete any more because a participant restarted and
// lost what the transfer needs, or "".
func (s State) Lost(t *Transfer) Reason { return s.rec().lost(*t) }

// Neighbours returns the active transfers that a transfer must not be sealed beside (K7): those of its kind
// whose source may be frozen, of partitions fewer than n apart, where n is the greater of NVal and TargetN.
func (s State) Neighbours(t *Transfer) []*Transfer { return s.rec().neighbours(*t) }

// Near reports whether two transfers move partitions of one kind that share a preflist, as for Neighbours.
func (s State) Near(t, u *Transfer) bool { return s.rec().near(*t, *u) }

// Committable reports whether CommitTransfer would be accepted for an active transfer now.
func (s State) Committable(t *Transfer) bool { return s.rec().committable(*t) }

// Revertable reports whether RevertTransfer would be accepted for an active transfer now.
func (s State) Revertable(t *Transfer) bool { return s.rec().revertable(*t) }

// vector returns the parts of a kind if it has that partition.
func (r *record) vector(kind Kind, p ring.Partition) (parts, bool) {
	i := r.kindIndex(kind)
	if i < 0 || int(p) >= r.parts[i].size {
		return parts{}, false
	}
	return r.parts[i], true
}
