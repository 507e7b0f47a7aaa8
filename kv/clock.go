package kv

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/dee2748c/baton/vnode"
)

// An Actor is who gives dots to writes: one node's ownership of one partition
// at one epoch, as long as it forgets none of its writes. A restart leaves it as
// it is; when the partition changes hands, even if it comes back later, the copy
// has lost data, or the node's data are those of a backup, the owner is another
// actor. So no identity outlives the counter that goes with it, nor the memory: a
// clock holds with a dot all earlier ones of its actor, and would take for seen
// what was forgotten here and stands in another copy (riak_kv #679).
type Actor string

// ActorOf returns the actor of an opened partition that last lost data at a
// version of the record. A fallback is another one than an owner, and each of its
// lives has an epoch of its own. Volatile writes are acknowledged before they are
// durable, so that a process may forget those of the one before: each has an
// actor of its own for them.
func ActorOf(p vnode.Partition, lost uint64, volatile bool) Actor {
	life := uint64(0)
	if volatile {
		life = p.Incarnation
	}
	b := binary.AppendUvarint(nil, uint64(p.ID))
	b = binary.AppendUvarint(b, p.Epoch)
	b = binary.AppendUvarint(b, uint64(p.Lineage))
	b = binary.AppendUvarint(b, lost)
	b = binary.AppendUvarint(b, life)
	b = append(b, p.Node...)
	if p.Fallback {
		b = append(b, 0) // no node's name ends with it
	}
	return Actor(b)
}

// A Dot names one write: no two writes to a key have the same one. N grows with
// each write of the actor, not by one, since it counts the writes to all keys.
type Dot struct {
	Actor Actor
	N     uint64
}

func (d Dot) compare(e Dot) int {
	if c := strings.Compare(string(d.Actor), string(e.Actor)); c != 0 {
		return c
	}
	switch {
	case d.N < e.N:
		return -1
	case d.N > e.N:
		return 1
	}
	return 0
}

// A Clock is a set of writes to one key that holds with each dot all earlier
// ones of the same actor: a version vector. It is in ascending order of actors,
// each actor stands in it once. The nil Clock is the empty set.
type Clock []Dot

// at returns the position of an actor, or where it would stand.
func (c Clock) at(a Actor) (i int, found bool) {
	if len(c) > fewDots {
		return slices.BinarySearchFunc(c, a, func(d Dot, a Actor) int { return strings.Compare(string(d.Actor), string(a)) })
	}
	for i = range c {
		if c[i].Actor >= a {
			return i, c[i].Actor == a
		}
	}
	return len(c), false
}

// fewDots is how many entries of a clock are looked through one by one.
const fewDots = 8

// Of returns the number of the actor's last write in the set, 0 for none.
func (c Clock) Of(a Actor) uint64 {
	if i, ok := c.at(a); ok {
		return c[i].N
	}
	return 0
}

// Has reports whether the write is in the set.
func (c Clock) Has(d Dot) bool { return d.N <= c.Of(d.Actor) }

// Descends reports whether every write of e is in c. It costs O(len(c) + len(e)).
func (c Clock) Descends(e Clock) bool {
	for _, d := range e {
		for len(c) > 0 && c[0].Actor < d.Actor {
			c = c[1:]
		}
		if len(c) == 0 || c[0].Actor != d.Actor || c[0].N < d.N {
			return false
		}
	}
	return true
}

// Add puts the dot, and with it all earlier ones of its actor, into the set. It
// changes c in place where it has room.
func (c Clock) Add(d Dot) Clock {
	i, found := c.at(d.Actor)
	if !found {
		return slices.Insert(c, i, d)
	}
	c[i].N = max(c[i].N, d.N)
	return c
}

// Join returns the union of both sets, in place where c has room. It costs
// O(len(c) + len(e)).
func (c Clock) Join(e Clock) Clock {
	i, missing := 0, 0
	for _, d := range e {
		for i < len(c) && c[i].Actor < d.Actor {
			i++
		}
		if i < len(c) && c[i].Actor == d.Actor {
			c[i].N = max(c[i].N, d.N)
		} else {
			missing++
		}
	}
	if missing == 0 {
		return c
	}
	// From the end, so that nothing is overwritten that has not moved yet.
	i = len(c) - 1
	c = slices.Grow(c, missing)[:len(c)+missing]
	for to, j := len(c)-1, len(e)-1; j >= 0; to-- {
		switch {
		case i < 0 || c[i].Actor < e[j].Actor:
			c[to] = e[j]
			j--
		case c[i].Actor == e[j].Actor:
			j--
			fallthrough
		default:
			c[to] = c[i]
			i--
		}
	}
	return c
}

// A Context is a clock as a client holds it: which writes of a key it has seen.
// Its bytes mean nothing to the client, which gets them with an object and
// gives them back with the write that follows from it. The empty Context has
// seen nothing. Contexts of one clock are equal.
type Context string

// A context is a version byte and the entries of its clock in order:
//
//	01  { uvarint length, actor, uvarint N }...
const contextV1 = 1

// AppendContext appends the bytes of the context of c, none for the empty clock.
func AppendContext(dst []byte, c Clock) []byte {
	if len(c) == 0 {
		return dst
	}
	dst = append(dst, contextV1)
	for _, d := range c {
		dst = appendBytes(dst, string(d.Actor))
		dst = binary.AppendUvarint(dst, d.N)
	}
	return dst
}

// Clock appends the clock of the context to dst, whose strings alias the
// context. It fails with [ErrContext].
func (x Context) Clock(dst Clock) (Clock, error) {
	if x == "" {
		return dst, nil
	}
	bad := func(what string) (Clock, error) {
		return nil, fmt.Errorf("context %.40x, %s: %w", string(x), what, ErrContext)
	}
	if len(x) > MaxContextBytes {
		return bad("too long")
	}
	if x[0] != contextV1 || len(x) == 1 {
		return bad("version")
	}
	from := len(dst)
	for rest := bytesOf(string(x[1:])); len(rest) > 0; {
		actor, after, ok := cutBytes(rest)
		if !ok {
			return bad("actor")
		}
		n, after, ok := cutUvarint(after)
		if !ok || n == 0 {
			return bad("number")
		}
		if i := len(dst); i > from && string(dst[i-1].Actor) >= string(actor) {
			return bad("order")
		}
		dst, rest = append(dst, Dot{Actor: Actor(view(actor)), N: n}), after
	}
	return dst, nil
}

// Check reports whether x is what a vnode could have given out; it fails with
// [ErrContext].
func (x Context) Check() error {
	var room [4]Dot
	_, err := x.Clock(room[:0])
	return err
}

// ETag returns the entity tag of the version that x came with: 32 hex digits,
// empty when x is. A clock says which writes happened and so what each of them
// superseded: versions of a key with equal clocks are equal, and the tag, which
// is the hash of the clock, stands for the values too.
func (x Context) ETag() string {
	if x == "" {
		return ""
	}
	sum := xxh3.HashString128(string(x)).Bytes()
	return hex.EncodeToString(sum[:])
}
