// Package history records what concurrent clients of the objects did and saw, and says where that is
// not what the store promises. It knows no process and no clock: an order of begins and ends is all.
//
//	h := history.New()
//	op := h.Begin(history.Op{Kind: history.Put, Key: "k", Value: "unique", Seen: seen})
//	...                                     // the request
//	h.End(op, history.Op{Outcome: history.OK, Context: written.Context})
//	...                                     // faults are healed: h.Final() for the reads of now on
//	for _, wrong := range h.Check(history.Strict) { t.Error(wrong) }
//
// Every value is written once. A write has seen the values of the answer whose context it carries, and
// takes their place; by that the checks know which values may be gone.
//
// What is checked of any bucket that keeps siblings (Eventual):
//
//	I1 a value that is read was written to the key, by a put that had begun and was not answered with
//	   "not done"
//	I2 a value that was acknowledged, or read once, stands at the end, unless a write had seen it
//	I3 what an acknowledged put or delete had seen does not stand at the end
//	I4 all reads at the end return the same
//
// And with quorums of primaries that meet (Strict: r + w > n, pr and pw are quorums, not sloppy):
//
//	I5 a read returns each value that was acknowledged or read before it began, unless a write that
//	   began before the read ended had seen it
//	I6 a value that was superseded by an acknowledged write, or missed by a read that should have
//	   returned it, is in no read that begins later: neither deletes nor old values come back
//	I7 the context of a read descends from those of all answers before it; a delete lets the store
//	   forget the clock of a key, so this is checked of keys that nobody deletes
package history
