package baton

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
)

// EntropyOptions say how a node compares its copies with those of others and
// repairs what differs. The zero value of a field means its default.
type EntropyOptions struct {
	// Interval is the pause between two rounds over the node's partitions;
	// default 1 min. Negative: no rounds; copies that lack acknowledged data are
	// repaired all the same.
	Interval time.Duration
	// Rate bounds what the node's exchanges receive and send, in bytes per
	// second; default 16 MiB/s. Repairs that were asked for are bounded too.
	Rate int
	// Concurrency is how many partitions are compared at once; default 2.
	Concurrency int
	// Grace is the least time between two grace periods while tombstones wait to
	// be removed; default 5 s. A tombstone is kept for three of them.
	Grace time.Duration
	// Patience is how long a job waits for what it can't do without before it
	// fails: the record, and copies that do not answer or are being repaired;
	// default 30 s.
	Patience time.Duration
}

// Defaults of EntropyOptions.
const (
	DefaultEntropyInterval    = time.Minute
	DefaultEntropyRate        = 16 << 20
	DefaultEntropyConcurrency = 2
	DefaultEntropyGrace       = 5 * time.Second
	DefaultEntropyPatience    = 30 * time.Second
)

func (o EntropyOptions) withDefaults() EntropyOptions {
	if o.Interval == 0 {
		o.Interval = DefaultEntropyInterval
	}
	if o.Rate <= 0 {
		o.Rate = DefaultEntropyRate
	}
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultEntropyConcurrency
	}
	if o.Grace <= 0 {
		o.Grace = DefaultEntropyGrace
	}
	if o.Patience <= 0 {
		o.Patience = DefaultEntropyPatience
	}
	return o
}

// EntropyReport says how far a node's copies are compared with the others.
type EntropyReport struct {
	// Node is who reports.
	Node string
	// Rounds counts the rounds over all partitions, the last of which ended at
	// LastRound; it is zero before the first one has.
	Rounds    uint64
	LastRound time.Time
	// Exchanges counts those that came to their end, Failed the others.
	Exchanges, Failed uint64
	// Repaired counts the states that copies took over, Bytes what passed.
	Repaired, Bytes uint64
	// Reaped counts the tombstones that were removed, Expired the objects.
	Reaped, Expired uint64
	// Partitions are those that the node owns, in order.
	Partitions []PartitionEntropy
}

// PartitionEntropy is one partition of an EntropyReport.
type PartitionEntropy struct {
	Partition ring.Partition
	// Keys is the number of keys of the largest head in the latest exchanges.
	Keys uint64
	// IncompleteSince is the version of the record since which the copy lacks
	// data that was acknowledged, 0 if it does not.
	IncompleteSince uint64
	// Last are the latest exchanges with each other copy of each head.
	Last []EntropyExchange
	// Running is the exchange under way, nil if there is none.
	Running *EntropyExchange
	// Waiting counts the tombstones of the partition's own keys that are not old
	// enough to be removed.
	Waiting int
}

// EntropyExchange is an exchange between a partition of the node and another one.
type EntropyExchange struct {
	// Head is the partition that the keys hash to, Copies how many copies they
	// have.
	Head   ring.Partition
	Copies int
	// With is the partition that was compared with, on Node.
	With ring.Partition
	Node ring.NodeID
	// Began and Ended say when; Ended is zero while it runs.
	Began, Ended time.Time
	// Result is what was found and done; of pairs, this node's partition is first.
	Result kv.Exchanged
	// Err is why it ended early, empty if it did not.
	Err string
}

// RepairReport says what a repair has found and done.
type RepairReport struct {
	Partition ring.Partition
	// Exchanges are those with every other copy of every head.
	Exchanges []EntropyExchange
	// Single says that there are buckets whose keys have one copy: what the
	// partition has lost of them can't be brought back.
	Single bool
}

// entropy keeps the node's copies equal to those of others.
type entropy struct {
	node  *Node
	opts  EntropyOptions
	pace  pace
	folds chan struct{} // one for each head that a job's fold compares

	mu     sync.Mutex
	report EntropyReport
	parts  map[ring.Partition]*PartitionEntropy
	busy   map[ring.Partition]chan struct{} // being compared: closed when that has ended

	grace   uint64    // the period of the record
	graceAt time.Time // since when, as seen here
}

func newEntropy(n *Node, o EntropyOptions) *entropy {
	return &entropy{
		node: n, opts: o, pace: pace{rate: float64(o.Rate)}, report: EntropyReport{Node: n.opts.Name},
		parts: make(map[ring.Partition]*PartitionEntropy), busy: make(map[ring.Partition]chan struct{}),
		folds: make(chan struct{}, foldsAtOnce),
	}
}

