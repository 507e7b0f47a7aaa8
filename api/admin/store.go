package admin

import (
	"context"
	"iter"

	"github.com/dee2748c/baton/kv"
)

// Store is what the admin API asks of a node for the objects of the cluster. Its
// methods are safe for concurrent use and return soon after their context ends.
// They fail with ErrUnjoined before the node is a member, and else with the
// errors of package kv: after a write that failed with another one nobody knows
// its outcome.
type Store interface {
	// Get reads an object with all its siblings.
	Get(ctx context.Context, r GetRequest) (kv.Object, error)
	// Put writes an object.
	Put(ctx context.Context, r PutRequest) (kv.Written, error)
	// Delete removes an object.
	Delete(ctx context.Context, r DeleteRequest) (kv.Deleted, error)
	// List yields every object of a bucket once, or an error as the last.
	List(ctx context.Context, r ListRequest) iter.Seq2[kv.Object, error]
}

// Name is the name of an object; an empty Type is the default one.
type Name struct{ Type, Bucket, Key string }

// String returns the name as errors and tables show it.
func (n Name) String() string {
	s := n.Bucket
	if n.Key != "" {
		s += "/" + n.Key
	}
	if n.Type != "" && n.Type != kv.DefaultType {
		s = n.Type + "/" + s
	}
	return s
}

// GetRequest is what is asked of a read.
type GetRequest struct {
	Name
	// Head leaves the values out: a Content tells its Size instead.
	Head bool
}

// PutRequest is a write with its conditions, as of a kv.Put.
type PutRequest struct {
	Object kv.Object
	// IfNoneMatch writes only what is not there, IfMatch only over the version
	// with this entity tag, IfNotModified only over that of Object.Context.
	IfNoneMatch   bool
	IfMatch       string
	IfNotModified bool
}

// DeleteRequest is what is asked of a delete; with a Context only what that has
// seen is removed.
type DeleteRequest struct {
	Name
	Context kv.Context
}

// ListRequest names a bucket, and says whether the listing is of keys only.
type ListRequest struct {
	Type, Bucket string
	KeysOnly     bool
}
