package baton_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
)

// left is what handoffs may leave behind.
type left struct {
	goroutines, files int
	heap              uint64 // bytes, garbage left out
}

func (l left) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %d KiB of heap", l.goroutines, l.files, l.heap>>10)
}

// measure collects garbage first, and what garbage held.
func measure(t *testing.T) (l left) {
	t.Helper()
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return left{runtime.NumGoroutine(), len(open), m.HeapAlloc}
}

// TestHandoff_leavesNothing: after 100 handoffs between two nodes, 1,000 with BATON_SOAK, goroutines, file
// descriptors and heap are where they began.
func TestHandoff_leavesNothing(t *testing.T) {
	want := uint64(100)
	if os.Getenv("BATON_SOAK") != "" {
		want = 1000
	}
	for _, engine := range []string{baton.EngineMemory, baton.EnginePebble} {
		t.Run(engine, func(t *testing.T) {
			m := startMembers(t)
			m.ctx = t.Context() // 1,000 take minutes
			for _, name := range []string{"a", "b"} {
				o := m.options(name, name == "a")
				o.Engine, o.NVal, o.TargetN, o.RingSize, o.AdminAddr = engine, 1, 1, 8, "127.0.0.1:0"
				m.start(o)
			}
			m.rebalance("a")
			a := m.all["a"]
			for i := range 64 {
				if err := a.KV().Put(m.ctx, kv.Object{Bucket: "b", Key: fmt.Sprint(i), Value: bytes.Repeat([]byte{7}, 4<<10)}); err != nil {
					t.Fatal(err)
				}
			}
			api, err := admin.NewClient("http://" + a.AdminAddr())
			if err != nil {
				t.Fatal(err)
			}
			defer api.Close()
			limit := 16
			if _, err := api.ConfigureHandoff(m.ctx, admin.HandoffConfigRequest{Limit: &limit}); err != nil {
				t.Fatal(err)
			}

			m.shuttle(api, want/2) // everything has been opened once, and caches and histories are full
			before := measure(t)
			done := m.shuttle(api, want)
			// What ends by itself may take its time. The heap goes up and down by 2 MiB, and up by 4 from the
			// beginning to 5,000 handoffs; here that is 4 KiB for each of 1,000.
			var after left
			eventually(t, func() error {
				after = measure(t)
				if after.goroutines > before.goroutines || after.files > before.files || after.heap > before.heap+4<<20 {
					return fmt.Errorf("%v, before %v", after, before)
				}
				return nil
			})
			t.Logf("before: %v; after %d handoffs: %v", before, done, after)
		})
	}
}

// handoffs is how many the record has certificates of.
func (m *members) handoffs() (n uint64) {
	view := m.all["a"].View()
	for _, k := range view.Kinds() {
		for _, x := range view.Parts(k.Name) {
			if x.Certificate != nil {
				n += x.Certificate.Number
			}
		}
	}
	return n
}

// shuttle moves all partitions to a and to b in turns, at least so many, and returns how many it were.
func (m *members) shuttle(api *admin.Client, want uint64) uint64 {
	m.Helper()
	begun := m.handoffs()
	for round := 0; m.handoffs()-begun < want || round%2 == 1; round++ {
		to := []ring.NodeID{"a", "b"}[round%2]
		for p := range ring.Partition(8) {
			if m.all["a"].View().Ring().Owner(p) == to {
				continue
			}
			if _, err := api.Move(m.ctx, admin.MoveRequest{Partition: p, To: to}); err != nil {
				m.Fatal(err)
			}
		}
		eventually(m.T, func() error {
			if s := m.all["a"].View(); !s.Settled() || s.Ring().Count(to) != 8 {
				return fmt.Errorf("%d transfers are under way", len(s.Transfers()))
			}
			return nil
		})
	}
	return m.handoffs() - begun
}
