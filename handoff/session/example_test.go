package session_test

import (
	"context"
	"fmt"

	"github.com/dee2748c/baton/handoff/session"
)

func Example() {
	reg := session.New()
	reg.Apply(10, []uint64{7}) // the record of version 10 has session 7 under way

	g, err := reg.Enter(7, "items from n1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("batch 1:", g.Check())

	reg.Apply(11, nil) // version 11 has not
	fmt.Println("batch 2:", g.Check())
	g.Leave()

	fmt.Println("drained:", reg.DrainClosing(context.Background()))
	_, err = reg.Enter(7, "a late frame")
	fmt.Println(err)
	// Output:
	// batch 1: <nil>
	// batch 2: session 7: session: closed
	// drained: <nil>
	// enter session 7 as "a late frame": session: closed
}
