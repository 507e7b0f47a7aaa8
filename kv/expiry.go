package kv

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/dee2748c/baton/vnode"
)

// SweepMargin is how long past its time an object is kept at least. A read asks
// for what is past its time by the clock of the node that asks; as long as
// clocks differ by less, no copy removes what a read elsewhere still returns.
const SweepMargin = 10 * time.Minute

// expired reports whether the newest value is older than ttl milliseconds; 0 is
// for ever. Objects without a time stay.
func (s *State) expired(now, ttl uint64) bool {
	if ttl == 0 || s.Live() == 0 {
		return false
	}
	newest := uint64(0)
	for i := range s.Siblings {
		if s.Siblings[i].Modified == 0 {
			return false
		}
		newest = max(newest, s.Siblings[i].Modified)
	}
	return now > newest && now-newest > ttl
}

// Sweep removes the expired objects of one page of a vnode's copies, of all
// heads; the reply is a [Swept]. Each copy is swept by itself.
type Sweep struct {
	// Now is the present time.
	Now time.Time
	// After is the cursor of the page before, empty for the first one.
	After []byte
	// Limit is how many objects are looked at. Default 1000.
	Limit int
}

// Swept is what a vnode answers to a [Sweep].
type Swept struct {
	// Objects were looked at, and Removed of them were removed.
	Objects, Removed int
	// After is where the next page begins; empty at the end.
	After []byte
}

// EncodeSweep returns the command body of r.
//
//	op  uvarint milliseconds  uvarint limit  cursor
func EncodeSweep(r Sweep) []byte {
	if r.Limit <= 0 {
		r.Limit = DefaultPageItems
	}
	body := binary.AppendUvarint([]byte{opSweep}, millis(r.Now))
	return append(binary.AppendUvarint(body, uint64(r.Limit)), r.After...)
}

// sweep answers: flags  uvarint grace  uvarint objects  uvarint removed  cursor
func (p *partition) sweep(cx *vnode.Context, body []byte) ([]byte, error) {
	now, rest, ok := cutUvarint(body)
	var limit uint64
	if ok {
		limit, rest, ok = cutUvarint(rest)
	}
	if !ok || limit == 0 || limit > 1<<20 {
		return nil, fmt.Errorf("sweep: %w", ErrBadRequest)
	}
	now -= min(now, uint64(SweepMargin/time.Millisecond))
	from, to := []byte{spaceObject}, []byte{spaceObject + 1}
	if len(rest) > 0 {
		from = append(append([]byte(nil), rest...), 0)
	}
	s := sweeping{partition: p, now: now, limit: limit}
	for from != nil && s.seen < limit {
		var err error
		if from, err = s.bucket(cx, from, to); err != nil {
			p.undo(cx)
			return nil, err
		}
	}
	if from == nil {
		s.cursor = nil
	}
	reply := appendAnswer(nil, copyFlags(cx), cx.Grace())
	reply = binary.AppendUvarint(binary.AppendUvarint(reply, s.objects), s.removed)
	return append(reply, s.cursor...), nil
}

// sweeping is a sweep under way.
type sweeping struct {
	partition              *partition
	now, limit             uint64
	seen, objects, removed uint64
	cursor                 []byte
}

// bucket sweeps the objects from a store key on, up to the end of a bucket whose
// objects stay, and returns where to go on, nil at the end.
func (s *sweeping) bucket(cx *vnode.Context, from, to []byte) ([]byte, error) {
	var ttl uint64
	var prefix []byte
	for key, stored := range cx.Scan(from, to) {
		if s.seen == s.limit {
			return key, nil
		}
		s.seen++
		s.cursor = append(s.cursor[:0], key...)
		if prefix == nil || len(key) < len(prefix) || string(key[:len(prefix)]) != string(prefix) {
			head, t, b, _, err := DecodeKey(key)
			if err != nil {
				return nil, fmt.Errorf("sweep: %w", err)
			}
			prefix, ttl = AppendPrefix(prefix[:0], head, t, b), 0
			if properties := s.partition.properties(t, b); properties != nil {
				ttl = uint64(properties.TTL / time.Millisecond)
			}
			if ttl == 0 {
				_, end := BucketRange(head, t, b, "")
				s.cursor = append(s.cursor[:0], end...)
				return end, nil
			}
		}
		s.objects++
		var old State
		if decode(cx, &old, key, stored) != nil || !old.expired(s.now, ttl) {
			continue
		}
		own := append([]byte(nil), key...)
		cx.Delete(own)
		s.partition.changed(cx, HeadOf(own), own, &old, &State{})
		s.removed++
	}
	return nil, nil
}

// DecodeReply returns what was swept. It fails with [ErrReply] and the errors of
// a damaged copy.
func (Sweep) DecodeReply(body []byte) (Swept, error) {
	a, err := cutAnswer(body)
	if err != nil {
		return Swept{}, fmt.Errorf("sweep: %w", err)
	}
	objects, rest, ok := cutUvarint(a.rest)
	var removed uint64
	if ok {
		removed, rest, ok = cutUvarint(rest)
	}
	if !ok {
		return Swept{}, fmt.Errorf("sweep: %w", ErrReply)
	}
	return Swept{Objects: int(objects), Removed: int(removed), After: rest}, nil
}
