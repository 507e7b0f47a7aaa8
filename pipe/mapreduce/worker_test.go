package mapreduce_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

// itemOf is an object as it travels.
func itemOf(o kv.Object) []byte {
	return kv.AppendItem(nil, kv.AppendKey(nil, 0, o.Type, o.Bucket, o.Key), kv.AppendStored(nil, o))
}

func textObject(i int, text string) kv.Object {
	return kv.Object{Bucket: "texts", Key: fmt.Sprintf("text-%03d", i), Value: []byte(text)}
}

// recorder is an Output that keeps what is emitted.
type recorder struct{ items [][]byte }

func (r *recorder) Emit(item []byte)                     { r.items = append(r.items, slices.Clone(item)) }
func (r *recorder) EmitTo(_ ring.Partition, item []byte) { r.Emit(item) }
func (*recorder) Recurse([]byte)                         {}
func (*recorder) Last() bool                             { return true }

// harness runs the two phases of a job, with archives in between: each move
// says whether the worker that holds the state is replaced before an item.
type harness struct {
	tb  fataler
	reg *pipe.Registry
	job string
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func (h harness) start(name string) pipe.Worker {
	h.tb.Helper()
	f, ok := h.reg.Worker(name)
	if !ok {
		h.tb.Fatal("no worker", name)
	}
	w, err := f.Init(pipe.WorkerContext{Arg: []byte(h.job)})
	if err != nil {
		h.tb.Fatal(err)
	}
	return w
}

// move does what a handoff does with a worker: its archive goes into a fresh
// one, possibly after that one has begun with input of its own.
func (h harness) move(name string, old pipe.Worker, first []byte, out pipe.Output) pipe.Worker {
	h.tb.Helper()
	archive, err := old.(pipe.Archiver).Archive()
	if err != nil {
		h.tb.Fatal(err)
	}
	w := h.start(name)
	if first != nil {
		if err := w.Process(first, out); err != nil {
			h.tb.Fatal(err)
		}
	}
	if err := w.(pipe.Archiver).Restore(archive); err != nil {
		h.tb.Fatal(err)
	}
	return w
}

// phase runs the items through partitions workers of one phase.
func (h harness) phase(name string, items [][]byte, partitions int, moves func() bool) [][]byte {
	h.tb.Helper()
	out := &recorder{}
	workers := make([]pipe.Worker, partitions)
	for i := range workers {
		workers[i] = h.start(name)
	}
	twice := func() bool { first := moves(); return first && moves() }
	for i, item := range items {
		at := i % partitions
		if name == mapreduce.WorkerReduce {
			at = int(mapreduce.KeyHash(item) % uint64(partitions))
		}
		switch {
		case twice():
			workers[at] = h.move(name, workers[at], item, out)
			continue
		case moves():
			workers[at] = h.move(name, workers[at], nil, out)
		}
		if err := workers[at].Process(item, out); err != nil {
			h.tb.Fatal(err)
		}
	}
	for _, w := range workers {
		if err := w.Done(out); err != nil {
			h.tb.Fatal(err)
		}
	}
	return out.items
}

// invariance is law I1 for one job: results are those of the naive reference,
// however partitions and archives cut the input.
func invariance[K cmp.Ordered, V, R any](t *testing.T, job mapreduce.Job[K, V, R], reference func([]kv.Object) map[K]R) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		job.MapMemory = rapid.SampledFrom([]int{0, 1, 300}).Draw(t, "map memory")
		jobs, err := mapreduce.NewRegistry(job)
		if err != nil {
			t.Fatal(err)
		}
		reg := pipe.NewRegistry()
		if err := jobs.Bind(reg); err != nil {
			t.Fatal(err)
		}
		h := harness{tb: t, reg: reg, job: job.Name}
		word := rapid.SampledFrom([]string{"a", "b", "ab", "abc", "Z_9", "if", "err"})
		var objects []kv.Object
		var items [][]byte
		for i := range rapid.IntRange(0, 12).Draw(t, "objects") {
			o := textObject(i, strings.Join(rapid.SliceOf(word).Draw(t, "words"), " "))
			objects, items = append(objects, o), append(items, itemOf(o))
		}
		moves := func() bool { return rapid.IntRange(0, 3).Draw(t, "move") == 0 }
		pairs := h.phase(mapreduce.WorkerMap, items, rapid.IntRange(1, 3).Draw(t, "map partitions"), moves)
		results := h.phase(mapreduce.WorkerReduce, pairs, rapid.IntRange(1, 3).Draw(t, "reduce partitions"), moves)

		decoder, err := job.Decoder()
		if err != nil {
			t.Fatal(err)
		}
		got := map[K]R{}
		for _, item := range results {
			k, r, err := decoder.Decode(item)
			if err != nil {
				t.Fatal(err)
			}
			if _, dup := got[k]; dup {
				t.Fatalf("two results for key %v", k)
			}
			got[k] = r
		}
		if diff := gocmp.Diff(reference(objects), got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("results (-want +got):\n%s", diff)
		}
		local, err := job.RunLocal(slices.Values(objects))
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(got, local, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("RunLocal (-workers +local):\n%s", diff)
		}
	})
}

