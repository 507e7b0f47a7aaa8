// Package counter is a vnode kind of one's own: named counters that are spread
// over the ring, survive every planned move, and count each acknowledged
// addition once.
//
//	node, err := baton.Start(ctx, baton.Options{Name: "a", Bootstrap: true, Kinds: []vnode.Kind{counter.Kind{}}})
//	n, err := counter.Add(ctx, node, "visits", 1)
//
//	client --Command(kind, name, body)--> the vnode whose partition the name hashes to
//	vnode  --Get, Put through its Context--> store: one atomic batch, durable before the reply
//
// The kind keeps its numbers in the store that the runtime hands it. That is
// all that a handoff asks for: copying, following changes, freezing and
// flipping the owner are derived from the store.
//
// An addition is not idempotent, so Add does not repeat it when its outcome is
// unknown (baton.ErrUnknownOutcome); whoever calls it decides.
//
// Invariants:
//
//   - I1 The counter is the sum of the acknowledged additions, plus at most those of unknown outcome.
package counter
