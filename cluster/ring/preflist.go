package ring

// Entry is one vnode of a preflist: the node that stands in for a partition.
type Entry struct {
	Partition Partition
	Node      NodeID
	// Fallback is set when Node does not own Partition but serves it because
	// the owner is down.
	Fallback bool
}

// Preflist appends to dst the primaries of p: p and the n-1 partitions that
// follow it in ring order, with their owners. n is cut to the ring size. It
// does not allocate when dst has room for n entries.
func (r *Ring) Preflist(p Partition, n int, dst []Entry) []Entry {
	q := len(r.owner)
	for i := range min(n, q) {
		k := p.Next(i, q)
		dst = append(dst, Entry{Partition: k, Node: r.nodes[r.owner[k]]})
	}
	return dst
}

// PrimaryPreflist appends the primaries of p whose node is up and puts nobody
// in the place of the others. As riak_core_apl:get_primary_apl.
func (r *Ring) PrimaryPreflist(p Partition, n int, up func(NodeID) bool, dst []Entry) []Entry {
	q := len(r.owner)
	for i := range min(n, q) {
		k := p.Next(i, q)
		if node := r.nodes[r.owner[k]]; up(node) {
			dst = append(dst, Entry{Partition: k, Node: node})
		}
	}
	return dst
}

// ActivePreflist appends the primaries of p whose node is up, in ring order,
// and after them one fallback for each primary that is down. Fallbacks are the
// owners, if up, of the partitions that follow the primaries, taken in ring
// order; a fallback keeps the partition of the primary it stands for. A node
// that owns several of the partitions passed may appear more than once. The
// list is shorter than n when the ring has too few nodes up. As
// riak_core_apl:get_apl_ann.
func (r *Ring) ActivePreflist(p Partition, n int, up func(NodeID) bool, dst []Entry) []Entry {
	q := len(r.owner)
	n = min(n, q)
	base := len(dst)
	dst = r.PrimaryPreflist(p, n, up, dst)
	if len(dst)-base == n {
		return dst
	}
	next := n
	for i := range n {
		k := p.Next(i, q)
		if up(r.nodes[r.owner[k]]) {
			continue
		}
		for next < q && !up(r.nodes[r.owner[p.Next(next, q)]]) {
			next++
		}
		if next == q {
			return dst
		}
		dst = append(dst, Entry{Partition: k, Node: r.nodes[r.owner[p.Next(next, q)]], Fallback: true})
		next++
	}
	return dst
}
