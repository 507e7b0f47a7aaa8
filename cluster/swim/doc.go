// Package swim is liveness by gossip: hashicorp/memberlist over the cluster port.
//
//	record --SetMembers--> who is watched, and where
//	memberlist: probe, indirect probe, suspicion, refutation --> state of each peer
//	state --Health, Watch--> whoever chooses between nodes
//
// memberlist is never asked who the members are, and never told where they live: names are resolved
// by the record, so a node that restarts elsewhere is found, and a name that the record does not have
// is not listened to. A member that memberlist has given up is called again and again for as long as
// the record has it, and is Reachable as soon as it answers.
//
//	d, err := swim.Open(swim.Options{Node: "n1", Incarnation: 4, Cluster: id,
//		Listener: p.Listener(port.Gossip),
//		Dial:     func(ctx context.Context, addr string) (net.Conn, error) { return p.Dial(ctx, addr, port.Gossip) },
//	})
//	d.SetMembers(map[ring.NodeID]string{"n1": "10.0.0.1:4370", "n2": "10.0.0.2:4370"})
//
// Packets travel as frames on one kept connection for each direction and pair of nodes, and are lost
// when it is slow, as they would be on UDP; state exchanges have connections of their own.
//
// Invariants, which the tests name:
//
//	I1 only members of the record are in the health, and only while they are
//	I2 a member that stops answering is Suspect, and then Unreachable, at every other member
//	I3 a member that answers again is Reachable again, however long it was away
//	I4 a slow member refutes: suspicion alone makes nobody Unreachable
//	I5 sending never blocks memberlist, and what waits is bounded
//	I6 after Close nothing is dialled, accepted or published
package swim
