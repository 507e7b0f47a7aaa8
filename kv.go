package baton

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/replica"
)

// KV is a client of the cluster's objects. Safe for concurrent use.
type KV struct{ node *Node }

// KV returns a client that sends through this node.
func (n *Node) KV() KV { return KV{n} }

// Put stores the value of an object. With the Context of an object that was
// read it takes the place of what was read; without one it takes the place of
// nothing, and stands beside a value that is there as its sibling. The
// object's Modified is set to the present time.
func (c KV) Put(ctx context.Context, o kv.Object) error {
	_, err := c.Write(ctx, kv.Put{Object: o})
	return err
}

// Write is Put with conditions and options, and says what became of the object.
//
// It returns when as many copies have acknowledged as the bucket's properties
// ask for, or the options of r. An error that is kv.ErrUnknown, and
// ErrUnknownOutcome, means that the write may stay; any other error means that nothing was written: kv.ErrNotDone
// if too few copies could take part, a *HookError, those of the conditions and
// limits of package kv, of the bucket's properties, or of ctx. A request goes on
// until ctx ends: give it a deadline.
func (c KV) Write(ctx context.Context, r kv.Put) (kv.Written, error) {
	o := &r.Object
	p, err := c.node.catalog().Lookup(o.Type, o.Bucket)
	if err != nil {
		return kv.Written{}, named("put", o.Bucket, o.Key, err)
	}
	if err := c.node.opts.Hooks.before(ctx, p, o); err != nil {
		return kv.Written{}, named("put", o.Bucket, o.Key, err)
	}
	if now := time.Now(); !r.KeepModified || o.Modified.IsZero() || o.Modified.After(now) {
		o.Modified = now
	}
	m, alone, err := c.write(ctx, p, o.Type, o.Bucket, o.Key, func(set replica.Set) (*kv.Write, error) {
		m, ok := c.node.writes.Get().(*kv.Write)
		if !ok {
			m = new(kv.Write)
		}
		return m, m.Put(set, &r, p)
	})
	if err != nil {
		return kv.Written{}, err
	}
	w, err := m.Written()
	if alone {
		c.node.writes.Put(m)
	}
	err = asUnknown(err)
	if err == nil && len(p.Postcommit) > 0 {
		c.node.opts.Hooks.after(ctx, p, *o, c.node.opts.Logger)
	}
	return w, err
}

// write runs a machine of a put or a delete. One that was refused since its
// states were read too many grace periods ago, by a node whose record is behind,
// is made anew: nothing was written. alone says that nobody else has the machine.
func (c KV) write(ctx context.Context, p *bucket.Properties, bucketType, bucketName, key string, machine func(replica.Set) (*kv.Write, error)) (m *kv.Write, alone bool, err error) {
	for {
		m, err := machine(c.copies(p, bucketType, bucketName, key))
		if err != nil {
			return nil, false, err
		}
		alone, err := c.node.host.RunAlone(ctx, kv.KindName, m)
		if err != nil {
			return nil, false, named("write", bucketName, key, err)
		}
		if _, err := m.Written(); err == nil || !errors.Is(err, kv.ErrNotDone) || !errors.Is(err, kv.ErrStaleGrace) || ctx.Err() != nil {
			return m, alone, nil
		}
	}
}

// copies returns where the copies of a key are.
func (c KV) copies(p *bucket.Properties, bucketType, bucketName, key string) replica.Set {
	head := kv.Head(p, bucketType, bucketName, key, c.node.View().RingSize())
	return c.node.host.Replicas(kv.KindName, head, p.NVal)
}

// Get returns an object with all its siblings, or kv.ErrNotFound.
func (c KV) Get(ctx context.Context, bucket, key string) (kv.Object, error) {
	return c.Read(ctx, kv.Get{Bucket: bucket, Key: key})
}

// Read is Get for any bucket type and with options. It returns what as many
// copies hold as the bucket's properties or the options ask for; copies that are
// behind are repaired. It fails with kv.ErrNotDone if too few copies answered.
func (c KV) Read(ctx context.Context, r kv.Get) (kv.Object, error) {
	p, err := c.node.catalog().Lookup(r.Type, r.Bucket)
	if err != nil {
		return kv.Object{}, named("get", r.Bucket, r.Key, err)
	}
	m, ok := c.node.reads.Get().(*kv.Read)
	if !ok {
		m = new(kv.Read)
	}
	if err := m.Get(c.copies(p, r.Type, r.Bucket, r.Key), &r, p, time.Now()); err != nil {
		return kv.Object{}, err
	}
	alone, err := c.node.host.RunAlone(ctx, kv.KindName, m)
	if err != nil {
		return kv.Object{}, named("get", r.Bucket, r.Key, err)
	}
	o, err := m.Object()
	if alone {
		c.node.reads.Put(m)
	}
	return o, err
}

// Delete removes an object with all its siblings and reports whether there was
// one.
func (c KV) Delete(ctx context.Context, bucket, key string) (existed bool, err error) {
	d, err := c.Remove(ctx, kv.Delete{Bucket: bucket, Key: key})
	return d.Existed, err
}

// Remove is Delete for any bucket type; with a Context it removes only what that
// has seen. Its errors are as those of Write.
func (c KV) Remove(ctx context.Context, r kv.Delete) (kv.Deleted, error) {
	p, err := c.node.catalog().Lookup(r.Type, r.Bucket)
	if err != nil {
		return kv.Deleted{}, named("delete", r.Bucket, r.Key, err)
	}
	o := kv.Object{Type: r.Type, Bucket: r.Bucket, Key: r.Key, Context: r.Context, Deleted: true}
	if err := c.node.opts.Hooks.before(ctx, p, &o); err != nil {
		return kv.Deleted{}, named("delete", r.Bucket, r.Key, err)
	}
	r.Modified = time.Now()
	m, _, err := c.write(ctx, p, r.Type, r.Bucket, r.Key, func(set replica.Set) (*kv.Write, error) { return kv.NewRemove(set, r, p) })
	if err != nil {
		return kv.Deleted{}, err
	}
	d, err := m.Deleted()
	err = asUnknown(err)
	if err == nil && len(p.Postcommit) > 0 {
		c.node.opts.Hooks.after(ctx, p, o, c.node.opts.Logger)
	}
	return d, err
}

// asUnknown makes an outcome of package kv the one of all commands.
func asUnknown(err error) error {
	if errors.Is(err, kv.ErrUnknown) {
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return err
}

func named(op, bucket, key string, err error) error {
	if err != nil {
		return fmt.Errorf("%s %s/%s: %w", op, bucket, key, err)
	}
	return nil
}
