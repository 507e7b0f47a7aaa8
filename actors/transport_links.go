package actors

import (
	"context"
	"fmt"
	"sync"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
)

// links holds a transport's outgoing links: at most one live link for each node.
type links struct {
	id    *identity
	stats *counters
	dial  func(ctx context.Context, to Peer) (linkConn, error)
	event func(LinkEvent)

	mu     sync.RWMutex
	live   map[ring.NodeID]*link
	old    map[*link]struct{} // replaced, and not yet ended
	closed bool
}

func newLinks(id *identity, stats *counters, dial func(context.Context, Peer) (linkConn, error), event func(LinkEvent)) *links {
	return &links{
		id: id, stats: stats, dial: dial, event: event,
		live: make(map[ring.NodeID]*link), old: make(map[*link]struct{}),
	}
}

// send is Transport.Send.
func (ls *links) send(to Peer, f messages.Frame) error {
	ls.id.stamp(&f, to)
	if err := f.Check(); err != nil {
		return fmt.Errorf("send to %s: %w", to.Node, err)
	}
	if err := ls.id.learn(string(to.Node), to.Incarnation); err != nil {
		return fmt.Errorf("send %v to %s: %w", f.Type, to.Node, err)
	}
	l, err := ls.to(to)
	if err != nil {
		return err
	}
	return l.send(&f)
}

// to returns the link to a peer. One to an earlier life, or another address, is replaced.
func (ls *links) to(peer Peer) (*link, error) {
	ls.mu.RLock()
	l, closed := ls.live[peer.Node], ls.closed
	ls.mu.RUnlock()
	if l != nil && l.peer == peer && !closed {
		return l, nil
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.closed {
		return nil, fmt.Errorf("send to %s: transport: %w", peer.Node, messages.ErrClosed)
	}
	l = ls.live[peer.Node]
	switch {
	case l != nil && l.peer == peer:
		return l, nil
	case l != nil && peer.Incarnation < l.peer.Incarnation:
		return nil, fmt.Errorf("send to %s/%d, seen %d: %w", peer.Node, peer.Incarnation, l.peer.Incarnation, messages.ErrIncarnation)
	case l != nil:
		l.abort()
		ls.retire(l)
	}
	l = newLink(peer, ls.id.opts, ls.stats, ls.dial, ls.event)
	ls.live[peer.Node] = l
	return l, nil
}

// retire keeps a replaced link until its goroutine has ended. The caller holds the lock.
func (ls *links) retire(l *link) {
	for o := range ls.old {
		select {
		case <-o.done:
			delete(ls.old, o)
		default:
		}
	}
	ls.old[l] = struct{}{}
}

// refuse makes every later send fail, and returns all links that may still run.
func (ls *links) refuse() []*link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.closed = true
	var all []*link
	for _, l := range ls.live {
		all = append(all, l)
	}
	for l := range ls.old {
		all = append(all, l)
	}
	return all
}

// close sends what is queued on all links, as long as ctx allows, and waits for their ends.
func (ls *links) close(ctx context.Context) {
	var wg sync.WaitGroup
	for _, l := range ls.refuse() {
		wg.Go(func() { l.close(ctx) })
	}
	wg.Wait()
}

// abort ends all links without sending what is queued, and does not wait.
func (ls *links) abort() {
	for _, l := range ls.refuse() {
		l.abort()
	}
}
