// Package e2e runs clusters of real processes of the baton binary, breaks them, and watches what
// every node says of the record meanwhile.
//
//	Main -> go build ./cmd/node, once
//	Cluster -> Node -> Process (a child in its own process group)
//	n1 --> proxy of n2 --> n2        every connection between nodes passes the target's proxy
//	Observer --> GET /v1/record      of all live nodes, all the time
//
//	c := e2e.New(t, e2e.Options{RingSize: 16})
//	nodes := c.Form(3)              // n1 bootstraps, the others join, planned, committed, settled
//	c.Net.Cut("n1", "n2")
//	nodes[0].Kill()
//	nodes[0].Start()
//
// Waiting is for conditions, polled, with deadlines that only say "stuck"; the one thing that takes
// time on purpose is how long a process is paused. The seed of a test's random choices is logged, and
// BATON_E2E_SEED sets it. BATON_E2E_SOAK=1 runs the long forms, and BATON_E2E_SOAK=5m those that last as
// long as one likes in 5 minutes.
//
// Clients write and read objects through all nodes while a test breaks them (Cluster.Drive), and what
// they were told is held to what the store promises by package history; EqualCopies stops the nodes and
// looks into their stores.
//
// Invariants:
//
//	I1 no process outlives its test, nor the test binary, whatever ends it
//	I2 every record that any node showed is checked: one version has one set of owners and epochs at
//	   all nodes; what is read linearizably never goes back, nor does a process's own view; an
//	   owner changes only with a greater epoch
//	I3 a failed test shows the last lines of every node's log
package e2e
