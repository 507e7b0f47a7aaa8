package query_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

func parse(t *testing.T, text string) *query.Query {
	t.Helper()
	q, err := query.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

func TestParse_inputs(t *testing.T) {
	for _, tt := range []struct {
		text string
		want query.Inputs
	}{
		{`"b"`, query.Inputs{Kind: query.InputBucket, Bucket: "b"}},
		{`["t","b"]`, query.Inputs{Kind: query.InputBucket, Type: "t", Bucket: "b"}},
		{`["default","b"]`, query.Inputs{Kind: query.InputBucket, Bucket: "b"}},
		{`[["b","k"],["b","k",7],["b","k",null,"t"],["b","k",{"x":1},"t"],[["t","b"],"k"],[["t","b"],"k",1.5]]`, query.Inputs{
			Kind: query.InputKeys, Keys: []query.Key{
				{Bucket: "b", Key: "k"},
				{Bucket: "b", Key: "k", Data: int64(7)},
				{Type: "t", Bucket: "b", Key: "k"},
				{Type: "t", Bucket: "b", Key: "k", Data: map[string]any{"x": int64(1)}},
				{Type: "t", Bucket: "b", Key: "k"},
				{Type: "t", Bucket: "b", Key: "k", Data: 1.5},
			},
		}},
		{`{"bucket":"b","key_filters":[["ends_with","x"]]}`, query.Inputs{Kind: query.InputBucket, Bucket: "b", Filters: []any{[]any{"ends_with", "x"}}}},
		{`{"bucket":["t","b"],"key_filters":[["eq","x"]]}`, query.Inputs{Kind: query.InputBucket, Type: "t", Bucket: "b", Filters: []any{[]any{"eq", "x"}}}},
		{`{"bucket":"b","index":"i_bin","key":"v"}`, query.Inputs{Kind: query.InputIndex, Bucket: "b", Index: "i_bin", From: "v", Exact: true}},
		{`{"bucket":"b","index":"i_int","key":5}`, query.Inputs{Kind: query.InputIndex, Bucket: "b", Index: "i_int", From: "5", Exact: true}},
		{`{"bucket":"b","index":"i_int","start":5,"end":9}`, query.Inputs{Kind: query.InputIndex, Bucket: "b", Index: "i_int", From: "5", To: "9"}},
		{`{"bucket":"b","index":"i_int","start":5,"end":5}`, query.Inputs{Kind: query.InputIndex, Bucket: "b", Index: "i_int", From: "5", Exact: true}},
		{`{"module":"m","function":"f","arg":[1],"bucket":"b","index":"i_int"}`, query.Inputs{
			Kind: query.InputFunction, Function: query.Function{Language: "erlang", Name: "m:f"}, Arg: []any{int64(1)},
		}},
		{`{"bucket":"b","index":"i_bin","key":"v","key_filters":[]}`, query.Inputs{Kind: query.InputIndex, Bucket: "b", Index: "i_bin", From: "v", Exact: true}},
	} {
		if got := parse(t, `{"inputs":`+tt.text+`,"query":[]}`).Inputs; !cmp.Equal(got, tt.want) {
			t.Errorf("%s:\n%s", tt.text, cmp.Diff(tt.want, got))
		}
	}
}

func TestParse_phases(t *testing.T) {
	named := func(name string) query.Function { return query.Function{Language: "erlang", Name: name} }
	js := func(f query.Function) query.Function { f.Language = "javascript"; return f }
	for _, tt := range []struct {
		text string
		want []query.Phase
	}{
		{`[{"map":{"language":"erlang","module":"m","function":"f","arg":"filter_notfound","keep":true}},{"reduce":{"language":"erlang","module":"m","function":"g"}}]`, []query.Phase{
			{Kind: query.Map, Keep: true, Function: named("m:f"), Arg: "filter_notfound"},
			{Kind: query.Reduce, Keep: true, Function: named("m:g")},
		}},
		{`[{"link":{}},{"link":{"bucket":"b","tag":"_","keep":false}}]`, []query.Phase{{Kind: query.Link}, {Kind: query.Link, Bucket: "b"}}},
		{`[{"map":{"language":"javascript","name":"Riak.mapValues"}},{"map":{"language":"javascript","source":"function(v) { return [v]; }"}},{"reduce":{"language":"javascript","bucket":"b","key":"k"}}]`, []query.Phase{
			{Kind: query.Map, Function: js(query.Function{Name: "Riak.mapValues"})},
			{Kind: query.Map, Function: js(query.Function{Source: "function(v) { return [v]; }"})},
			{Kind: query.Reduce, Keep: true, Function: js(query.Function{Stored: query.Key{Bucket: "b", Key: "k"}})},
		}},
		{`[{"map":{"language":"erlang","module":"m","function":"f","arg":{"do_prereduce":true}}},{"reduce":{"language":"erlang","module":"m","function":"g","arg":{"reduce_phase_batch_size":10,"reduce_phase_only_1":true}}}]`, []query.Phase{
			{Kind: query.Map, Function: named("m:f"), Arg: map[string]any{"do_prereduce": true}, Prereduce: true},
			{Kind: query.Reduce, Keep: true, Function: named("m:g"), Arg: map[string]any{"reduce_phase_batch_size": int64(10), "reduce_phase_only_1": true}, BatchSize: 10, OnlyOnce: true},
		}},
		{`[{"reduce":{"language":"erlang","module":"m","function":"g","arg":{"reduce_phase_batch_size":0}}}]`, []query.Phase{
			{Kind: query.Reduce, Keep: true, Function: named("m:g"), Arg: map[string]any{"reduce_phase_batch_size": int64(0)}, BatchSize: 1},
		}},
	} {
		if got := parse(t, `{"inputs":"b","query":`+tt.text+`}`).Phases; !cmp.Equal(got, tt.want) {
			t.Errorf("%s:\n%s", tt.text, cmp.Diff(tt.want, got))
		}
	}
}

func TestParse_timeout(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`90000`: 90 * time.Second, `1.5`: 1500 * time.Microsecond, `0`: time.Minute, `-1`: time.Minute, `"5"`: time.Minute, `null`: time.Minute, `1e300`: 365 * 24 * time.Hour,
	} {
		if got := parse(t, `{"inputs":"b","query":[],"timeout":`+text+`}`).Timeout; got != want {
			t.Errorf("timeout %s: %v, want %v", text, got, want)
		}
	}
	if got := parse(t, `{"inputs":"b","query":[]}`).Timeout; got != time.Minute {
		t.Errorf("no timeout: %v", got)
	}
}

