// Package entropy proves that the hash trees of kv partitions on Pebble are
// exact after power cuts: what is loaded and what is counted anew has the sums of
// what is stored.
//
// Invariants: I3 of package hashtree.
package entropy
