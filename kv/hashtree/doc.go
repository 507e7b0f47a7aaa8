// Package hashtree is the tree of sums by which two copies of a set of keys find
// out where they differ without reading what they hold.
//
// The keys are cut into blocks at boundaries that the keys themselves choose: a
// key whose [Hash] is a multiple of [BlockKeys] begins a block, and one whose
// hash is a multiple of [GroupKeys] begins a group of blocks. So all copies cut
// alike, whatever their history. A block's sum is the sum modulo 2^64 of the
// [Term] of each key, which is made of the key and of the identity of what is
// stored under it; groups and the tree have the sums of what is in them.
//
//	root    sum                                   equal: the copies are equal
//	groups  (start, sum) (start, sum) ...         about 65,536 keys each
//	blocks  (start, sum) (start, sum) ...         about 256 keys each
//	keys    read from the store, one range
//
// A write changes one block:
//
//	Tree.Change(key, old term, new term) --> Marks: what the stored tree must say
//
// A block whose sum is not known is open: only the keys below a mark are
// counted in it. A new tree is one open block; a boundary that is written or
// removed opens the blocks beside it; so does a crash, for the blocks that were
// written to since they were saved. The owner of the keys counts what is open
// in pages, between the writes:
//
//	for c := t.Counter(); c != nil; c = t.Counter() {
//		... scan c.From() to c.To(): c.Add(key, hash, term); c.Finish() or c.Stop(next)
//	}
//
// The tree is stored beside the keys: [Tree.Save] yields the items of blocks
// that are counted, Marks tell which item to make void (in the batch of the
// write itself), [Loader] reads them back.
//
// A Tree belongs to one goroutine.
//
// Invariants:
//
//   - I1 A tree without open blocks has the blocks and sums that counting its keys anew gives.
//   - I2 An open block's sum is that of its keys below its mark.
//   - I3 A block loaded from the store is open, or its sum is that of the keys in the store.
//   - I4 Diff of two lists covers every key in which the copies differ.
//   - I5 A change costs a search in the group and one in the block list, and no allocation unless it cuts.
package hashtree
