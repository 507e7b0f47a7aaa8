package cluster

import (
	"context"
	"sync"
)

// A Notifier hands updates to watchers, each of which sees the newest one and may miss those before.
// Stores embed it to implement Watch. The zero Notifier is ready; it is safe for concurrent use.
type Notifier struct {
	mu    sync.Mutex
	last  *Update
	watch watchers[Update]
}

// Publish makes u the newest update. An update that brings neither a newer version nor another
// leadership is dropped, so versions never go back and nobody is woken for nothing.
func (n *Notifier) Publish(u Update) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last != nil {
		if u.State.Version() < n.last.State.Version() {
			u.State = n.last.State
		}
		if u.State.Version() == n.last.State.Version() && u.Leader == n.last.Leader {
			return
		}
	}
	n.last = &u
	n.watch.publish(u)
}

// Watch returns a channel with the newest update, if there is one, and those to come. It is closed
// when ctx ends or the notifier is closed.
func (n *Notifier) Watch(ctx context.Context) <-chan Update { return n.watch.watch(ctx) }

// Close closes all channels. It is idempotent; later calls of Watch return a closed channel.
func (n *Notifier) Close() { n.watch.close() }