// AntiEntropy reports how far the node's copies are compared with the others.
func (n *Node) AntiEntropy() EntropyReport {
	e := n.entropy
	view := n.View()
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.report
	for _, p := range n.owned(view) {
		part := PartitionEntropy{Partition: p}
		if known := e.parts[p]; known != nil {
			part = *known
			part.Last = slices.Clone(known.Last)
			if known.Running != nil {
				running := *known.Running
				part.Running = &running
			}
		}
		part.IncompleteSince = view.Part(kv.KindName, p).Since
		r.Partitions = append(r.Partitions, part)
	}
	return r
}

// owned returns the partitions of objects that this node owns.
func (n *Node) owned(view *actors.View) (all []ring.Partition) {
	for p := range view.RingSize() {
		if owner, _ := view.Owner(kv.KindName, ring.Partition(p)); owner == n.self {
			all = append(all, ring.Partition(p))
		}
	}
	return all
}

// Pauses of the loop.
const (
	entropyRetry = time.Second      // before what could not be repaired is tried again
	sliceWithin  = 20 * time.Second // for one slice of an exchange
	sliceBytes   = 1 << 20
	maxTries     = 5 // of slices in a row that other nodes made fail
)

// start begins what goes on until the node stops: what is incomplete is repaired
// at once, everything is compared in rounds, and tombstones are removed.
func (e *entropy) start() {
	n := e.node
	n.task(e.watch)
	n.task(func() { every(n.ctx, e.opts.Grace, e.reap) })
	if e.opts.Interval > 0 {
		n.task(func() { every(n.ctx, e.opts.Interval, e.round) })
	}
}

// every calls f in intervals, one call at a time.
func every(ctx context.Context, d time.Duration, f func(context.Context)) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			f(ctx)
		}
	}
}

// watch repairs the copies that lack acknowledged data by the record. What can't
// be repaired is tried again on every change of the record, and after a pause.
func (e *entropy) watch() {
	ctx := e.node.ctx
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		view := e.node.View()
		incomplete := slices.DeleteFunc(e.node.owned(view), func(p ring.Partition) bool { return !view.Part(kv.KindName, p).Incomplete })
		if len(incomplete) > 0 {
			e.each(ctx, incomplete, e.makeWhole)
			retry.Reset(entropyRetry)
		}
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
		case <-view.Changed():
		}
	}
}

