package baton

import (
	"context"
	"fmt"
	"time"

	"github.com/dee2748c/baton/kv"
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
// An error that is one of package kv's means that nothing was written; after
// any other one the outcome is unknown.
func (c KV) Write(ctx context.Context, r kv.Put) (kv.Written, error) {
	r.Object.Modified = time.Now()
	reply, err := c.ask(ctx, r, r.Object.Type, r.Object.Bucket, r.Object.Key)
	var w kv.Written
	if err == nil {
		w, err = r.DecodeReply(reply)
	}
	return w, named("put", r.Object.Bucket, r.Object.Key, err)
}

// Get returns an object with all its siblings, or kv.ErrNotFound.
func (c KV) Get(ctx context.Context, bucket, key string) (kv.Object, error) {
	return c.Read(ctx, kv.Get{Bucket: bucket, Key: key})
}

// Read is Get for any bucket type and with options.
func (c KV) Read(ctx context.Context, r kv.Get) (kv.Object, error) {
	reply, err := c.ask(ctx, r, r.Type, r.Bucket, r.Key)
	var o kv.Object
	if err == nil {
		o, err = r.DecodeReply(reply)
	}
	return o, named("get", r.Bucket, r.Key, err)
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
	r.Modified = time.Now()
	reply, err := c.ask(ctx, r, r.Type, r.Bucket, r.Key)
	var d kv.Deleted
	if err == nil {
		d, err = r.DecodeReply(reply)
	}
	return d, named("delete", r.Bucket, r.Key, err)
}

func (c KV) ask(ctx context.Context, r kv.Request, bucketType, bucket, key string) ([]byte, error) {
	head := kv.Route(bucketType, bucket, key, c.node.View().RingSize())
	body, err := kv.EncodeRequest(r, head)
	if err != nil {
		return nil, err
	}
	return c.node.host.Request(ctx, kv.KindName, head, body)
}

func named(op, bucket, key string, err error) error {
	if err != nil {
		return fmt.Errorf("%s %s/%s: %w", op, bucket, key, err)
	}
	return nil
}
