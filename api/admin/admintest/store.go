package admintest

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/kv"
)

// Store keeps objects in memory, one copy of each. Every write without the
// newest context leaves a sibling. It is safe for concurrent use.
type Store struct {
	Catalog
	Care
	mu      sync.Mutex
	objects map[admin.Name]*versions
	err     error
	read    kv.ReadOptions
	written kv.WriteOptions
}

// Read and Written return the options of the last read and of the last write.
func (s *Store) Read() kv.ReadOptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read
}

// Written: see Read.
func (s *Store) Written() kv.WriteOptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written
}

type versions struct {
	count    uint64 // writes so far
	contents []kv.Content
}

var _ admin.Store = (*Store)(nil)

// NewStore returns an empty store of a node, in whose record bucket types are.
func NewStore(n *Node) *Store {
	return &Store{Catalog: Catalog{n}, Care: Care{n}, objects: map[admin.Name]*versions{}}
}

// Fail makes every request fail with err from now on, or none with nil.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Len returns how many objects there are.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.objects)
}

// MustPut writes an object that must be accepted.
func (s *Store) MustPut(o kv.Object) {
	if _, err := s.Put(context.Background(), admin.PutRequest{Object: o}); err != nil {
		panic(err)
	}
}

// context stands for the first n writes; it decodes as one of package kv.
func contextOf(n uint64) kv.Context {
	return kv.Context(kv.AppendContext(nil, kv.Clock{{Actor: "t", N: n}}))
}

func (s *Store) name(n admin.Name) admin.Name {
	if n.Type == "" {
		n.Type = kv.DefaultType
	}
	return n
}

func (s *Store) get(n admin.Name) (kv.Object, *versions, error) {
	if s.err != nil {
		return kv.Object{}, nil, s.err
	}
	v := s.objects[s.name(n)]
	if v == nil || len(v.contents) == 0 {
		return kv.Object{}, v, fmt.Errorf("get %v: %w", n, kv.ErrNotFound)
	}
	o := kv.Object{Type: n.Type, Bucket: n.Bucket, Key: n.Key, Context: contextOf(v.count)}
	c := v.contents[0]
	o.Value, o.ContentType, o.Encoding, o.Charset = c.Value, c.ContentType, c.Encoding, c.Charset
	o.Meta, o.Links, o.Indexes, o.Modified = c.Meta, c.Links, c.Indexes, c.Modified
	if len(v.contents) > 1 {
		o.Siblings = slices.Clone(v.contents)
	}
	return o, v, nil
}

// Get implements admin.Store.
func (s *Store) Get(_ context.Context, r admin.GetRequest) (kv.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = r.Options
	o, _, err := s.get(r.Name)
	return o, err
}

// Put implements admin.Store.
func (s *Store) Put(_ context.Context, r admin.PutRequest) (kv.Written, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = r.Options
	if s.err != nil {
		return kv.Written{}, s.err
	}
	n := s.name(admin.Name{Type: r.Object.Type, Bucket: r.Object.Bucket, Key: r.Object.Key})
	now, v, _ := s.get(n)
	switch live := now.Context != ""; {
	case r.IfNoneMatch && live:
		return kv.Written{}, kv.ErrExists
	case (r.IfMatch != "" || r.IfNotModified) && !live:
		return kv.Written{}, kv.ErrNotFound
	case r.IfMatch != "" && r.IfMatch != now.ETag(), r.IfNotModified && r.Object.Context != now.Context:
		return kv.Written{}, kv.ErrModified
	}
	if v == nil {
		v = &versions{}
		s.objects[n] = v
	}
	if r.Object.Context == contextOf(v.count) {
		v.contents = nil
	}
	v.count++
	if !r.KeepModified {
		r.Object.Modified = time.UnixMilli(int64(v.count)).UTC()
	}
	v.contents = slices.Insert(v.contents, 0, r.Object.Contents()[0])
	w := kv.Written{Siblings: len(v.contents)}
	if w.Siblings == 1 {
		w.Context = contextOf(v.count)
	}
	return w, nil
}