// round compares all partitions of the node with those behind them, whose owners
// do not have to; and sweeps.
func (e *entropy) round(ctx context.Context) {
	view := e.node.View()
	e.each(ctx, e.node.owned(view), func(ctx context.Context, p ring.Partition) error {
		if e.node.View().Part(kv.KindName, p).Transfer != nil {
			return nil
		}
		_, err := e.partition(ctx, p, false)
		return errors.Join(err, e.sweep(ctx, p), e.save(ctx, p))
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	e.report.Rounds++
	e.report.LastRound = time.Now()
}

// each runs f for the partitions, a few at once.
func (e *entropy) each(ctx context.Context, all []ring.Partition, f func(context.Context, ring.Partition) error) {
	var wg sync.WaitGroup
	free := make(chan struct{}, e.opts.Concurrency)
	for _, p := range all {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			wg.Wait()
			return
		}
		wg.Go(func() {
			if err := f(ctx, p); err != nil && ctx.Err() == nil && !errors.Is(err, topology.ErrTransferInProgress) {
				e.node.opts.Logger.Info("copies not compared", "partition", p, "err", err)
			}
			<-free
		})
	}
	wg.Wait()
}

// partition compares one partition with the other copies of all heads that it
// keeps: with each of them, or only with those whose owners do not do it.
func (e *entropy) partition(ctx context.Context, p ring.Partition, all bool) (done []EntropyExchange, err error) {
	release, err := e.claim(ctx, p)
	if err != nil {
		return nil, err
	}
	defer release()
	return e.compare(ctx, p, all, 0)
}

// compare is partition by whoever has claimed it; what the partition lacks is
// brought to it under a session, if there is one.
func (e *entropy) compare(ctx context.Context, p ring.Partition, all bool, session uint64) (done []EntropyExchange, err error) {
	catalog, size := e.node.catalog(), e.node.View().RingSize()
	copies := kv.CopiesSignature(catalog)
	var errs []error
	for _, n := range kv.CopyCounts(catalog) {
		n = min(n, size)
		for back := range n {
			head := p.Next(size-back, size)
			for i := range n {
				with := head.Next(i, size)
				if with == p || !all && with < p {
					continue
				}
				x, err := e.exchange(ctx, p, EntropyExchange{Head: head, Copies: n, With: with}, copies, sliceWithin, session)
				done = append(done, x)
				if err != nil {
					errs = append(errs, fmt.Errorf("head %d with partition %d of %s: %w", head, with, x.Node, err))
				}
				if ctx.Err() != nil {
					return done, ctx.Err()
				}
			}
		}
	}
	return done, errors.Join(errs...)
}

// claim waits until no other exchange of the partition runs.
func (e *entropy) claim(ctx context.Context, p ring.Partition) (release func(), err error) {
	for {
		e.mu.Lock()
		wait := e.busy[p]
		if wait == nil {
			mine := make(chan struct{})
			e.busy[p] = mine
			e.mu.Unlock()
			return func() {
				e.mu.Lock()
				defer e.mu.Unlock()
				delete(e.busy, p)
				close(mine)
			}, nil
		}
		e.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// exchange compares a partition with another one, in slices that follow the
// record, keep to the rate and may take so long each. The error is that of x.Err.
func (e *entropy) exchange(ctx context.Context, p ring.Partition, x EntropyExchange, copies uint64, within time.Duration, session uint64) (EntropyExchange, error) {
	x.Began = time.Now()
	m := kv.NewExchange(x.Head, x.Copies, p, x.With, copies)
	m.Under(session)
	var err error
	for tries := 0; m.More() && err == nil; {
		set := e.node.host.Replicas(kv.KindName, x.Head, x.Copies)
		for _, c := range set.Copies {
			if c.Partition == x.With {
				x.Node = c.Node
			}
			if (c.Partition == x.With || c.Partition == p) && !c.Up {
				err = fmt.Errorf("%s does not seem to answer", c.Node)
			}
		}
		if err != nil {
			break
		}
		before := m.Result().Bytes
		m.Slice(set, uint64(time.Now().UnixMilli()), sliceBytes)
		e.note(p, x, false)
		err = e.slice(ctx, m, within)
		x.Result = m.Result()
		switch tries++; {
		case err == nil:
			tries = 0
			err = e.pace.wait(ctx, x.Result.Bytes-before)
		case tries < maxTries && (errors.Is(err, kv.ErrStaleGrace) || errors.Is(err, kv.ErrOtherCopies)):
			err = e.pace.wait(ctx, uint64(e.opts.Rate/10)) // the record is on its way
		}
	}
	if err != nil {
		x.Err = err.Error()
	}
	x.Ended = time.Now()
	e.note(p, x, true)
	return x, err
}

func (e *entropy) slice(ctx context.Context, m *kv.Exchange, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := e.node.host.Run(ctx, kv.KindName, m); err != nil {
		return err
	}
	return m.Err()
}

// note keeps an exchange for the report.
func (e *entropy) note(p ring.Partition, x EntropyExchange, ended bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	part := e.part(p)
	if !ended {
		part.Running = &x
		return
	}
	part.Running = nil
	i := slices.IndexFunc(part.Last, func(l EntropyExchange) bool { return l.Head == x.Head && l.Copies == x.Copies && l.With == x.With })
	if i < 0 {
		part.Last = append(part.Last, x)
	} else {
		part.Last[i] = x
	}
	part.Keys = 0
	for i := range part.Last {
		part.Keys = max(part.Keys, part.Last[i].Result.Keys)
	}
	e.report.Bytes += x.Result.Bytes
	e.report.Repaired += x.Result.Repaired[0] + x.Result.Repaired[1]
	if x.Err == "" {
		e.report.Exchanges++
	} else {
		e.report.Failed++
	}
}

func (e *entropy) part(p ring.Partition) *PartitionEntropy {
	part := e.parts[p]
	if part == nil {
		part = &PartitionEntropy{Partition: p}
		e.parts[p] = part
	}
	return part
}

// save makes a vnode store its hash trees.
func (e *entropy) save(ctx context.Context, p ring.Partition) error {
	for {
		reply, err := e.node.host.Request(ctx, kv.KindName, p, kv.EncodeSaveTrees())
		if err != nil {
			return err
		}
		if more, err := kv.DecodeSaveTrees(reply); err != nil || !more {
			return err
		}
	}
}

// saveWithin is how long a node that stops takes to store its hash trees; what is
// not stored is counted anew.
const saveWithin = 2 * time.Second

// saveAll makes all vnodes of the node store their hash trees before it stops.
func (e *entropy) saveAll(ctx context.Context) {
	n := e.node
	if n.host == nil || n.opts.Engine == EngineMemory {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, saveWithin)
	defer cancel()
	for _, p := range n.owned(n.View()) {
		if err := e.save(ctx, p); err != nil {
			n.opts.Logger.Info("hash trees not stored", "partition", p, "err", err)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// pace bounds how many bytes pass in a second.
type pace struct {
	rate float64

	mu   sync.Mutex
	free time.Time // when what passed so far is paid for
}

// wait returns when so many more bytes are paid for.
func (p *pace) wait(ctx context.Context, n uint64) error {
	p.mu.Lock()
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	pause := p.free.Sub(now)
	p.mu.Unlock()
	if pause < 10*time.Millisecond { // not worth a timer
		return ctx.Err()
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
