package memory

import (
	"fmt"
	"sync/atomic"

	"github.com/dee2748c/baton/store"
)

// ItemOverhead is what an item counts beside its key and value, in bytes: about
// what the engine needs to keep it.
const ItemOverhead = 150

// room is what the generations of an engine may take together. The zero room has
// no limit.
type room struct {
	max  int64 // 0: no limit
	used atomic.Int64
}

// take reserves n bytes, and reports whether there was room for them. What does
// not grow always has room.
func (r *room) take(n int64) bool {
	if r.used.Add(n) <= r.max || n <= 0 {
		return true
	}
	r.used.Add(-n)
	return false
}

// reserve takes the room of a batch, at least what it will need. The caller holds mu and gives back what was too much.
func (g *generation) reserve(ops []store.Op) (int64, error) {
	var all int64
	for i := range ops {
		all += cost(&ops[i])
	}
	if g.room.take(all) {
		return all, nil
	}
	// Some of it may replace what is there.
	left := make(map[string]int64, len(ops))
	var growth int64
	for i := range ops {
		key, now := asString(ops[i].Key), cost(&ops[i])
		before, known := left[key]
		if r := g.items.get(g.items.tag(key), key); !known && r != nil {
			before = int64(r.size()) + ItemOverhead
		}
		left[key] = now
		growth += now - before
	}
	if !g.room.take(growth) {
		return 0, fmt.Errorf("%d bytes more, and the limit is %d: %w", growth, g.room.max, store.ErrDiskFull)
	}
	return growth, nil
}

// cost is what the item that an op leaves counts; nothing if it leaves none.
func cost(op *store.Op) int64 {
	if op.Delete {
		return 0
	}
	return int64(len(op.Key)+len(op.Value)) + ItemOverhead
}

// bytes is what the generation's items count.
func (g *generation) bytes() int64 {
	return int64(g.summary.Bytes) + int64(g.summary.Items)*ItemOverhead
}
