package ring

import (
	"errors"
	"fmt"
	"strings"
)

// ErrOptions is returned for options that contradict each other or exceed
// their range.
var ErrOptions = errors.New("invalid options")

// Errors of building a ring.
var (
	// ErrSize is returned for a partition count that is not a power of two
	// between [MinSize] and [MaxSize].
	ErrSize = errors.New("ring size must be a power of two between 8 and 65536")
	// ErrNode is returned for a node name that is empty or longer than
	// [MaxNodeLen] bytes.
	ErrNode = errors.New("node name must have 1 to 255 bytes")
)

// Errors of reading something written down.
var (
	// ErrDecode is returned by [Decode] for bytes that no ring encodes to.
	ErrDecode = errors.New("not an encoded ring")
	// ErrIndex is returned by [ParseIndex] for a number that is not a
	// partition boundary of the given ring size.
	ErrIndex = errors.New("not a partition index")
)

// namedPartitions is how many partitions an error's text spells out.
const namedPartitions = 16

// CoverageError is returned when the nodes that are up do not hold every key
// as often as a plan shall visit it.
type CoverageError struct {
	// N and Copies are the options of the plan.
	N, Copies int
	// Missing lists, ascending, the head partitions whose keys fewer than
	// Copies vnodes can answer for.
	Missing []Partition
}

// Error names the first partitions that cannot be covered.
func (e *CoverageError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "coverage of %d of %d copies: %d partitions have too few vnodes up:", e.Copies, e.N, len(e.Missing))
	for i, p := range e.Missing {
		if i == namedPartitions {
			b.WriteString(" ...")
			break
		}
		fmt.Fprintf(&b, " %d", p)
	}
	return b.String()
}
