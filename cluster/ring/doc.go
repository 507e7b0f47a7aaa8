// Package ring is the consistent-hashing ring as an immutable value: where a key
// belongs, which vnodes serve it, and which node shall own which partition.
//
// The key space is 0..2^160-1, cut into Q equal partitions, Q a power of two. A
// partition's index ends its range exclusively, so a hash belongs to the first
// index above it:
//
//	bucket, key → SHA-1 over an Erlang term [2] → Hash → Partition
//	Partition, n → Preflist: the owners of n partitions in ring order
//	             → ActivePreflist: those up, and fallbacks for the others
//	n, copies   → Coverage: vnodes that together hold every key so many times
//	members     → Claim → Ring, the moves that lead to it, what cannot be had
//
// A claim starts from the present ring. It repairs it with moves straight from
// those with too much to those with too little, and by short chains where the
// windows forbid that. Where this needs more moves than the shares alone enforce,
// a search partition by partition follows, led by bounds from a Lagrangian
// relaxation [4]; so most claims come with a proof that they are the cheapest.
// Locations, if they are few, are settled before the nodes in them.
//
//	members → problem: shares, distances that can be held → repair → polish
//	        → outline (locations first) → layers (search) → solution → report
//
// For example, the three vnodes that serve a key, and who stands in when the
// first of them is down:
//
//	head := r.Head(ring.HashKey(bucket, key))
//	list := r.ActivePreflist(head, 3, up, nil)
//
// Invariants, which the tests name:
//
//	I1  A hash h has the head (h div (2^160/Q) + 1) mod Q; the range of a
//	    partition ends where the next begins.
//	I2  A ring never changes; every partition has exactly one owner.
//	I3  A preflist is n consecutive partitions, wrapping; an active one names
//	    each of them at most once, primaries before fallbacks, only nodes up.
//	I4  A coverage plan answers for every head partition exactly as often as
//	    asked, or names those for which it cannot.
//	I5  Equal rings have equal encodings; nothing else decodes.
//	I6  A claim holds every window that its members can hold; every window that
//	    is not held is stated.
//	I7  A claim gives every node its share by weight, rounded down or up, or
//	    states that windows forbid it.
//	I8  A claim never moves fewer partitions than Bound; if it moves more than
//	    1.1 times as many, it says why. On small rings none takes fewer.
//	I9  A claim is a function of its options, whatever the order of members.
//
// The package is pure: no clock, lock, log, goroutine or random source.
//
// [1] D. Karger et al.: Consistent Hashing and Random Trees. STOC 1997.
// [2] Erlang/OTP: External Term Format.
// [3] G. DeCandia et al.: Dynamo. SOSP 2007, section 6.2 (partitioning).
// [4] M. Held, R. Karp: The Traveling-Salesman Problem and Minimum Spanning
// Trees, part II. Mathematical Programming 1, 1971 (subgradient bounds).
package ring
