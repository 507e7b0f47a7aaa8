package kv

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/vnode"
)

// command is a put or a delete under way at the vnode that coordinates it.
type command struct {
	rawWrite
	head         ring.Partition
	bucket, name string
	old          State // as it is stored; the empty one stands for no object
	state        State // what becomes of it
	seen         Clock // the context
	actor        Actor // who gives the dot
	exists       bool  // there is a value
}

// begin makes a command of the room of the last one, and lets go of the buffers
// that the last one worked on.
func (w *command) begin(raw rawWrite) *command {
	clear(w.seen)
	*w = command{rawWrite: raw, old: w.old.emptied(), state: w.state.emptied(), seen: w.seen[:0]}
	return w
}

// write coordinates a put or a delete: it gives the write its dot. here says that
// this node asks. Nothing of body is kept: the asker uses it again.
func (p *partition) write(cx *vnode.Context, body []byte, here bool) ([]byte, error) {
	raw, ok := cutWrite(body)
	if !ok {
		return nil, fmt.Errorf("write: %w", ErrBadRequest)
	}
	w := p.last.begin(raw)
	defer p.last.begin(rawWrite{})
	if err := p.load(cx, w); err != nil {
		return nil, err
	}
	if w.op == opPut {
		var c Content
		if err := decodeContent(&c, raw.content); err != nil {
			return nil, err
		}
		if err := c.check(w.bucket, w.name); err != nil {
			return nil, err
		}
	}
	if err := w.holds(); err != nil {
		return nil, err
	}
	if w.flags&putLastWriteWins != 0 || !w.exists && w.ttl > 0 {
		w.seen = w.seen.Join(w.state.Clock)
	}
	w.state.Write(w.seen, Sibling{
		Dot:      w.state.NextDot(w.actor, cx.Event()),
		Modified: w.modified, Deleted: w.op == opDelete, Content: w.content,
	})
	if w.flags&(putSettle|putLastWriteWins) != 0 {
		w.state.Settle()
	}
	if err := w.state.check(w.bucket, w.name); err != nil {
		return nil, err
	}
	if here {
		return p.keepWhole(cx, w), nil
	}
	stored := p.keep(cx, w.head, w.key, &w.old, &w.state)
	return w.reply(cx, stored), nil
}

// load checks the names and the context of a write and reads what there is.
func (p *partition) load(cx *vnode.Context, w *command) error {
	head, t, bucketName, key, err := p.name(w.key)
	if err != nil {
		return err
	}
	if err := checkName(t, bucketName, key); err != nil {
		return err
	}
	w.head, w.bucket, w.name = head, bucketName, key
	if stored := cx.Get(w.key); stored != nil {
		if err := decode(cx, &w.old, w.key, stored); err != nil {
			return fmt.Errorf("%q/%q as it is stored: %w", bucketName, key, err)
		}
		w.state.Clock = append(w.state.Clock, w.old.Clock...)
		w.state.Siblings = append(w.state.Siblings, w.old.Siblings...)
	}
	if w.flags&putState != 0 {
		if err := p.take(cx, w); err != nil {
			return err
		}
	}
	if w.seen, err = w.context.Clock(w.seen); err != nil {
		return err
	}
	w.actor = p.actor(cx, w.flags&putVolatile != 0)
	issued := max(w.state.Clock.Of(w.actor), cx.Event()-1)
	for _, d := range w.seen {
		if d.N > maxEvent || d.Actor == w.actor && d.N > issued {
			return fmt.Errorf("context for %q/%q has write %d of %x, which has not happened: %w", bucketName, key, d.N, string(d.Actor), ErrContext)
		}
	}
	w.exists = w.state.Live() > 0 && !w.state.expired(w.modified, w.ttl)
	return nil
}

// take merges the state that a write brings.
func (p *partition) take(cx *vnode.Context, w *command) error {
	if err := checkGrace(cx, w.grace); err != nil {
		return err
	}
	p.other = p.other.emptied()
	if err := p.other.decodeWhole(w.rawWrite.state); err != nil {
		return fmt.Errorf("state that comes with a write of %q/%q: %w: %w", w.bucket, w.name, err, ErrBadRequest)
	}
	if w.flags&putSettle != 0 {
		w.state.MergeSettled(p.other)
	} else {
		w.state.Merge(p.other)
	}
	return nil
}

