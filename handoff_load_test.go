package baton_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/kv"
)

// TestHandoff_loadInterrupted breaks a copy while the target builds tables of it:
// nothing of the first attempt remains, and the next one brings all.
func TestHandoff_loadInterrupted(t *testing.T) {
	const objects = 1500
	value := func(i int) []byte { return bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 4<<10) }
	for name, interrupt := range map[string]func(*batontest.Cluster){
		"the stream breaks": func(c *batontest.Cluster) { c.Cut("a", "b") },
		"the target dies":   func(c *batontest.Cluster) { c.Kill("b") },
	} {
		t.Run(name, func(t *testing.T) {
			c := batontest.Start(t, batontest.Options{
				Nodes: 1, Node: baton.Options{Engine: baton.EnginePebble, RingSize: 8, NVal: 1},
			})
			a := c.Node("a")
			inParallel(t, objects, func(i int) error {
				return a.KV().Put(t.Context(), kv.Object{Bucket: "load", Key: fmt.Sprint(i), Value: value(i)})
			})
			c.Faults(actors.Fault{Delay: 10 * time.Millisecond}) // each frame: the copy is under way for a while
			joined := make(chan struct{})
			go func() {
				defer close(joined)
				c.Join("b")
			}()
			begun := loads(t, c, func(files []string) bool { return len(files) > 0 })
			interrupt(c)
			if name == "the target dies" {
				c.Restart("b")
			}
			loads(t, c, func(files []string) bool {
				for _, f := range begun {
					if _, err := os.Stat(f); !errors.Is(err, os.ErrNotExist) {
						return false
					}
				}
				return true
			})
			c.HealAll()
			<-joined
			loads(t, c, func(files []string) bool { return len(files) == 0 })
			inParallel(t, objects, func(i int) error {
				o, err := c.Node("b").KV().Get(t.Context(), "load", fmt.Sprint(i))
				if err == nil && !bytes.Equal(o.Value, value(i)) {
					err = fmt.Errorf("object %d has %d other bytes", i, len(o.Value))
				}
				return err
			})
		})
	}
}

// TestHandoff_memory moves a partition that is several times what its transfer
// may keep in memory at both ends together.
func TestHandoff_memory(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector Pebble keeps its block cache on the heap that is measured here")
	}
	const (
		size, object = 96 << 20, 64 << 10
		allowed      = 32 << 20 // the window is 8 MiB, and the collector is some way behind
	)
	c := batontest.Start(t, batontest.Options{Nodes: 1, Node: baton.Options{Engine: baton.EnginePebble, RingSize: 8, NVal: 1}})
	a := c.Node("a")
	var keys []string
	for i := 0; len(keys) < size/object; i++ {
		if key := fmt.Sprint(i); kv.Route("", "load", key, 8) == 0 {
			keys = append(keys, key)
		}
	}
	value := bytes.Repeat([]byte("0123456789abcdef"), object/16)
	inParallel(t, len(keys), func(i int) error {
		return a.KV().Put(t.Context(), kv.Object{Bucket: "load", Key: keys[i], Value: value})
	})
	before, _ := a.View().Owner(kv.KindName, 0)

	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	base, peak := heapInUse(), uint64(0)
	moved, sampled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sampled)
		for {
			peak = max(peak, heapInUse())
			select {
			case <-moved:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	c.Join("b")
	c.Leave("a")
	close(moved)
	<-sampled
	if after, _ := c.Node("b").View().Owner(kv.KindName, 0); before != "a" || after != "b" {
		t.Fatalf("partition 0 went from %s to %s", before, after)
	}
	t.Logf("%d MiB moved, the heap grew by %d MiB", size>>20, (int64(peak)-int64(base))>>20)
	if peak > base+allowed {
		t.Errorf("the heap grew by %d bytes, at most %d are allowed", peak-base, allowed)
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// loads waits until the tables that b builds are as they should be, and returns
// their files.
func loads(t *testing.T, c *batontest.Cluster, as func([]string) bool) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		files, err := filepath.Glob(filepath.Join(c.Dir("b"), "*", "*.load"))
		if err != nil {
			t.Fatal(err)
		}
		if as(files) {
			return files
		}
		select {
		case <-ctx.Done():
			t.Fatalf("tables under way: %q", files)
		case <-time.After(time.Millisecond):
		}
	}
}

// inParallel calls f for 0 to n-1 from a few goroutines.
func inParallel(t *testing.T, n int, f func(int) error) {
	t.Helper()
	const workers = 32
	var done sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		done.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = f(i)
			}
		})
	}
	done.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