func TestWorkers_combiningJob(t *testing.T) {
	invariance(t, mapreduce.WordCount(), func(objects []kv.Object) map[string]uint64 {
		want := map[string]uint64{}
		for _, o := range objects {
			for _, w := range wordPattern.FindAllString(o.Text(), -1) {
				want[w]++
			}
		}
		return want
	})
}

// index is an inverted index: word to the keys of the objects it is in. It
// combines nothing and collects everything.
var index = mapreduce.Job[string, string, []string]{
	Name: "index",
	Map: func(o kv.Object, emit func(string, string)) error {
		mapreduce.Words(o.Text(), func(w string) { emit(w, o.Key) })
		return nil
	},
	Reduce: mapreduce.CollectSet[string, string],
}

func TestWorkers_collectingJob(t *testing.T) {
	invariance(t, index, func(objects []kv.Object) map[string][]string {
		want := map[string][]string{}
		for _, o := range objects {
			for _, w := range wordPattern.FindAllString(o.Text(), -1) {
				if !slices.Contains(want[w], o.Key) {
					want[w] = append(want[w], o.Key)
				}
			}
		}
		for _, keys := range want {
			slices.Sort(keys)
		}
		return want
	})
}

// Keys that are not strings, a value that is text, and a Reduce after Combine.
func TestWorkers_longestWordByLength(t *testing.T) {
	job := mapreduce.Job[int, string, string]{
		Name: "last-of-length",
		Map: func(o kv.Object, emit func(int, string)) error {
			mapreduce.Words(o.Text(), func(w string) { emit(len(w), w) })
			return nil
		},
		Combine: mapreduce.Max[string],
		Reduce:  func(_ int, values []string) (string, error) { return values[0] + "!", nil },
	}
	invariance(t, job, func(objects []kv.Object) map[int]string {
		want := map[int]string{}
		for _, o := range objects {
			for _, w := range wordPattern.FindAllString(o.Text(), -1) {
				if want[len(w)] < w+"!" {
					want[len(w)] = w + "!"
				}
			}
		}
		return want
	})
}

