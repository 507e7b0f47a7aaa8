package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// read answers the state of a key, or its digest.
func (p *partition) read(cx *vnode.Context, op byte, key []byte) ([]byte, error) {
	if _, _, _, _, err := p.name(key); err != nil {
		return nil, err
	}
	reply, tail := answerRead(op, cx.Get(key), copyFlags(cx), cx.Grace())
	return append(reply, tail...), nil
}

var _ vnode.Reader = kind{}

// Read serves a get or a digest beside the vnode.
func (kind) Read(r *vnode.Reads, cmd vnode.Command) (reply, tail []byte, ok bool) {
	if len(cmd.Body) == 0 || cmd.Body[0] != opGet && cmd.Body[0] != opDigest {
		return nil, nil, false
	}
	key, p := cmd.Body[1:], r.Partition()
	if _, _, _, _, err := nameIn(p.ID, p.Size, key); err != nil {
		return failure(err), nil, true
	}
	stored := r.Get(key)
	if r.Err() != nil {
		return nil, nil, false // the vnode says what is wrong
	}
	flags := byte(0)
	if r.Incomplete() {
		flags = isIncomplete
	}
	reply, tail = answerRead(cmd.Body[0], stored, flags, r.Grace())
	return reply, tail, true
}

// answerRead answers a get or a digest of what is stored, nil for nothing. The
// stored bytes themselves are the tail.
func answerRead(op byte, stored []byte, flags byte, grace uint64) (reply, tail []byte) {
	switch {
	case stored == nil:
		flags |= hasNone
	case storedDeleted(stored):
		flags |= hasTombstones
	}
	if op == opGet {
		return appendAnswer(make([]byte, 0, 2+binary.MaxVarintLen64), flags, grace), stored
	}
	if stored != nil {
		digest := DigestOf(stored)
		tail = digest[:]
	}
	return appendAnswer(make([]byte, 0, 2+binary.MaxVarintLen64), flags, grace), tail
}

var errBadMerge = fmt.Errorf("merge: %w", ErrBadRequest)

// merge takes over states of other copies. own says that body is all of its
// buffer: if one state is nearly all of body, the store keeps that buffer.
func (p *partition) merge(cx *vnode.Context, body []byte, own bool) ([]byte, error) {
	if len(body) == 0 || body[0] >= mergeFlagsEnd {
		return nil, errBadMerge
	}
	flags := body[0]
	grace, rest, ok := cutUvarint(body[1:])
	if !ok {
		return nil, errBadMerge
	}
	if err := checkGrace(cx, grace); err != nil {
		return nil, err
	}
	reply := appendAnswer(make([]byte, 0, 2+binary.MaxVarintLen64), copyFlags(cx), cx.Grace())
	for len(rest) > 0 {
		var key, state []byte
		if key, rest, ok = cutBytes(rest); !ok {
			return nil, errBadMerge
		}
		if state, rest, ok = cutBytes(rest); !ok {
			return nil, errBadMerge
		}
		held, err := p.mergeItem(cx, flags, key, state, own && len(key)+len(state)+64 > cap(body))
		if why := leaves(err); flags&mergeBounded != 0 && why != 0 {
			reply = append(appendBytes(reply, key), why)
			continue
		}
		if err != nil {
			p.undo(cx) // all or nothing
			return nil, err
		}
		if flags&mergeAnswer != 0 {
			if bytes.Equal(held, state) {
				held = nil
			}
			reply = appendBytes(reply, held)
		}
	}
	return reply, nil
}

// mergeItem merges one state and returns what the copy holds then. own says that
// the store may keep key and state.
func (p *partition) mergeItem(cx *vnode.Context, flags byte, key, state []byte, own bool) ([]byte, error) {
	head, t, bucketName, name, err := p.name(key)
	if err != nil {
		return nil, err
	}
	if err := checkName(t, bucketName, name); err != nil {
		return nil, err
	}
	stored := cx.Get(key)
	if stored != nil && bytes.Equal(stored, state) {
		return stored, nil
	}
	w := p.last.begin(rawWrite{})
	defer p.last.begin(rawWrite{})
	p.other = p.other.emptied()
	if err := p.other.decodeWhole(state); err != nil {
		return nil, fmt.Errorf("merge of %q/%q: %w: %w", bucketName, name, err, ErrBadRequest)
	}
	if stored != nil {
		if err := decode(cx, &w.old, key, stored); err != nil {
			return nil, fmt.Errorf("%q/%q as it is stored: %w", bucketName, name, err)
		}
	}
	if len(p.other.Siblings) == 1 && p.other.follows(&w.old) {
		return p.keepStored(cx, head, key, state, own, &w.old, &p.other), nil
	}
	now := &w.state
	now.Clock, now.Siblings = append(now.Clock, p.other.Clock...), append(now.Siblings, p.other.Siblings...)
	now.Merge(w.old)
	if len(now.Siblings) != 1 && p.settles(flags, t, bucketName) {
		now.Clock, now.Siblings = p.other.Clock, p.other.Siblings
		now.MergeSettled(w.old)
	}
	if stored != nil && now.same(&w.old) {
		return stored, nil
	}
	if flags&mergeBounded != 0 {
		if size := now.contentBytes(); size > w.old.contentBytes() && size > p.share(t, bucketName) {
			return nil, tooMuch(bucketName, name)
		}
	}
	return p.keep(cx, head, key, &w.old, now), nil
}

