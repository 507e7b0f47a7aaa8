package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// remote is a running node, asked through its admin API.
type remote struct {
	client *admin.Client
	bucket string
}

// NewRemote returns the target behind an admin address. Close does not close the
// client.
func NewRemote(c *admin.Client, bucket string) Target { return &remote{c, bucket} }

func (t *remote) Describe() string { return t.client.Addr() }

func (t *remote) Prepare(ctx context.Context) error {
	_, err := t.client.SetBucket(ctx, admin.BucketRequest{Bucket: admin.Text(t.bucket), Properties: json.RawMessage(`{"allow_mult": false}`)})
	return err
}

func (t *remote) Get(ctx context.Context, key string) (string, error) {
	o, err := t.client.Get(ctx, admin.GetRequest{Name: admin.Name{Bucket: t.bucket, Key: key}})
	return string(o.Context), err
}

func (t *remote) Put(ctx context.Context, key string, value []byte, seen string) error {
	_, err := t.client.Put(ctx, admin.PutRequest{Object: kv.Object{Bucket: t.bucket, Key: key, Value: value, Context: kv.Context(seen)}})
	return err
}

func (t *remote) Scan(ctx context.Context, from string, n int) (int, error) {
	q := admin.IndexRequest{IndexQuery: kv.IndexQuery{Bucket: t.bucket, Index: kv.KeyIndex, From: from, Limit: n, Sorted: true}}
	end, err := t.client.Index(ctx, q, func(admin.IndexEntry) bool { return true })
	return end.Count, err
}

func (t *remote) Count(ctx context.Context) (n int, err error) {
	for _, err := range t.client.List(ctx, admin.ListRequest{Bucket: t.bucket, KeysOnly: true}) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (t *remote) Close(context.Context) error { return nil }

// local is nodes in this process, asked through the first one.
type local struct {
	opts  Options
	dir   string
	nodes []*baton.Node
}

// startNodes starts the nodes of the options in one cluster, and waits until
// each has its share.
func startNodes(ctx context.Context, o Options) (_ Target, err error) {
	t := &local{opts: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close(context.WithoutCancel(ctx)))
		}
	}()
	if o.Engine == baton.EnginePebble {
		if t.dir, err = os.MkdirTemp("", "baton-bench-"); err != nil {
			return nil, err
		}
	}
	for i := range max(o.Nodes, 1) {
		n := baton.Options{Name: fmt.Sprintf("n%d", i+1), Engine: o.Engine, RingSize: o.Ring, NVal: o.NVal, Bootstrap: i == 0}
		if t.dir != "" {
			n.DataDir = filepath.Join(t.dir, n.Name)
		}
		if i > 0 {
			n.Join = []string{t.nodes[0].Addr()}
		}
		node, err := baton.Start(ctx, n)
		if err != nil {
			return nil, err
		}
		t.nodes = append(t.nodes, node)
	}
	if len(t.nodes) > 1 {
		if err := t.nodes[0].Rebalance(ctx); err != nil {
			return nil, err
		}
	}
	return t, t.settled(ctx)
}

// settled waits until nothing is left to move.
func (t *local) settled(ctx context.Context) error {
	for {
		v := t.nodes[0].View()
		there := true
		for _, n := range t.nodes {
			m, ok := v.Member(ring.NodeID(n.Name()))
			there = there && ok && m.Status == topology.Valid
		}
		if there && v.Settled() {
			return nil
		}
		select {
		case <-v.Changed():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (t *local) Describe() string {
	return fmt.Sprintf("in this process: nodes %d, engine %s, n_val %d", len(t.nodes), t.opts.Engine, t.opts.NVal)
}

func (t *local) Prepare(ctx context.Context) error {
	_, err := t.nodes[0].Buckets().SetProperties(ctx, "", t.opts.Bucket, bucket.Changes{"allow_mult": false})
	return err
}

func (t *local) Get(ctx context.Context, key string) (string, error) {
	o, err := t.nodes[0].KV().Get(ctx, t.opts.Bucket, key)
	return string(o.Context), err
}

func (t *local) Put(ctx context.Context, key string, value []byte, seen string) error {
	return t.nodes[0].KV().Put(ctx, kv.Object{Bucket: t.opts.Bucket, Key: key, Value: value, Context: kv.Context(seen)})
}

func (t *local) Scan(ctx context.Context, from string, n int) (int, error) {
	page, err := t.nodes[0].KV().IndexPage(ctx, kv.IndexQuery{Bucket: t.opts.Bucket, Index: kv.KeyIndex, From: from, Limit: n, Sorted: true})
	return len(page.Entries), err
}

func (t *local) Count(ctx context.Context) (n int, err error) {
	for _, err := range t.nodes[0].KV().Keys(ctx, t.opts.Bucket) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (t *local) Close(ctx context.Context) error {
	var errs []error
	for _, n := range t.nodes {
		errs = append(errs, n.Stop(ctx))
	}
	if t.dir != "" {
		errs = append(errs, os.RemoveAll(t.dir))
	}
	return errors.Join(errs...)
}