// A combined value that owns memory, and a count of what was collected.
func TestWorkers_structValues(t *testing.T) {
	type stats struct {
		Words []string
		Bytes int
	}
	job := mapreduce.Job[bool, stats, int]{
		Name: "stats",
		Map: func(o kv.Object, emit func(bool, stats)) error {
			mapreduce.Words(o.Text(), func(w string) {
				emit(len(w) > 2, stats{Words: []string{strings.Clone(w)}, Bytes: len(w)})
			})
			return nil
		},
		Combine: func(a, b stats) stats {
			return stats{Words: append(a.Words, b.Words...), Bytes: a.Bytes + b.Bytes}
		},
		Reduce: func(_ bool, v []stats) (int, error) { return v[0].Bytes*1000 + len(v[0].Words), nil },
	}
	jobs, err := mapreduce.NewRegistry(job)
	if err != nil || !slices.Equal(jobs.Names(), []string{"stats"}) {
		t.Fatal(jobs.Names(), err)
	}
	got, err := job.RunLocal(slices.Values([]kv.Object{textObject(0, "a bb ccc"), textObject(1, "dddd a")}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(map[bool]int{false: 4003, true: 7002}, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestWorkers_refuseDamage(t *testing.T) {
	reg := newRegistry(t, mapreduce.WordCount(), index)
	for _, tt := range []struct {
		worker, job string
		item        []byte
		want        error
	}{
		{mapreduce.WorkerMap, "wordcount", nil, kv.ErrCorrupt},
		{mapreduce.WorkerMap, "wordcount", []byte("xyz"), kv.ErrCorrupt},
		{mapreduce.WorkerReduce, "wordcount", []byte{9}, mapreduce.ErrDamaged},
		{mapreduce.WorkerReduce, "wordcount", []byte{1, 'a', 0x80}, mapreduce.ErrDamaged},
	} {
		h := harness{tb: t, reg: reg, job: tt.job}
		if err := h.start(tt.worker).Process(tt.item, &recorder{}); !errors.Is(err, tt.want) {
			t.Errorf("%s takes %q: %v, want %v", tt.worker, tt.item, err, tt.want)
		}
	}
	for _, archive := range [][]byte{nil, {2}, {1, 1}, {1, 1, 'a'}, {1, 1, 'a', 1, 0x80}} {
		for _, name := range []string{mapreduce.WorkerMap, mapreduce.WorkerReduce} {
			h := harness{tb: t, reg: reg, job: "wordcount"}
			if err := h.start(name).(pipe.Archiver).Restore(archive); !errors.Is(err, mapreduce.ErrDamaged) {
				t.Errorf("%s takes the archive %x: %v, want ErrDamaged", name, archive, err)
			}
		}
	}
	// A list that ends in the middle shows when it is read, at the end.
	h := harness{tb: t, reg: reg, job: "index"}
	w, out := h.start(mapreduce.WorkerReduce), &recorder{}
	if err := w.Process([]byte{1, 'a', 9}, out); err != nil {
		t.Fatal(err)
	}
	if err := w.Done(out); !errors.Is(err, mapreduce.ErrDamaged) {
		t.Errorf("Done over a cut list: %v, want ErrDamaged", err)
	}
}

// I6: what a map function emits again and again costs no memory.
func TestMap_emitsKnownKeysWithoutAllocating(t *testing.T) {
	reg := newRegistry(t, mapreduce.WordCount())
	h := harness{tb: t, reg: reg, job: "wordcount"}
	w := h.start(mapreduce.WorkerMap).(pipe.BatchWorker)
	batch := pipe.BatchOf(itemOf(textObject(1, strings.Repeat("the quick brown fox ", 1000))))
	out := &recorder{}
	allocs := testing.AllocsPerRun(20, func() {
		if err := w.ProcessBatch(batch, out); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 4 {
		t.Errorf("4000 emitted pairs allocate %v times, want no more than the batch itself", allocs)
	}
}

// Values that grow out of sight count towards the memory limit.
func TestMap_flushesValuesThatOwnMemory(t *testing.T) {
	job := mapreduce.Job[string, []string, []string]{
		Name: "lists",
		Map: func(o kv.Object, emit func(string, []string)) error {
			mapreduce.Words(o.Text(), func(w string) { emit("all", []string{w}) })
			return nil
		},
		Combine:   func(a, b []string) []string { return append(a, b...) },
		MapMemory: 2000,
	}
	h := harness{tb: t, reg: newRegistry(t, job), job: job.Name}
	w, out := h.start(mapreduce.WorkerMap), &recorder{}
	if err := w.Process(itemOf(textObject(1, strings.Repeat("word ", 1000))), out); err != nil {
		t.Fatal(err)
	}
	if len(out.items) < 10 {
		t.Errorf("%d pairs left a worker that may hold 2000 bytes of 1000 words", len(out.items))
	}
}
