package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton/cmd/node/bulk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func numbers(n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	}
}

// TestRun_counts: I1.
func TestRun_counts(t *testing.T) {
	var mu sync.Mutex
	seen := map[int]int{}
	last := bulk.Counts{}
	c, err := bulk.Run(t.Context(), 8, numbers(1000), func(_ context.Context, i int) (bulk.Outcome, error) {
		mu.Lock()
		defer mu.Unlock()
		seen[i]++
		if i%10 == 0 {
			return bulk.There, nil
		}
		return bulk.Written, nil
	}, func(c bulk.Counts) { last = c })
	want := bulk.Counts{Read: 1000, Written: 900, There: 100, Through: 1000}
	if err != nil || c != want || last != want || len(seen) != 1000 {
		t.Errorf("%+v, last told %+v, %d items, %v", c, last, len(seen), err)
	}
}

// TestRun_through: I2. A repetition that skips what went through, again and
// again, does every item, and none that ended well before Through twice.
func TestRun_through(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	broken := errors.New("broken")
	const items = 500
	var mu sync.Mutex
	done := map[int]bool{}
	from := 0
	for from < items {
		fail := from + rnd.IntN(100)
		c, err := bulk.Run(t.Context(), 5, numbers(items-from), func(_ context.Context, i int) (bulk.Outcome, error) {
			if i += from; i == fail {
				return 0, broken
			}
			mu.Lock()
			defer mu.Unlock()
			done[i] = true
			return bulk.Written, nil
		}, nil)
		if c.Read != c.Written+c.There+c.Failed || (err != nil) != (c.Failed > 0) || err != nil && !errors.Is(err, broken) {
			t.Fatalf("%+v, %v", c, err)
		}
		from += c.Through
		for i := range from {
			if !done[i] {
				t.Fatalf("item %d is said to have ended well", i)
			}
		}
	}
}

func TestRun_cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, err := bulk.Run(ctx, 3, numbers(1_000_000), func(_ context.Context, i int) (bulk.Outcome, error) {
		if i == 100 {
			cancel()
		}
		return bulk.Written, nil
	}, nil)
	if !errors.Is(err, context.Canceled) || c.Read > 200 || c.Read != c.Written {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestItems(t *testing.T) {
	for _, tt := range []struct {
		name, input string
		format      bulk.Format
		key         string
		want        string // key=value ...
		err         string
	}{
		{"lines", "one\n\ntwo", bulk.Lines, "", "000000000001=one 000000000002= 000000000003=two ", ""},
		{"nothing", "", bulk.Lines, "", "", ""},
		{"lines with a key", "x", bulk.Lines, "id", "", "leave the key out"},
		{"objects", `{"id":"a","n":1}` + "\n" + `{"id":2}`, bulk.JSONLines, "id", `a={"id":"a","n":1} 2={"id":2} `, ""},
		{"objects by number", `{"id":"a"}`, bulk.JSONLines, "", `000000000001={"id":"a"} `, ""},
		{"no object", "{}\n5", bulk.JSONLines, "", "000000000001={} ", "line 2: bad input: it is not a JSON object"},
		{"no member", `{"a":1}`, bulk.JSONLines, "id", "", `line 1: bad input: it has no member "id"`},
		{"an empty member", `{"id":""}`, bulk.JSONLines, "id", "", "neither a string nor a number"},
		{"no string", `{"id":{}}`, bulk.JSONLines, "id", "", "neither a string nor a number"},
		{"null", `{"id":null}`, bulk.JSONLines, "id", "", "neither a string nor a number"},
		{"rows", "id,name\n1,\"a, \"\"b\"\"\"\n2,\n", bulk.CSV, "", `1={"id":"1","name":"a, \"b\""} 2={"id":"2","name":""} `, ""},
		{"rows by a column", "id,name\n1,ada\n", bulk.CSV, "name", `ada={"id":"1","name":"ada"} `, ""},
		{"no column", "id,name\n1,ada\n", bulk.CSV, "nom", "", "there is no column"},
		{"an empty key", "id,name\n1,ada\n,x\n", bulk.CSV, "", `1={"id":"1","name":"ada"} `, "line 3: bad input"},
		{"ragged", "id,name\n1\n", bulk.CSV, "", "", "wrong number of fields"},
		{"no first row", "", bulk.CSV, "", "", "first row"},
		{"no format", "", "xml", "", "", `format "xml"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got strings.Builder
			failed := ""
			for i, err := range bulk.Items(strings.NewReader(tt.input), tt.format, tt.key) {
				if err != nil {
					if failed = err.Error(); !errors.Is(err, bulk.ErrInput) {
						t.Errorf("%v does not match ErrInput", err)
					}
					break
				}
				fmt.Fprintf(&got, "%s=%s ", i.Key, i.Value)
			}
			if got.String() != tt.want || !strings.Contains(failed, tt.err) || (failed == "") != (tt.err == "") {
				t.Errorf("%s, %q", &got, failed)
			}
		})
	}
}

// FuzzItems: no input makes the cutting panic, and no item is without a key.
func FuzzItems(f *testing.F) {
	f.Add(`{"id":"a"}`, "jsonl", "id")
	f.Add("id,name\n1,\"x\ny\"\n", "csv", "name")
	f.Add("\xff\n", "lines", "")
	f.Fuzz(func(t *testing.T, input, format, key string) {
		for i, err := range bulk.Items(strings.NewReader(input), bulk.Format(format), key) {
			if err == nil && i.Key == "" {
				t.Errorf("%q as %s: an item without a key", input, format)
			}
		}
	})
}
