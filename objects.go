package baton

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/kv"
)

// objects are the cluster's objects as the admin API sees them.
type objects struct{ admin *administration }

var _ admin.Store = objects{}

// kv returns a client, or that the node has no cluster yet.
func (o objects) kv() (KV, error) {
	r, err := o.admin.reached()
	if err != nil {
		return KV{}, err
	}
	if r.host == nil {
		return KV{}, fmt.Errorf("node %s: %w", o.admin.n.self, admin.ErrUnjoined)
	}
	return o.admin.n.KV(), nil
}

func (o objects) Get(ctx context.Context, r admin.GetRequest) (kv.Object, error) {
	c, err := o.kv()
	if err != nil {
		return kv.Object{}, err
	}
	return c.Read(ctx, kv.Get{Type: r.Type, Bucket: r.Bucket, Key: r.Key})
}

func (o objects) Put(ctx context.Context, r admin.PutRequest) (kv.Written, error) {
	c, err := o.kv()
	if err != nil {
		return kv.Written{}, err
	}
	w, err := c.Write(ctx, kv.Put{Object: r.Object, IfNoneMatch: r.IfNoneMatch, IfMatch: r.IfMatch, IfNotModified: r.IfNotModified})
	return w, unknown(err)
}

func (o objects) Delete(ctx context.Context, r admin.DeleteRequest) (kv.Deleted, error) {
	c, err := o.kv()
	if err != nil {
		return kv.Deleted{}, err
	}
	d, err := c.Remove(ctx, kv.Delete{Type: r.Type, Bucket: r.Bucket, Key: r.Key, Context: r.Context})
	return d, unknown(err)
}

// unknown marks what may have been written.
func unknown(err error) error {
	if errors.Is(err, actors.ErrUnknownOutcome) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", admin.ErrUnknownWrite, err)
	}
	return err
}

func (o objects) List(ctx context.Context, r admin.ListRequest) iter.Seq2[kv.Object, error] {
	c, err := o.kv()
	if err == nil && r.Type != "" && r.Type != kv.DefaultType {
		err = fmt.Errorf("%w: buckets of type %q can't be listed by this version", admin.ErrRequest, r.Type)
	}
	if err != nil {
		return func(yield func(kv.Object, error) bool) { yield(kv.Object{}, err) }
	}
	return c.Objects(ctx, r.Bucket)
}
