package baton

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/messages"
)

// How the copies of a head are compared before a job reads one of them.
const (
	// foldsAtOnce is how many heads a node compares at once.
	foldsAtOnce = 8
	// foldSlice is how long a copy may take for a slice of the exchange before
	// another copy is asked.
	foldSlice = 5 * time.Second
	foldRetry = 100 * time.Millisecond
)

// beforeFold makes the partition's copy of what has its head there hold every
// write that was acknowledged before: it takes over what it lacks of as many
// copies as have one in common with each quorum of writes. Copies that lack
// acknowledged data do not count, nor do those of which a fallback keeps a share.
func (e *entropy) beforeFold(ctx context.Context, kind topology.Kind, p ring.Partition, query []byte) error {
	if kind != kv.KindName {
		return nil
	}
	bucketType, bucket, err := kv.DecodeBucketQuery(query)
	if err != nil {
		return fmt.Errorf("%w: %w", messages.ErrInvalid, err)
	}
	if _, err := e.node.catalog().Lookup(bucketType, bucket); err != nil {
		return fmt.Errorf("%w: %w", messages.ErrInvalid, err)
	}
	g := gathering{entropy: e, bucketType: bucketType, bucket: bucket, head: p}
	if err := g.run(ctx); err != nil {
		return fmt.Errorf("%w: %v", messages.ErrFewCopies, err) // its code, not that of a cause
	}
	return nil
}

// gathering brings what one head's copies have together at the first of them.
type gathering struct {
	*entropy
	bucketType, bucket string
	head               ring.Partition

	met []ring.Partition // copies whose acknowledged writes are all at the head now
}

// run looks at the copies until enough have been met. It waits for what lacks
// data that is on its way to it, and for what does not answer: on a busy machine
// a node seems to be down before it is.
func (g *gathering) run(ctx context.Context) error {
	err := g.look(ctx)
	patience := time.NewTimer(g.opts.Patience)
	defer patience.Stop()
	retry := time.NewTicker(foldRetry)
	defer retry.Stop()
	for late := false; err != nil && !late; err = g.look(ctx) {
		select {
		case <-retry.C:
		case <-patience.C:
			late = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return err
}

// look compares copies that count and were not met, until there are enough.
func (g *gathering) look(ctx context.Context) error {
	select {
	case g.folds <- struct{}{}:
		defer func() { <-g.folds }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	up := g.node.up.Load()
	if up == nil || up.host == nil {
		return fmt.Errorf("node %s has not started yet", g.node.self)
	}
	view, catalog := up.host.View(), g.node.catalog()
	properties, err := catalog.Lookup(g.bucketType, g.bucket)
	if err != nil {
		return err
	}
	n := min(properties.NVal, view.RingSize())
	wanted := kv.DemandOf(n, max(properties.W.Resolve(n), properties.DW.Resolve(n))).Copies
	var causes []string
	for i := 0; i < n && len(g.met) < wanted; i++ {
		p := g.head.Next(i, view.RingSize())
		if slices.Contains(g.met, p) {
			continue
		}
		err := g.meet(ctx, view, EntropyExchange{Head: g.head, Copies: n, With: p}, kv.CopiesSignature(catalog))
		if err == nil {
			g.met = append(g.met, p)
			continue
		}
		owner, _ := view.Owner(kv.KindName, p)
		causes = append(causes, fmt.Sprintf("partition %d on %s: %v", p, owner, err))
	}
	if len(g.met) >= wanted {
		return nil
	}
	return fmt.Errorf("head %d, %d of %d copies count (%s): start the nodes that are down, or wait for repairs",
		g.head, len(g.met), wanted, strings.Join(causes, "; "))
}

// meet takes over what a copy has and the head's own lacks. It fails with
// kv.ErrIncomplete when the copy does not hold all that it should.
func (g *gathering) meet(ctx context.Context, view *actors.View, x EntropyExchange, copies uint64) error {
	switch {
	case view.Part(kv.KindName, x.With).Incomplete:
		return kv.ErrIncomplete
	case len(view.Hints(kv.KindName, x.With)) > 0:
		return fmt.Errorf("a fallback keeps a share of its writes: %w", kv.ErrIncomplete)
	case x.With == g.head:
		return nil
	}
	x, err := g.exchange(ctx, g.head, x, copies, foldSlice, 0)
	if err == nil && x.Result.Incomplete[1] {
		return kv.ErrIncomplete
	}
	return err
}
