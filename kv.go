package baton

import (
	"context"
	"fmt"
	"iter"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
)

// KV is a client of the cluster's objects. Safe for concurrent use.
type KV struct{ node *Node }

// KV returns a client that sends through this node.
func (n *Node) KV() KV { return KV{n} }

// Put stores an object, replacing what was there.
func (c KV) Put(ctx context.Context, o kv.Object) error {
	r := kv.Put{Object: o}
	reply, err := c.ask(ctx, r, o.Type, o.Bucket, o.Key)
	if err == nil {
		err = r.DecodeReply(reply)
	}
	return named("put", o.Bucket, o.Key, err)
}

// Get returns an object, or kv.ErrNotFound.
func (c KV) Get(ctx context.Context, bucket, key string) (kv.Object, error) {
	r := kv.Get{Bucket: bucket, Key: key}
	reply, err := c.ask(ctx, r, "", bucket, key)
	var o kv.Object
	if err == nil {
		o, err = r.DecodeReply(reply)
	}
	return o, named("get", bucket, key, err)
}

// Delete removes an object and reports whether there was one.
func (c KV) Delete(ctx context.Context, bucket, key string) (existed bool, err error) {
	r := kv.Delete{Bucket: bucket, Key: key}
	reply, err := c.ask(ctx, r, "", bucket, key)
	if err == nil {
		existed, err = r.DecodeReply(reply)
	}
	return existed, named("delete", bucket, key, err)
}

// Objects yields every object of a bucket once, partition by partition and in
// key order within one. It ends with an error that is yielded with the zero
// object. Objects written meanwhile may or may not be among them, and while the
// ring changes a page is read from whoever owns the partition then.
func (c KV) Objects(ctx context.Context, bucket string) iter.Seq2[kv.Object, error] {
	return func(yield func(kv.Object, error) bool) {
		for p := range c.node.View().RingSize() {
			r := kv.List{Bucket: bucket}
			for more := true; more; {
				page, err := c.page(ctx, ring.Partition(p), r)
				if err != nil {
					yield(kv.Object{}, named("list", bucket, r.After, err))
					return
				}
				for _, o := range page.Objects {
					if !yield(o, nil) {
						return
					}
					r.After = o.Key
				}
				more = page.More
			}
		}
	}
}

func (c KV) page(ctx context.Context, p ring.Partition, r kv.List) (kv.Page, error) {
	body, err := kv.EncodeRequest(r)
	if err != nil {
		return kv.Page{}, err
	}
	reply, err := c.node.host.Request(ctx, kv.KindName, p, body)
	if err != nil {
		return kv.Page{}, err
	}
	return r.DecodeReply(reply)
}

func (c KV) ask(ctx context.Context, r kv.Request, bucketType, bucket, key string) ([]byte, error) {
	body, err := kv.EncodeRequest(r)
	if err != nil {
		return nil, err
	}
	return c.node.host.Request(ctx, kv.KindName, kv.Route(bucketType, bucket, key, c.node.View().RingSize()), body)
}

func named(op, bucket, key string, err error) error {
	if err != nil {
		return fmt.Errorf("%s %s/%s: %w", op, bucket, key, err)
	}
	return nil
}
