// Package clustertest is the conformance suite of cluster.Store: every adapter runs it.
//
//	func TestStore(t *testing.T) {
//		clustertest.Run(t, func(t *testing.T, nodes []ring.NodeID) clustertest.Fixture {
//			log := memory.New()
//			...
//		})
//	}
//
// It holds a store to these invariants, each named in the test that checks it:
//
//	I1 a read has every proposal in it that was answered before the read began, on any handle
//	I2 a command id takes effect once, and every proposal of it gets the same outcome
//	I3 the commands of one proposal are applied in order with no other in between
//	I4 a watcher gets the newest record after the last change, and never an older one after a newer
//	I5 a proposal with an unknown outcome can be repeated until its outcome is known
//	I6 the record is the one that topology.State.Apply makes of the same history
//	I7 a closed handle refuses with cluster.ErrClosed, and an ended context with its own error
//	I8 at most one handle leads, and in the end one does
//	I9 with a coordinator on every handle, a committed ring is reached
package clustertest
