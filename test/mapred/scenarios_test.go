package mapred

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

// Phases that many jobs have.
const (
	values   = `{"map":{"language":"erlang","module":"riak_kv_mapreduce","function":"map_object_value"}}`
	toInt    = `{"reduce":{"language":"erlang","module":"riak_kv_mapreduce","function":"reduce_string_to_integer"}}`
	sum      = `{"reduce":{"language":"erlang","module":"riak_kv_mapreduce","function":"reduce_sum"}}`
	sorted   = `{"reduce":{"language":"erlang","module":"riak_kv_mapreduce","function":"reduce_sort"}}`
	count    = `{"reduce":{"language":"erlang","module":"riak_kv_mapreduce","function":"reduce_count_inputs"}}`
	identity = `{"reduce":{"language":"erlang","module":"riak_kv_mapreduce","function":"reduce_identity"}}`
)

// with gives a phase further fields.
func with(phase, fields string) string { return strings.TrimSuffix(phase, "}}") + "," + fields + "}}" }

func job(inputs string, phases ...string) string {
	return fmt.Sprintf(`{"inputs":%s,"query":[%s]}`, inputs, strings.Join(phases, ","))
}

// functions are those of the tests.
func functions() []mapreduce.Function {
	return []mapreduce.Function{
		mapreduce.MapFunction("test:links_to", func(o mapreduce.Object, arg any) ([]query.Key, error) {
			return []query.Key{{Bucket: "foonum", Key: arg.(string), Data: o.Key}}, nil
		}),
		mapreduce.MapFunction("test:to_typed", func(mapreduce.Object, any) ([]query.Key, error) {
			return []query.Key{{Type: "typed", Bucket: "tb", Key: "tk", Data: "mine"}}, nil
		}),
		mapreduce.MapFunction("test:data_and_value", func(o mapreduce.Object, arg any) ([]any, error) {
			return []any{[]any{o.Key, o.Data, string(o.Value), arg}}, nil
		}),
		mapreduce.MapFunction("test:text", func(mapreduce.Object, any) ([]string, error) { return []string{"no key"}, nil }),
		mapreduce.MapFunction("test:panic", func(mapreduce.Object, any) ([]string, error) { panic("as asked") }),
		mapreduce.MapFunction("test:words", func(o mapreduce.Object, _ any) ([]map[string]int, error) {
			counts := make(map[string]int)
			for _, w := range strings.Fields(o.Text()) {
				counts[w]++
			}
			return []map[string]int{counts}, nil
		}),
		mapreduce.ReduceFunction("test:largest", func(all []int, _ any) ([]int, error) {
			most := all[:0:0]
			for _, n := range all {
				if len(most) == 0 || n > most[0] {
					most = []int{n}
				}
			}
			return most, nil
		}),
		{Name: "test:first_keys", Inputs: func(_ context.Context, arg any, emit func(query.Key) error) error {
			for i := int64(1); i <= arg.(int64); i++ {
				if err := emit(query.Key{Bucket: "foonum", Key: fmt.Sprintf("bar%d", i)}); err != nil {
					return err
				}
			}
			return nil
		}},
		{Name: "test:no_inputs", Inputs: func(context.Context, any, func(query.Key) error) error { return errors.New("none today") }},
	}
}

