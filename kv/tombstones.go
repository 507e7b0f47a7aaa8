package kv

import (
	"encoding/binary"
	"fmt"

	"github.com/dee2748c/baton/vnode"
)

// reapAfter is how many grace periods a tombstone is kept at least: a message
// with older states is refused by a copy that is more than one period further,
// and the others of the copies may be one behind.
const reapAfter = 3

// changedTombstones notes an object of which tombstones are all that is left,
// with the grace period from which on it is so.
//
//	space  head  name of the store key  ->  uvarint grace
func (p *partition) changedTombstones(cx *vnode.Context, storeKey []byte, old, now *State) {
	was, is := len(old.Siblings) > 0 && old.Live() == 0, len(now.Siblings) > 0 && now.Live() == 0
	switch {
	case is:
		p.alive = false
		own := appendInSpace(make([]byte, 0, len(storeKey)+binary.MaxVarintLen64), spaceTombstone, storeKey)
		n := len(own)
		own = binary.AppendUvarint(own, cx.Grace())
		cx.Put(own[:n:n], own[n:])
	case was:
		cx.Delete(appendInSpace(nil, spaceTombstone, storeKey))
	}
}

// reapState is what a copy says about a tombstone that is to be reaped.
type reapState byte

const (
	reapGone   reapState = iota // the copy has no state of the key
	reapReady                   // it may go as far as this copy is concerned; or it went
	reapOther                   // the copy holds another state
	reapYoung                   // not enough grace periods have passed
	reapHinted                  // a fallback has not handed back yet
	reapLacks                   // the copy lacks data that was acknowledged
)

// reap says whether tombstones may go, or removes them.
//
//	op  do  uvarint grace  { 16 bytes of digest  uvarint length, store key }...
//
// and the answer: flags  uvarint grace  { state  uvarint grace of the tombstone }...
func (p *partition) reap(cx *vnode.Context, body []byte) ([]byte, error) {
	bad := fmt.Errorf("reap: %w", ErrBadRequest)
	if len(body) == 0 || body[0] > 1 {
		return nil, bad
	}
	do := body[0] == 1
	need, rest, ok := cutUvarint(body[1:])
	if !ok {
		return nil, bad
	}
	reply := appendAnswer(nil, copyFlags(cx), cx.Grace())
	for len(rest) > 0 {
		var digest Digest
		if len(rest) < len(digest) {
			return nil, bad
		}
		rest = rest[copy(digest[:], rest):]
		var key []byte
		if key, rest, ok = cutBytes(rest); !ok {
			return nil, bad
		}
		if _, _, _, _, err := p.name(key); err != nil {
			return nil, err
		}
		state, grace, err := p.reapItem(cx, key, digest, need, do)
		if err != nil {
			p.undo(cx)
			return nil, err
		}
		reply = binary.AppendUvarint(append(reply, byte(state)), grace)
	}
	return reply, nil
}

func (p *partition) reapItem(cx *vnode.Context, key []byte, digest Digest, need uint64, do bool) (reapState, uint64, error) {
	stored := cx.Get(key)
	if stored == nil {
		return reapGone, 0, nil
	}
	noted := appendInSpace(nil, spaceTombstone, key)
	grace, rest, ok := cutUvarint(cx.Get(noted))
	if DigestOf(stored) != digest || !ok || len(rest) > 0 || !storedDeleted(stored) {
		return reapOther, 0, nil
	}
	switch {
	case cx.Incomplete():
		return reapLacks, grace, nil
	case cx.Hinted():
		return reapHinted, grace, nil
	case cx.Grace() < max(need, grace+reapAfter):
		return reapYoung, grace, nil
	}
	if do {
		var old State
		if err := old.Decode(stored); err != nil {
			return 0, 0, fmt.Errorf("reap: %w", err)
		}
		cx.Delete(append([]byte(nil), key...))
		p.changed(cx, HeadOf(key), key, &old, &State{})
	}
	return reapReady, grace, nil
}

