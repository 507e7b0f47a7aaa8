package main

import (
	"fmt"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/kv"
)

// handoffBenches join a second node to one that holds everything, with one copy
// of it, as there was in the peer's runs. B10 and B11 move few large partitions:
// what is measured is bytes, not steps. B12 is a whole join with the default
// settings, from the start of the node to a stable ring.
func handoffBenches() []Bench {
	var out []Bench
	for _, e := range []struct {
		id, engine string
		floor      float64
		size       int // bytes that are loaded; half of them move
		peer       float64
		peerName   string
	}{
		{"B10", baton.EngineMemory, 600, 512 << 20, 72, "Riak handoff, memory"},
		{"B11", baton.EnginePebble, 200, 512 << 20, 26, "Riak handoff, bitcask"}, // twice the block cache
	} {
		for _, v := range []struct {
			id    string
			value int
			share int // of the size, as small values take long to load
		}{{"", 1000, 1}, {"/100B", 100, 8}, {"/64KiB", 64 << 10, 1}} {
			floor := e.floor
			if v.value == 100 {
				floor = 0
			}
			out = append(out, Bench{
				ID: e.id + v.id, Floor: floor, Limit: &limitTCP, Peer: e.peer, PeerName: e.peerName,
				Case: Case{
					Name: fmt.Sprintf("handoff/%dB/%s/n=1", v.value, e.engine), Unit: "MB/s",
					Run: benchMove(e.engine, 8, e.size/v.share, v.value),
				},
			})
		}
	}
	for _, j := range []struct {
		id    string
		size  int
		floor float64
	}{{"B12", 57_000_000, 1000}, {"B12/1GB", 1_000_000_000, 6000}} {
		out = append(out, Bench{
			ID: j.id, Floor: j.floor, Peer: 126_000 * float64(j.size) / 57e6, PeerName: "Riak join of 57 MB, by size",
			Case: Case{
				Name: fmt.Sprintf("join/64-partitions/%dMB/n=1", j.size/1_000_000), Unit: "ms", Lower: true,
				Run: benchJoin(j.size),
			},
		})
	}
	return append(out, movingBenches()...)
}

// fill loads about size bytes of values of one size.
func (c *cell) fill(size, value int) error {
	content := make([]byte, value)
	for i := range content {
		content[i] = byte(i * 7)
	}
	return c.load(max(1, size/(value+24)), func(i int) kv.Object {
		return kv.Object{Bucket: "bulk", Key: fmt.Sprintf("key-%012d", i), Value: content}
	})
}

// benchMove counts the bytes of keys and values that move.
func benchMove(engine string, ring, size, value int) func(*Meter) error {
	return func(m *Meter) error {
		c, err := startCell(engine, 1, ring)
		if err != nil {
			return err
		}
		defer c.stop()
		if err := c.fill(m.Count(size), value); err != nil {
			return err
		}
		if err := c.unlimited(); err != nil {
			return err
		}
		// A node that has run for a while has read: its block cache is in memory.
		for _, err := range c.nodes[0].KV().Keys(c.ctx, "bulk") {
			if err != nil {
				return err
			}
		}
		return c.join(m, func() float64 { return float64(c.moved()) / 1e6 })
	}
}

// benchJoin times the join that moves size bytes.
func benchJoin(size int) func(*Meter) error {
	return func(m *Meter) error {
		c, err := startCell(baton.EngineMemory, 1, 64)
		if err != nil {
			return err
		}
		defer c.stop()
		if err := c.fill(m.Count(2*size), 1000); err != nil {
			return err
		}
		return c.join(m, func() float64 { return 1 })
	}
}

// admin calls f with a client of the first node's admin API.
func (c *cell) admin(f func(*admin.Client) error) error {
	client, err := admin.NewClient(c.nodes[0].AdminAddr())
	if err != nil {
		return err
	}
	defer client.Close()
	return f(client)
}

// unlimited takes the bound off the rate of transfers.
func (c *cell) unlimited() error {
	return c.admin(func(a *admin.Client) error {
		_, err := a.ConfigureHandoff(c.ctx, admin.HandoffConfigRequest{Rate: new(uint64)})
		return err
	})
}

// join measures from the start of a node to a stable ring.
func (c *cell) join(m *Meter, ops func() float64) error {
	m.Start()
	n, err := c.start("joiner", 0)
	if err == nil {
		err = n.Rebalance(c.ctx)
	}
	if err != nil {
		return err
	}
	m.Stop(ops())
	if c.moved() == 0 {
		return fmt.Errorf("nothing moved")
	}
	return nil
}
