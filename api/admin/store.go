package admin

import (
	"context"
	"iter"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// Store is what the admin API asks of a node for the objects of the cluster. Its
// methods are safe for concurrent use and return soon after their context ends.
// They fail with ErrUnjoined before the node is a member, and else with the
// errors of package kv, of which kv.ErrUnknown says that a write may have been
// done.
type Store interface {
	// Get reads an object with all its siblings.
	Get(ctx context.Context, r GetRequest) (kv.Object, error)
	// Put writes an object.
	Put(ctx context.Context, r PutRequest) (kv.Written, error)
	// Delete removes an object.
	Delete(ctx context.Context, r DeleteRequest) (kv.Deleted, error)
	// List yields every object of a bucket once, or an error as the last.
	List(ctx context.Context, r ListRequest) iter.Seq2[kv.Object, error]
	// Buckets yields the buckets of a type that hold objects, likewise.
	Buckets(ctx context.Context, bucketType string) iter.Seq2[string, error]
	// Index yields what an index query without a limit finds, likewise.
	Index(ctx context.Context, q kv.IndexQuery) iter.Seq2[kv.IndexEntry, error]
	// IndexPage returns one page of up to q.Limit entries, and the continuation
	// behind it, empty behind the last.
	IndexPage(ctx context.Context, q kv.IndexQuery) ([]kv.IndexEntry, string, error)
	Types
	Care
}

// Types are the properties of buckets and the bucket types of the cluster. The
// errors are those of package bucket, ErrHook, and those of package cluster.
type Types interface {
	// Properties returns what is said about a bucket.
	Properties(bucketType, name string) (bucket.Properties, error)
	// SetProperties makes changes to a bucket, ResetProperties takes all back.
	SetProperties(ctx context.Context, bucketType, name string, c bucket.Changes) error
	ResetProperties(ctx context.Context, bucketType, name string) error
	// Types returns all types in the order of their names.
	Types() ([]bucket.Type, error)
	// CreateType creates a type, ActivateType lets it be used, UpdateType makes
	// changes to an active one.
	CreateType(ctx context.Context, name string, c bucket.Changes) error
	ActivateType(ctx context.Context, name string) error
	UpdateType(ctx context.Context, name string, c bucket.Changes) error
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
	Head    bool
	Options kv.ReadOptions
}

// PutRequest is a write with its conditions, as of a kv.Put.
type PutRequest struct {
	Object kv.Object
	// IfNoneMatch writes only what is not there, IfMatch only over the version
	// with this entity tag, IfNotModified only over that of Object.Context.
	IfNoneMatch   bool
	IfMatch       string
	IfNotModified bool
	// KeepModified keeps the time of the object, for imports.
	KeepModified bool
	Options      kv.WriteOptions
}

// DeleteRequest is what is asked of a delete; with a Context only what that has
// seen is removed.
type DeleteRequest struct {
	Name
	Context kv.Context
	Options kv.WriteOptions
}

// ListRequest names a bucket, and says whether the listing is of keys only.
type ListRequest struct {
	Type, Bucket string
	KeysOnly     bool
}
