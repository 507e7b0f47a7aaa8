package kv

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/vnode"
)

// KindName is the name under which the kind is registered on every node.
const KindName topology.Kind = "kv"

// Kind returns the vnode kind that serves this package's requests. Its state is
// the partition's store and nothing else: store keys to stored objects.
func Kind() vnode.Kind { return kind{} }

type kind struct{}

// Name returns [KindName].
func (kind) Name() topology.Kind { return KindName }

// Open returns the vnode of one partition.
func (kind) Open(p vnode.Partition) (vnode.Vnode, error) {
	return &partition{size: p.Size, actor: ActorOf(p)}, nil
}

// partition serves one partition. It holds no state, so that what moves with a
// handoff is the store.
type partition struct {
	size  int
	actor Actor // of the writes served here

	last   command // its room, for the next one
	listed State   // room of the last state that a page looked at
}

// HandleCommand serves one request. Refusals are replies, so that the sender
// gets the error by its code.
func (p *partition) HandleCommand(cx *vnode.Context, cmd vnode.Command) vnode.Disposition {
	if b := cmd.Body; len(b) > 0 && (b[0] == opIndex || b[0] == opBuckets) {
		reply, err := p.cover(cx, b[0], b[1:])
		if err != nil {
			reply = failure(err)
		}
		return vnode.Reply{Body: reply}
	}
	raw, err := cutRequest(cmd.Body)
	if err != nil {
		return vnode.Reply{Body: failure(err)}
	}
	var reply []byte
	switch raw.op {
	case opPut:
		reply, err = p.put(cx, raw)
	case opGet:
		reply, err = get(cx, raw)
	case opDelete:
		reply, err = p.remove(cx, raw)
	case opList:
		reply, err = list(cx, raw)
	}
	if err != nil {
		return vnode.Reply{Body: failure(err)}
	}
	return vnode.Reply{Body: reply}
}

// command is a write under way.
type command struct {
	rawRequest
	bucket, name string
	head         ring.Partition
	old          State // as it is stored; the empty one stands for no object
	state        State // what becomes of it
	seen         Clock // the context
	exists       bool  // there is a value
}

// begin makes a command of the room of the last one, and lets go of the buffers
// that the last one worked on.
func (w *command) begin(raw rawRequest) *command {
	clear(w.seen)
	*w = command{rawRequest: raw, old: w.old.emptied(), state: w.state.emptied(), seen: w.seen[:0]}
	return w
}

func (p *partition) put(cx *vnode.Context, raw rawRequest) ([]byte, error) {
	w := p.last.begin(raw)
	defer p.last.begin(rawRequest{})
	if err := p.load(cx, w); err != nil {
		return nil, err
	}
	var c Content
	if err := decodeContent(&c, raw.content); err != nil {
		return nil, err
	}
	if err := c.check(w.bucket, w.name); err != nil {
		return nil, err
	}
	if err := w.holds(); err != nil {
		return nil, err
	}
	if raw.flags&putLastWriteWins != 0 {
		w.seen = w.seen.Join(w.state.Clock)
	}
	return p.write(cx, w)
}

// load checks the names and the context of a write and reads what there is.
func (p *partition) load(cx *vnode.Context, w *command) error {
	head, t, bucket, key, err := decodeName(w.key)
	if err != nil {
		return err
	}
	if err := checkName(t, bucket, key); err != nil {
		return err
	}
	w.head, w.bucket, w.name = head, bucket, key
	if stored := cx.Get(w.key); stored != nil {
		if err := w.old.Decode(stored); err != nil {
			return fmt.Errorf("%q/%q as it is stored: %w", bucket, key, err)
		}
		w.state.Clock = append(w.state.Clock, w.old.Clock...)
		w.state.Siblings = append(w.state.Siblings, w.old.Siblings...)
	}
	if w.seen, err = w.context.Clock(w.seen); err != nil {
		return err
	}
	issued := max(w.state.Clock.Of(p.actor), cx.Event()-1)
	for _, d := range w.seen {
		if d.N > maxEvent || d.Actor == p.actor && d.N > issued {
			return fmt.Errorf("context for %q/%q has write %d of %x, which has not happened: %w", bucket, key, d.N, string(d.Actor), ErrContext)
		}
	}
	w.exists = w.state.Live() > 0
	return nil
}

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

// write adds the command's write to the state and stores it.
func (p *partition) write(cx *vnode.Context, w *command) ([]byte, error) {
	w.state.Write(w.seen, Sibling{
		Dot:      w.state.NextDot(p.actor, cx.Event()),
		Modified: w.modified, Deleted: w.op == opDelete, Content: w.content,
	})
	if err := w.state.check(w.bucket, w.name); err != nil {
		return nil, err
	}
	key := w.key
	live := w.state.Live()
	if live == 0 {
		// K6: a tombstone goes when all primaries hold it and no older session or
		// hint is open. There is one copy; what it deletes while it moves goes
		// behind the items in the same sequence. So the time is now.
		cx.Delete(bytes.Clone(key))
		p.changed(cx, w.head, key, &w.old, &State{})
		return nil, nil
	}
	// One copy of our own: the body may be a piece of a frame many times its
	// size, which the store would keep alive with it.
	n := len(key)
	own := append(make([]byte, 0, n+w.state.size()), key...)
	own = w.state.Append(own)
	cx.Put(own[:n:n], own[n:])
	p.changed(cx, w.head, key, &w.old, &w.state)
	reply := make([]byte, 0, 2+contextLen(w.state.Clock))
	reply = append(reply, codeOK, byte(live)) // at most MaxSiblings, which is one byte
	if len(w.state.Siblings) > 1 {
		return reply, nil
	}
	return AppendContext(reply, w.state.Clock), nil
}

func get(cx *vnode.Context, raw rawRequest) ([]byte, error) {
	if _, _, _, _, err := decodeName(raw.key); err != nil {
		return nil, err
	}
	stored := cx.Get(raw.key)
	if stored == nil {
		return []byte{codeNotFound}, nil
	}
	reply := make([]byte, 0, 1+len(stored))
	return append(append(reply, codeOK), stored...), nil
}

func (p *partition) remove(cx *vnode.Context, raw rawRequest) ([]byte, error) {
	w := p.last.begin(raw)
	defer p.last.begin(rawRequest{})
	if err := p.load(cx, w); err != nil {
		return nil, err
	}
	if !w.exists {
		return []byte{codeOK, 0, 0}, nil
	}
	if raw.context == "" {
		w.seen = w.seen.Join(w.state.Clock)
	}
	if _, err := p.write(cx, w); err != nil {
		return nil, err
	}
	return []byte{codeOK, 1, byte(w.state.Live())}, nil
}

func list(cx *vnode.Context, raw rawRequest) ([]byte, error) {
	head, t, b, err := decodePrefix(raw.prefix)
	if err != nil {
		return nil, err
	}
	from, to := BucketRange(head, t, b, view(raw.after))
	reply := []byte{codeOK, 0}
	items, more := 0, false
	var entry []byte
	for key, stored := range cx.Scan(from, to) {
		if storedDeleted(stored) {
			continue
		}
		if more = items == raw.limit || items > 0 && len(reply) >= raw.bytes; more {
			break
		}
		if raw.keysOnly {
			reply = appendBytes(reply, key)
		} else {
			entry = AppendItem(entry[:0], key, stored)
			reply = appendBytes(reply, entry)
		}
		items++
	}
	if more {
		reply[1] = 1
	}
	return reply, nil
}
