// Package bucket is what a bucket says about its objects: how many copies, how
// many answers, siblings or not, expiry, hooks.
//
// Properties are layered. What a bucket says goes before what its type says, and
// that goes before the cluster's defaults; each layer keeps only its own
// changes, so a change of a type reaches all buckets that do not say otherwise.
//
//	Defaults(n) <-- changes of the type <-- changes of the bucket   = Properties
//
//	record --metadata--> NewCatalog --> Catalog.Lookup(type, bucket) --> *Properties
//	Create, Activate, Update, Set, Reset: record --> operations --proposed--> record
//
// A type is created, which shows what it would be, then activated, and from then
// on can be used and updated. The record is agreed, so a created type is at
// once the same on all nodes. The type "default" is that of buckets which name
// none; it is always active. "any" names no type.
//
// All of it is pure: who proposes reads the record again and decides anew when
// somebody else was faster, which the entry's version in the operation tells.
//
//	changes, err := bucket.DecodeChanges([]byte(`{"n_val": 5, "w": "all"}`))
//	ops, err := bucket.Set(state, "", "books", changes)
//	...                                       // propose; topology.ErrMetadataChanged: again
//	p, err := catalog.Lookup("", "books")     // p.W.Resolve(p.NVal) == 5
//
// Invariants, which the tests name:
//
//   - I1 Properties that an operation of this package accepts are valid, and those of every bucket under them.
//     Operations on a type and on its bucket at the same time may leave more answers asked for than
//     there are copies: Resolve gives as many as there are.
//   - I2 Canonical JSON decodes to what it came from, and encodes to the same bytes.
//   - I3 Lookup is the layers laid over each other, for names with and without changes, and does not allocate.
//   - I4 What decides where objects lie or how they are written once does not change under them.
//   - I5 An entry that can't be read refuses its own type or bucket, and no other.
package bucket
