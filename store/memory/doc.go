// Package memory is the volatile store engine: everything in it dies with the
// process. It keeps the contract of package store in all else, so it serves
// vnode kinds whose state is volatile by nature, nodes that rely on their
// replicas, and tests.
//
// Each generation is a hash table of its records, for reads and writes of one
// key, and a B-tree that has the items in order, for snapshots. A new key is
// fresh: it is put into the tree when the next snapshot is taken, so that writes
// pay for the order only where somebody scans. A snapshot is a copy of the
// tree's head: from then on the writer copies each node before it changes it
// for the first time, and the snapshot's readers need no lock:
//
//	Write    --lock--> table; tree' (copies the nodes that a snapshot still sees)
//	Snapshot --lock--> orders up to 16384 fresh records, less after Prepare; head of tree, summary
//	Scan     ---------> nodes that nobody changes any more
//
// The table holds numbers and hashes, and the records stand in chunks, so that
// the collector has little to follow. Records keep the very slices that a batch
// brought, and their hash, so that a write hashes only what is new. Keys that arrive in ascending order, as those
// of a handoff do, are appended at the right edge without a search.
//
//	engine := memory.New()
//	defer engine.Close()
//	partition, err := engine.Open(store.ID{Kind: "kv", Partition: 3})
//
// Invariants beyond those of package store:
//
//   - I1 An item in a tree that a snapshot sees never changes: a tree has what it needs of a record.
//   - I2 A tree's head is copied and its nodes are changed only under the write lock of its generation.
//   - I3 With a limit, the bytes of all generations are never above it; what was
//     refused changed nothing.
//   - I4 Hashes are computed before that lock is taken, so a large value delays no reader.
package memory
