package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// movingBenches measure what clients notice of transfers: the time in which a
// partition takes no writes, as the certificates have it, at 10,000 writes a
// second to it, which may be 10 ms or 5 syncs, and the latency of requests while half of the partitions move.
// The full sizes are 1 GiB and 30 moves, and 16 MiB and 1,000 moves; -scale makes
// both the number of moves and the partition smaller.
func movingBenches() []Bench {
	return []Bench{
		{ID: "FP/1GiB", Floor: 10, Case: Case{
			Name: "handoff/flip-pause/p99/1GiB/memory/10k-writes", Unit: "ms", Lower: true, Run: benchFlip(30, 1<<30),
		}},
		{ID: "FP/16MiB", Floor: 10, Case: Case{
			Name: "handoff/flip-pause/p99/16MiB/memory/10k-writes", Unit: "ms", Lower: true, Run: benchFlip(1000, 16<<20),
		}},
		{ID: "B13/put", Floor: 2, Case: Case{Name: "kv/put/p99-while-moving/n=1", Unit: "x idle", Lower: true, Run: benchMoving(true)}},
		{ID: "B13/get", Floor: 2, Case: Case{Name: "kv/get/p99-while-moving/n=1", Unit: "x idle", Lower: true, Run: benchMoving(false)}},
	}
}

// flipPartition is the one that moves to and fro.
const flipPartition ring.Partition = 3

func benchFlip(moves, size int) func(*Meter) error {
	return func(m *Meter) error {
		c, err := startCell(baton.EngineMemory, 2, 8)
		if err != nil {
			return err
		}
		defer c.stop()
		if err := errors.Join(c.unlimited(), c.overwritten()); err != nil {
			return err
		}
		names := namesIn(flipPartition, 8, m.Count(size)/1024+1)
		value := kvBytes()
		err = c.load(len(names), func(i int) kv.Object { return kv.Object{Bucket: kvBucket, Key: names[i], Value: value} })
		if err != nil {
			return err
		}
		stop := c.writeSteadily(names, value, 10_000)
		var pauses []time.Duration
		m.Start()
		for range m.Count(moves) {
			pause, moveErr := c.flip(flipPartition)
			if err = moveErr; err != nil {
				break
			}
			pauses = append(pauses, pause)
		}
		m.Stop(float64(max(1, len(pauses))))
		written, writeErr := stop()
		if err = errors.Join(err, writeErr); err != nil {
			return err
		}
		synced, err := syncP99(m.Count(1000))
		if err != nil {
			return err
		}
		slices.Sort(pauses)
		m.Report(milliseconds(percentile(pauses, 99)))
		m.Require(max(10, 5*milliseconds(synced)))
		m.Note("%d moves: p50 %v, p99 %v, longest %v; fdatasync p99 %v; %.0f writes/s, none failed",
			len(pauses), percentile(pauses, 50), percentile(pauses, 99), pauses[len(pauses)-1], synced, float64(written)/m.wall.Seconds())
		return nil
	}
}

// namesIn returns n keys of one partition.
func namesIn(p ring.Partition, ringSize, n int) []string {
	names := make([]string, 0, n)
	for i := 0; len(names) < n; i++ {
		if name := fmt.Sprintf("key-%012d", i); kv.Route("", kvBucket, name, ringSize) == p {
			names = append(names, name)
		}
	}
	return names
}

// overwritten keeps one value of each key: the benchmarks write without reading.
func (c *cell) overwritten() error {
	_, err := c.nodes[0].Buckets().SetProperties(c.ctx, "default", kvBucket, bucket.Changes{"last_write_wins": true, "allow_mult": false})
	return err
}

// flip moves a partition to the node that has it not, and returns for how long
// it took no writes.
func (c *cell) flip(p ring.Partition) (time.Duration, error) {
	n := c.nodes[0]
	owner, _ := n.View().Owner(kv.KindName, p)
	to := c.nodes[0].Name()
	if string(owner) == to {
		to = c.nodes[1].Name()
	}
	err := c.admin(func(a *admin.Client) error {
		_, err := a.Move(c.ctx, admin.MoveRequest{Partition: p, To: ring.NodeID(to)})
		return err
	})
	if err == nil {
		err = n.WaitStable(c.ctx)
	}
	if err != nil {
		return 0, err
	}
	part := n.View().Part(kv.KindName, p)
	if part.Certificate == nil || string(part.Owner) != to {
		return 0, fmt.Errorf("partition %d did not move to %s", p, to)
	}
	return time.Duration(part.Certificate.FreezeMicros) * time.Microsecond, nil
}

