// Package session keeps the guards of transfer sessions on one node.
//
// A session is one attempt to move one partition. Its id is issued by the
// replicated record, and only a record that was applied here opens or closes it:
// what a message says about a session never does. Work with a side effect runs
// inside a guard:
//
//	record applied --Apply--> open --Enter--> guard --Leave--> gone
//	record applied --Apply--> closing: no new guard, Context of the old ones ends
//	last guard leaves ------> closed for ever
//
// The two halves of closing answer two questions. Check, asked before each
// batch, makes work stop soon. Waiting for the last Leave makes it safe to go
// on: whoever returned from Drain knows that nothing of that session happens on
// this node any more, whatever is still queued or on the wire. A wait without
// an abort signal would hang on the first forgotten guard; so the signal comes
// first, guards carry names, and a drain that gives up says who holds on.
//
//	reg := session.New()
//	reg.Apply(state.Version, open)                 // sessions of the record that concern this node
//	g, err := reg.Enter(frame.Session, "items from n1")
//	if err != nil {
//		return err                                 // unknown: look at the record; closed: drop for good
//	}
//	defer g.Leave()
//	for batch := range batches {
//		if err := g.Check(); err != nil {
//			return err
//		}
//		apply(batch)
//	}
//
// The idea is ScyllaDB's topology guards; the ids here are ordered, so that a
// node can tell a session it has not heard of yet from one that is over.
//
// Invariants:
//
//   - I1 A session is open, then closing, then closed; it never goes back, and an id is never used twice.
//   - I2 Enter succeeds only between open and closing.
//   - I3 A closing session has ended the context of every guard before Apply or Close returns.
//   - I4 When Drain returns nil, every guard of the session has left and no other will enter.
//   - I5 A session with a guard is always in the registry, so every guard can be found and named.
//   - I6 Session 0 is no session: it can't be opened or entered.
package session
