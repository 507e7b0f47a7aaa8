// Package store defines where the items of a partition live: the contract that
// every engine keeps, the batch that changes a partition, the hash that a
// digest is made of, and the record that fences a partition.
//
// An [Engine] serves one node. For each [ID], which is a vnode kind and a
// partition of the ring, it keeps at most one active generation, at most one
// staging generation, and one [Record]:
//
//	Open(id) ----------> Partition (active generation)
//	Stage(id, 7) ------> Partition (staging generation, named by session 7)
//	Promote(id, 7) ----> staging becomes active, the former active is gone
//	DropStaging(id, 7)-> staging is gone, active untouched
//	Drop(id) ----------> active is gone, staging and record untouched
//	SetRecord(id, r) --> durable fence, outside both generations
//
// What arrives by handoff goes to a staging generation, so nothing that a dead
// session left behind can reach what clients read. Promotion is one durable
// flip of one pointer: before it the old copy is whole, after it the new one
// is, and there is no moment between.
//
// A [Partition] keeps a running [Summary] of what it holds: the number of
// items, their bytes, and a multiset digest that does not depend on the order
// of the writes. Two copies that hold the same items have equal summaries, so
// a transfer proves itself complete by comparing three numbers.
//
// A copy is moved by reading a snapshot and writing batches:
//
//	snap := source.Snapshot()
//	defer snap.Close()
//	it := snap.Scan(resume, nil)
//	defer it.Close()
//	for it.Next() {
//		item := it.Item()
//		batch.Put(bytes.Clone(item.Key), bytes.Clone(item.Value), item.Version)
//		if batch.Size() >= 256<<10 {
//			if err := target.Write(&batch); err != nil {
//				return err
//			}
//			batch.Reset()
//		}
//	}
//	if err := it.Err(); err != nil {
//		return err
//	}
//
// Invariants, which package storetest checks for each engine:
//
//   - I1 Summary equals a recount of all items, at every moment and after every restart.
//   - I2 A batch is seen whole or not at all, by readers, by snapshots and after a crash.
//   - I3 A snapshot never changes, whatever is written, promoted or dropped after it was taken.
//   - I4 Generations never share an item: a staging generation starts empty, always.
//   - I5 Promote happens once: repeated it changes nothing, and a lower session is refused.
//   - I6 A record is durable before SetRecord returns; no Drop and no Promote touches it; its fences never fall.
//   - I7 What was written before Sync returned survives a crash. What survives of an ID's operations is a
//     prefix of them, and a call that is durable makes all that came before it durable.
//   - I8 After Close every call that can fail fails with ErrClosed.
package store