// Delete implements admin.Store.
func (s *Store) Delete(_ context.Context, r admin.DeleteRequest) (kv.Deleted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = r.Options
	now, v, err := s.get(r.Name)
	if s.err != nil {
		return kv.Deleted{}, err
	}
	if err != nil {
		return kv.Deleted{}, nil
	}
	if r.Context == "" || r.Context == now.Context {
		v.contents = nil
	}
	return kv.Deleted{Existed: true, Siblings: len(v.contents)}, nil
}

// List implements admin.Store: in key order.
func (s *Store) List(_ context.Context, r admin.ListRequest) iter.Seq2[kv.Object, error] {
	return func(yield func(kv.Object, error) bool) {
		s.mu.Lock()
		names := slices.SortedFunc(maps.Keys(s.objects), func(a, b admin.Name) int { return strings.Compare(a.Key, b.Key) })
		err := s.err
		s.mu.Unlock()
		if err != nil {
			yield(kv.Object{}, err)
			return
		}
		of := s.name(admin.Name{Type: r.Type, Bucket: r.Bucket})
		for _, n := range names {
			if n.Type != of.Type || n.Bucket != of.Bucket {
				continue
			}
			o, err := s.Get(context.Background(), admin.GetRequest{Name: n})
			if err == nil && !yield(o, nil) {
				return
			}
		}
	}
}

// Buckets implements admin.Store: in order.
func (s *Store) Buckets(_ context.Context, bucketType string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s.mu.Lock()
		seen := map[string]bool{}
		for n := range s.objects {
			if n.Type == bucketType {
				seen[n.Bucket] = true
			}
		}
		err := s.err
		s.mu.Unlock()
		for _, b := range slices.Sorted(maps.Keys(seen)) {
			if !yield(b, nil) {
				return
			}
		}
		if err != nil {
			yield("", err)
		}
	}
}

// entries are what an index query finds by scanning all objects, in order.
func (s *Store) entries(q kv.IndexQuery) ([]kv.IndexEntry, error) {
	if _, err := q.Scan(); err != nil {
		return nil, err
	}
	var out []kv.IndexEntry
	for o, err := range s.List(context.Background(), admin.ListRequest{Type: q.Type, Bucket: q.Bucket}) {
		if err != nil {
			return nil, err
		}
		var indexes []kv.Index
		for _, c := range o.Contents() {
			indexes = append(indexes, c.Indexes...)
		}
		for _, i := range indexes {
			term := i.Bin
			if i.Kind == kv.IntIndex {
				term = fmt.Sprint(i.Int)
			}
			if i.FullName() == q.Index && term >= q.From && (q.To == "" || term <= q.To) && (!q.Exact || term == q.From) {
				out = append(out, kv.IndexEntry{Term: term, Key: o.Key})
			}
		}
		if q.Index == kv.KeyIndex && o.Key >= q.From && (q.To == "" || o.Key <= q.To) {
			out = append(out, kv.IndexEntry{Term: o.Key, Key: o.Key})
		}
	}
	return out, nil
}

// Index implements admin.Store; terms of numbers compare as text.
func (s *Store) Index(_ context.Context, q kv.IndexQuery) iter.Seq2[kv.IndexEntry, error] {
	return func(yield func(kv.IndexEntry, error) bool) {
		all, err := s.entries(q)
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(kv.IndexEntry{}, err)
		}
	}
}

// IndexPage implements admin.Store; a continuation is a number of entries.
func (s *Store) IndexPage(_ context.Context, q kv.IndexQuery) ([]kv.IndexEntry, string, error) {
	from := 0
	if q.Continuation != "" {
		if _, err := fmt.Sscan(q.Continuation, &from); err != nil {
			return nil, "", kv.ErrContinuation
		}
		q.Continuation = ""
	}
	all, err := s.entries(q)
	if err != nil {
		return nil, "", err
	}
	all = all[min(from, len(all)):]
	if len(all) <= q.Limit {
		return all, "", nil
	}
	return all[:q.Limit], fmt.Sprint(from + q.Limit), nil
}
