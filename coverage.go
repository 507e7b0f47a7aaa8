package baton

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// How a listing is read.
const (
	// headsAhead is how many head partitions are read at once. Those ahead of the
	// consumer wait with one page each.
	headsAhead = 4
	// listPageBytes is the size from which on a page ends.
	listPageBytes = 256 << 10
	// sortedItems and sortedBytes bound what a sorted listing holds of all heads
	// together, but for the last entry of each page.
	sortedItems = 64 << 10
	sortedBytes = 8 << 20
	// pageWithin is how long a copy may take for a page before another one is
	// asked in its place.
	pageWithin = 5 * time.Second
)

// Index yields the entries that the query asks for, each once, as kv.IndexQuery
// says, at the consumer's pace. Its strings and objects alias buffers of the
// size of a page: clone what is kept.
//
// What was acknowledged before the call and not changed since is in it, while
// partitions move and nodes fail too. Changes made meanwhile may be in it or
// not. It ends early, with a last pair of a zero entry and an error: a
// *kv.CoverageError when too few copies of a head partition answer (with
// q.Options.Partial after everything else), kv.ErrListings when the node has
// enough to do, kv.ErrContinuation, or an error of the query.
func (c KV) Index(ctx context.Context, q kv.IndexQuery) iter.Seq2[kv.IndexEntry, error] {
	return func(yield func(kv.IndexEntry, error) bool) {
		stopped := false
		err := c.query(ctx, q, q.Limit, func(e listed) bool {
			stopped = !yield(e.IndexEntry, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(kv.IndexEntry{}, err)
		}
	}
}

// IndexPage is one page of an answer.
type IndexPage struct {
	Entries []kv.IndexEntry
	// Continuation goes on behind the page; it is empty at the end.
	Continuation string
	// Missing says, with Options.Partial, what the page lacks; nil if nothing.
	Missing *kv.CoverageError
}

// IndexPage returns the page of q.Limit entries that q.Continuation names. Its
// errors are those of Index.
func (c KV) IndexPage(ctx context.Context, q kv.IndexQuery) (IndexPage, error) {
	if q.Limit == 0 {
		q.Limit = kv.DefaultPageItems
	}
	var page IndexPage
	err := c.query(ctx, q, q.Limit+1, func(e listed) bool {
		if len(page.Entries) < q.Limit {
			page.Entries = append(page.Entries, e.IndexEntry)
			return true
		}
		page.Continuation = e.list.scan.Continuation(e.list.size, kv.Place{Head: uint32(e.head), Position: e.position})
		return false
	})
	if q.Options.Partial && errors.As(err, &page.Missing) {
		err = nil
	}
	return page, err
}

// Keys yields every key of a bucket once, head partition by head partition and
// in order within one. It is as Index.
func (c KV) Keys(ctx context.Context, bucket string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for e, err := range c.Index(ctx, kv.IndexQuery{Bucket: bucket}) {
			if !yield(strings.Clone(e.Key), err) {
				return
			}
		}
	}
}

// Objects yields every object of a bucket once, head partition by head partition
// and in key order within one. It is as Index.
func (c KV) Objects(ctx context.Context, bucket string) iter.Seq2[kv.Object, error] {
	return func(yield func(kv.Object, error) bool) {
		for e, err := range c.Index(ctx, kv.IndexQuery{Bucket: bucket, Values: true}) {
			if !yield(e.Object, err) {
				return
			}
		}
	}
}

// Buckets yields the buckets of a type that hold an object, in order. One whose
// last objects have just been deleted or have expired may be among them. Its
// errors are those of Index.
func (c KV) Buckets(ctx context.Context, bucketType string, o kv.CoverOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		stopped := false
		err := c.buckets(ctx, bucketType, o, func(e listed) bool {
			stopped = !yield(strings.Clone(e.Key), nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield("", err)
		}
	}
}

// query runs an index query and gives its first limit entries to each until
// that returns false.
func (c KV) query(ctx context.Context, q kv.IndexQuery, limit int, each func(listed) bool) error {
	scan, err := q.Scan()
	if err != nil {
		return err
	}
	p, err := c.node.catalog().Lookup(q.Type, q.Bucket)
	if err != nil {
		return fmt.Errorf("list %s/%s: %w", q.Type, q.Bucket, err)
	}
	l := c.newListing(scan, q.Options, limit, []*bucket.Properties{p})
	l.page.TTL, l.page.Now, l.page.Settle = p.TTL, time.Now(), !p.Siblings()
	place, err := scan.Resume(q.Continuation, l.size)
	if err != nil {
		return err
	}
	count := 0
	return l.run(ctx, place, func(e listed) bool {
		count++
		return each(e) && count != limit
	})
}

func (c KV) buckets(ctx context.Context, bucketType string, o kv.CoverOptions, each func(listed) bool) error {
	scan, err := kv.BucketScan(bucketType)
	if err != nil {
		return err
	}
	catalog := c.node.catalog()
	var all []*bucket.Properties
	for _, name := range append(catalog.Buckets(bucketType), "") {
		p, err := catalog.Lookup(bucketType, name)
		if err != nil {
			return fmt.Errorf("list buckets of type %q: %w", bucketType, err)
		}
		all = append(all, p)
	}
	last := ""
	return c.newListing(scan, o, 0, all).run(ctx, kv.Place{}, func(e listed) bool {
		again := e.Key == last // heads have buckets in common
		last = e.Key
		return again || each(e)
	})
}

// listing is one listing or query at work.
type listing struct {
	node   *Node
	scan   *kv.Scan
	size   int // of the ring
	n      int // most copies of any head
	ahead  int
	page   kv.PageOptions
	slots  chan struct{} // one for each page that is being read
	wait   sync.WaitGroup
	mu     sync.Mutex
	silent []ring.NodeID // did not answer in time
	missed kv.CoverageError
}

// listed is an entry and where it stands.
type listed struct {
	kv.IndexEntry
	list     *listing
	head     ring.Partition
	position []byte
}

func (c KV) newListing(scan *kv.Scan, o kv.CoverOptions, limit int, all []*bucket.Properties) *listing {
	l := &listing{node: c.node, scan: scan, size: c.node.View().RingSize(), ahead: headsAhead, slots: make(chan struct{}, headsAhead)}
	l.missed.BucketType, l.missed.Bucket = scan.Bucket()
	l.page = kv.PageOptions{Limit: kv.DefaultPageItems, Bytes: listPageBytes, Partial: o.Partial}
	if scan.Sorted() {
		l.ahead = l.size
		l.page.Limit, l.page.Bytes = min(max(sortedItems/l.size, 16), l.page.Limit), min(max(sortedBytes/l.size, 4<<10), l.page.Bytes)
	}
	if limit > 0 {
		l.page.Limit = min(l.page.Limit, limit)
	}
	for _, p := range all {
		d := kv.DemandOf(p.NVal, p.W.Resolve(p.NVal))
		if o.Copies > 0 {
			d.Copies = min(o.Copies, p.NVal)
		}
		l.n = max(l.n, p.NVal)
		if !slices.Contains(l.page.Demands, d) {
			l.page.Demands = append(l.page.Demands, d)
		}
	}
	return l
}

// run gives the entries from the place on to each until that returns false. All
// goroutines have ended when it returns.
func (l *listing) run(ctx context.Context, from kv.Place, each func(listed) bool) error {
	select {
	case l.node.listings <- struct{}{}:
		defer func() { <-l.node.listings }()
	default:
		return fmt.Errorf("node %s works on %d listings: %w", l.node.self, cap(l.node.listings), kv.ErrListings)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer l.wait.Wait()
	defer cancel()
	walk := l.inOrderOfHeads
	if l.scan.Sorted() {
		walk = l.inOrderOfPositions
	}
	if err := walk(ctx, from, each); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.missed.Heads) > 0 {
		return &l.missed
	}
	return nil
}

// cursor is at an entry of one head partition.
type cursor struct {
	list  *listing
	head  ring.Partition
	pages <-chan headPage
	page  kv.CoverResult
	at    int
}

type headPage struct {
	kv.CoverResult
	err error
}

// open begins to read a head from a position on.
func (l *listing) open(ctx context.Context, head ring.Partition, from []byte) *cursor {
	pages := make(chan headPage)
	l.wait.Go(func() {
		defer close(pages)
		for more := true; more; {
			p := l.read(ctx, head, from)
			select {
			case pages <- p:
			case <-ctx.Done():
				return
			}
			from, more = p.Next, p.More && p.err == nil
		}
	})
	return &cursor{list: l, head: head, pages: pages, at: -1}
}

// next moves to the next entry, and reports whether there is one.
func (c *cursor) next(ctx context.Context) (bool, error) {
	for c.at++; c.at >= c.page.Len(); c.at = 0 {
		select {
		case p, ok := <-c.pages:
			if !ok {
				return false, ctx.Err()
			}
			if p.err != nil {
				return false, p.err
			}
			c.page = p.CoverResult
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return true, nil
}

func (c *cursor) position() []byte { return c.page.Position(c.at) }

// give gives the entry to each and reports whether that wants more.
func (c *cursor) give(each func(listed) bool) (more bool, err error) {
	e, err := c.page.Entry(c.at)
	return err == nil && each(listed{IndexEntry: e, list: c.list, head: c.head, position: c.position()}), err
}

func (l *listing) inOrderOfHeads(ctx context.Context, from kv.Place, each func(listed) bool) error {
	var open []*cursor
	begin, _ := l.scan.Resume("", l.size)
	position := from.Position
	for head := int(from.Head); head < l.size || len(open) > 0; {
		for ; head < l.size && len(open) < l.ahead; head++ {
			open = append(open, l.open(ctx, ring.Partition(head), position))
			position = begin.Position
		}
		c := open[0]
		for {
			ok, err := c.next(ctx)
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if more, err := c.give(each); !more {
				return err
			}
		}
		open = open[1:]
	}
	return nil
}

func (l *listing) inOrderOfPositions(ctx context.Context, from kv.Place, each func(listed) bool) error {
	open := make(cursors, 0, l.size)
	for head := range l.size {
		open = append(open, l.open(ctx, ring.Partition(head), from.Position))
	}
	standing := open[:0]
	for _, c := range open {
		ok, err := c.next(ctx)
		if err != nil {
			return err
		}
		if ok {
			standing = append(standing, c)
		}
	}
	heap.Init(&standing)
	for len(standing) > 0 {
		c := standing[0]
		if more, err := c.give(each); !more {
			return err
		}
		ok, err := c.next(ctx)
		switch {
		case err != nil:
			return err
		case ok:
			heap.Fix(&standing, 0)
		default:
			heap.Pop(&standing)
		}
	}
	return nil
}

// cursors is a heap by the positions of the cursors' entries.
type cursors []*cursor

func (c cursors) Len() int { return len(c) }

func (c cursors) Less(i, j int) bool { return bytes.Compare(c[i].position(), c[j].position()) < 0 }

func (c cursors) Swap(i, j int) { c[i], c[j] = c[j], c[i] }

// Push is for heap.Interface.
func (c *cursors) Push(x any) { *c = append(*c, x.(*cursor)) }

// Pop is for heap.Interface.
func (c *cursors) Pop() any {
	last := len(*c) - 1
	x := (*c)[last]
	(*c)[last] = nil
	*c = (*c)[:last]
	return x
}

// read reads one page of a head. Nodes that do not answer in time are asked last
// from then on. With Partial what is missing is noted and no error.
func (l *listing) read(ctx context.Context, head ring.Partition, from []byte) headPage {
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-ctx.Done():
		return headPage{err: context.Cause(ctx)}
	}
	o := l.page
	for {
		o.Avoid = l.avoid(nil)
		m := kv.NewCoverPage(l.scan, l.node.host.Replicas(kv.KindName, head, l.n), from, o)
		if err := l.try(ctx, m); err != nil {
			return headPage{err: err}
		}
		page, err := m.Result()
		if err != nil && ctx.Err() != nil {
			return headPage{err: fmt.Errorf("%w: %w", context.Cause(ctx), err)}
		}
		if err != nil && len(l.avoid(m.Silent())) > len(o.Avoid) {
			continue // others may answer
		}
		var short *kv.CoverageError
		if l.page.Partial && errors.As(err, &short) {
			l.miss(short)
			err = nil
		}
		return headPage{page, err}
	}
}

// avoid adds nodes that did not answer in time, and returns all of them.
func (l *listing) avoid(silent []ring.NodeID) []ring.NodeID {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, node := range silent {
		if !slices.Contains(l.silent, node) {
			l.silent = append(slices.Clip(l.silent), node)
		}
	}
	return l.silent
}

func (l *listing) try(ctx context.Context, m *kv.CoverPage) error {
	ctx, cancel := context.WithTimeout(ctx, pageWithin)
	defer cancel()
	return l.node.host.Run(ctx, kv.KindName, m)
}

// miss notes that a head was not covered.
func (l *listing) miss(e *kv.CoverageError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range e.Heads {
		if !slices.ContainsFunc(l.missed.Heads, func(known kv.HeadShortage) bool { return known.Head == h.Head }) {
			l.missed.Heads = append(l.missed.Heads, h)
		}
	}
}