func TestC01_basic(t *testing.T) {
	w := start(t, 2, functions()...)
	w.numbers(20)
	w.put(kv.Object{Type: "typed", Bucket: "tb", Key: "tk", Value: []byte("typed value")})
	w.put(kv.Object{Bucket: "l", Key: "from", Value: []byte("x"), Links: []kv.Link{{Bucket: "foonum", Key: "bar1", Tag: "one"}, {Bucket: "foonum", Key: "bar2", Tag: "two"}}})
	w.put(kv.Object{Bucket: "nested", Key: "k", Value: []byte(`[1,"a"]`)})

	const some = `[["foonum","bar1"],["foonum","bar2"],["foonum","bar7"]]`
	for _, tt := range []struct{ name, job, want string }{
		{"empty query", job(`[["foonum","bar1"]]`), `[["foonum","bar1"]]`},
		{"empty query, key data", job(`[["foonum","bar1",{"x":1}]]`), `[["foonum","bar1",{"x":1}]]`},
		{"empty query, type", job(`[["tb","tk",null,"typed"]]`), `[["tb","tk",null,"typed"]]`},
		{"reduce without inputs", job(`"empty"`, sum), `[0]`},
		{"map and reduce without inputs", job(`"empty"`, values, sum), `[0]`},
		{"a bucket", job(`"foonum"`, values, toInt, sum), `[210]`},
		{"keys", job(some, values, toInt, sum), `[10]`},
		{"keep both", job(`[["foonum","bar7"]]`, with(values, `"keep":true`), toInt, with(sorted, `"keep":true`), sum), `[["7"],[7],[7]]`},
		{"keep both, one empty", job(`"empty"`, with(values, `"keep":true`), sum), `[[],[0]]`},
		{"keep neither", job(some, values, with(toInt, `"keep":false`)), `[]`},
		{"keep the first", job(`[["foonum","bar7"]]`, with(values, `"keep":true`), with(toInt, `"keep":false`)), `["7"]`},
		{"keep the second", job(`[["foonum","bar7"]]`, values, with(toInt, `"keep":true`)), `[7]`},
		{"reduce of reduce of reduce", job(some, values, toInt, sum, sum, sum, sum, sum), `[10]`},
		{"reduce of keys", job(`[["foonum","bar1"],["foonum","bar2",5]]`, identity, sorted), `[["foonum","bar1"],["foonum","bar2"]]`},
		{"count of a bucket", job(`"foonum"`, count), `[20]`},
		{"not found", job(`[["foonum","none"]]`, with(values, `"arg":"filter_notfound"`)), `[]`},
		{"not found is a value", job(`[["foonum","none",3]]`, with(values, `"arg":"include_notfound"`)), `[{"not_found":{"bucket":"foonum","key":"none","keydata":3}}]`},
		{"not found goes through phases", job(`[["foonum","none",3],["foonum","bar1"]]`, with(values, `"arg":"include_notfound"`), with(toInt, `"keep":true`)), `[1]`},
		{"not found through maps", job(`[["foonum","none",3]]`, with(values, `"arg":"include_notfound"`), with(values, `"arg":"include_keydata"`)), `[3]`},
		{"not found, key data", job(`[["foonum","none",3]]`, with(values, `"arg":"include_keydata"`)), `[3]`},
		{"not found, substitute", job(`[["foonum","none"]]`, with(values, `"arg":{"sub":["x"]}`)), `["x"]`},
		{"link", job(`[["l","from"]]`, `{"link":{"bucket":"foonum","tag":"two"}}`), `[["foonum","bar2","two"]]`},
		{"link and map", job(`[["l","from"]]`, `{"link":{}}`, values, sorted), `["1","2"]`},
		{"link of nothing", job(`[["l","none"]]`, `{"link":{}}`), `[]`},
		{"key data", job(`[["foonum","bar1","d"]]`, `{"map":{"language":"erlang","module":"test","function":"data_and_value","arg":{"a":1}}}`), `[["bar1","d","1",{"a":1}]]`},
		{"key filters", job(`{"bucket":"foonum","key_filters":[["tokenize","r",2],["string_to_int"],["less_than",4]]}`, values, toInt, sum), `[6]`},
		{"key filters without phases", job(`{"bucket":"foonum","key_filters":[["ends_with","r20"]]}`), `[["foonum","bar20"]]`},
		{"map to a typed key", job(`[["foonum","bar1"]]`, `{"map":{"language":"erlang","module":"test","function":"to_typed"}}`, `{"map":{"language":"erlang","module":"test","function":"data_and_value"}}`), `[["tk","mine","typed value",null]]`},
		{"typed bucket", job(`["typed","tb"]`, values), `["typed value"]`},
		{"map to a key", job(`[["foonum","bar1"]]`, `{"map":{"language":"erlang","module":"test","function":"links_to","arg":"bar9"}}`, `{"map":{"language":"erlang","module":"test","function":"data_and_value"}}`), `[["bar9","bar1","9",null]]`},
		{"input function", job(`{"module":"test","function":"first_keys","arg":3}`, values, toInt, sum), `[6]`},
		{"input function without phases", job(`{"module":"test","function":"first_keys","arg":1}`), `[["foonum","bar1"]]`},
		{"a list as value", job(`"nested"`, `{"map":{"language":"erlang","module":"riak_kv_mapreduce","function":"map_object_value_list"}}`, sorted), `[1,"a"]`},
		{"a reduce of one's own", job(`"foonum"`, values, toInt, `{"reduce":{"language":"erlang","module":"test","function":"largest"}}`), `[20]`},
		{"set union", job(`[["foonum","bar1"],["foonum","bar1"],["foonum","bar2"]]`, values, `{"reduce":{"language":"erlang","module":"riak_kv_mapreduce","function":"reduce_set_union"}}`, sorted), `["1","2"]`},
		{"word count", job(`"foonum"`, `{"map":{"language":"erlang","module":"test","function":"words"}}`, `{"reduce":{"language":"erlang","module":"riak_kv_mapreduce","function":"reduce_plist_sum"}}`), wordsOf(20)},
	} {
		t.Run(tt.name, func(t *testing.T) { world{t: t, Cluster: w.Cluster}.want(tt.job, tt.want) })
	}
	w.noZombies()
}

