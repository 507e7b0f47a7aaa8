package baton

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
)

// reap removes the tombstones that may go, of the keys whose first copy is here,
// and begins a new grace period if others wait for one.
func (e *entropy) reap(ctx context.Context) {
	view := e.node.View()
	waiting := false
	for _, p := range e.node.owned(view) {
		n, err := e.reapPartition(ctx, p)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			e.node.opts.Logger.Debug("tombstones not removed", "partition", p, "err", err)
		}
		waiting = waiting || n > 0
		e.mu.Lock()
		e.part(p).Waiting = n
		e.mu.Unlock()
	}
	if err := e.advance(ctx, waiting); err != nil && ctx.Err() == nil {
		e.node.opts.Logger.Info("no new grace period", "err", err)
	}
}

// advance begins a new grace period if tombstones wait and the present one is old
// enough: whoever does it, the others see that it has just begun.
func (e *entropy) advance(ctx context.Context, waiting bool) error {
	now, grace := time.Now(), e.node.View().Grace()
	if e.graceAt.IsZero() || e.grace != grace {
		e.grace, e.graceAt = grace, now
	}
	if !waiting || now.Sub(e.graceAt) < e.opts.Grace {
		return nil
	}
	_, err := e.node.ask(ctx, topology.AdvanceGrace{From: grace})
	return err
}

// reapPartition removes the tombstones of one head that may go and returns how
// many are not old enough.
func (e *entropy) reapPartition(ctx context.Context, p ring.Partition) (waiting int, err error) {
	ask := kv.Reapable{}
	for more := true; more; more = len(ask.After) > 0 {
		reply, err := e.node.host.Request(ctx, kv.KindName, p, kv.EncodeReapable(ask))
		if err != nil {
			return waiting, err
		}
		page, err := ask.DecodeReply(reply)
		if err != nil {
			return waiting, err
		}
		waiting += page.Waiting + len(page.Reapable)
		reaped, err := e.reapPage(ctx, p, page.Reapable)
		waiting -= reaped
		if err != nil {
			return waiting, err
		}
		ask.After = page.After
	}
	return waiting, nil
}

// reapPage removes the tombstones of a page that all copies are ready to remove.
func (e *entropy) reapPage(ctx context.Context, p ring.Partition, tombs []kv.Tombstone) (reaped int, err error) {
	catalog := e.node.catalog()
	byCopies := make(map[int][]kv.Tombstone)
	for _, t := range tombs {
		n, err := kv.CopiesOf(catalog, t.StoreKey)
		if err != nil {
			return 0, err
		}
		byCopies[n] = append(byCopies[n], t)
	}
	for n, tombs := range byCopies {
		m := kv.NewReap(e.node.host.Replicas(kv.KindName, p, n), tombs)
		run, cancel := context.WithTimeout(ctx, sliceWithin)
		err = errors.Join(err, e.node.host.Run(run, kv.KindName, m))
		cancel()
		done, mErr := m.Result()
		reaped, err = reaped+done, errors.Join(err, mErr)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.report.Reaped += uint64(reaped)
	return reaped, err
}

// sweep removes the expired objects of a partition's copies.
func (e *entropy) sweep(ctx context.Context, p ring.Partition) error {
	if !e.expires() {
		return nil
	}
	ask := kv.Sweep{Now: time.Now()}
	for more := true; more; more = len(ask.After) > 0 {
		reply, err := e.node.host.Request(ctx, kv.KindName, p, kv.EncodeSweep(ask))
		if err != nil {
			return err
		}
		page, err := ask.DecodeReply(reply)
		if err != nil {
			return err
		}
		e.mu.Lock()
		e.report.Expired += uint64(page.Removed)
		e.mu.Unlock()
		ask.After = page.After
	}
	return nil
}

// expires reports whether the objects of any bucket expire.
func (e *entropy) expires() bool {
	catalog := e.node.catalog()
	for _, t := range catalog.Types() {
		if t.Properties.TTL > 0 || slices.ContainsFunc(catalog.Buckets(t.Name), func(name string) bool {
			p, err := catalog.Lookup(t.Name, name)
			return err == nil && p.TTL > 0
		}) {
			return true
		}
	}
	return false
}
