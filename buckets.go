package baton

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv/bucket"
)

// Buckets is a client of the properties of buckets and of the bucket types,
// which are part of the replicated record. A change is in force at this node
// when the call returns, and at the others as soon as they have applied the
// record. Its errors wrap those of package bucket, *HookError for a hook that is
// not registered, and those of package cluster when nothing could be agreed.
// Safe for concurrent use.
type Buckets struct{ node *Node }

// Buckets returns a client that proposes through this node.
func (n *Node) Buckets() Buckets { return Buckets{n} }

// Properties returns what is said about a bucket; the empty type is "default".
// The error is bucket.ErrNoType, bucket.ErrNotActive or bucket.ErrEntry.
func (b Buckets) Properties(bucketType, name string) (bucket.Properties, error) {
	p, err := b.node.catalog().Lookup(bucketType, name)
	if err != nil {
		return bucket.Properties{}, err
	}
	return *p, nil
}

// SetProperties makes changes to a bucket and returns what is said about it
// then. Changes of different properties by several callers all take effect.
func (b Buckets) SetProperties(ctx context.Context, bucketType, name string, c bucket.Changes) (bucket.Properties, error) {
	if err := b.node.registered(c); err != nil {
		return bucket.Properties{}, fmt.Errorf("set properties of bucket %q: %w", name, err)
	}
	old, _ := b.node.catalog().Lookup(bucketType, name)
	err := b.node.change(ctx, "set properties", func(s topology.State) ([]topology.Op, error) {
		return bucket.Set(s, bucketType, name, c)
	})
	if err != nil {
		return bucket.Properties{}, err
	}
	p, err := b.Properties(bucketType, name)
	if old != nil && err == nil {
		b.warn(p.Warnings(old), "type", bucketType, "bucket", name)
	}
	return p, err
}

// Reset takes back all that was said about a bucket beside its type.
func (b Buckets) Reset(ctx context.Context, bucketType, name string) error {
	return b.node.change(ctx, "reset properties", func(s topology.State) ([]topology.Op, error) {
		return bucket.Reset(s, bucketType, name), nil
	})
}

// Names returns the buckets of a type that have properties of their own, in
// order.
func (b Buckets) Names(bucketType string) []string { return b.node.catalog().Buckets(bucketType) }

// CreateType creates a bucket type, which can be used when it is activated. A
// type that was created and not activated is created anew.
func (b Buckets) CreateType(ctx context.Context, name string, c bucket.Changes) error {
	if err := b.node.registered(c); err != nil {
		return fmt.Errorf("create bucket type %q: %w", name, err)
	}
	return b.node.change(ctx, "create bucket type", func(s topology.State) ([]topology.Op, error) {
		return bucket.Create(s, name, c)
	})
}

// ActivateType makes a created type one that can be used; an active one stays
// as it is.
func (b Buckets) ActivateType(ctx context.Context, name string) error {
	return b.node.change(ctx, "activate bucket type", func(s topology.State) ([]topology.Op, error) {
		return bucket.Activate(s, name)
	})
}

// UpdateType makes changes to an active type. They reach each of its buckets
// that does not say otherwise.
func (b Buckets) UpdateType(ctx context.Context, name string, c bucket.Changes) error {
	if err := b.node.registered(c); err != nil {
		return fmt.Errorf("update bucket type %q: %w", name, err)
	}
	old, _ := b.Type(name)
	err := b.node.change(ctx, "update bucket type", func(s topology.State) ([]topology.Op, error) {
		return bucket.Update(s, name, c)
	})
	if t, tErr := b.Type(name); err == nil && tErr == nil {
		b.warn(t.Properties.Warnings(&old.Properties), "type", name)
	}
	return err
}

// Types returns all bucket types in the order of their names.
func (b Buckets) Types() []bucket.Type { return b.node.catalog().Types() }

// Type returns one bucket type, active or not; or bucket.ErrNoType.
func (b Buckets) Type(name string) (bucket.Type, error) { return b.node.catalog().Type(name) }

func (b Buckets) warn(warnings []string, about ...any) {
	for _, w := range warnings {
		b.node.opts.Logger.With(about...).Warn("bucket properties changed", "note", w)
	}
}

// registered refuses changes that name hooks which this node does not have.
func (n *Node) registered(c bucket.Changes) error {
	pre, post, err := c.Hooks()
	if err != nil {
		return err
	}
	return n.opts.Hooks.check(pre, post)
}

// change proposes what decide makes of the record of now. It decides again when
// somebody else was faster; each time, somebody's change was made.
func (n *Node) change(ctx context.Context, what string, decide func(topology.State) ([]topology.Op, error)) error {
	for {
		state, err := n.read(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		ops, err := decide(state)
		if err != nil {
			return err
		}
		version := state.Version()
		for _, op := range ops {
			out, opErr := n.ask(ctx, op)
			version, err = max(version, out.Version), errors.Join(err, opErr)
		}
		switch {
		case err == nil:
			return n.viewed(ctx, what, version)
		case !errors.Is(err, topology.ErrMetadataChanged):
			return fmt.Errorf("%s: %w", what, err)
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
	}
}

// prepareTypes makes the bucket types that the options want and that the record
// does not have.
func (n *Node) prepareTypes(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(n.opts.BucketTypes)) {
		err := n.change(ctx, "bucket type", func(s topology.State) ([]topology.Op, error) {
			return bucket.Ensure(s, name, n.opts.BucketTypes[name])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// catalogs is the newest catalog of a node, made anew when the record's metadata
// is another one.
type catalogs struct{ newest atomic.Pointer[versioned] }

// versioned is a catalog of one version of the metadata.
type versioned struct {
	version uint64
	catalog *bucket.Catalog
}

// of returns the catalog of a record. Records that are older than the newest one
// are answered with what is newest.
func (c *catalogs) of(s topology.State) *bucket.Catalog {
	version := s.MetadataVersion()
	for {
		old := c.newest.Load()
		if old != nil && old.version >= version {
			return old.catalog
		}
		next := &versioned{version: version}
		if old != nil {
			next.catalog = old.catalog.Next(s.MetadataWith(bucket.Prefix))
		} else {
			next.catalog = bucket.FromRecord(s)
		}
		if c.newest.CompareAndSwap(old, next) {
			return next.catalog
		}
	}
}

// catalog returns the bucket types and properties of the record as this node has
// applied it. The node must have been admitted.
func (n *Node) catalog() *bucket.Catalog {
	if r := n.up.Load(); r != nil && r.host != nil {
		return n.catalogs.of(r.host.View().State)
	}
	return n.catalogs.newest.Load().catalog
}