// wordsOf is the count of words of objects that say 1 to n.
func wordsOf(n int) string {
	counts := make(map[string]int)
	for i := 1; i <= n; i++ {
		counts[fmt.Sprint(i)] = 1
	}
	text, _ := json.Marshal([]any{counts})
	return string(text)
}

// TestC01_errors: what a function does wrong ends the job, with the phase, the
// input and the cause; and nothing is left of it.
func TestC01_errors(t *testing.T) {
	w := start(t, 2, functions()...)
	w.numbers(3)
	for _, tt := range []struct {
		name, job string
		phase     int
		text      string
		input     string
	}{
		{"not found without an argument", job(`[["foonum","none"]]`, values), 0, "function_clause", `["foonum","none"]`},
		{"no integer", job(`"foonum"`, `{"map":{"language":"erlang","module":"test","function":"text"}}`, toInt), 1, "no integer", ""},
		{"no key", job(`[["foonum","bar1"]]`, `{"map":{"language":"erlang","module":"test","function":"text"}}`, values), 0, "not a bucket and a key", `["foonum","bar1"]`},
		{"panic", job(`[["foonum","bar1",2]]`, `{"map":{"language":"erlang","module":"test","function":"panic"}}`), 0, "panic: as asked", `["foonum","bar1",2]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := runOn(t, w.Any(), tt.job)
			var e *mapreduce.PhaseError
			if !errors.As(err, &e) || e.Phase != tt.phase || !strings.Contains(e.Text, tt.text) || e.Input != tt.input {
				t.Errorf("%v", err)
			}
		})
	}
	for want, text := range map[error]string{
		mapreduce.ErrUnknownFunction: job(`"foonum"`, `{"map":{"language":"erlang","module":"no","function":"such"}}`),
		mapreduce.ErrLanguage:        job(`"foonum"`, `{"map":{"language":"javascript","source":"function(v) { return [1]; }"}}`),
		kv.ErrNotFound:               job(`"foonum"`, `{"map":{"language":"javascript","bucket":"no","key":"source"}}`),
	} {
		if _, err := w.run(text); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
	if _, err := w.run(job(`{"module":"test","function":"no_inputs"}`, values)); err == nil || !strings.Contains(err.Error(), "none today") {
		t.Errorf("inputs that fail: %v", err)
	}
	if _, err := w.run(job(`{"bucket":"foonum","index":"nope","key":"x"}`, values)); err == nil {
		t.Error("an index that is none: no error")
	}
	w.noZombies()
}

func TestC02_batchesAndPrereduce(t *testing.T) {
	w := start(t, 2)
	w.numbers(200)
	const pre = `"arg":{"do_prereduce":true}`
	const intMap = `{"map":{"language":"erlang","module":"riak_kv_mapreduce","function":"map_object_value_list"`
	for i := range 200 {
		w.put(kv.Object{Bucket: "lists", Key: fmt.Sprint(i), Value: fmt.Appendf(nil, "[%d,1]", i)})
	}
	plain, prereduced := intMap+"}}", intMap+","+pre+"}}"
	for _, m := range []string{plain, prereduced} {
		for _, arg := range []string{``, `"reduce_phase_batch_size":10`, `"reduce_phase_batch_size":0`, `"reduce_phase_only_1":true`, `"reduce_phase_batch_size":1000`} {
			for _, function := range []string{"reduce_sum", "reduce_sort"} {
				reduce := `{"reduce":{"language":"erlang","module":"riak_kv_mapreduce","function":"` + function + `","arg":{` + arg + `}}}`
				w.want(job(`"lists"`, m, reduce, sum), `[20100]`)
			}
		}
	}
	w.noZombies()
}

// TestC03_deadPipe: who puts inputs into a pipe that is no more gets an error,
// and is not stuck.
func TestC03_deadPipe(t *testing.T) {
	w := start(t, 2)
	ctx, cancel := context.WithTimeout(context.Background(), stuck)
	defer cancel()
	run, err := w.Any().StartPipe([]pipe.Fitting{{Name: "pass", Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashXXH3)}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := run.Sender()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(ctx, []byte("while it lives")); err != nil {
		t.Fatal(err)
	}
	run.Cancel(nil)
	<-run.Over()
	for err == nil {
		err = s.Send(ctx, []byte("afterwards"))
	}
	if !errors.Is(err, pipe.ErrCancelled) {
		t.Errorf("send to a pipe that was cancelled: %v", err)
	}
	if err := run.CloseSender(ctx, s); !errors.Is(err, pipe.ErrCancelled) {
		t.Errorf("close of its sender: %v", err)
	}
	<-run.Released()
	w.noZombies()
}

// TestC05_lostReplica: objects that one of their copies lacks are found, by keys
// and in a whole bucket, whichever copy is asked first; what no copy has is not
// found. Riak's test fills all queues behind: here every input waits its turn.
func TestC05_lostReplica(t *testing.T) {
	w := start(t, 3, functions()...)
	w.Cut("a", "c")
	w.Cut("b", "c")
	w.numbers(50)
	w.HealAll()
	var keys []string
	for i := 1; i <= 60; i++ {
		keys = append(keys, fmt.Sprintf(`["foonum","bar%d"]`, i))
	}
	for _, n := range w.Nodes() {
		for _, inputs := range []string{"[" + strings.Join(keys, ",") + "]", `"foonum"`} {
			got, err := runOn(t, n, job(inputs, with(values, `"arg":"filter_notfound"`), toInt, sum))
			if err != nil || got != "[1275]" {
				t.Errorf("via %s: %s, %v; want [1275]", n.Name(), got, err)
			}
		}
	}
	w.noZombies()
}

func TestC07_verify(t *testing.T) {
	w := start(t, 3, functions()...)
	w.put(kv.Object{Bucket: "l", Key: "from", Links: []kv.Link{{Bucket: "foonum", Key: "bar3", Tag: "a"}, {Bucket: "foonum", Key: "gone", Tag: "a"}, {Bucket: "foonum", Key: "bar5", Tag: "b"}}})
	w.numbers(9)
	w.want(job(`[["l","from"]]`, `{"link":{"tag":"a"}}`, with(values, `"arg":"filter_notfound"`)), `["3"]`)
	w.want(job(`[["l","from"]]`, `{"link":{"tag":"a"}}`, with(values, `"arg":"include_keydata"`), sorted), `["3","a"]`)
	w.want(job(`[["foonum","bar9"],["foonum","no"],["foonum","bar1"],["foonum","bar5"]]`, with(values, `"arg":"filter_notfound"`), toInt, sorted), `[1,5,9]`)
	w.want(job(`"foonum"`, values, toInt, sorted), `[1,2,3,4,5,6,7,8,9]`)
	w.noZombies()
}

// TestC08_nodeDown: with one of four nodes down a count is exact or an error, in
// its time, and never short; when the node is back it is exact. Riak's test asks
// for an exact count with a node down, which takes folds and fittings at other
// copies of its partitions.
func TestC08_nodeDown(t *testing.T) {
	w := start(t, 4, functions()...)
	w.numbers(100)
	counted := job(`"foonum"`, `{"map":{"language":"erlang","module":"riak_kv_mapreduce","function":"map_object_value","arg":{"do_prereduce":true}}}`, count)
	for range 10 {
		w.want(counted, `[100]`)
	}
	w.Kill("d")
	brief := strings.TrimSuffix(counted, "}") + `,"timeout":300}`
	exact := 0
	for range 4 {
		switch got, err := w.run(brief); {
		case err == nil && got == "[100]":
			exact++
		case err == nil:
			t.Errorf("with a node down: %s", got)
		case !errors.Is(err, baton.ErrJobTimeout) && !errors.Is(err, kv.ErrCoverage) && !errors.Is(err, pipe.ErrLost):
			t.Errorf("with a node down: %v", err)
		}
	}
	t.Logf("with a node down: %d of 4 exact, the others errors", exact)
	w.Restart("d")
	until(t, func() bool {
		got, err := w.run(counted)
		if err == nil && got != "[100]" {
			t.Errorf("when the node is back: %s", got)
		}
		return err == nil
	})
	for range 10 {
		w.want(counted, `[100]`)
	}
	w.noZombies()
}