// checkGrace refuses states that were read too long ago: the tombstone that they
// lack may have been reaped since.
func checkGrace(cx *vnode.Context, grace uint64) error {
	if here := cx.Grace(); stale(grace, here) {
		return fmt.Errorf("states of grace period %d in period %d: %w", grace, here, ErrStaleGrace)
	}
	return nil
}

// stale reports whether what is of a grace period does not count any more in
// another one. A loss of data ends the period and the next one, so a copy that
// lost data, or whoever was compared with it since, takes nothing of before.
func stale(grace, here uint64) bool { return grace+1 < here }

// holds decides the conditions of a put.
func (w *command) holds() error {
	conditional := w.flags & (putIfNotModified | putIfMatch)
	switch {
	case w.flags&putIfNoneMatch != 0 && w.exists:
		return fmt.Errorf("put %q/%q if there is none: %w", w.bucket, w.name, ErrExists)
	case conditional == 0:
		return nil
	case !w.exists:
		return fmt.Errorf("put %q/%q if it is as it was: %w", w.bucket, w.name, ErrNotFound)
	case w.flags&putIfNotModified != 0 && !slices.Equal(w.seen, w.state.Clock):
		return fmt.Errorf("put %q/%q if not modified: %w", w.bucket, w.name, ErrModified)
	case w.flags&putIfMatch != 0:
		tag := Context(AppendContext(nil, w.state.Clock)).ETag()
		if tag != hex.EncodeToString(w.etag) {
			return fmt.Errorf("put %q/%q if it matches %x, it is %s: %w", w.bucket, w.name, w.etag, tag, ErrModified)
		}
	}
	return nil
}

// keep stores the state that a key has now, and returns its stored form.
func (p *partition) keep(cx *vnode.Context, head ring.Partition, key []byte, old, now *State) []byte {
	// One copy of our own: the key may be a piece of a frame many times its size,
	// which the store would keep alive with it.
	n := len(key)
	own := append(make([]byte, 0, n+now.size()), key...)
	own = now.Append(own)
	cx.Put(own[:n:n], own[n:])
	p.changed(cx, head, own[:n:n], old, now)
	return own[n:]
}

// reply says what the write made of the object.
func (w *command) reply(cx *vnode.Context, stored []byte) []byte {
	flags := w.replyFlags(cx)
	if flags&isBare != 0 {
		n := len(w.state.Siblings[0].Content)
		stored = stored[:len(stored)-n-uvarintLen(uint64(n))]
	}
	reply := make([]byte, 0, 4+binary.MaxVarintLen64+len(stored))
	reply = appendAnswer(reply, flags, cx.Grace())
	reply = binary.AppendUvarint(reply, uint64(w.state.Live()))
	return append(reply, stored...)
}

func (w *command) replyFlags(cx *vnode.Context) byte {
	flags := copyFlags(cx)
	if w.exists {
		flags |= hadValue
	}
	if len(w.state.Siblings) == 1 {
		flags |= isBare
	}
	return flags
}

// keepWhole stores the state that a write made and says so to this node: what is
// stored lies in the body of the merge that goes to the other copies.
func (p *partition) keepWhole(cx *vnode.Context, w *command) []byte {
	n := len(w.key)
	size := w.state.size()
	reply := make([]byte, 0, 6+5*binary.MaxVarintLen64+n+size)
	reply = appendAnswer(reply, w.replyFlags(cx)|isWhole, cx.Grace())
	reply = binary.AppendUvarint(reply, uint64(w.state.Live()))
	reply = appendMergeHead(reply, mergeFlags(w.flags), cx.Grace())
	reply = appendBytes(reply, w.key)
	key := reply[len(reply)-n : len(reply) : len(reply)]
	reply = binary.AppendUvarint(reply, uint64(size))
	stored := w.state.Append(reply)[len(reply):]
	cx.Put(key, stored)
	p.changed(cx, w.head, key, &w.old, &w.state)
	end := len(reply) + len(stored)
	return reply[:end:end]
}

// copyFlags are the flags of every answer of this copy.
func copyFlags(cx *vnode.Context) byte {
	if cx.Incomplete() {
		return isIncomplete
	}
	return 0
}
