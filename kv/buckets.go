package kv

import (
	"fmt"

	"github.com/dee2748c/baton/vnode"
)

// bucketPage lists the buckets of a type in which this copy has an object. It
// skips from bucket to bucket: a bucket costs one seek, and the tombstones
// before its first object.
func (p *partition) bucketPage(cx *vnode.Context, r *pageRequest, g *page) error {
	prefix, from, to := r.bounds()
	looked := 0
	for more := true; more; {
		more = false
		for storeKey, stored := range cx.Scan(from, to) {
			position, ok := bucketAt(storeKey[prefix:])
			if !ok {
				return fmt.Errorf("store key %x: %w", storeKey, ErrCorrupt)
			}
			if g.full(r) || looked == r.limit*scanBudget {
				g.end(storeKey[prefix:])
				return nil
			}
			looked++
			s := &p.listed
			if err := s.Decode(stored); err != nil {
				return fmt.Errorf("store key %x as it is stored: %w", storeKey, err)
			}
			if s.Live() == 0 {
				continue
			}
			g.reply = append(appendBytes(g.reply, position), 0)
			g.items++
			from = append(append(from[:0:0], storeKey[:prefix]...), position...)
			from, more = prefixEnd(from), true
			break
		}
	}
	return nil
}

// bucketAt returns the part of a position that names the bucket.
func bucketAt(position []byte) ([]byte, bool) {
	_, rest, ok := cutEscaped(position)
	return position[:len(position)-len(rest)], ok
}
