package actors

import (
	"context"
	"fmt"
	"sync"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
)

// Sender puts items into a pipe from outside. Items are grouped by destination
// as the load asks for; Send blocks while the destinations lag behind. Safe for
// concurrent use; a Sender of its own for each goroutine is faster.
type Sender struct {
	host *Host
	spec *pipe.Spec
	id   uint64
	from uint64 // tells the senders of one run apart

	mu   sync.Mutex
	out  *pipe.Outbox
	wake chan struct{} // holds one: something was acknowledged, or the sender failed
	err  error
}

// newSender opens the stream; from tells the senders of one pipe apart.
func (h *Host) newSender(spec *pipe.Spec, stream pipe.Stream) (*Sender, error) {
	s := &Sender{host: h, spec: spec, wake: make(chan struct{}, 1)}
	s.mu.Lock() // until it can be asked: it is known as soon as it is registered
	defer s.mu.Unlock()
	s.id = h.ends.add(s)
	out, err := pipe.NewOutbox(pipe.OutboxOptions{Spec: spec, Stream: stream, ReplyTo: s.address()}, h.opts.Workers)
	if err != nil {
		h.ends.remove(s.id)
		return nil, err
	}
	s.out = out
	h.pipes.kick()
	return s, nil
}

func (s *Sender) address() pipe.Address {
	return pipe.Address{Node: s.host.opts.Self.Node, Incarnation: s.host.opts.Self.Incarnation, Endpoint: s.id}
}

// TrySend is Send for who does not want to wait: it fails with pipe.ErrFull while
// the destinations lag behind, and the item is then not in the pipe.
func (s *Sender) TrySend(item []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.out.Blocked() {
		s.flush()
		return fmt.Errorf("send to pipe %v: %w", s.spec.ID, pipe.ErrFull)
	}
	if err := s.out.Emit(item); err != nil {
		return err
	}
	s.flush()
	return nil
}

// Send puts one item into the pipe by the first fitting's route. When ctx ends
// while it waits for room the item is not in the pipe.
func (s *Sender) Send(ctx context.Context, item []byte) error {
	return s.emit(ctx, func() error { return s.out.Emit(item) })
}

// SendTo puts one item into the pipe at a partition of a first fitting whose
// route is Direct.
func (s *Sender) SendTo(ctx context.Context, p ring.Partition, item []byte) error {
	return s.emit(ctx, func() error { return s.out.EmitTo(p, item) })
}

func (s *Sender) emit(ctx context.Context, put func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.await(ctx, func() bool { return !s.out.Blocked() }); err != nil {
		return err
	}
	if err := put(); err != nil {
		return err
	}
	s.flush()
	return nil
}

// SendBatch puts many items into the pipe at once: they are grouped before
// anything is sent.
func (s *Sender) SendBatch(ctx context.Context, items [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, item := range items {
		if s.out.Blocked() {
			if err := s.await(ctx, func() bool { return !s.out.Blocked() }); err != nil {
				return err
			}
		}
		if err := s.out.Emit(item); err != nil {
			return err
		}
	}
	s.flush()
	return s.err
}

// Close waits until everything sent is acknowledged and returns the items sent
// by destination. The sender is gone afterwards, also after an error.
func (s *Sender) Close(ctx context.Context) ([]pipe.Sent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.host.ends.remove(s.id)
	if err := s.await(ctx, s.out.Idle); err != nil {
		return nil, err
	}
	return s.out.Sent(), nil
}

// abandon gives the sender up with what it holds.
func (s *Sender) abandon(err error) {
	s.stopped(err)
}

// await waits for a condition of the outbox, with the lock held on return.
func (s *Sender) await(ctx context.Context, ok func() bool) error {
	for s.err == nil && !ok() {
		s.flush()
		s.mu.Unlock()
		select {
		case <-s.wake:
		case <-ctx.Done():
			s.mu.Lock()
			return fmt.Errorf("send to pipe %v: %w", s.spec.ID, context.Cause(ctx))
		}
		s.mu.Lock()
	}
	return s.err
}

func (s *Sender) flush() { s.perform(s.out.Flush()) }

func (s *Sender) perform(actions []pipe.OutboxAction) {
	for _, action := range actions {
		switch x := action.(type) {
		case pipe.Transmit:
			s.host.transmit(x, s.spec.Sink)
		case pipe.Lost:
			s.fail(fmt.Errorf("send to pipe %v at partition %d: %w", s.spec.ID, x.Partition, pipe.ErrLost))
		}
	}
}

func (s *Sender) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	s.signal()
}

func (s *Sender) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take gets an acknowledgement or a refusal.
func (s *Sender) take(l *letter) {
	if l.Type == messages.TypeResponse {
		return // turned away: what has moved is sent again when the view shows it
	}
	body, err := l.open()
	if err != nil {
		s.host.log.Warn("answer to a sender not read", "err", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := body.(pipe.OutboxEvent); ok {
		s.step(e)
	}
}

// step passes an event to the outbox. A sender that has failed sends nothing
// again: its pipe may be gone, and would begin anew where the items arrive.
func (s *Sender) step(e pipe.OutboxEvent) {
	if s.err != nil {
		return
	}
	s.perform(s.out.Step(e))
	s.signal()
}

func (s *Sender) moved(retries []pipe.Retry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range retries {
		s.step(r)
	}
}

func (s *Sender) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.step(pipe.Tick{})
}

// stopped ends the sender, whether it will be closed or not.
func (s *Sender) stopped(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(err)
	s.host.ends.remove(s.id)
}

func (s *Sender) link(LinkEvent) {}
func (s *Sender) viewed(*View)   {}