// share returns how many bytes of siblings a copy takes from fallbacks: so that
// what all copies have taken can be merged.
func (p *partition) share(bucketType, bucketName string) int {
	n := bucket.MaxN
	if properties := p.properties(bucketType, bucketName); properties != nil {
		n = properties.NVal
	}
	return MaxMergedBytes / n
}

// Why a copy leaves an item with its fallback.
const (
	leftTooMuch byte = iota + 1
	leftFormat       // of this state or of that which the copy has
)

// leaves returns why the error of an item leaves it with its fallback, 0 if it
// does not.
func leaves(err error) byte {
	switch {
	case errors.Is(err, ErrSiblings):
		return leftTooMuch
	case errors.Is(err, ErrFormat):
		return leftFormat
	}
	return 0
}

func tooMuch(bucketName, key string) error {
	return fmt.Errorf("%q/%q has too many bytes of siblings to take more from a fallback; get it and write with its context: %w", bucketName, key, ErrSiblings)
}

// keepStored is keep for a state whose stored form is there already; own says
// that the store may keep it and the key.
func (p *partition) keepStored(cx *vnode.Context, head ring.Partition, key, stored []byte, own bool, old, now *State) []byte {
	if !own {
		n := len(key)
		both := append(append(make([]byte, 0, n+len(stored)), key...), stored...)
		key, stored = both[:n:n], both[n:]
	}
	cx.Put(key, stored)
	p.changed(cx, head, key, old, now)
	return stored
}

// settles reports whether a bucket keeps one sibling only.
func (p *partition) settles(flags byte, bucketType, bucketName string) bool {
	if flags&mergeLookup == 0 {
		return flags&mergeSettle != 0
	}
	properties := p.properties(bucketType, bucketName)
	return properties != nil && !properties.Siblings()
}

// MergeCommand returns the command by which a primary takes over the items of a
// fallback, which were read in the grace period. Items that are not objects are
// left out: the primary makes them.
func (p *partition) MergeCommand(grace uint64, items []store.Item) (command []byte, damaged [][]byte, err error) {
	command = appendMergeHead(nil, mergeLookup|mergeBounded, grace)
	for i := range items {
		key := items[i].Key
		if len(key) == 0 || key[0] != spaceObject {
			continue
		}
		if p.damaged(key, items[i].Value) {
			damaged = append(damaged, key)
			continue
		}
		command = appendBytes(appendBytes(command, key), items[i].Value)
	}
	if len(damaged) > 0 {
		return nil, damaged, nil
	}
	return command, nil, nil
}

// MergeReply reports whether the primary has taken over the items. It leaves those
// of objects that have too many bytes of siblings there, until somebody has written
// them with what they have, and those of a format that its build does not know.
func (*partition) MergeReply(body []byte) (left [][]byte, err error) {
	a, err := cutAnswer(body)
	if err != nil {
		return nil, err
	}
	for rest := a.rest; len(rest) > 0; {
		storeKey, after, ok := cutBytes(rest)
		if !ok || len(after) == 0 {
			return nil, fmt.Errorf("hand-back: %w", ErrReply)
		}
		_, _, bucketName, key, bad := DecodeKey(storeKey)
		switch why := after[0]; {
		case bad != nil:
			return nil, fmt.Errorf("hand-back: %w: %w", bad, ErrReply)
		case why == leftTooMuch:
			err = tooMuch(bucketName, key)
		case why == leftFormat:
			err = fmt.Errorf("%q/%q is kept as a later build writes it: start its owner with that build: %w", bucketName, key, ErrFormat)
		default:
			return nil, fmt.Errorf("hand-back, reason %d: %w", why, ErrReply)
		}
		left, rest = append(left, storeKey), after[1:]
	}
	return left, err
}
