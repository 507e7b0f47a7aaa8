// Package netfault puts a fault proxy in front of each node's cluster port, for end-to-end tests.
//
//	node a --dial--> proxy of b --> cluster port of b
//	                 |  reads a's name in the preface, knows b's
//	                 |  bytes a->b obey the rule of (a, b), bytes b->a that of (b, a)
//
// Nodes advertise the addresses of their proxies, so whatever one says to another passes one, whoever
// dialled.
//
//	net := netfault.New()
//	defer net.Close()
//	addr, err := net.Proxy("b", "127.0.0.1:4370")	// what b advertises
//	net.CutOneWay("a", "b")
//	net.Heal("a", "b")
//
// A cut is a network that loses every packet: no connection ends by it, what is sent waits, and goes on
// when the cut is healed, as TCP makes it. [Network.Reset] ends connections.
//
// Invariants, which the tests name:
//
//	I1 a rule of (from, to) touches bytes in that direction only, on connections of both sides
//	I2 what was held back arrives whole and in order after Heal
//	I3 after Close no goroutine of the network runs
package netfault
