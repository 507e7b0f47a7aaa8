// Package kv is the meaning of a key and its value: the object, its bytes on
// disk and on the wire, and the vnode kind that keeps one copy of each object in
// a partition's store.
//
// An object is named by bucket type, bucket and key. The name decides twice:
// its hash says which partition holds it (Route), and its store key says where
// in that partition it lies (AppendKey), so that the objects of a bucket stand
// together, in key order, and a fold over a bucket is one range scan.
//
//	client                                      partition
//	  NewWrite --put--------------------------> coordinates: one atomic batch
//	           <------ the state it made -----
//	           --merge of it------------------> the other copies
//	  NewRead  --get, digests-----------------> the copies; merges repair those behind
//	  CoverPage --page of a Scan--------------> one range of the store
//	       <--- merged with other copies' <---- positions, outlines or objects, next
//
//	fold:  Snapshot --Scanner--> item, item, ... --pipe--> DecodeItem --> map function
//
// # What a write replaces
//
// Each write of a key has a [Dot] that no other one has. A copy knows a [State]:
// the [Clock] of all writes that it has heard of, and the siblings, which are
// those that no other write has superseded. A get returns them all with the
// clock as a [Context], and a put with that context supersedes exactly them:
//
//	put with a context      takes the place of what the context has seen
//	put without a context   takes the place of nothing: it becomes a sibling
//	last write wins         takes the place of all; concurrent writes are lost
//	delete                  a tombstone; alone it is kept until it can be reaped
//	if none match           refused with ErrExists if there is a value
//	if not modified, match  refused with ErrModified if it is another version
//
// A value's bytes are encoded by the client, checked by the vnode when it
// stores them behind the clock, and taken apart by the reader only.
//
//	m, err := kv.NewRead(set, kv.Get{Bucket: "books", Key: "moby"}, properties, now)
//	...                        // a shell runs m: see package replica
//	o, err := m.Object()       // errors.Is(err, kv.ErrNotFound), ...
//	o.Value = next             // o.Siblings holds all values if there are several
//	w, err := kv.NewWrite(set, kv.Put{Object: o}, properties)
//	                           // takes their place: o.Context has seen them
//
// Decoding copies nothing: the strings and slices of a decoded object are parts
// of the buffer it came in, which is immutable.
//
// Invariants:
//
//   - I1 Store keys compare as (head, type, bucket, key) do, and decode to exactly them.
//   - I2 The range of a bucket holds the bucket's objects and no other record.
//   - I3 Equal objects have equal bytes; what decodes encodes to the bytes it came from.
//   - I4 A refused request changes nothing, and its error is the same value on both sides.
//   - I5 Pages and scans yield each object once, in key order, from any cursor on.
//   - I6 A vnode keeps nothing that does not follow from its store, so that a handoff moves all there is.
//   - I7 A write supersedes what its context has seen and nothing else, in whatever order copies merge.
//   - I8 A dot is given once: not again after a restart, lost data, a delete, or a change of owner and back.
//   - I9 Two copies of a head's keys are equal if the roots of their hash trees are; an exchange makes them so.
//   - I10 An error that is not ErrUnknown means that nothing was written, nor will be.
//   - I11 What a strict read has returned, r copies hold.
//   - I12 A state older than a reaped tombstone is refused by whoever has reaped it.
package kv
