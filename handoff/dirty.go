package handoff

import (
	"errors"
	"fmt"

	"github.com/dee2748c/baton/store"
)

// DirtySet holds the keys that changed since a fold began, each once, in the
// order of their first change. What a key became is read when it is sent: the
// resulting state moves, never the requests that led to it. The zero DirtySet
// is empty and ready. It belongs to one goroutine.
type DirtySet struct {
	queue []string
	in    map[string]struct{}
	b     ItemsBuilder
}

// Mark notes that the key changed.
func (d *DirtySet) Mark(key []byte) {
	if _, marked := d.in[string(key)]; marked {
		return
	}
	if d.in == nil {
		d.in = make(map[string]struct{})
	}
	k := string(key)
	d.in[k] = struct{}{}
	d.queue = append(d.queue, k)
}

// Len returns the number of marked keys.
func (d *DirtySet) Len() int { return len(d.queue) }

// Reset forgets all marks and lets go of all memory.
func (d *DirtySet) Reset() { *d = DirtySet{} }

// ReadDirty takes marked keys, at most maxItems of them and as many as fit
// maxBytes, and returns what they are now as DirtyRead, or Unreadable. get is
// asked for each key: store.ErrNotFound makes it a delete. A key that is marked
// again afterwards is sent again.
//
// final is nil while more changes may come. Once the vnode is durably frozen it
// is the partition's summary, and it is passed on with the answer that empties
// the set: that answer, and no earlier one, completes the copy.
func (d *DirtySet) ReadDirty(maxItems, maxBytes int, get func(key []byte) (store.Item, error), encode Encode, final *store.Summary) SenderEvent {
	b := &d.b
	b.Limit(maxBytes)
	taken := 0
	for _, k := range d.queue {
		if taken == maxItems {
			break
		}
		err := addState(b, []byte(k), get, encode)
		if errors.Is(err, ErrBatchFull) {
			break
		}
		if err != nil {
			b.Take() // of a transfer that has failed
			return Unreadable{Err: err}
		}
		taken++
	}
	for _, k := range d.queue[:taken] {
		delete(d.in, k)
	}
	d.queue = d.queue[taken:]
	e := DirtyRead{Items: b.Len(), Payload: b.Take(), Left: uint64(len(d.queue))}
	if e.Left == 0 {
		d.queue = nil
		e.Final = final
	}
	return e
}

// addState adds what the key is now: a put, or a delete.
func addState(b *ItemsBuilder, key []byte, get func([]byte) (store.Item, error), encode Encode) error {
	item, err := get(key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return b.Delete(key)
	case err != nil:
		return fmt.Errorf("read item %q: %w", key, err)
	default:
		return putEncoded(b, key, item.Value, item.Version, encode)
	}
}