// Reapable reads one page of the tombstones of a vnode's own head that are old
// enough there to be reaped; the reply is a [Tombstones].
type Reapable struct {
	// After is the cursor of the page before, empty for the first one.
	After []byte
	// Limit is how many tombstones are looked at. Default 1000.
	Limit int
}

// A Tombstone is an object of which nothing is left but tombstones.
type Tombstone struct {
	// StoreKey is its store key; Digest stands for its state.
	StoreKey []byte
	Digest   Digest
}

// Tombstones is what a vnode answers to a [Reapable].
type Tombstones struct {
	// Reapable are those that are old enough.
	Reapable []Tombstone
	// Waiting counts those that the page found and that are not.
	Waiting int
	// After is where the next page begins; empty at the end.
	After []byte
}

// EncodeReapable returns the command body of r.
//
//	op  uvarint limit  cursor
func EncodeReapable(r Reapable) []byte {
	if r.Limit <= 0 {
		r.Limit = DefaultPageItems
	}
	return append(binary.AppendUvarint([]byte{opReapable}, uint64(r.Limit)), r.After...)
}

// reapable answers: flags  uvarint grace  uvarint waiting  uvarint length, cursor
// { 16 bytes of digest  uvarint length, store key }...
func (p *partition) reapable(cx *vnode.Context, body []byte) ([]byte, error) {
	limit, after, ok := cutUvarint(body)
	if !ok || limit == 0 || limit > 1<<20 {
		return nil, fmt.Errorf("reapable: %w", ErrBadRequest)
	}
	from, to := spaceRange(spaceTombstone, p.id)
	if len(after) > 0 {
		from = append(append([]byte(nil), after...), 0)
	}
	if p.alive {
		return appendBytes(binary.AppendUvarint(appendAnswer(nil, copyFlags(cx), cx.Grace()), 0), ""), nil
	}
	var items, cursor, object []byte
	waiting, seen := uint64(0), uint64(0)
	for key, value := range cx.Scan(from, to) {
		if seen == limit {
			break
		}
		seen++
		cursor = append(cursor[:0], key...)
		if grace, _, ok := cutUvarint(value); !ok || grace+reapAfter > cx.Grace() {
			waiting++
			continue
		}
		object = appendInSpace(object[:0], spaceObject, key)
		stored := cx.Get(object)
		if stored == nil || !storedDeleted(stored) {
			cx.Delete(append([]byte(nil), key...)) // left when the object was given up
			continue
		}
		digest := DigestOf(stored)
		items = appendBytes(append(items, digest[:]...), object)
	}
	if seen < limit {
		cursor = nil
		p.alive = seen == 0 && len(after) == 0 && cx.Err() == nil
	}
	reply := binary.AppendUvarint(appendAnswer(nil, copyFlags(cx), cx.Grace()), waiting)
	return append(appendBytes(reply, cursor), items...), nil
}

// DecodeReply returns the tombstones. It fails with [ErrReply] and the errors of
// a damaged copy.
func (Reapable) DecodeReply(body []byte) (Tombstones, error) {
	a, err := cutAnswer(body)
	if err != nil {
		return Tombstones{}, fmt.Errorf("reapable: %w", err)
	}
	var t Tombstones
	waiting, rest, ok := cutUvarint(a.rest)
	if ok {
		t.After, rest, ok = cutBytes(rest)
	}
	t.Waiting = int(waiting)
	for ok && len(rest) > 0 {
		var tomb Tombstone
		if len(rest) < len(tomb.Digest) {
			ok = false
			break
		}
		rest = rest[copy(tomb.Digest[:], rest):]
		if tomb.StoreKey, rest, ok = cutBytes(rest); ok {
			t.Reapable = append(t.Reapable, tomb)
		}
	}
	if !ok {
		return Tombstones{}, fmt.Errorf("reapable: %w", ErrReply)
	}
	return t, nil
}
