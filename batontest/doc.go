// Package batontest runs a cluster of baton nodes within a test, on a network
// whose faults the test sets: frames dropped, delayed, doubled or out of order,
// links cut in one or both directions, nodes killed.
//
//	c := batontest.Start(t, batontest.Options{Nodes: 3, Kinds: []vnode.Kind{counter.Kind()}})
//	c.Faults(actors.Fault{Drop: 0.05})
//	d := c.Join("d")            // a fourth node, its share moved
//	c.Kill("a")                 // a crash
//
// The nodes are those of package baton, each with its own actors, stores and
// transport; only the sockets are missing. Everything is stopped at the end of
// the test, and a failure to do so fails it. The seed of the faults is logged
// when the test fails.
//
// Invariants:
//
//   - I1 The same seed gives the same faults to the n-th frame of each direction.
//   - I2 When the test ends no goroutine of the cluster is left.
package batontest
