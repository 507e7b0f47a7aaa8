package baton

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
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
	return c.Read(ctx, kv.Get{Type: r.Type, Bucket: r.Bucket, Key: r.Key, Options: r.Options})
}

func (o objects) Put(ctx context.Context, r admin.PutRequest) (kv.Written, error) {
	c, err := o.kv()
	if err != nil {
		return kv.Written{}, err
	}
	w, err := c.Write(ctx, kv.Put{Object: r.Object, IfNoneMatch: r.IfNoneMatch, IfMatch: r.IfMatch, IfNotModified: r.IfNotModified, KeepModified: r.KeepModified, Options: r.Options})
	return w, hooked(unknown(err))
}

func (o objects) Delete(ctx context.Context, r admin.DeleteRequest) (kv.Deleted, error) {
	c, err := o.kv()
	if err != nil {
		return kv.Deleted{}, err
	}
	d, err := c.Remove(ctx, kv.Delete{Type: r.Type, Bucket: r.Bucket, Key: r.Key, Context: r.Context, Options: r.Options})
	return d, hooked(unknown(err))
}

// unknown gives every outcome that nobody knows one error.
func unknown(err error) error {
	if errors.Is(err, ErrUnknownOutcome) && !errors.Is(err, kv.ErrUnknown) {
		return fmt.Errorf("%w: %w", kv.ErrUnknown, err)
	}
	return err
}

func (o objects) List(ctx context.Context, r admin.ListRequest) iter.Seq2[kv.Object, error] {
	q := kv.IndexQuery{Type: r.Type, Bucket: r.Bucket, Values: !r.KeysOnly}
	return func(yield func(kv.Object, error) bool) {
		for e, err := range o.Index(ctx, q) {
			if r.KeysOnly {
				e.Object.Key = e.Key
			}
			if !yield(e.Object, err) {
				return
			}
		}
	}
}

func (o objects) Buckets(ctx context.Context, bucketType string) iter.Seq2[string, error] {
	c, err := o.kv()
	if err != nil {
		return func(yield func(string, error) bool) { yield("", err) }
	}
	return c.Buckets(ctx, bucketType, kv.CoverOptions{})
}

func (o objects) Index(ctx context.Context, q kv.IndexQuery) iter.Seq2[kv.IndexEntry, error] {
	c, err := o.kv()
	if err != nil {
		return func(yield func(kv.IndexEntry, error) bool) { yield(kv.IndexEntry{}, err) }
	}
	return c.Index(ctx, q)
}

func (o objects) IndexPage(ctx context.Context, q kv.IndexQuery) ([]kv.IndexEntry, string, error) {
	c, err := o.kv()
	if err != nil {
		return nil, "", err
	}
	page, err := c.IndexPage(ctx, q)
	return page.Entries, page.Continuation, err
}

// properties returns a client of the buckets' properties, or that the node has no
// cluster yet.
func (o objects) properties() (Buckets, error) {
	c, err := o.kv()
	return Buckets{c.node}, err
}

func (o objects) Properties(bucketType, name string) (bucket.Properties, error) {
	b, err := o.properties()
	if err != nil {
		return bucket.Properties{}, err
	}
	return b.Properties(bucketType, name)
}

func (o objects) Types() ([]bucket.Type, error) {
	b, err := o.properties()
	if err != nil {
		return nil, err
	}
	return b.Types(), nil
}

// change makes one change of properties or types.
func (o objects) change(make func(Buckets) error) error {
	b, err := o.properties()
	if err == nil {
		err = make(b)
	}
	return hooked(err)
}

// hooked marks what a hook, or the lack of one, refused.
func hooked(err error) error {
	if _, ok := errors.AsType[*HookError](err); ok {
		return fmt.Errorf("%w: %w", admin.ErrHook, err)
	}
	return err
}

func (o objects) SetProperties(ctx context.Context, bucketType, name string, c bucket.Changes) error {
	return o.change(func(b Buckets) error {
		_, err := b.SetProperties(ctx, bucketType, name, c)
		return err
	})
}

func (o objects) ResetProperties(ctx context.Context, bucketType, name string) error {
	return o.change(func(b Buckets) error { return b.Reset(ctx, bucketType, name) })
}

