package admintest

import (
	"context"
	"errors"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv/bucket"
)

// Catalog is the bucket types and properties of a Store: those of the record of
// a Node.
type Catalog struct{ node *Node }

func (t Catalog) catalog() *bucket.Catalog { return bucket.FromRecord(t.node.View()) }

// change proposes what decide makes of the record.
func (t Catalog) change(ctx context.Context, decide func(topology.State) ([]topology.Op, error)) error {
	ops, err := decide(t.node.View())
	if err != nil || len(ops) == 0 {
		return err
	}
	outcomes, err := t.node.Propose(ctx, ops...)
	for _, o := range outcomes {
		err = errors.Join(err, o.Err)
	}
	return err
}

// Properties implements admin.Types.
func (t Catalog) Properties(bucketType, name string) (bucket.Properties, error) {
	p, err := t.catalog().Lookup(bucketType, name)
	if err != nil {
		return bucket.Properties{}, err
	}
	return *p, nil
}

// Types implements admin.Types.
func (t Catalog) Types() ([]bucket.Type, error) {
	return t.catalog().Types(), nil
}

// SetProperties implements admin.Types.
func (t Catalog) SetProperties(ctx context.Context, bucketType, name string, c bucket.Changes) error {
	return t.change(ctx, func(s topology.State) ([]topology.Op, error) { return bucket.Set(s, bucketType, name, c) })
}

// ResetProperties implements admin.Types.
func (t Catalog) ResetProperties(ctx context.Context, bucketType, name string) error {
	return t.change(ctx, func(s topology.State) ([]topology.Op, error) { return bucket.Reset(s, bucketType, name), nil })
}

// CreateType implements admin.Types.
func (t Catalog) CreateType(ctx context.Context, name string, c bucket.Changes) error {
	return t.change(ctx, func(s topology.State) ([]topology.Op, error) { return bucket.Create(s, name, c) })
}

// ActivateType implements admin.Types.
func (t Catalog) ActivateType(ctx context.Context, name string) error {
	return t.change(ctx, func(s topology.State) ([]topology.Op, error) { return bucket.Activate(s, name) })
}

// UpdateType implements admin.Types.
func (t Catalog) UpdateType(ctx context.Context, name string, c bucket.Changes) error {
	return t.change(ctx, func(s topology.State) ([]topology.Op, error) { return bucket.Update(s, name, c) })
}
