package counter_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton/batontest"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/examples/counter"
	"github.com/dee2748c/baton/vnode"
)

func TestMain(m *testing.M) { batontest.VerifyTestMain(m) }

var kinds = baton.Options{Kinds: []vnode.Kind{counter.Kind{}}}

func Example() {
	ctx := context.Background()
	node, err := baton.Start(ctx, baton.Options{Name: "a", Bootstrap: true, Kinds: []vnode.Kind{counter.Kind{}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Stop(ctx)
	for _, delta := range []int64{1, 41, 0, -2} {
		fmt.Println(counter.Add(ctx, node, "visits", delta))
	}
	// Output:
	// 1 <nil>
	// 42 <nil>
	// 42 <nil>
	// 40 <nil>
}

// I1: every acknowledged addition counts once, while the partitions with the
// counters move to a node that joins and away from one that leaves, on a
// network that delays and reorders.
func TestAdd_isExactWhilePartitionsMove(t *testing.T) {
	const writers, additions, names = 4, 150, 20
	c := batontest.Start(t, batontest.Options{Node: kinds})
	c.Faults(actors.Fault{Delay: time.Millisecond, Reorder: 0.05, Duplicate: 0.05})

	stays := c.Node("b")
	var running sync.WaitGroup
	half := make(chan struct{}, writers)
	for w := range writers {
		running.Go(func() {
			for i := range additions {
				if i == additions/2 {
					half <- struct{}{}
				}
				if _, err := counter.Add(t.Context(), stays, fmt.Sprint("counter", (w+i)%names), 1); err != nil {
					t.Errorf("writer %d, addition %d (seed %d): %v", w, i, c.Seed(), err)
				}
			}
		})
	}
	<-half
	c.Join("d")
	c.Leave("a")
	running.Wait()

	var sum int64
	for i := range names {
		n, err := counter.Add(t.Context(), c.Node("d"), fmt.Sprint("counter", i), 0)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if sum != writers*additions {
		t.Errorf("the counters sum up to %d, %d additions were acknowledged (seed %d)", sum, writers*additions, c.Seed())
	}
}

func TestHandleCommand_refusesABodyWithoutANumber(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Nodes: 1, Node: kinds})
	if reply, err := c.Any().Command(t.Context(), counter.Name, "x", nil); err == nil {
		t.Errorf("an empty command was answered with %x", reply)
	}
}
