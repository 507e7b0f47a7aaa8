package topology

import (
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// chunkSize is the number of parts that one change copies. Larger chunks make changes dearer,
// smaller ones make the table of chunks (copied too) longer; at 65,536 partitions 128 is near the
// least of the sum.
const chunkSize = 128

// A part is the stored form of a Part.
type part struct {
	owner   ring.NodeID
	epoch   uint64
	active  uint64 // session of the active transfer, or 0
	last    uint64 // newest session
	cert    *Certificate
	failure *failure
	given   *Reassignment // last one; many parts share it
	// incomplete is the version at which data was lost that is not repaired, or 0.
	incomplete uint64
	// lost is the version at which data was last lost, repaired or not, or 0.
	lost uint64
	// hinted is the grace period before which a hint that was closed still counts.
	hinted uint64
}

// A failure remembers the aborted transfers since the last completed one.
type failure struct {
	attempts uint64
	reason   Reason
}

type chunk [chunkSize]part

// parts is a persistent vector: set copies one chunk and the table, and shares the rest.
type parts struct {
	chunks []*chunk
	size   int
}

// newParts returns a vector of size equal parts.
func newParts(size int, first part) parts {
	v := parts{chunks: make([]*chunk, (size+chunkSize-1)/chunkSize), size: size}
	for i := range v.chunks {
		v.chunks[i] = new(chunk)
		for j := range min(chunkSize, size-i*chunkSize) {
			v.chunks[i][j] = first
		}
	}
	return v
}

// at returns the part of p, which is shared and must not be written to.
func (v parts) at(p ring.Partition) *part { return &v.chunks[p/chunkSize][p%chunkSize] }

// edit returns the vector with the parts that f changes, each chunk copied at most once, and reports
// whether there were any.
func (v parts) edit(f func(p ring.Partition, x *part) bool) (parts, bool) {
	out := v
	changed := false
	for i, old := range v.chunks {
		fresh := false
		for j := range min(chunkSize, v.size-i*chunkSize) {
			x := old[j]
			if !f(ring.Partition(i*chunkSize+j), &x) {
				continue
			}
			if !changed {
				out.chunks = slices.Clone(v.chunks)
				changed = true
			}
			if !fresh {
				c := *old
				out.chunks[i], fresh = &c, true
			}
			out.chunks[i][j] = x
		}
	}
	return out, changed
}

// set returns the vector with another part at p.
func (v parts) set(p ring.Partition, x part) parts {
	chunks := make([]*chunk, len(v.chunks))
	copy(chunks, v.chunks)
	c := *chunks[p/chunkSize]
	c[p%chunkSize] = x
	chunks[p/chunkSize] = &c
	return parts{chunks: chunks, size: v.size}
}
