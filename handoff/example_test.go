package handoff_test

import (
	"fmt"

	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/store"
)

// An empty partition moves: what the source is told to do, step by step.
func ExampleSender() {
	s := handoff.NewSender(handoff.SenderOptions{})
	for _, e := range []handoff.SenderEvent{
		handoff.StreamOpened{},
		handoff.HelloOK{},
		handoff.FoldBegun{Empty: true},
		handoff.Frozen{},
		handoff.DirtyRead{Final: &store.Summary{}},
		handoff.FinOK{},
	} {
		fmt.Printf("%T:", e)
		for _, a := range s.Step(e) {
			fmt.Printf(" %T", a)
		}
		fmt.Println()
	}
	// Output:
	// handoff.StreamOpened: handoff.SendHello
	// handoff.HelloOK: handoff.RequestFold
	// handoff.FoldBegun: handoff.ReportReadyToSeal
	// handoff.Frozen: handoff.ReadDirty
	// handoff.DirtyRead: handoff.ReportFrozen handoff.SendFin
	// handoff.FinOK: handoff.Done
}

func ExampleItemsBuilder() {
	b := handoff.NewItemsBuilder(1 << 20)
	for _, err := range []error{
		b.Put([]byte("apple"), []byte("red"), 1),
		b.Delete([]byte("pear")),
	} {
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	items, err := handoff.ParseItems(b.Take())
	if err != nil {
		fmt.Println(err)
		return
	}
	for op := range items.All() {
		fmt.Printf("%s=%s delete=%v\n", op.Key, op.Value, op.Delete)
	}
	// Output:
	// apple=red delete=false
	// pear= delete=true
}
