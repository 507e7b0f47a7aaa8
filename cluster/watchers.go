package cluster

import (
	"context"
	"sync"
)

// watchers hands values to channels of capacity one, each of which holds the
// newest value that its reader has not taken. The zero value is ready.
type watchers[T any] struct {
	mu     sync.Mutex
	chans  map[chan T]struct{}
	last   *T
	closed bool
}

// publish replaces what the channels hold.
func (w *watchers[T]) publish(v T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.last = &v
	for ch := range w.chans {
		offer(ch, v)
	}
}

// offer replaces what is in the channel. Only the holder of the lock sends, so
// the second send finds room.
func offer[T any](ch chan T, v T) {
	select {
	case <-ch:
	default:
	}
	ch <- v
}

// watch returns a channel that holds the last value published, or first when
// nothing was, and gets those to come. It is closed when ctx ends or close is called.
func (w *watchers[T]) watch(ctx context.Context, first ...T) <-chan T {
	ch := make(chan T, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || ctx.Err() != nil {
		close(ch)
		return ch
	}
	switch {
	case w.last != nil:
		ch <- *w.last
	case len(first) > 0:
		ch <- first[0]
	}
	if w.chans == nil {
		w.chans = map[chan T]struct{}{}
	}
	w.chans[ch] = struct{}{}
	context.AfterFunc(ctx, func() { w.drop(ch) })
	return ch
}

func (w *watchers[T]) drop(ch chan T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.chans[ch]; ok {
		delete(w.chans, ch)
		close(ch)
	}
}

func (w *watchers[T]) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for ch := range w.chans {
		close(ch)
	}
	w.chans = nil
}
