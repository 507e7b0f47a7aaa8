package topology_test

import (
	"errors"
	"fmt"

	"github.com/dee2748c/baton/cluster/topology"
)

func ExampleState_Apply() {
	kinds := []topology.KindSpec{{Name: "kv"}}
	commands := []topology.Op{
		topology.CreateCluster{ClusterID: topology.ClusterID{1}, RingSize: 64, TargetN: 4, NVal: 3, Kinds: kinds, Member: topology.Member{Node: "n1"}},
		topology.Join{Node: "n2", Nonce: 42, Kinds: kinds},
		topology.Join{Node: "n1", Nonce: 43, Kinds: kinds},
		topology.CommitPlan{PlanVersion: 2},
	}
	var state topology.State
	for i, op := range commands {
		var out topology.Outcome
		state, out = state.Apply(topology.Command{ID: topology.CommandID{Proposer: "example", Seq: uint64(i + 1)}, Op: op})
		fmt.Println(out.Version, out.Code, errors.Is(out.Err, topology.ErrNameTaken))
	}
	n2, _ := state.Member("n2")
	fmt.Println(n2.Node, n2.Status)
	// Output:
	// 1 applied false
	// 2 applied false
	// 3 node name taken true
	// 3 nothing planned false
	// n2 joining
}
