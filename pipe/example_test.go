package pipe_test

import (
	"fmt"
	"slices"

	"github.com/dee2748c/baton/pipe"
)

// A pipe of two fittings, run by hand: the machines exchange messages until
// nothing is left to say.
func Example() {
	reg := pipe.NewRegistry()
	_ = reg.AddWorker("exclaim", pipe.Transform(func(item []byte, out pipe.Output) error {
		out.Emit(append(item, '!'))
		return nil
	}))
	spec := &pipe.Spec{
		ID: pipe.ID{1}, RingSize: 8,
		Fittings: []pipe.Fitting{
			{Name: "spread", Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashSHA1)},
			{Name: "exclaim", Worker: "exclaim", Route: pipe.Constant(4)},
		},
	}
	if err := spec.Validate(reg); err != nil {
		fmt.Println(err)
		return
	}
	w := newWorld(spec, reg, [][]string{{"to", "be", "or", "not"}}, nil)
	w.calm(nil)
	slices.Sort(w.results)
	fmt.Println(w.results, w.outcome.Err)
	for _, p := range w.outcome.Progress {
		fmt.Printf("%s: in %d, out %d\n", p.Fitting, p.In, p.Out)
	}
	// Output:
	// [be! not! or! to!] <nil>
	// spread: in 4, out 4
	// exclaim: in 4, out 4
}

func ExampleOutbox() {
	spec := &pipe.Spec{
		ID: pipe.ID{1}, RingSize: 8,
		Fittings: []pipe.Fitting{{Name: "a", Worker: pipe.Pass, Route: pipe.Constant(4)}},
	}
	out, err := pipe.NewOutbox(pipe.OutboxOptions{Spec: spec, Stream: pipe.Stream{Fitting: pipe.Input}}, pipe.NewRegistry())
	if err != nil {
		fmt.Println(err)
		return
	}
	show := func(actions []pipe.OutboxAction) {
		for _, a := range actions {
			e := a.(pipe.Transmit).Enqueue
			fmt.Printf("batch %d to partition %d: %d items\n", e.Seq, e.Partition, e.Batch.Len())
		}
	}
	_ = out.Emit([]byte("first"))
	show(out.Flush()) // nothing is under way: it goes at once
	_ = out.Emit([]byte("second"))
	_ = out.Emit([]byte("third"))
	show(out.Flush()) // collects until the acknowledgement
	show(out.Step(&pipe.Ack{Pipe: spec.ID, Fitting: 0, Partition: 4, Stream: out.Stream(), Seq: 1}))
	// Output:
	// batch 1 to partition 4: 1 items
	// batch 2 to partition 4: 2 items
}
