package raft_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/raft"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// A trio is three voters on disk and loopback, with the default time-outs.
type trio struct {
	testing.TB
	nodes  []ring.NodeID
	stores map[ring.NodeID]*raft.Store
	record map[string]string // record address by raft address
}

func newTrio(b testing.TB) *trio {
	g := &trio{TB: b, nodes: []ring.NodeID{"n1", "n2", "n3"}, stores: map[ring.NodeID]*raft.Store{}, record: map[string]string{}}
	var seeds []string
	var opts []raft.Options
	for _, n := range g.nodes {
		r, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		q, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		seeds = append(seeds, r.Addr().String())
		g.record[r.Addr().String()] = q.Addr().String()
		dial := func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
		opts = append(opts, raft.Options{
			Node: n, Dir: b.TempDir(), Addr: r.Addr().String(), RaftListener: r, RecordListener: q, DialRaft: dial,
			DialRecord: func(ctx context.Context, addr string) (net.Conn, error) { return dial(ctx, g.record[addr]) },
		})
	}
	for _, o := range opts {
		o.Seeds = seeds
		s, err := raft.OpenStatic(o)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		g.stores[o.Node] = s
	}
	if err := g.stores["n1"].BootstrapVoters(context.Background(), g.nodes...); err != nil {
		b.Fatal(err)
	}
	if _, err := cluster.NewProposer(g.stores["n1"], "founder").Propose(context.Background(), 0, topology.CreateCluster{
		ClusterID: topology.ClusterID{1}, RingSize: 64, TargetN: 2, NVal: 2, Kinds: kinds, Member: topology.Member{Node: "n1", Addr: "n1:1"},
	}); err != nil {
		b.Fatal(err)
	}
	return g
}

func (g *trio) leader() ring.NodeID {
	for {
		for _, n := range g.nodes {
			if s := g.stores[n]; s != nil && s.Leads() {
				return n
			}
		}
	}
}

// fsync returns what one write with fsync costs on the disk under test.
func fsync(b testing.TB) time.Duration {
	f, err := os.Create(filepath.Join(b.TempDir(), "fsync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var all []time.Duration
	for range 100 {
		begun := time.Now()
		if _, err := f.Write(make([]byte, 512)); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(begun))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// BenchmarkPropose measures commands per second, through the log of three servers on one disk.
func BenchmarkPropose(b *testing.B) {
	for _, c := range []struct{ proposers, batch int }{{1, 1}, {16, 1}, {1, 64}, {16, 64}} {
		b.Run(fmt.Sprintf("proposers=%d/batch=%d", c.proposers, c.batch), func(b *testing.B) {
			g := newTrio(b)
			s := g.stores[g.leader()]
			cost, before := fsync(b), s.Status()
			ops := slices.Repeat([]topology.Op{topology.BeginTerm{Node: "n1"}}, c.batch)
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			for i := range c.proposers {
				wg.Go(func() {
					p := cluster.NewProposer(s, fmt.Sprintf("p%d", i))
					for left.Add(-1) >= 0 {
						if _, err := p.Propose(context.Background(), 0, ops...); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			after := s.Status()
			b.ReportMetric(float64(b.N*c.batch)/b.Elapsed().Seconds(), "commands/s")
			b.ReportMetric(float64(cost.Microseconds()), "fsync-µs")
			b.ReportMetric(float64(after.Entries-before.Entries)/float64(after.Syncs-before.Syncs), "entries/fsync")
		})
	}
}

// BenchmarkFollowerSees measures from the leader's answer to a follower's watcher.
func BenchmarkFollowerSees(b *testing.B) {
	g := newTrio(b)
	n := g.leader()
	follower := g.stores[g.nodes[(slices.Index(g.nodes, n)+1)%3]]
	seen := follower.Watch(context.Background())
	p := cluster.NewProposer(g.stores[n], "p")
	var all []time.Duration
	for range b.N {
		out, err := p.Propose(context.Background(), 0, topology.BeginTerm{Node: "n1"})
		if err != nil {
			b.Fatal(err)
		}
		committed := time.Now()
		for (<-seen).State.Version() < out[0].Version {
		}
		all = append(all, time.Since(committed))
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkLeaderKill measures from the leader's end to the next commit, with the default time-outs.
func BenchmarkLeaderKill(b *testing.B) {
	worst := time.Duration(0)
	for range b.N {
		b.StopTimer()
		g := newTrio(b)
		n := g.leader()
		p := cluster.NewProposer(g.stores[g.nodes[(slices.Index(g.nodes, n)+1)%3]], "p")
		b.StartTimer()
		begun := time.Now()
		g.stores[n].Close()
		for {
			_, err := p.Propose(context.Background(), 0, topology.BeginTerm{Node: "n1"})
			if err == nil {
				break
			}
			if !errors.Is(err, cluster.ErrUnavailable) {
				b.Fatal(err)
			}
		}
		worst = max(worst, time.Since(begun))
	}
	b.ReportMetric(worst.Seconds(), "worst-s")
}
