package cluster

import (
	"context"
	"sync"
)

// A Notifier hands updates to watchers, each of which sees the newest one and may miss those before.
// Stores embed it to implement Watch. The zero Notifier is ready; it is safe for concurrent use.
type Notifier struct {
	mu       sync.Mutex
	last     *Update
	watchers map[chan Update]struct{}
	closed   bool
}

// Publish makes u the newest update. An update that brings neither a newer version nor another
// leadership is dropped, so versions never go back and nobody is woken for nothing.
func (n *Notifier) Publish(u Update) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	if n.last != nil {
		if u.State.Version() < n.last.State.Version() {
			u.State = n.last.State
		}
		if u.State.Version() == n.last.State.Version() && u.Leader == n.last.Leader {
			return
		}
	}
	n.last = &u
	for ch := range n.watchers {
		offer(ch, u)
	}
}

// offer replaces what is in the channel. Only the holder of the notifier's lock sends, so the second
// send finds room.
func offer(ch chan Update, u Update) {
	select {
	case <-ch:
	default:
	}
	ch <- u
}

// Watch returns a channel with the newest update, if there is one, and those to come. It is closed
// when ctx ends or the notifier is closed.
func (n *Notifier) Watch(ctx context.Context) <-chan Update {
	ch := make(chan Update, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || ctx.Err() != nil {
		close(ch)
		return ch
	}
	if n.last != nil {
		ch <- *n.last
	}
	if n.watchers == nil {
		n.watchers = map[chan Update]struct{}{}
	}
	n.watchers[ch] = struct{}{}
	context.AfterFunc(ctx, func() { n.drop(ch) })
	return ch
}

func (n *Notifier) drop(ch chan Update) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.watchers[ch]; ok {
		delete(n.watchers, ch)
		close(ch)
	}
}

// Close closes all channels. It is idempotent; later calls of Watch return a closed channel.
func (n *Notifier) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for ch := range n.watchers {
		close(ch)
	}
	n.watchers = nil
}
