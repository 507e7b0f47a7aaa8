// Package port is the one cluster port of a node: every protocol between nodes shares it.
//
// A connection begins with a preface in clear, and nothing else of it is looked at:
//
//	A                                                B
//	"BTN1", protocol, cluster id, node name  ----->  read, judge
//	           <-----  "BTN1", verdict, cluster id
//	the protocol's own bytes  <------------------->  the protocol's listener
//
// Nodes of different clusters part here, in both directions, with an error that names both ids. A node
// that has no cluster yet speaks [Record] only, which is how it joins.
//
//	p, err := port.Listen(port.Options{Node: "n1", Addr: "10.0.0.1:4370"})
//	go server.Serve(p.Listener(port.Nodes))
//	conn, err := p.Dial(ctx, "10.0.0.2:4370", port.Nodes)
//
// The sender's name is in clear on purpose: it lets an operator, and a proxy between nodes, tell
// connections apart. What follows the preface may be encrypted (Options.Wrap).
//
// Invariants, which the tests name:
//
//	I1 no byte of a protocol passes between nodes of two clusters
//	I2 a node without a cluster speaks Record only, in both directions
//	I3 a client that is slow, silent or sends garbage costs one of few places, for a bounded time
//	I4 every refusal reaches the dialer as a typed error
//	I5 after Close no goroutine of the port runs, and no connection waits in it
package port