func (o objects) CreateType(ctx context.Context, name string, c bucket.Changes) error {
	return o.change(func(b Buckets) error { return b.CreateType(ctx, name, c) })
}

func (o objects) ActivateType(ctx context.Context, name string) error {
	return o.change(func(b Buckets) error { return b.ActivateType(ctx, name) })
}

func (o objects) UpdateType(ctx context.Context, name string, c bucket.Changes) error {
	return o.change(func(b Buckets) error { return b.UpdateType(ctx, name, c) })
}

// Kept returns what the node's fallbacks keep.
func (o objects) Kept() []admin.Kept {
	var all []admin.Kept
	if _, err := o.kv(); err != nil {
		return nil // it has not started
	}
	for _, f := range o.admin.n.host.Fallbacks() {
		k := admin.Kept{Kind: f.Kind, Partition: f.Partition, Items: f.Items, Bytes: f.Bytes, State: f.State}
		if f.Err != nil {
			k.Error = f.Err.Error()
		}
		all = append(all, k)
	}
	return all
}

func (o objects) Entropy() (admin.Entropy, error) {
	if _, err := o.kv(); err != nil {
		return admin.Entropy{}, err
	}
	r := o.admin.n.AntiEntropy()
	out := admin.Entropy{
		Node: o.admin.n.self, Rounds: r.Rounds, LastRound: r.LastRound, Exchanges: r.Exchanges, Failed: r.Failed,
		Repaired: r.Repaired, Bytes: r.Bytes, Reaped: r.Reaped, Expired: r.Expired, Partitions: []admin.EntropyPartition{},
	}
	for _, p := range r.Partitions {
		v := admin.EntropyPartition{Partition: p.Partition, Keys: p.Keys, IncompleteSince: p.IncompleteSince, Waiting: p.Waiting, Last: exchanges(p.Last)}
		if p.Running != nil {
			v.Running = &exchanges([]EntropyExchange{*p.Running})[0]
		}
		out.Partitions = append(out.Partitions, v)
	}
	return out, nil
}

func exchanges(all []EntropyExchange) []admin.Exchange {
	out := make([]admin.Exchange, len(all))
	for i, x := range all {
		out[i] = admin.Exchange{
			Head: x.Head, Copies: x.Copies, With: x.With, Node: x.Node, Began: x.Began, Ended: x.Ended, Keys: x.Result.Keys,
			Differing: x.Result.Differing, Taken: x.Result.Repaired[0], Given: x.Result.Repaired[1], Bytes: x.Result.Bytes, Error: x.Err,
		}
	}
	return out
}

func (o objects) Repair(ctx context.Context, p ring.Partition) (admin.Repair, error) {
	if _, err := o.kv(); err != nil {
		return admin.Repair{}, err
	}
	if size := o.admin.View().RingSize(); int(p) >= size {
		return admin.Repair{}, fmt.Errorf("%w: the ring has partitions 0 to %d", topology.ErrUnknownPartition, size-1)
	}
	r, err := o.admin.n.RepairPartition(ctx, p)
	if errors.Is(err, ErrNotOwner) {
		err = fmt.Errorf("%w: %w", admin.ErrNotOwner, err)
	}
	return admin.Repair{Partition: r.Partition, Exchanges: exchanges(r.Exchanges), Single: r.Single}, err
}

func (o objects) Backup(ctx context.Context, dir string) (admin.DataBackup, error) {
	if _, err := o.kv(); err != nil {
		return admin.DataBackup{}, err
	}
	m, err := o.admin.n.Backup(ctx, dir)
	if err != nil {
		if errors.Is(err, ErrVolatile) || errors.Is(err, ErrMoved) || errors.Is(err, ErrBackup) {
			err = fmt.Errorf("%w: %w", admin.ErrBackup, err)
		}
		return admin.DataBackup{}, err
	}
	out := admin.DataBackup{
		Node: m.Node, Directory: dir, ClusterID: m.ClusterID, RecordVersion: m.RecordVersion, Partitions: len(m.Partitions), Files: len(m.Files),
	}
	for _, p := range m.Partitions {
		out.Items += p.Items
	}
	for _, f := range m.Files {
		out.Bytes += f.Size
	}
	return out, nil
}
