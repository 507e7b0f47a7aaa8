package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
)

// ErrUnknownOutcome says that a command was sent and its answer did not come in
// time: it may have been done.
var ErrUnknownOutcome = errors.New("outcome unknown")

// waiter is one command waiting for its answer. It is never reused: a late frame
// may still find it.
type waiter struct {
	owner ring.NodeID // where it was sent
	done  chan answer // holds one: the first of answer and loss counts
}

type answer struct {
	frame *letter
	err   error
}

func (c *waiter) finish(a answer) {
	select {
	case c.done <- a:
	default:
	}
}

func (c *waiter) take(f *letter) { c.finish(answer{frame: f}) }

func (c *waiter) link(e LinkEvent) {
	if !e.Up && !e.Inbound && e.Peer.Node == c.owner {
		c.finish(answer{err: fmt.Errorf("link to %s: %w", e.Peer.Node, e.Err)})
	}
}

func (c *waiter) stopped(err error) { c.finish(answer{err: err}) }

func (c *waiter) viewed(*View) {}

// Request sends a command to the vnode that owns the partition and returns its
// answer. Refusals that mean nothing was done (wrong owner, frozen, stale ring)
// are tried again on a newer view until ctx ends; a vnode that has too many
// requests is asked a few times. When the answer is lost the
// error is ErrUnknownOutcome and the command is not repeated.
func (h *Host) Request(ctx context.Context, kind topology.Kind, p ring.Partition, body []byte) ([]byte, error) {
	return h.insist(ctx, messages.Header{Type: messages.TypeRequest, Kind: kind, Partition: uint32(p)}, body)
}

// Fence has the vnode that owns the partition hold the fence of the record
// applied here, and returns when that is durable there: it has served nothing
// since that was sent by an older ring, and will not (F16). Errors are those of
// Request; it may be asked any number of times.
func (h *Host) Fence(ctx context.Context, kind topology.Kind, p ring.Partition) error {
	_, err := h.insist(ctx, messages.Header{Type: messages.TypeFence, Kind: kind, Partition: uint32(p)}, nil)
	return err
}

// insist sends until there is an answer that is not to be asked for again. head
// says what, and to which partition.
func (h *Host) insist(ctx context.Context, head messages.Header, body []byte) ([]byte, error) {
	failed := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("%v %s/%d: %w", head.Type, head.Kind, head.Partition, err)
	}
	shed := 0
	for attempt := 0; ; attempt++ {
		v := h.View()
		f, err := h.ask(ctx, v, head, body)
		if err != nil {
			return failed(err)
		}
		if f.Code == messages.CodeOK {
			return f.payload, nil
		}
		if f.Code == messages.CodeOverloaded {
			if shed++; shed > overloadTries {
				return failed(decodeError(f))
			}
		}
		if err := h.awaitRetry(ctx, v, f, attempt); err != nil {
			return failed(err)
		}
	}
}

func (h *Host) ask(ctx context.Context, v *View, head messages.Header, body []byte) (*letter, error) {
	owner, epoch := v.Owner(head.Kind, ring.Partition(head.Partition))
	if owner == "" {
		return nil, fmt.Errorf("no vnode kind %q with partition %d: %w", head.Kind, head.Partition, topology.ErrUnknownKind)
	}
	c := &waiter{owner: owner, done: make(chan answer, 1)}
	id := h.ends.add(c)
	defer h.ends.remove(id)
	if h.ctx.Err() != nil {
		return nil, ErrStopped // the table may have been told before c was in it
	}
	head.From, head.FromIncarnation, head.To = string(h.opts.Self.Node), h.opts.Self.Incarnation, string(owner)
	head.RingVersion, head.Epoch, head.Seq, head.Endpoint = v.Version(), epoch, id, id
	if head.Type == messages.TypeFence {
		head.RingVersion = v.Fence()
	}
	h.send(&letter{Header: head, payload: body})
	select {
	case a := <-c.done:
		if a.err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnknownOutcome, a.err)
		}
		return a.frame, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnknownOutcome, context.Cause(ctx))
	}
}

// awaitRetry waits for what a refusal needs before the command is sent again,
// or returns the refusal as an error if sending again can't help.
func (h *Host) awaitRetry(ctx context.Context, v *View, f *letter, attempt int) error {
	refusal := decodeError(f)
	switch f.Code {
	case messages.CodeWrongOwner, messages.CodeStaleRing:
		if h.View() != v {
			return nil
		}
	case messages.CodeFrozen, messages.CodeOverloaded:
	default:
		return refusal
	}
	timer := time.NewTimer(min(time.Millisecond<<min(attempt, 6), 50*time.Millisecond))
	defer timer.Stop()
	select {
	case <-v.Changed():
		return nil
	case <-timer.C:
		return nil
	case <-h.ctx.Done():
		return ErrStopped
	case <-ctx.Done():
		return fmt.Errorf("%w, last answer: %w", context.Cause(ctx), refusal)
	}
}

// respond answers a frame that named an endpoint.
func (h *Host) respond(f *letter, body []byte) {
	if f.direct != nil {
		f.direct.answer(body)
		return
	}
	if f.Endpoint == 0 {
		return
	}
	if f.From == string(h.opts.Self.Node) && f.FromIncarnation == h.opts.Self.Incarnation {
		if d, ok := h.ends.get(f.Endpoint); ok {
			if r, ok := d.(*run); ok {
				r.answered(f.Seq, body)
				return
			}
		}
	}
	h.send(&letter{Header: h.answerTo(f), payload: body})
}

// respondError answers a frame with an error.
func (h *Host) respondError(f *letter, e *messages.Error) {
	f.keep()
	if f.Endpoint == 0 {
		return
	}
	head := h.answerTo(f)
	head.Code = messages.Code(e.Code)
	h.send(&letter{Header: head, payload: encodeError(e)})
}

func (h *Host) answerTo(f *letter) messages.Header {
	return messages.Header{
		Type: messages.TypeResponse, From: string(h.opts.Self.Node), FromIncarnation: h.opts.Self.Incarnation,
		To: f.From, ToIncarnation: f.FromIncarnation, Partition: f.Partition, RingVersion: h.View().Version(),
		Seq: f.Seq, Endpoint: f.Endpoint,
	}
}