// writeSteadily puts values at a rate, by enough writers that the rate holds
// when some of them wait. What it returns ends them and says how many values were
// written.
func (c *cell) writeSteadily(names []string, value []byte, rate int) func() (int64, error) {
	const writers = 64
	ctx, cancel := context.WithCancel(c.ctx)
	var written atomic.Int64
	errs := make(chan error, writers)
	began := time.Now()
	for w := range writers {
		go func() {
			client := c.nodes[w%len(c.nodes)].KV()
			every := time.Duration(writers) * time.Second / time.Duration(rate)
			for i := 0; ; i++ {
				select {
				case <-ctx.Done():
					errs <- nil
					return
				case <-time.After(time.Until(began.Add(time.Duration(i) * every))):
				}
				o := kv.Object{Bucket: kvBucket, Key: names[(i*writers+w)%len(names)], Value: value}
				if err := client.Put(c.ctx, o); err != nil {
					errs <- err
					return
				}
				written.Add(1)
			}
		}()
	}
	return func() (int64, error) {
		cancel()
		var err error
		for range writers {
			err = errors.Join(err, <-errs)
		}
		return written.Load(), err
	}
}

// benchMoving compares the latencies of requests at rest with those while a node
// joins and half of the partitions move to it, at the default rate of transfers.
// The clients stay at the first node, so from a partition's move on their requests
// for it cross to the other: at rest is before the join and as long after it, when
// none and a half of the requests cross, and while it goes on it is those between.
func benchMoving(put bool) func(*Meter) error {
	return func(m *Meter) error {
		c, err := startCell(baton.EngineMemory, 1, 64)
		if err != nil {
			return err
		}
		defer c.stop()
		names, value := kvNames(m.Count(1_000_000)), kvBytes()
		object := func(i int) kv.Object { return kv.Object{Bucket: kvBucket, Key: names[i], Value: value} }
		if err := errors.Join(c.overwritten(), c.load(len(names), object)); err != nil {
			return err
		}
		touch(m.Count(700_000_000))
		client := c.nodes[0].KV()
		request := func(i int) error {
			_, err := client.Get(c.ctx, kvBucket, names[i%len(names)])
			return err
		}
		if put {
			request = func(i int) error { return client.Put(c.ctx, object(i%len(names))) }
		}
		rest := func() ([]time.Duration, error) {
			l := newLatencies(request)
			<-time.After(time.Duration(m.Count(3000)) * time.Millisecond)
			return l.stop()
		}
		before, err := rest()
		if err != nil {
			return err
		}
		l := newLatencies(request)
		err = c.join(m, func() float64 { return 1 })
		moving, requestErr := l.stop()
		if err = errors.Join(err, requestErr); err != nil {
			return err
		}
		after, err := rest()
		if err != nil {
			return err
		}
		both := slices.Sorted(slices.Values(slices.Concat(before, after)))
		still, during := percentile(both, 99), percentile(moving, 99)
		m.Report(float64(during) / float64(still))
		m.Note("p99 %v at rest (%v before, %v after the move; %d requests), %v while %.0f MB moved in %v (%d requests; p50 %v), none failed",
			still, percentile(before, 99), percentile(after, 99), len(both),
			during, float64(c.moved())/1e6, m.wall.Round(time.Millisecond), len(moving), percentile(moving, 50))
		return nil
	}
}

// touch makes n bytes memory of this process, as it is on a node that has run for
// a while. On a virtual machine the first touch of a page may take 10 us.
func touch(n int) {
	const block, page = 1 << 20, 4 << 10
	var blocks [][]byte
	for range n / block {
		b := make([]byte, block)
		for i := 0; i < block; i += page {
			b[i] = 1
		}
		blocks = append(blocks, b)
	}
	runtime.KeepAlive(blocks)
	runtime.GC()
}

// latencies are those of a few clients that ask one request after the other,
// 2,000 in a second together.
type latencies struct {
	over chan struct{}
	done sync.WaitGroup

	mu   sync.Mutex
	took []time.Duration
	err  error
}

func newLatencies(request func(i int) error) *latencies {
	const clients, every = 4, 2 * time.Millisecond
	l := &latencies{over: make(chan struct{})}
	for w := range clients {
		l.done.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for i := w; ; i += clients {
				began := time.Now()
				err := request(i)
				l.mu.Lock()
				l.took = append(l.took, time.Since(began))
				l.err = errors.Join(l.err, err)
				l.mu.Unlock()
				select {
				case <-l.over:
					return
				case <-tick.C:
				}
			}
		})
	}
	return l
}

// stop returns the latencies in ascending order.
func (l *latencies) stop() ([]time.Duration, error) {
	close(l.over)
	l.done.Wait()
	slices.Sort(l.took)
	return l.took, l.err
}

// percentile returns the p-th percentile of ascending durations.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[(len(sorted)*p-1)/100]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
