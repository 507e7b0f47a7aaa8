package pipe

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// What a vnode exports, by key: the pipe's id, a byte that says what it is, and
// for all but the spec the fitting, and a number where there are several. A
// queued batch and an archive never change, so they travel while the vnode
// still serves; the head and what is held back travel once it is frozen.
const (
	itemSpec    byte = iota // spec and coordinator
	itemHead                // windows, end of inputs, result, failure
	itemArchive             // one archive
	itemQueue               // one queued batch
	itemHeld                // one held batch
	itemOwn                 // one batch that the fitting sent to itself
)

const exportVersion = 1

func specKey(id ID) []byte { return append(id[:len(id):len(id)], itemSpec) }

func itemKey(k Key, kind byte, n uint64) []byte {
	b := make([]byte, 0, len(k.Pipe)+11)
	b = append(b, k.Pipe[:]...)
	b = append(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(k.Fitting))
	if kind != itemHead {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func queueKey(k Key, n uint64) []byte { return itemKey(k, itemQueue, n) }

// parseKey is the inverse of specKey and itemKey.
func parseKey(key []byte) (k Key, kind byte, n uint64, err error) {
	r := reader{b: key}
	k.Pipe, kind = r.id(), r.byte()
	want := 0
	switch kind {
	case itemSpec:
	case itemHead:
		want = 2
	case itemArchive, itemQueue, itemHeld, itemOwn:
		want = 10
	default:
		r.fail(ErrDamaged)
	}
	if r.err != nil || len(r.b) != want {
		return Key{}, 0, 0, fmt.Errorf("parse pipe item key of %d bytes: %w", len(key), ErrDamaged)
	}
	if want >= 2 {
		k.Fitting = int(binary.BigEndian.Uint16(r.b))
	}
	if want == 10 {
		n = binary.BigEndian.Uint64(r.b[2:])
	}
	if k.Fitting >= MaxFittings {
		return Key{}, 0, 0, fmt.Errorf("parse pipe item key for fitting %d: %w", k.Fitting, ErrDamaged)
	}
	return k, kind, n, nil
}

// ExportItem returns the item of a key that was named by Dirty, or false when
// it is gone. The slice is immutable.
func (q *Queues) ExportItem(key []byte) ([]byte, bool) {
	k, kind, n, err := parseKey(key)
	if err != nil {
		return nil, false
	}
	if kind == itemSpec {
		p := q.pipes[k.Pipe]
		if p == nil {
			return nil, false
		}
		return p.appendSpec([]byte{exportVersion}), true
	}
	f := q.find(k)
	if f == nil {
		return nil, false
	}
	b := []byte{exportVersion}
	switch {
	case kind == itemHead:
		return f.appendHead(b), true
	case kind == itemArchive && n < uint64(len(f.archives)):
		return append(b, f.archives[n]...), true
	case kind == itemQueue && n >= f.head && n-f.head < uint64(len(f.queue)):
		return appendBatch(b, f.queue[n-f.head]), true
	case kind == itemOwn && n < uint64(len(f.own)):
		return appendBatch(b, f.own[n]), true
	case kind == itemHeld && n < uint64(len(f.held)):
		return appendHeld(b, f.held[n]), true
	}
	return nil, false
}

func (p *pipeState) appendSpec(b []byte) []byte {
	b = appendAddress(b, p.coordinator)
	b = appendBool(b, p.spec != nil)
	if p.spec != nil {
		b, _ = p.spec.AppendBinary(b) // has no error
	}
	return b
}

func (f *fitting) appendHead(b []byte) []byte {
	streams := make([]Stream, 0, len(f.seen))
	for s := range f.seen {
		streams = append(streams, s)
	}
	slices.SortFunc(streams, compareStreams)
	b = binary.AppendUvarint(b, uint64(len(streams)))
	for _, s := range streams {
		b = appendStream(b, s)
		b = binary.AppendUvarint(b, f.seen[s].accepted)
		b = binary.AppendUvarint(b, f.seen[s].acked)
	}
	b = appendBool(b, f.started)
	b = binary.AppendUvarint(b, f.faults)
	b = appendBool(b, f.eoi != nil)
	if f.eoi != nil {
		b = appendBool(b, f.eoi.RunEmpty)
		b = appendBool(b, f.eoi.Probe)
		b = appendAddress(b, f.eoi.Coordinator)
	}
	b = appendBool(b, f.done != nil)
	if f.done != nil {
		b = appendCounts(b, f.done.counts)
		b = appendBytes(b, f.done.archive)
	}
	b = appendBool(b, f.failed != nil)
	if f.failed != nil {
		b = appendBytes(b, f.failed.Input)
		b = appendBytes(b, f.failed.Cause)
	}
	return b
}

func compareStreams(a, b Stream) int {
	switch {
	case a.Fitting != b.Fitting:
		return a.Fitting - b.Fitting
	case a.From != b.From:
		if a.From < b.From {
			return -1
		}
		return 1
	default:
		return int(int64(a.Attempt) - int64(b.Attempt))
	}
}

func appendHeld(b []byte, e *Enqueue) []byte {
	b = appendStream(b, e.Stream)
	b = binary.AppendUvarint(b, e.Seq)
	b = append(b, e.Round)
	b = appendAddress(b, e.Coordinator)
	b = appendAddress(b, e.ReplyTo)
	return appendBatch(b, e.Batch)
}