func TestParse_errors(t *testing.T) {
	const inputs, phases = "An error occurred parsing the \"inputs\" field.\n", "An error occurred parsing the \"query\" field.\n"
	for text, want := range map[string]string{
		`{`:                                    "The POST body was not valid JSON.\nThe error from the parser was:\n",
		`{} x`:                                 "The POST body was not valid JSON.\nThe error from the parser was:\n",
		`[]`:                                   "The POST body was not a JSON object.",
		`{"query":[]}`:                         `The job has no "inputs" field.`,
		`{"inputs":"b"}`:                       `The job has no "query" field.`,
		`{"inputs":[],"query":[]}`:             inputs + "No inputs were given.",
		`{"inputs":"","query":[]}`:             inputs + `"" names no inputs. Valid forms are:`,
		`{"inputs":["b"],"query":[]}`:          inputs + `Input 0, "b", names no object.`,
		`{"inputs":[["b",1]],"query":[]}`:      inputs + `Input 0, ["b",1], names no object.`,
		`{"inputs":{"bucket":"b"},"query":[]}`: inputs + `{"bucket":"b"} names no inputs.`,
		`{"inputs":{"bucket":"b","query":"x"},"query":[]}`:                                                                           inputs + "Search is not enabled.",
		`{"inputs":{"bucket":"b","index":"i_bin"},"query":[]}`:                                                                       inputs + `An index needs a "key", or a "start" and an "end".`,
		`{"inputs":{"bucket":"b","index":"i_bin","start":1},"query":[]}`:                                                             inputs + `"end" must be a term`,
		`{"inputs":{"bucket":"b","key_filters":[]},"query":[]}`:                                                                      inputs + "key filters: they must be a list",
		`{"inputs":{"bucket":"b","key_filters":[["nope"]]},"query":[]}`:                                                              inputs + `key filters: there is no filter "nope".`,
		`{"inputs":{"bucket":"b","key_filters":[["to_upper"]]},"query":[]}`:                                                          inputs + `key filters: [["to_upper"]] ends with a transform`,
		`{"inputs":{"bucket":"b","key_filters":[["matches","("]]},"query":[]}`:                                                       inputs + "key filters: matches has no regular expression",
		`{"inputs":{"bucket":"b","key_filters":[["and",[["eq"]]]]},"query":[]}`:                                                      inputs + "key filters: and eq has 0 arguments.",
		`{"inputs":{"module":"m"},"query":[]}`:                                                                                       inputs + `"module" and "function" must be strings`,
		`{"inputs":"b","query":{}}`:                                                                                                  phases + "It must be a list of phases, not {}.",
		`{"inputs":"b","query":[{}]}`:                                                                                                phases + "Phase 0: it must be an object with one field",
		`{"inputs":"b","query":[{"walk":{}}]}`:                                                                                       phases + `Phase 0: "walk" is no kind of phase`,
		`{"inputs":"b","query":[{"link":{"tag":1}}]}`:                                                                                phases + `Phase 0: "tag" must be a string, not 1.`,
		`{"inputs":"b","query":[{"link":{"keep":1}}]}`:                                                                               phases + `Phase 0: "keep" must be true or false, not 1.`,
		`{"inputs":"b","query":[{"map":{}}]}`:                                                                                        phases + `Phase 0: "language" is missing`,
		`{"inputs":"b","query":[{"map":{"language":"erlang"}}]}`:                                                                     phases + "Phase 0: a function in erlang is given by exactly one of module and function, source, or bucket and key.",
		`{"inputs":"b","query":[{"map":{"language":"erlang","module":"m"}}]}`:                                                        phases + `Phase 0: "module" and "function" must come together.`,
		`{"inputs":"b","query":[{"map":{"language":"erlang","name":"m"}}]}`:                                                          phases + "Phase 0: a function in erlang is given by module and function",
		`{"inputs":"b","query":[{"map":{"language":"javascript","module":"m"}}]}`:                                                    phases + "Phase 0: a function in javascript is given by name",
		`{"inputs":"b","query":[{"map":{"language":"javascript","function":"m"}}]}`:                                                  phases + "Phase 0: a function in javascript is given by name",
		`{"inputs":"b","query":[{"map":{"language":"javascript","name":"m","source":"x"}}]}`:                                         phases + "Phase 0: a function in javascript is given by exactly one of name",
		`{"inputs":"b","query":[{"map":{"language":"javascript","bucket":"b"}}]}`:                                                    phases + `Phase 0: "bucket" and "key" must come together.`,
		`{"inputs":"b","query":[{"reduce":{"language":"erlang","module":"m","function":"f","arg":{"reduce_phase_batch_size":-1}}}]}`: phases + `Phase 0: "reduce_phase_batch_size" must be a number from 0, not -1.`,
		`{"inputs":"b","query":[` + strings.Repeat(`{"link":{}},`, 64) + `{"link":{}}]}`:                                             phases + "The job has 65 phases; at most 64 are allowed.",
		`{"inputs":"b","query":[],"x":"` + strings.Repeat("x", query.MaxBytes) + `"}`:                                                "The job has ",
	} {
		_, err := query.Parse([]byte(text))
		var p *query.ParseError
		if !errors.As(err, &p) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.100s: %v, want %s", text, err, want)
		}
	}
}

