package pipe

import (
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// OutboxEvent is what happened to an outbox: *Ack, *Refuse, Retry or Tick.
type OutboxEvent interface{ outboxEvent() }

// OutboxAction is what the shell of an outbox must do: Transmit or Lost.
type OutboxAction interface{ outboxAction() }

type (
	// Transmit sends a batch to the vnode of Enqueue.Partition, or to the sink.
	// It may be lost on the way; the outbox sends again. Batches of one stream
	// should arrive in the order given, else they are refused and sent again.
	Transmit struct {
		ToSink  bool
		Enqueue *Enqueue
	}
	// Retry: what was sent to the destination was turned away or may not have
	// arrived (a new owner, a frozen partition, a link that broke).
	Retry struct {
		All       bool // every destination
		ToSink    bool
		Partition ring.Partition
	}
	// Tick passes time: a stream without progress since the last tick is tried
	// again.
	Tick struct{}
	// Lost: a destination forgot what it had acknowledged (ErrLost). The pipe
	// can't complete.
	Lost struct {
		ToSink    bool
		Partition ring.Partition
	}
)

func (*Ack) outboxEvent()      {}
func (*Refuse) outboxEvent()   {}
func (Retry) outboxEvent()     {}
func (Tick) outboxEvent()      {}
func (Transmit) outboxAction() {}
func (Lost) outboxAction()     {}

// OutboxOptions says for whom an outbox sends.
type OutboxOptions struct {
	Spec      *Spec
	Stream    Stream         // the sender; the outbox sends to the fitting after Stream.Fitting
	Partition ring.Partition // where the sender runs, for RouteFollow
	ReplyTo   Address        // zero: the vnode of partition Stream.From
	Window    int            // batches of one stream under way at a time, default 4
	Own       bool           // send to the sender's own fitting instead of the next
	MaxBytes  int            // bytes held before Blocked, default 4 MiB
}

// Defaults and limits of an outbox.
const (
	defaultWindow   = 4
	defaultMaxBytes = 4 << 20
	batchItems      = 1024 // items of a full batch, fewer when the destination's queue is shorter
)

// Outbox is the sending side of a pipe's hop. Items are grouped by destination;
// a group is sent when it is full, or at Flush when nothing else of its stream
// is under way, or when the acknowledgement comes that leaves nothing under
// way. So batches grow with the load, and an idle stream costs no delay.
//
// An outbox holds every batch until it is acknowledged. Not safe for concurrent
// use.
type Outbox struct {
	opt       OutboxOptions
	to        int // destination fitting
	sink      bool
	room      int
	fullItems int
	route     Route
	hash      HashFunc
	chunks    []*[chunk]*outStream // by partition
	active    []*outStream         // in order of first use
	idle      []*outStream         // with items to send and nothing under way
	bytes     int                  // held
	items     uint64               // emitted
	stalled   int                  // streams with batches that wait for the window
	unsettled int                  // streams with anything unsent or unacknowledged
	round     uint8                // of ticks
	out       []OutboxAction
	given     []OutboxAction // what the last Flush or Step returned
	mark      mark
}

const chunk = 64

// NewOutbox returns an empty outbox. It fails with ErrUnknownHash when the
// destination's hash function is not registered.
func NewOutbox(opt OutboxOptions, reg *Registry) (*Outbox, error) {
	if opt.Window <= 0 {
		opt.Window = defaultWindow
	}
	if opt.MaxBytes <= 0 {
		opt.MaxBytes = defaultMaxBytes
	}
	o := &Outbox{
		opt: opt, to: opt.Stream.Fitting + 1,
		room: headerRoom(opt.Spec.Coordinator), fullItems: batchItems,
		chunks: make([]*[chunk]*outStream, (opt.Spec.RingSize+chunk-1)/chunk),
	}
	if opt.Own {
		o.to = opt.Stream.Fitting
	}
	if o.to >= len(opt.Spec.Fittings) {
		o.sink = true
		return o, nil
	}
	f := &opt.Spec.Fittings[o.to]
	o.route = f.Route
	o.fullItems = min(o.fullItems, f.queueItems())
	if o.route.Kind == RouteHash {
		h, ok := reg.Hash(o.route.Hash)
		if !ok {
			return nil, fmt.Errorf("open outbox to fitting %s: hash %q: %w", f.Name, o.route.Hash, ErrUnknownHash)
		}
		o.hash = h
	}
	return o, nil
}

// Stream returns the sender's name.
func (o *Outbox) Stream() Stream { return o.opt.Stream }

// Blocked reports whether the sender should stop emitting until an
// acknowledgement came. Emit still works; it is the sender's memory. Call Flush
// before waiting.
func (o *Outbox) Blocked() bool { return o.stalled > 0 || o.bytes >= o.opt.MaxBytes }

// Idle reports whether everything emitted is acknowledged.
func (o *Outbox) Idle() bool { return o.unsettled == 0 }

// Held returns the bytes emitted and not yet acknowledged.
func (o *Outbox) Held() int { return o.bytes }

// Sent counts the items emitted so far by destination, in order of partitions.
func (o *Outbox) Sent() []Sent {
	var all []Sent
	for _, s := range o.active {
		if s.items > 0 {
			all = append(all, Sent{Partition: s.partition, Items: s.items})
		}
	}
	slices.SortFunc(all, func(a, b Sent) int { return int(a.Partition) - int(b.Partition) })
	return all
}

// Emit copies an item into the batch of its destination. What becomes ready to
// send is returned by the next Flush or Step. The error is ErrTooLarge, or
// ErrRoute when the destination's route is Direct.
func (o *Outbox) Emit(item []byte) error {
	p, err := o.destination(item)
	if err != nil {
		return err
	}
	return o.emit(p, item)
}

func (o *Outbox) destination(item []byte) (ring.Partition, error) {
	if o.sink {
		return 0, nil
	}
	switch o.route.Kind {
	case RouteHash:
		return ring.PartitionOf(o.hash(item), o.opt.Spec.RingSize), nil
	case RouteConstant:
		return o.route.Partition, nil
	case RouteFollow:
		return o.opt.Partition, nil
	default:
		if o.opt.Own {
			return o.opt.Partition, nil
		}
		return 0, fmt.Errorf("emit to fitting %d without a partition: %w", o.to, ErrRoute)
	}
}

// EmitTo is Emit for a destination whose route is Direct.
func (o *Outbox) EmitTo(p ring.Partition, item []byte) error {
	if o.sink || o.route.Kind != RouteDirect || int(p) >= o.opt.Spec.RingSize {
		return fmt.Errorf("emit to fitting %d at partition %d: %w", o.to, p, ErrRoute)
	}
	return o.emit(p, item)
}

func (o *Outbox) emit(p ring.Partition, item []byte) error {
	if len(item) > MaxItem {
		return fmt.Errorf("emit %d bytes, at most %d: %w", len(item), MaxItem, ErrTooLarge)
	}
	s := o.stream(p)
	if s.marked != o.mark.number {
		o.save(s)
	}
	if s.build.count == 0 && len(s.sealed) == 0 {
		o.unsettled++
		o.idle = append(o.idle, s)
	}
	before := s.build.Size()
	s.build.Append(item)
	s.items++
	o.items++
	size := s.build.Size()
	o.bytes += size - before
	if size >= batchFull || s.build.count >= o.fullItems {
		o.seal(s)
	}
	return nil
}

// Flush says that the sender has nothing more to add for now. The result is
// valid until the next call.
func (o *Outbox) Flush() []OutboxAction {
	for _, s := range o.idle {
		if s.build.count > 0 && s.sent == 0 && len(s.sealed) == 0 {
			o.seal(s)
		} else {
			o.advance(s)
		}
	}
	o.idle = o.idle[:0]
	return o.take()
}

func (o *Outbox) take() []OutboxAction {
	clear(o.given)
	o.out, o.given = o.given[:0], o.out
	return o.given
}

// Step applies one event. The result is valid until the next call. Events that
// do not concern this outbox change nothing.
func (o *Outbox) Step(e OutboxEvent) []OutboxAction {
	switch e := e.(type) {
	case *Ack:
		if s := o.find(e.Pipe, e.Fitting, e.Stream, e.Partition); s != nil {
			o.acked(s, e.Seq)
		}
	case *Refuse:
		if s := o.find(e.Pipe, e.Fitting, e.Stream, e.Partition); s != nil {
			o.refused(s, e)
		}
	case Retry:
		for _, s := range o.active {
			if e.All || e.ToSink == o.sink && (o.sink || e.Partition == s.partition) {
				o.probe(s)
			}
		}
	case Tick:
		o.tick()
	}
	return o.take()
}

func (o *Outbox) find(pipe ID, fitting int, from Stream, p ring.Partition) *outStream {
	if pipe != o.opt.Spec.ID || fitting != o.to || from != o.opt.Stream {
		return nil
	}
	if o.sink {
		p = 0
	}
	if int(p) >= o.opt.Spec.RingSize || o.chunks[p/chunk] == nil {
		return nil
	}
	return o.chunks[p/chunk][p%chunk]
}

func (o *Outbox) tick() {
	o.round++
	for _, s := range o.active {
		if s.sent == 0 {
			s.tickMark = 0
			continue
		}
		if oldest := s.sealed[0].Seq; oldest == s.tickMark {
			o.probe(s)
		} else {
			s.tickMark = oldest
		}
	}
}
