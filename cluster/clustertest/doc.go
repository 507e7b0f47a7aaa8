// Package clustertest is the conformance suite of cluster.Store: every adapter runs it.
//
//	func TestStore(t *testing.T) {
//		clustertest.Run(t, func(t *testing.T, nodes []ring.NodeID) clustertest.Fixture {
//			log := memory.New()
//			...
//			return clustertest.Fixture{Handles: handles, Cut: cut, Heal: heal}
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
//	I10 all of this is linearizable while handles are cut, killed and restarted
//
// I6 runs the history of a [Generator], which others may use too, and I10 checks what concurrent callers
// saw against a small sequential model. The hooks of a [Fixture] say which faults a store
// can be given, and [Options] how long these two cases are.
package clustertest
