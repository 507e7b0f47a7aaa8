package baton_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/memory"
)

// fill writes objects k0.. of bucket b through all nodes of the cluster.
func fill(t testing.TB, nodes []*baton.Node, from, to int) {
	t.Helper()
	var tasks sync.WaitGroup
	for w := range 8 {
		tasks.Go(func() {
			for i := from + w; i < to; i += 8 {
				o := kv.Object{Bucket: "b", Key: "k" + strconv.Itoa(i), Value: []byte("v"), Indexes: []kv.Index{
					{Name: "nr_int", Kind: kv.IntIndex, Int: int64(i)},
					{Name: "rest_bin", Bin: strconv.Itoa(i % 3)},
				}}
				if err := nodes[i%len(nodes)].KV().Put(t.Context(), o); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	tasks.Wait()
}

// count lists a bucket and says how often each key of k0..k(n-1) came.
func count(ctx context.Context, c baton.KV, n int) (seen []int, others int, err error) {
	seen = make([]int, n)
	for key, err := range c.Keys(ctx, "b") {
		if err != nil {
			return seen, others, err
		}
		if i, err := strconv.Atoi(key[1:]); err == nil && i < n {
			seen[i]++
			continue
		}
		others++
	}
	return seen, others, nil
}

// once reports what a listing missed or gave twice.
func once(seen []int) error {
	for i, n := range seen {
		if n != 1 {
			return fmt.Errorf("key k%d came %d times", i, n)
		}
	}
	return nil
}

// TestKV_index: queries through a cluster, in every form, and page by page.
func TestKV_index(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Node: baton.Options{RingSize: 16, TargetN: 3, NVal: 3}})
	const n = 300
	fill(t, c.Nodes(), 0, n)
	client := c.Node("b").KV()
	for _, test := range []struct {
		query kv.IndexQuery
		want  int
	}{
		{kv.IndexQuery{Bucket: "b"}, n},
		{kv.IndexQuery{Bucket: "b", Index: kv.KeyIndex, From: "k10", To: "k19"}, 10 + 90},
		{kv.IndexQuery{Bucket: "b", Index: "nr_int", From: "7", Exact: true}, 1},
		{kv.IndexQuery{Bucket: "b", Index: "nr_int", From: "100", To: "199"}, 100},
		{kv.IndexQuery{Bucket: "b", Index: "rest_bin", From: "1", Exact: true}, n / 3},
		{kv.IndexQuery{Bucket: "b", Index: "nr_int", Regex: "0$"}, n / 10},
		{kv.IndexQuery{Bucket: "b", Index: "nr_int", Limit: 17}, 17},
		{kv.IndexQuery{Bucket: "c"}, 0},
	} {
		for _, sorted := range []bool{false, true} {
			q := test.query
			q.Sorted = sorted
			var all []kv.IndexEntry
			for e, err := range client.Index(t.Context(), q) {
				if err != nil {
					t.Fatalf("%+v: %v", q, err)
				}
				all = append(all, e)
			}
			if len(all) != test.want {
				t.Errorf("%+v: %d entries, want %d", q, len(all), test.want)
			}
			if sorted && q.Index == "nr_int" && !slices.IsSortedFunc(all, func(a, b kv.IndexEntry) int {
				x, _ := strconv.Atoi(a.Term)
				y, _ := strconv.Atoi(b.Term)
				return x - y
			}) {
				t.Errorf("%+v: not in order", q)
			}
			if q.Limit == 0 {
				q.Limit = 7
				if paged := pages(t, client, q); !slices.EqualFunc(paged, all, same) {
					t.Errorf("%+v: %d entries in pages, %d at once", q, len(paged), len(all))
				}
			}
		}
	}
	for o, err := range client.Objects(t.Context(), "b") {
		if err != nil || o.Text() != "v" || o.Bucket != "b" || len(o.Indexes) != 2 {
			t.Fatalf("%+v, %v", o, err)
		}
	}
	if err := client.Put(t.Context(), kv.Object{Bucket: "other", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	var buckets []string
	for name, err := range client.Buckets(t.Context(), "", kv.CoverOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		buckets = append(buckets, name)
	}
	if !slices.Equal(buckets, []string{"b", "other"}) {
		t.Errorf("buckets %q", buckets)
	}
	if _, err := client.IndexPage(t.Context(), kv.IndexQuery{Bucket: "b", Continuation: "x"}); !errors.Is(err, kv.ErrContinuation) {
		t.Errorf("%v, want ErrContinuation", err)
	}
	// An object that is deleted is in no index.
	if _, err := client.Delete(t.Context(), "b", "k7"); err != nil {
		t.Fatal(err)
	}
	page, err := client.IndexPage(t.Context(), kv.IndexQuery{Bucket: "b", Index: "nr_int", From: "7", Exact: true})
	if err != nil || len(page.Entries) != 0 || page.Continuation != "" {
		t.Errorf("%+v, %v", page, err)
	}
}

func same(a, b kv.IndexEntry) bool { return a.Key == b.Key && a.Term == b.Term }

func pages(t *testing.T, c baton.KV, q kv.IndexQuery) (all []kv.IndexEntry) {
	t.Helper()
	for {
		page, err := c.IndexPage(t.Context(), q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		all = append(all, page.Entries...)
		if q.Continuation = page.Continuation; q.Continuation == "" {
			return all
		}
	}
}

// TestKV_listing_join is T-E15: while nodes come and go and others write, every
// key that was there before is listed exactly once, through nodes that know of
// the change and through those that do not yet.
func TestKV_listing_join(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Node: baton.Options{RingSize: 16, TargetN: 3, NVal: 3}})
	const n = 1000
	fill(t, c.Nodes(), 0, n)
	var stop atomic.Bool
	var tasks sync.WaitGroup
	nodes := c.Nodes()
	listings := make([]int, len(nodes))
	for i, node := range nodes {
		tasks.Go(func() {
			for rounds := 0; !stop.Load() || rounds == 0; rounds++ {
				seen, _, err := count(t.Context(), node.KV(), n)
				if err == nil {
					err = once(seen)
				}
				if err != nil {
					t.Errorf("node %s, listing %d: %v", node.Name(), rounds, err)
					return
				}
				listings[i]++
			}
		})
	}
	tasks.Go(func() {
		for i := n; !stop.Load(); i += 10 {
			fill(t, nodes, i, i+10)
		}
	})
	c.Join("d")
	c.Leave("d")
	c.Join("e")
	stop.Store(true)
	tasks.Wait()
	t.Logf("listings per node: %v", listings)
}

// TestKV_listing_nodeDown is T-B19: with one node down all keys are listed, and
// where a head partition has too few copies the listing says so.
func TestKV_listing_nodeDown(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Node: baton.Options{RingSize: 16, TargetN: 3, NVal: 3}})
	const n = 300
	fill(t, c.Nodes(), 0, n)
	client := c.Node("a").KV()
	c.Kill("b")
	seen, _, err := count(t.Context(), client, n)
	if err == nil {
		err = once(seen)
	}
	if err != nil {
		t.Errorf("one of three nodes down: %v", err)
	}
	c.Kill("c")
	_, _, err = count(t.Context(), client, n)
	var short *kv.CoverageError
	if !errors.As(err, &short) || len(short.Heads) == 0 || len(short.Heads[0].Causes) == 0 {
		t.Fatalf("two of three nodes down: %v, want *kv.CoverageError", err)
	}
	got := 0
	var last error
	for _, err := range client.Index(t.Context(), kv.IndexQuery{Bucket: "b", Options: kv.CoverOptions{Partial: true}}) {
		if last = err; err == nil {
			got++
		}
	}
	if !errors.As(last, &short) || len(short.Heads) == 0 || got == 0 {
		t.Errorf("what there is: %d keys, %v", got, last)
	}
	t.Logf("two of three nodes down: %d of %d keys, %d heads short", got, n, len(short.Heads))
	page, err := client.IndexPage(t.Context(), kv.IndexQuery{Bucket: "b", Limit: n, Options: kv.CoverOptions{Partial: true}})
	if err != nil || page.Missing == nil || len(page.Entries) != got {
		t.Errorf("a page of what there is: %d keys, missing %v, %v", len(page.Entries), page.Missing, err)
	}
}

// TestKV_listing_ends: a consumer that stops ends the listing, as does its
// context, and a node refuses more listings than it may work on.
func TestKV_listing_ends(t *testing.T) {
	n, err := baton.Start(t.Context(), baton.Options{Name: "a", Bootstrap: true, RingSize: 16, Listings: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop(context.Background())
	fill(t, []*baton.Node{n}, 0, 100)
	client := n.KV()
	for _, err := range client.Keys(t.Context(), "b") {
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range client.Keys(t.Context(), "b") {
			if !errors.Is(err, kv.ErrListings) {
				t.Errorf("a second listing: %v, want ErrListings", err)
			}
		}
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := 0
	for _, err = range client.Keys(ctx, "b") {
		if got++; err == nil {
			cancel()
		}
	}
	if !errors.Is(err, context.Canceled) || got == 100 {
		t.Errorf("after its context ended: %d keys, %v", got, err)
	}
	if seen, _, err := count(t.Context(), client, 100); err != nil || once(seen) != nil {
		t.Errorf("a later listing: %v, %v", err, once(seen))
	}
}

// TestKV_listing_memory: a listing of 100,000 keys at a slow consumer holds a few
// pages.
func TestKV_listing_memory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100,000 objects")
	}
	n, err := baton.Start(t.Context(), baton.Options{Name: "a", Bootstrap: true, RingSize: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop(context.Background())
	const keys = 100_000
	fill(t, []*baton.Node{n}, 0, keys)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most, got := heap(), uint64(0), 0
	for _, err := range n.KV().Keys(t.Context(), "b") {
		if err != nil {
			t.Fatal(err)
		}
		if got++; got%(keys/10) == keys/20 {
			most = max(most, heap())
		}
	}
	held := int64(most) - int64(before)
	t.Logf("%d keys; at most %d KiB held", got, held>>10)
	if got != keys || held > 16<<20 {
		t.Errorf("%d keys, %d bytes held at once; want %d keys in 16 MiB", got, held, keys)
	}
}

// BenchmarkKV_Keys lists 100,000 keys of one node. Beside it, scan is what a
// walk over as many items of one store costs that takes the key out of each.
func BenchmarkKV_Keys(b *testing.B) {
	b.Run("scan", benchmarkScan)
	n, err := baton.Start(b.Context(), baton.Options{Name: "a", Bootstrap: true})
	if err != nil {
		b.Fatal(err)
	}
	defer n.Stop(context.Background())
	const keys = benchKeys
	fill(b, []*baton.Node{n}, 0, keys)
	for _, o := range []kv.CoverOptions{{}, {Copies: 1}} {
		for _, sorted := range []bool{false, true} {
			b.Run(fmt.Sprintf("copies=%d/sorted=%v", o.Copies, sorted), func(b *testing.B) {
				b.ReportAllocs()
				began, got := time.Now(), 0
				for b.Loop() {
					for _, err := range n.KV().Index(b.Context(), kv.IndexQuery{Bucket: "b", Sorted: sorted, Options: o}) {
						if err != nil {
							b.Fatal(err)
						}
						got++
					}
				}
				if got != b.N*keys {
					b.Fatalf("%d keys in %d listings", got, b.N)
				}
				b.ReportMetric(float64(got)/time.Since(began).Seconds(), "keys/s")
			})
		}
	}
}

const benchKeys = 100_000

func benchmarkScan(b *testing.B) {
	e := memory.New()
	defer e.Close()
	p, err := e.Open(store.ID{Kind: kv.KindName})
	if err != nil {
		b.Fatal(err)
	}
	for i := range benchKeys {
		var batch store.Batch
		o := kv.Object{Value: []byte("v"), Indexes: []kv.Index{{Name: "nr_int", Kind: kv.IntIndex}, {Name: "rest_bin", Bin: "0"}}}
		batch.Put(kv.AppendKey(nil, 0, "", "b", "k"+strconv.Itoa(i)), kv.AppendStored(nil, o), 1)
		if err := p.Write(&batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	began, got := time.Now(), 0
	for b.Loop() {
		s := p.Snapshot()
		it := s.Scan(kv.BucketRange(0, "", "b", ""))
		for it.Next() {
			if _, _, _, _, err := kv.DecodeKey(it.Item().Key); err != nil {
				b.Fatal(err)
			}
			got++
		}
		it.Close()
		s.Close()
	}
	b.ReportMetric(float64(got)/time.Since(began).Seconds(), "keys/s")
}
