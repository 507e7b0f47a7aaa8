package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/kv"
)

// Riak's figures on such a machine, operations/s of a client within the node's
// own process, memory backend, one copy.
const (
	riakPut = 8_001
	riakGet = 13_570
)

// What a case of B8 and B14 works on.
const (
	kvKeys    = 100_000
	kvValue   = 1024
	kvWorkers = 8
	kvBucket  = "bench"
)

// kvBenches measure puts and gets within one node of 64 partitions: the root
// API, the default quorum, objects that each get one put.
func kvBenches() []Bench {
	type load struct {
		id, name string
		limit    *Limit
		peer     float64
		run      func(*Meter, *baton.Node) error
	}
	put := load{"put", "put", &limitMapPut, riakPut, benchPuts}
	get := load{"get", "get", &limitMapGet, riakGet, benchGets}
	mixed := load{"mixed", "mixed-50/50", nil, 0, benchMixed}
	var benches []Bench
	add := func(id string, l load, engine string, n int, floor float64) {
		benches = append(benches, Bench{
			ID: id, Floor: floor, Limit: l.limit, Peer: l.peer, PeerName: "Riak local client, 1 copy",
			Case: Case{
				Name: fmt.Sprintf("kv/%s/n=%d/%s", l.name, n, engine), Unit: "ops/s",
				Run: func(m *Meter) error {
					return withNode(engine, n, func(node *baton.Node) error { return l.run(m, node) })
				},
			},
		})
	}
	const goal = 300_000 // of three copies in memory
	add("B8/put", put, baton.EngineMemory, 3, goal)
	add("B8/get", get, baton.EngineMemory, 3, goal)
	add("B8/mixed", mixed, baton.EngineMemory, 3, goal)
	add("B8/n1/put", put, baton.EngineMemory, 1, 0)
	add("B8/n1/get", get, baton.EngineMemory, 1, 0)
	add("B8/n1/mixed", mixed, baton.EngineMemory, 1, 0)
	add("B8/pebble/put", put, baton.EnginePebble, 3, 0)
	add("B8/pebble/get", get, baton.EnginePebble, 3, 0)
	add("B8/pebble/mixed", mixed, baton.EnginePebble, 3, 0)
	return benches
}

// withNode runs f with a node of its own whose objects have n copies.
func withNode(engine string, n int, f func(*baton.Node) error) error {
	o := baton.Options{Name: "bench", Bootstrap: true, NVal: n, Engine: engine}
	if engine == baton.EnginePebble {
		dir, err := os.MkdirTemp("", "baton-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.DataDir = dir
	}
	ctx := context.Background()
	node, err := baton.Start(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(f(node), node.Stop(ctx))
}

func kvName(i int) string { return fmt.Sprintf("key-%012d", i) }

// kvNames makes the keys before anything is measured.
func kvNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = kvName(i)
	}
	return names
}

func kvBytes() []byte {
	value := make([]byte, kvValue)
	for i := range value {
		value[i] = byte(i * i >> 3)
	}
	return value
}

// concurrently calls f for all numbers below n, each once, from several
// goroutines, and stops at the first error.
func concurrently(workers, n int, f func(i int) error) error {
	const block = 16
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for range workers {
		wg.Go(func() {
			for {
				to := int(next.Add(block))
				for i := to - block; i < min(to, n); i++ {
					if err := f(i); err != nil {
						errs <- err
						return
					}
				}
				if to >= n {
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func benchPuts(m *Meter, node *baton.Node) error {
	names, value, client := kvNames(m.Count(kvKeys)), kvBytes(), node.KV()
	m.Start()
	err := concurrently(kvWorkers, len(names), func(i int) error {
		return client.Put(context.Background(), kv.Object{Bucket: kvBucket, Key: names[i], Value: value})
	})
	m.Stop(float64(len(names)))
	return err
}

// filled loads the objects that are read.
func filled(node *baton.Node, names []string) error {
	value, client := kvBytes(), node.KV()
	return concurrently(kvWorkers, len(names), func(i int) error {
		return client.Put(context.Background(), kv.Object{Bucket: kvBucket, Key: names[i], Value: value})
	})
}

func benchGets(m *Meter, node *baton.Node) error {
	names, client := kvNames(m.Count(kvKeys)), node.KV()
	if err := filled(node, names); err != nil {
		return err
	}
	gets := 4 * len(names)
	m.Start()
	err := concurrently(kvWorkers, gets, func(i int) error {
		return getOne(client, names[spread(i, len(names))])
	})
	m.Stop(float64(gets))
	return err
}

// spread visits the numbers below n in an order that is not theirs.
func spread(i, n int) int { return int(uint64(i) * 2_654_435_761 % uint64(n)) }

func getOne(client baton.KV, name string) error {
	o, err := client.Get(context.Background(), kvBucket, name)
	if err == nil && len(o.Value) != kvValue {
		err = fmt.Errorf("%q has %d bytes", name, len(o.Value))
	}
	return err
}

// benchMixed puts new objects and gets old ones in turn.
func benchMixed(m *Meter, node *baton.Node) error {
	n := m.Count(kvKeys)
	names, value, client := kvNames(2*n), kvBytes(), node.KV()
	if err := filled(node, names[:n]); err != nil {
		return err
	}
	m.Start()
	err := concurrently(kvWorkers, 2*n, func(i int) error {
		if i%2 == 0 {
			return getOne(client, names[spread(i/2, n)])
		}
		return client.Put(context.Background(), kv.Object{Bucket: kvBucket, Key: names[n+i/2], Value: value})
	})
	m.Stop(float64(2 * n))
	return err
}

// shardedMap is what a Go program without Baton would keep its values in.
type shardedMap [64]struct {
	mu sync.RWMutex
	m  map[string][]byte
	_  [32]byte // apart from the next one's lock
}

func newShardedMap() *shardedMap {
	s := new(shardedMap)
	for i := range s {
		s[i].m = make(map[string][]byte)
	}
	return s
}

func (s *shardedMap) put(key string, value []byte) {
	own := append([]byte(nil), value...)
	t := &s[ringOf(key)]
	t.mu.Lock()
	t.m[key] = own
	t.mu.Unlock()
}

func (s *shardedMap) get(key string) []byte {
	t := &s[ringOf(key)]
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.m[key]
}

// ringOf returns the partition of a key on a ring of 64: the map hashes as the
// store does.
func ringOf(key string) int { return int(kv.Route("", kvBucket, key, 64)) }

// limitMapPut and limitMapGet keep one copy of each value.
var limitMapPut = Limit{Case: Case{Name: "go/64-maps/put", Unit: "ops/s", Run: func(m *Meter) error {
	s, names, value := newShardedMap(), kvNames(m.Count(kvKeys)), kvBytes()
	m.Start()
	err := concurrently(kvWorkers, len(names), func(i int) error {
		s.put(names[i], value)
		return nil
	})
	m.Stop(float64(len(names)))
	return err
}}}

var limitMapGet = Limit{Case: Case{Name: "go/64-maps/get", Unit: "ops/s", Run: func(m *Meter) error {
	s, names, value := newShardedMap(), kvNames(m.Count(kvKeys)), kvBytes()
	for _, name := range names {
		s.put(name, value)
	}
	gets := 10 * len(names)
	m.Start()
	err := concurrently(kvWorkers, gets, func(i int) error {
		if v := s.get(names[spread(i, len(names))]); len(v) != kvValue {
			return fmt.Errorf("a value has %d bytes", len(v))
		}
		return nil
	})
	m.Stop(float64(gets))
	return err
}}}