// TestKeyFilter is every transform and predicate, with keys that pass and keys
// that do not.
func TestKeyFilter(t *testing.T) {
	for _, tt := range []struct {
		filters  string
		pass, no []string
	}{
		{`[["tokenize","-",3],["string_to_int"],["between",2008,2010,false]]`, []string{"x-y-2009"}, []string{"x-y-2008", "x-y-2010", "x-2009", "x-y-z", ""}},
		{`[["tokenize","-",3],["string_to_int"],["between",2008,2010]]`, []string{"x-y-2008", "x-y-2009", "x-y-2010", "x--y-2008"}, []string{"x-y-2007", "x-y-2011"}},
		{`[["string_to_int"],["int_to_string"],["eq","7"]]`, []string{"7", "07", "+7"}, []string{"8", "x"}},
		{`[["string_to_float"],["float_to_string"],["eq","2.5"]]`, []string{"2.5", "25e-1"}, []string{"2", "x"}},
		{`[["to_upper"],["eq","AB"]]`, []string{"ab", "AB", "aB"}, []string{"abc"}},
		{`[["to_lower"],["eq","ab"]]`, []string{"ab", "AB"}, []string{"abc"}},
		{`[["urldecode"],["eq","a b/"]]`, []string{"a+b%2F", "a%20b/"}, []string{"a%2", "ab"}},
		{`[["string_to_int"],["greater_than",5]]`, []string{"6"}, []string{"5", "4"}},
		{`[["string_to_int"],["greater_than",5.0]]`, []string{"6"}, []string{"5", "4"}},
		{`[["string_to_int"],["less_than",5]]`, []string{"4", "-1"}, []string{"5", "6"}},
		{`[["string_to_int"],["greater_than_eq",5]]`, []string{"5", "6"}, []string{"4"}},
		{`[["string_to_int"],["less_than_eq",5.0]]`, []string{"5", "4"}, []string{"6"}},
		{`[["greater_than","m"]]`, []string{"n", "mm"}, []string{"m", "a"}},
		{`[["matches","^a.*z$"]]`, []string{"az", "abcz"}, []string{"a", "zaz "}},
		{`[["eq","x"]]`, []string{"x"}, []string{"y"}},
		{`[["neq","x"]]`, []string{"y"}, []string{"x"}},
		{`[["set_member","a","b"]]`, []string{"a", "b"}, []string{"c"}},
		{`[["set_member",["a","b"]]]`, []string{"a", "b"}, []string{"c"}},
		{`[["similar_to","kitten",3]]`, []string{"kitten", "sitting", "mitten"}, []string{"dog", "kit" + strings.Repeat("x", 5000)}},
		{`[["starts_with","ab"]]`, []string{"ab", "abc"}, []string{"a", "xab"}},
		{`[["ends_with","ab"]]`, []string{"ab", "xab"}, []string{"abx"}},
		{`[["and",[["starts_with","a"]],[["ends_with","z"]]]]`, []string{"az", "a-z"}, []string{"a", "z", "za"}},
		{`[["or",[["starts_with","a"]],[["to_upper"],["ends_with","Z"]]]]`, []string{"ab", "bz", "bZ"}, []string{"b"}},
		{`[["not",[["eq","x"]]]]`, []string{"y"}, []string{"x"}},
		{`[["starts_with","a"],["ends_with","z"]]`, []string{"az"}, []string{"a", "z"}},
	} {
		v, err := query.ParseValue([]byte(tt.filters))
		if err != nil {
			t.Fatal(err)
		}
		f, err := query.ParseKeyFilter(v)
		if err != nil {
			t.Errorf("%s: %v", tt.filters, err)
			continue
		}
		for _, key := range tt.pass {
			if !f.Pass(key) {
				t.Errorf("%s: %q does not pass", tt.filters, key)
			}
		}
		for _, key := range tt.no {
			if f.Pass(key) {
				t.Errorf("%s: %.50q passes", tt.filters, key)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"inputs":[["b","k1"],["b","k2",7,"t"]],"query":[{"map":{"language":"erlang","module":"m","function":"f","arg":"x","keep":true}},{"reduce":{"language":"javascript","source":"f"}}],"timeout":90000}`))
	f.Add([]byte(`{"inputs":{"bucket":["t","b"],"key_filters":[["and",[["tokenize","-",1],["eq",1]],[["not",[["matches","x"]]]]]]},"query":[{"link":{"tag":"_"}}]}`))
	f.Add([]byte(`{"inputs":{"bucket":"b","index":"x_int","start":1,"end":2.5},"query":[{"map":{"language":"erlang","bucket":["a","b"],"key":"k"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		q, err := query.Parse(text)
		if err != nil {
			var p *query.ParseError
			if !errors.As(err, &p) || err.Error() == "" {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if q.Inputs.Kind == 0 || q.Timeout <= 0 || len(q.Phases) > query.MaxPhases {
			t.Fatalf("%s: %+v", text, q)
		}
		if q.Inputs.Filters != nil {
			filter, err := query.ParseKeyFilter(q.Inputs.Filters)
			if err != nil {
				t.Fatal(err)
			}
			filter.Pass("a-b-2009")
		}
	})
}

func ExampleQuery_NewResult() {
	q, _ := query.Parse([]byte(`{"inputs":"b","query":[
		{"map":{"language":"erlang","module":"m","function":"f","keep":true}},
		{"map":{"language":"erlang","module":"m","function":"g","keep":true}},
		{"reduce":{"language":"erlang","module":"m","function":"h"}}]}`))
	r := q.NewResult()
	r.Add(query.Part{Phase: 2, Values: []any{int64(3)}})
	r.Add(query.Part{Phase: 0, Values: []any{int64(1), int64(2)}})
	text, _ := json.Marshal(r.Value())
	fmt.Println(string(text))
	// Output: [[1,2],[],[3]]
}
