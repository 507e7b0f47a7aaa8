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

	// Room for the command under way.
	state   State
	seen    Clock
	content Content
}

var _ vnode.Coverer = (*partition)(nil)

// HandleCommand serves one request. Refusals are replies, so that the sender
// gets the error by its code.
func (p *partition) HandleCommand(cx *vnode.Context, cmd vnode.Command) vnode.Disposition {
	return p.serve(cx, cmd, nil)
}

// HandleCoverage serves a [List] for the objects whose head partition is in
// keyspaces.
func (p *partition) HandleCoverage(cx *vnode.Context, cmd vnode.Command, keyspaces []ring.Partition) vnode.Disposition {
	return p.serve(cx, cmd, keyspaces)
}

func (p *partition) serve(cx *vnode.Context, cmd vnode.Command, keyspaces []ring.Partition) vnode.Disposition {
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
		reply, err = p.list(cx, raw, keyspaces)
	}
	if err != nil {
		return vnode.Reply{Body: failure(err)}
	}
	return vnode.Reply{Body: reply}
}

func (p *partition) put(cx *vnode.Context, raw rawRequest) ([]byte, error) {
	defer p.forget()
	b, k, exists, err := p.load(cx, raw)
	if err != nil {
		return nil, err
	}
	if err := decodeContent(&p.content, raw.content); err != nil {
		return nil, err
	}
	if err := p.content.check(b, k); err != nil {
		return nil, err
	}
	if err := p.holds(raw, exists, b, k); err != nil {
		return nil, err
	}
	if raw.flags&putLastWriteWins != 0 {
		p.seen = p.seen.Join(p.state.Clock)
	}
	return p.write(cx, raw, b, k)
}

// load checks the names and the context of a write and reads what there is; the
// empty state stands for no object.
func (p *partition) load(cx *vnode.Context, raw rawRequest) (bucket, key string, exists bool, err error) {
	t, bucket, key, err := decodeName(raw.key)
	if err != nil {
		return "", "", false, err
	}
	if err := checkName(t, bucket, key); err != nil {
		return "", "", false, err
	}
	stored := cx.Get(raw.key)
	if stored != nil {
		if err := p.state.Decode(stored); err != nil {
			return "", "", false, fmt.Errorf("%q/%q as it is stored: %w", bucket, key, err)
		}
	}
	if p.seen, err = raw.context.Clock(p.seen); err != nil {
		return "", "", false, err
	}
	issued := max(p.state.Clock.Of(p.actor), cx.Event()-1)
	for _, d := range p.seen {
		if d.N > maxEvent || d.Actor == p.actor && d.N > issued {
			return "", "", false, fmt.Errorf("context for %q/%q has write %d of %x, which has not happened: %w", bucket, key, d.N, string(d.Actor), ErrContext)
		}
	}
	return bucket, key, p.state.Live() > 0, nil
}

// holds decides the conditions of a put.
func (p *partition) holds(raw rawRequest, exists bool, bucket, key string) error {
	conditional := raw.flags & (putIfNotModified | putIfMatch)
	switch {
	case raw.flags&putIfNoneMatch != 0 && exists:
		return fmt.Errorf("put %q/%q if there is none: %w", bucket, key, ErrExists)
	case conditional != 0 && !exists:
		return fmt.Errorf("put %q/%q if it is as it was: %w", bucket, key, ErrNotFound)
	case conditional&putIfNotModified != 0 && !slices.Equal(p.seen, p.state.Clock):
		return fmt.Errorf("put %q/%q if not modified: %w", bucket, key, ErrModified)
	case conditional&putIfMatch != 0:
		tag := Context(AppendContext(nil, p.state.Clock)).ETag()
		if tag != hex.EncodeToString(raw.etag) {
			return fmt.Errorf("put %q/%q if it matches %x, it is %s: %w", bucket, key, raw.etag, tag, ErrModified)
		}
	}
	return nil
}

// write adds the command's write to the state and stores it.
func (p *partition) write(cx *vnode.Context, raw rawRequest, bucket, key string) ([]byte, error) {
	p.state.Write(p.seen, Sibling{
		Dot:      p.state.NextDot(p.actor, cx.Event()),
		Modified: raw.modified, Deleted: raw.op == opDelete, Content: raw.content,
	})
	if err := p.state.check(bucket, key); err != nil {
		return nil, err
	}
	live := p.state.Live()
	if live == 0 {
		// K6: a tombstone goes when all primaries hold it and no older session or
		// hint is open. There is one copy; what it deletes while it moves goes
		// behind the items in the same sequence. So the time is now.
		cx.Delete(bytes.Clone(raw.key))
		return nil, nil
	}
	// One copy of our own: the body may be a piece of a frame many times its
	// size, which the store would keep alive with it.
	n := len(raw.key)
	own := append(make([]byte, 0, n+p.state.size()), raw.key...)
	own = p.state.Append(own)
	cx.Put(own[:n:n], own[n:])
	reply := make([]byte, 0, 2+contextLen(p.state.Clock))
	reply = append(reply, codeOK, byte(live)) // at most MaxSiblings, which is one byte
	if len(p.state.Siblings) > 1 {
		return reply, nil
	}
	return AppendContext(reply, p.state.Clock), nil
}

// forget lets go of the buffers that the command worked on.
func (p *partition) forget() {
	clear(p.state.Clock)
	clear(p.state.Siblings)
	clear(p.seen)
	clear(p.content.Meta)
	clear(p.content.Links)
	clear(p.content.Indexes)
	p.state = State{Clock: p.state.Clock[:0], Siblings: p.state.Siblings[:0]}
	p.seen = p.seen[:0]
	p.content = Content{Meta: p.content.Meta[:0], Links: p.content.Links[:0], Indexes: p.content.Indexes[:0]}
}

func get(cx *vnode.Context, raw rawRequest) ([]byte, error) {
	if _, _, _, err := decodeName(raw.key); err != nil {
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
	defer p.forget()
	b, k, exists, err := p.load(cx, raw)
	if err != nil {
		return nil, err
	}
	if !exists {
		return []byte{codeOK, 0, 0}, nil
	}
	if raw.context == "" {
		p.seen = p.seen.Join(p.state.Clock)
	}
	if _, err := p.write(cx, raw, b, k); err != nil {
		return nil, err
	}
	return []byte{codeOK, 1, byte(p.state.Live())}, nil
}

func (p *partition) list(cx *vnode.Context, raw rawRequest, keyspaces []ring.Partition) ([]byte, error) {
	t, b, err := decodePrefix(raw.prefix)
	if err != nil {
		return nil, err
	}
	from, to := BucketRange(t, b, view(raw.after))
	reply := []byte{codeOK, 0}
	items, more := 0, false
	var entry []byte
	for key, stored := range cx.Scan(from, to) {
		if keyspaces != nil && !p.within(key, keyspaces) {
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

// within reports whether the head partition of a store key is in keyspaces.
func (p *partition) within(storeKey []byte, keyspaces []ring.Partition) bool {
	t, b, k, err := DecodeKey(storeKey)
	return err == nil && slices.Contains(keyspaces, Route(t, b, k, p.size))
}
