package ring_test

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

func Example() {
	res, err := ring.Claim(ring.ClaimOptions{
		Size:    8,
		TargetN: 3,
		Members: []ring.Member{{Node: "ann"}, {Node: "bob"}, {Node: "cleo"}, {Node: "dave"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	head := res.Ring.Head(ring.HashKey([]byte("b"), []byte("k")))
	up := func(n ring.NodeID) bool { return n != "ann" }
	for _, e := range res.Ring.ActivePreflist(head, 3, up, nil) {
		fmt.Println(e.Partition, e.Node, e.Fallback)
	}
	// Output:
	// 5 bob false
	// 6 cleo false
	// 4 dave true
}

func ExampleHashKey() {
	h := ring.HashKey([]byte("foonum"), []byte("bar1"))
	p := h.Partition(64)
	fmt.Println(h, p, p.Index(64))
	// Output:
	// 8d69cf6f64aa3adc7879bceb384e16497329a9d2 36 822094670998632891489572718402909198556462055424
}

func ExampleClaim() {
	members := []ring.Member{{Node: "a"}, {Node: "b"}, {Node: "c"}, {Node: "d"}}
	first, err := ring.Claim(ring.ClaimOptions{Size: 16, Members: members})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(first.Ring.Owners())
	joined, err := ring.Claim(ring.ClaimOptions{Members: append(members, ring.Member{Node: "e"}), Current: first.Ring})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range joined.Moves {
		fmt.Println(m.Partition, m.From, "to", m.To)
	}
	fmt.Println(len(joined.Moves), "moves, at least", joined.Bound)
	// Output:
	// [a b c d a b c d a b c d a b c d]
	// 0 a to e
	// 5 b to e
	// 10 c to e
	// 3 moves, at least 3
}

func ExampleClaim_infeasible() {
	res, err := ring.Claim(ring.ClaimOptions{Members: []ring.Member{{Node: "a"}, {Node: "b"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, i := range res.Infeasible {
		fmt.Println(i)
	}
	// Output:
	// 2 nodes cannot hold every 4 consecutive of 64 partitions on distinct nodes, it takes 4; 64 of 64 windows repeat a node, every 2 consecutive are distinct
}

func ExampleRing_Coverage() {
	r, err := ring.New([]ring.NodeID{"a", "b", "c", "d", "a", "b", "c", "d"})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := r.Coverage(ring.CoverageOptions{N: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range plan.Vnodes {
		fmt.Println(v.Partition, v.Node, v.Filter)
	}
	down := func(n ring.NodeID) bool { return n == "b" || n == "c" }
	_, err = r.Coverage(ring.CoverageOptions{N: 2, Up: func(n ring.NodeID) bool { return !down(n) }})
	fmt.Println(err)
	// Output:
	// 2 c []
	// 5 b []
	// 0 a [6 7]
	// coverage of 1 of 2 copies: 2 partitions have too few vnodes up: 1 5
}
