package ring

// Repeats lists, ascending, the partitions p for which p and the n-1 partitions
// after it are not all on distinct nodes. With a group, nodes of the same group
// count as the same, unless the group is empty.
func (r *Ring) Repeats(n int, group func(NodeID) string) []Partition {
	holder := make([]int, len(r.nodes))
	named := map[string]int{}
	for i, node := range r.nodes {
		holder[i] = i
		if group == nil || group(node) == "" {
			continue
		}
		if at, ok := named[group(node)]; ok {
			holder[i] = at
		}
		named[group(node)] = holder[i]
	}
	q := len(r.owner)
	var repeats []Partition
	last := make([]int, len(r.nodes)) // holder -> 1 + where it was seen last
	near := -1                        // the latest place that is repeated
	for at := range q + n - 1 {
		i := holder[r.owner[at&(q-1)]]
		near = max(near, last[i]-1)
		last[i] = at + 1
		if start := at - n + 1; start >= 0 && near >= start {
			repeats = append(repeats, Partition(start))
		}
	}
	return repeats
}
