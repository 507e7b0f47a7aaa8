package pipe

import (
	"cmp"
	"fmt"
	"slices"
)

// imports is what was imported for one key and not yet adopted; the order of
// arrival does not matter.
type imports struct {
	coordinator Address // of the key with fitting Input, with spec
	spec        *Spec
	head        []*fitting
	archives    []numbered[[]byte]
	queue       []numbered[Batch]
	own         []numbered[Batch]
	held        []numbered[*Enqueue]
}

type numbered[T any] struct {
	n uint64
	v T
}

func inOrder[T any](all []numbered[T]) []T {
	slices.SortStableFunc(all, func(a, b numbered[T]) int { return cmp.Compare(a.n, b.n) })
	out := make([]T, len(all))
	for i, x := range all {
		out[i] = x.v
	}
	return out
}

// Import gives one item that ExportItem returned elsewhere, in any order. The
// slices are kept. Nothing happens with it until Opened. The error is
// ErrDamaged or ErrVersion, and names the item.
func (q *Queues) Import(key, value []byte) error {
	k, kind, n, err := parseKey(key)
	if err != nil {
		return err
	}
	if kind == itemSpec {
		k.Fitting = Input
	}
	r := reader{b: value}
	r.version(exportVersion)
	in := q.imports[k]
	if in == nil {
		in = new(imports)
	}
	switch kind {
	case itemSpec:
		in.coordinator = r.address()
		if r.bool() {
			in.spec = r.spec()
		}
	case itemHead:
		in.head = append(in.head, r.head(k, q))
	case itemArchive:
		in.archives = append(in.archives, numbered[[]byte]{n, r.b})
		r.b = nil
	case itemQueue:
		in.queue = append(in.queue, numbered[Batch]{n, r.batch()})
	case itemOwn:
		in.own = append(in.own, numbered[Batch]{n, r.batch()})
	case itemHeld:
		in.held = append(in.held, numbered[*Enqueue]{n, r.heldBatch(k, q)})
	}
	if err := r.end(); err != nil {
		return fmt.Errorf("import pipe %v item %d of fitting %d: %w", k.Pipe, kind, k.Fitting, err)
	}
	if q.imports == nil {
		q.imports = make(map[Key]*imports)
	}
	q.imports[k] = in
	return nil
}

func (r *reader) head(k Key, q *Queues) *fitting {
	f := &fitting{key: k, seen: make(map[Stream]*window)}
	for n := r.count(); n > 0 && r.err == nil; n-- {
		s := r.stream()
		f.seen[s] = &window{accepted: r.uvarint(), acked: r.uvarint()}
	}
	f.started = r.bool()
	f.faults = r.uvarint()
	if r.bool() {
		f.eoi = &EOI{Pipe: k.Pipe, Fitting: k.Fitting, Partition: q.opt.Partition, RunEmpty: r.bool(), Probe: r.bool(), Coordinator: r.address()}
	}
	if r.bool() {
		f.done = &result{counts: r.counts(), archive: r.bytes()}
	}
	if r.bool() {
		f.failed = &Failed{
			Pipe: k.Pipe, Fitting: k.Fitting, Partition: q.opt.Partition, Input: r.bytes(), Cause: r.string(),
		}
	}
	return f
}

func (r *reader) heldBatch(k Key, q *Queues) *Enqueue {
	return &Enqueue{
		Pipe: k.Pipe, Fitting: k.Fitting, Partition: q.opt.Partition,
		Stream: r.stream(), Seq: r.uvarint(), Round: r.byte(),
		Coordinator: r.address(), ReplyTo: r.address(), Batch: r.batch(),
	}
}

// adopt puts what was imported in front of what is here.
func (q *Queues) adopt() {
	keys := make([]Key, 0, len(q.imports))
	for k := range q.imports {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(slices.Compare(a.Pipe[:], b.Pipe[:]), cmp.Compare(a.Fitting, b.Fitting))
	})
	for _, k := range keys {
		in := q.imports[k]
		if k.Fitting == Input {
			p := q.pipes[k.Pipe]
			if p == nil {
				p = q.add(k.Pipe, in.coordinator)
			}
			if in.spec != nil {
				q.specKnown(in.spec)
			} else if p.spec == nil {
				q.askSpec(p)
			}
			continue
		}
		q.adoptFitting(k, in)
	}
	q.imports = nil
}

func (q *Queues) adoptFitting(k Key, in *imports) {
	p := q.pipes[k.Pipe]
	if p == nil {
		return // its spec was dropped: the pipe is gone
	}
	f := p.fitting(k.Fitting)
	if f == nil {
		return
	}
	for _, h := range in.head {
		f.adoptHead(h)
	}
	f.archives = append(inOrder(in.archives), f.archives...)
	older := f.queue
	f.queue, f.items, f.bytes = nil, 0, 0
	for _, b := range append(inOrder(in.queue), older...) {
		f.push(b)
	}
	f.own = append(inOrder(in.own), f.own...)
	for _, b := range in.own {
		f.owned += b.v.Size()
	}
	held := inOrder(in.held)
	for _, e := range held {
		f.heldBytes += e.Batch.Size()
		// What is held was accepted, whatever the head says.
		w := f.window(e.Stream)
		w.accepted = max(w.accepted, e.Seq)
	}
	f.held = append(held, f.held...)
	if f.done != nil && (f.pending() || f.worker != nil) {
		f.archives = append([][]byte{f.done.archive}, f.archives...)
		f.done = nil
	}
}

// adoptHead merges the rest of what another owner knew.
func (f *fitting) adoptHead(h *fitting) {
	for s, w := range h.seen {
		mine := f.seen[s]
		if mine == nil {
			f.seen[s] = w
			continue
		}
		mine.accepted, mine.acked = max(mine.accepted, w.accepted), max(mine.acked, w.acked)
	}
	f.started = f.started || h.started
	f.faults += h.faults
	if h.eoi != nil && (f.eoi == nil || f.eoi.Probe) {
		f.eoi = h.eoi
	}
	if h.done != nil {
		if f.done != nil {
			f.archives = append(f.archives, f.done.archive)
		}
		f.done = h.done
	}
	if h.failed != nil {
		h.failed.To = f.pipe.coordinator
		f.failed = h.failed
	}
}
