// Package replica is the vocabulary of requests that concern several copies of
// one partition: who holds them, and the machines that ask them.
//
// The copies of a key are kept by the vnodes of n partitions in a row, the
// primaries. Where a primary does not answer, a fallback keeps its copy until it
// does: a vnode of the same partition on another node.
//
//	Set      who should hold the copies, whether they seem up, who stands in
//	Machine  a request as a pure machine: what happened in, what to send out
//
//	           Begin                 Send{ID 0, to a}
//	shell ----------------> machine ------------------> replicas
//	           Answer{0, body}       Send{ID 1, to b}, Send{ID 2, to c}
//	      ----------------> ...
//
// Package kv writes the machines, package actors runs them. The shell sends
// what the machine asks for, follows a partition to its new owner when a move
// has ended, and tells each Send's end exactly once.
//
// Invariants:
//
//   - I1 Each Send is followed by exactly one Answer or Fail with its ID, unless Expire comes first.
//   - I2 A Fail that is not Unknown says that the command was not done and never will be.
//   - I3 After Ready the outcome does not change; after Done no event is waited for.
package replica
