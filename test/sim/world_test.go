package sim

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// after lets a world run for a while.
func after(t *testing.T, w *World, d time.Duration) {
	t.Helper()
	done := false
	w.After(d, func() { done = true })
	if err := w.Run(func() bool { return done }, 2*d); err != nil {
		t.Fatal(err)
	}
}

// A crash leaves what was synced and a beginning of the rest, whole records only.
func TestDisk_Crash(t *testing.T) {
	lost, kept, torn := 0, 0, 0
	for seed := range uint64(200) {
		w := NewWorld(seed)
		d := newDisk(w)
		put := func(from, to int) {
			for i := from; i < to; i++ {
				d.Put(fmt.Sprint(i), []byte("data"))
			}
		}
		put(0, 5)
		d.Sync(func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
		after(t, w, time.Second)
		put(5, 10)
		d.Sync(func(error) { t.Errorf("seed %d: a sync ended after the crash", seed) })
		d.Crash()
		torn += len(d.records)
		n := 0
		if err := d.Load(func(key string, _ []byte) {
			if key != fmt.Sprint(n) {
				t.Errorf("seed %d: record %s at %d", seed, key, n)
			}
			n++
		}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		torn -= n
		if n < 5 {
			t.Errorf("seed %d: %d records are left of 5 synced ones", seed, n)
		}
		kept += n - 5
		lost += 10 - n
		after(t, w, time.Second)
	}
	if kept == 0 || lost == 0 || torn == 0 {
		t.Errorf("%d unsynced records kept, %d lost, %d torn", kept, lost, torn)
	}
}

// What a failed sync was to keep is at risk.
func TestDisk_failedSync(t *testing.T) {
	w := NewWorld(1)
	d := newDisk(w)
	d.FailSync = 1
	d.Put("a", nil)
	var got error
	d.Sync(func(err error) { got = err })
	after(t, w, time.Second)
	if !errors.Is(got, ErrSync) || d.synced != 0 {
		t.Errorf("%v, %d synced", got, d.synced)
	}
}

// Each flipped bit of what was synced is seen.
func TestDisk_FlipBit(t *testing.T) {
	for seed := range uint64(100) {
		d := newDisk(NewWorld(seed))
		for i := range 5 {
			d.Put(fmt.Sprint(i), slices.Repeat([]byte{byte(i)}, i))
		}
		d.SyncNow()
		if !d.FlipBit() {
			t.Fatal("nothing to flip")
		}
		if err := d.Load(func(string, []byte) {}); !errors.Is(err, ErrDamaged) {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

func TestNetwork(t *testing.T) {
	for _, c := range []struct {
		name         string
		drop, double float64
		cut          bool
		least, most  int
	}{
		{name: "reliable", least: 1000, most: 1000},
		{name: "drops", drop: 0.5, least: 400, most: 600},
		{name: "doubles", double: 0.5, least: 1400, most: 1600},
		{name: "cut", cut: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := NewWorld(1)
			n := newNetwork(w)
			n.Drop, n.Double = c.drop, c.double
			var got []int
			back := 0
			n.Listen("b", func(_ ring.NodeID, msg any) { i, _ := msg.(int); got = append(got, i) })
			n.Listen("a", func(ring.NodeID, any) { back++ })
			if c.cut {
				n.Cut("a", "b")
			}
			for i := range 1000 {
				n.Send("a", "b", i)
				n.Send("b", "a", i)
			}
			after(t, w, time.Second)
			if len(got) < c.least || len(got) > c.most {
				t.Errorf("%d of 1000 arrived", len(got))
			}
			if len(got) > 0 && slices.IsSorted(got) {
				t.Error("no message overtook another one")
			}
			if c.cut && back != 1000 {
				t.Errorf("%d of 1000 arrived in the direction that is not cut", back)
			}
		})
	}
}

// A node whose disk is damaged does not start, and the others go on without it: another node is forced
// into its place.
func TestCluster_damagedDisk(t *testing.T) {
	for _, seed := range seeds(1, 10) {
		c := rebalance(Options{Seed: seed, Nodes: 3, RingSize: 16})
		if err := c.Run(c.Settled, time.Minute); err != nil {
			rerun(t, seed, err)
		}
		bad := c.Node("n3")
		bad.Crash()
		pick := []*Disk{bad.wal, bad.data}[seed%2]
		pick.FlipBit()
		bad.Restart()
		if bad.Up() {
			t.Fatalf("seed %d: a node starts from a damaged disk", seed)
		}
		c.Join("n5", 5)
		removed := func(s topology.State) bool { m, _ := s.Member("n3"); return m.Status == topology.Removed }
		c.Operate(
			Joining("n5"),
			Once("down", func(s topology.State) bool { m, _ := s.Member("n3"); return m.Status == topology.Down }, topology.MarkDown{Node: "n3"}),
			Once("force-replace", func(s topology.State) bool { m, _ := s.Member("n3"); return m.Departs.Forced() },
				topology.StageForceReplace{Old: "n3", New: "n5"}),
			Commit(),
			Step{"removed", func(s topology.State) ([]topology.Op, bool) { return nil, removed(s) }},
		)
		if err := c.Run(c.Settled, time.Minute); err != nil {
			rerun(t, seed, err)
		}
		if s := c.Newest(); s.Ring().Count("n3") > 0 || s.Ring().Count("n5") == 0 {
			t.Errorf("seed %d: n3 has %d partitions, n5 %d", seed, s.Ring().Count("n3"), s.Ring().Count("n5"))
		}
	}
}

// A violation names the seed and shows what led to it.
func TestWorld_Run(t *testing.T) {
	w := NewWorld(42)
	w.After(time.Second, func() { w.Failf("two is not %d", 3) })
	err := w.Run(func() bool { return false }, time.Minute)
	if err == nil || w.Now() != time.Second {
		t.Fatalf("%v at %v", err, w.Now())
	}
	t.Log(err)
	if err := NewWorld(1).Run(func() bool { return false }, time.Minute); err == nil {
		t.Error("a world in which nothing can happen does not end")
	}
}
