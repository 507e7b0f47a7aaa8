package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

// clusterBenches measure nodes in one process, each with its own actors, store
// and gRPC server on loopback. There is one copy of everything, as there was in
// the peer's runs.
func clusterBenches() []Bench {
	return append([]Bench{
		{
			ID: "B6", FloorRatio: 0.4, Limit: &limitWords, Peer: 1.5, PeerName: "Riak MapReduce",
			Case: Case{Name: "mapreduce/word-count/go-sources/3-nodes/memory/n=1", Unit: "MB/s", Run: benchWordCount},
		},
	}, handoffBenches()...)
}

// cell is a cluster of a benchmark.
type cell struct {
	ctx    context.Context
	engine string
	dir    string // of all nodes, for a durable engine
	nodes  []*baton.Node

	mu    sync.Mutex
	bytes uint64 // handed off
}

func startCell(engine string, nodes, ringSize int) (*cell, error) {
	c := &cell{ctx: context.Background(), engine: engine}
	if engine != baton.EngineMemory {
		var err error
		if c.dir, err = os.MkdirTemp("", "baton-bench-"); err != nil {
			return nil, err
		}
	}
	for i := range nodes {
		if _, err := c.start(fmt.Sprintf("n%d", i+1), ringSize); err != nil {
			c.stop()
			return nil, err
		}
	}
	if nodes > 1 {
		if err := c.nodes[0].Rebalance(c.ctx); err != nil {
			c.stop()
			return nil, err
		}
	}
	return c, nil
}

func (c *cell) start(name string, ringSize int) (*baton.Node, error) {
	var join []string
	if len(c.nodes) > 0 {
		join = []string{c.nodes[0].Addr()}
	}
	dir := ""
	if c.dir != "" {
		dir = filepath.Join(c.dir, name)
	}
	n, err := baton.Start(c.ctx, baton.Options{
		Name: name, Bootstrap: len(join) == 0, Join: join, RingSize: ringSize, NVal: 1, Jobs: []mapreduce.Definition{mapreduce.WordCount()},
		Engine: c.engine, DataDir: dir, AdminAddr: "127.0.0.1:0",
		Events: actors.Events{Flipped: func(e actors.FlipEvent) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.bytes += e.Seal.Bytes
		}},
	})
	if err == nil {
		c.nodes = append(c.nodes, n)
	}
	return n, err
}

func (c *cell) moved() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

func (c *cell) stop() {
	for _, n := range c.nodes {
		_ = n.Stop(c.ctx)
	}
	if c.dir != "" {
		_ = os.RemoveAll(c.dir)
	}
}

// load stores the values from a few goroutines, from many if each put waits for
// the disk.
func (c *cell) load(n int, object func(i int) kv.Object) error {
	loaders := 4
	if c.engine != baton.EngineMemory {
		loaders = 64
	}
	errs := make(chan error, loaders)
	for l := range loaders {
		go func() {
			client := c.nodes[l%len(c.nodes)].KV()
			for i := l; i < n; i += loaders {
				if err := client.Put(c.ctx, object(i)); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var err error
	for range loaders {
		if e := <-errs; e != nil {
			err = e
		}
	}
	return err
}

func benchWordCount(m *Meter) error {
	texts, size, err := goSources(m.Small)
	if err != nil {
		return err
	}
	c, err := startCell(baton.EngineMemory, 3, 64)
	if err != nil {
		return err
	}
	defer c.stop()
	err = c.load(len(texts), func(i int) kv.Object {
		return kv.Object{Bucket: "text", Key: strconv.Itoa(i), Value: texts[i]}
	})
	if err != nil {
		return err
	}
	m.Start()
	run, err := baton.RunJob(c.ctx, c.nodes[0], mapreduce.WordCount(), baton.Bucket("text"))
	if err != nil {
		return err
	}
	distinct := 0
	for range run.All() {
		distinct++
	}
	m.Stop(float64(size) / 1e6)
	if err := run.Err(); err != nil {
		return err
	}
	if want := len(countPlainly(texts, 1)); distinct != want {
		return fmt.Errorf("%d distinct words, want %d", distinct, want)
	}
	return run.Report().Check()
}
