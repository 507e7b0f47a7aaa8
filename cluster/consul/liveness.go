package consul

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
)

// A belief says since when each node has not passed its check; it is pure. A node that was seen once and
// is no longer registered does not pass either: the server may have lost its services, or the node left.
type belief struct {
	self  ring.NodeID
	after time.Duration
	since map[ring.NodeID]time.Time // zero: it passes
	warns map[ring.NodeID]bool      // passes, and says that it struggles
}

// observe takes what the server says of the registered nodes.
func (b *belief) observe(now time.Time, passing, warns map[ring.NodeID]bool) {
	b.warns = warns
	for node := range passing {
		if _, known := b.since[node]; !known {
			b.since[node] = time.Time{}
		}
	}
	for node, since := range b.since {
		switch {
		case passing[node]:
			b.since[node] = time.Time{}
		case since.IsZero():
			b.since[node] = now
		}
	}
}

// health returns what is believed at a moment, and how long until it changes by itself; 0 for never. This
// node trusts itself.
func (b *belief) health(now time.Time) (h cluster.Health, wait time.Duration) {
	reach := map[ring.NodeID]cluster.Reach{}
	for node, since := range b.since {
		switch {
		case node == b.self:
			continue
		case since.IsZero():
			reach[node] = cluster.Reachable
			if b.warns[node] {
				reach[node] = cluster.Struggling
			}
			continue
		}
		left := since.Add(b.after).Sub(now)
		if left <= 0 {
			reach[node] = cluster.Unreachable
			continue
		}
		reach[node] = cluster.Suspect
		if wait == 0 || left < wait {
			wait = left
		}
	}
	return cluster.NewHealth(reach), wait
}

// A detector is the belief under a clock. It implements cluster.Liveness.
type detector struct {
	cluster.HealthBoard

	mu     sync.Mutex
	belief belief
	timer  *time.Timer
}

func (d *detector) init(o Options) {
	d.belief = belief{self: o.Node, after: o.UnreachableAfter, since: map[ring.NodeID]time.Time{}}
}

func (d *detector) observe(passing, warns map[ring.NodeID]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.belief.observe(time.Now(), passing, warns)
	d.publish()
}

func (d *detector) elapsed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.publish()
}

// publish is called with the lock held.
func (d *detector) publish() {
	h, wait := d.belief.health(time.Now())
	d.Publish(h)
	d.stop()
	if wait > 0 {
		d.timer = time.AfterFunc(wait, d.elapsed)
	}
}

func (d *detector) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

// Close ends the watches and the clock.
func (d *detector) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stop()
	d.belief.since = nil // an elapsed timer that waits for the lock finds nothing to say
	d.HealthBoard.Close()
}

// followHealth keeps the belief. While the server cannot be asked, the belief stays what it was.
func (s *Store) followHealth(ctx context.Context) {
	s.follow(ctx, "the health of others", func(q *api.QueryOptions) (*api.QueryMeta, error) {
		entries, meta, err := s.client.Health().Service(s.opts.service(), "", false, q)
		if err != nil {
			return nil, err
		}
		passing, warns := map[ring.NodeID]bool{}, map[ring.NodeID]bool{}
		for _, e := range entries {
			if node := e.Service.Meta[nodeMeta]; node != "" {
				status := e.Checks.AggregatedStatus()
				warns[ring.NodeID(node)] = status == api.HealthWarning
				passing[ring.NodeID(node)] = status == api.HealthPassing || status == api.HealthWarning
			}
		}
		s.liveness.observe(passing, warns)
		return meta, nil
	})
}
