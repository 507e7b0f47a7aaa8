package js_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
	"go.uber.org/goleak"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/pipe/mapreduce/js"
	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, f query.Function) mapreduce.Code {
	t.Helper()
	c, err := js.New(js.Options{}).Open(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parse(t testing.TB, text string) any {
	t.Helper()
	if text == "" {
		return nil
	}
	v, err := query.ParseValue([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func show(t testing.TB, values []any, err error) string {
	t.Helper()
	if err != nil {
		return "error: " + err.Error()
	}
	text, err := query.AppendJSON(nil, values)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReduce is the built-in reduces, and sources as clients write them.
func TestReduce(t *testing.T) {
	for _, tt := range []struct{ source, name, values, arg, want string }{
		{name: "Riak.reduceSum", values: `[1,2,{"not_found":{"bucket":"b","key":"k","keydata":null}},3.5]`, want: `[6.5]`},
		{name: "Riak.reduceSum", values: `[]`, want: `[0]`},
		{name: "Riak.reduceMin", values: `[3,1,2]`, want: `[1]`},
		{name: "Riak.reduceMin", values: `[]`, want: `[]`},
		{name: "Riak.reduceMax", values: `[3,1,2]`, want: `[3]`},
		{name: "Riak.reduceSort", values: `["b","a","c"]`, want: `["a","b","c"]`},
		{name: "Riak.reduceSort", values: `[1,3,2]`, arg: `"function(a,b) { return b - a; }"`, want: `[3,2,1]`},
		{name: "Riak.reduceSort", values: `[1,3,2]`, arg: `"function desc(a,b) { return b - a; };\n"`, want: `[3,2,1]`},
		{name: "Riak.reduceNumericSort", values: `[10,9,2]`, want: `[2,9,10]`},
		{name: "Riak.reduceLimit", values: `[1,2,3,4]`, arg: `3`, want: `[1,2]`},
		{name: "Riak.reduceSlice", values: `[1,2,3,4]`, arg: `[1,3]`, want: `[2,3]`},
		{name: "Riak.reduceSlice", values: `[1,2,3,4]`, arg: `[1,9]`, want: `[1,2,3,4]`},
		{name: "Riak.filterNotFound", values: `[{"not_found":{"bucket":"b","key":"k","keydata":null}},1]`, want: `[1]`},
		{source: `function(v, arg) { return [v.length, arg.x]; }`, values: `[1,2]`, arg: `{"x":"y"}`, want: `[2,"y"]`},
		{source: `Riak.reduceSum`, values: `[1,2]`, want: `[3]`},
		{source: `function sum(v) { return [v.reduce(function(a,b) { return a + b; })]; };`, values: `[1,2]`, want: `[3]`},
		{source: `function(v) { return [undefined, null, NaN, 1/0, new Date(0), {a: undefined}, "\u00e9", [,1]]; } // end`, values: `[]`, want: `[null,null,null,null,"1970-01-01T00:00:00.000Z",{"a":null},"é",[null,1]]`},
		{source: `function(v) { return v; }`, values: `[{"not_found":{"bucket":"b","key":"k","keydata":7}}]`, want: `[{"not_found":{"bucket":"b","key":"k","keydata":7}}]`},
		{source: `function(v) { return v[0]; }`, values: `[1]`, want: `error: the function returned int64 and no array: not a value`},
		{source: `function(v) { return [function() {}]; }`, values: `[]`, want: `error: returned func`},
		{source: `function(v) { var a = []; a.push(a); return a; }`, values: `[]`, want: `error: returned what is nested deeper`},
		{source: `function(v) { throw new Error("no"); }`, values: `[]`, want: `error: Error: no`},
		{source: `function(v) { throw {a: 1}; }`, values: `[]`, want: `error: [object Object]`},
		{source: `function(v) { return v.x.y; }`, values: `[]`, want: `error: TypeError:`},
		{source: `1 + 1`, values: `[]`, want: `error: the source is 2: not a JavaScript function`},
		{source: `function(v) { return ["x".repeat(1e8)]; }`, values: `[]`, want: `error: RangeError`},
		{source: `function f(v) { return f(v); }`, values: `[]`, want: `error: `},
	} {
		c := open(t, query.Function{Name: tt.name, Source: tt.source})
		values, err := c.Reduce(t.Context(), parse(t, tt.values).([]any), parse(t, tt.arg))
		got := show(t, values, err)
		if got != tt.want && !(strings.HasPrefix(tt.want, "error") && strings.HasPrefix(got, tt.want)) {
			t.Errorf("%s%s of %s, %s: %s, want %s", tt.name, tt.source, tt.values, tt.arg, got, tt.want)
		}
	}
}

func TestMap(t *testing.T) {
	found := mapreduce.Object{Found: true, Object: kv.Object{
		Bucket: "b", Key: "k", Value: []byte(`{"x":1,"y":"é"}`), ContentType: "application/json",
		Meta: []kv.Attribute{{Name: "Who", Value: "me"}}, Links: []kv.Link{{Bucket: "lb", Key: "lk", Tag: "lt"}},
		Indexes: []kv.Index{{Name: "age", Kind: kv.IntIndex, Int: 7}},
	}}
	withData := found
	withData.Data = []any{int64(1), "d"}
	siblings := found
	siblings.Siblings = []kv.Content{{Value: []byte("1")}, {Value: []byte{0xff}}}
	missing := mapreduce.Object{Object: kv.Object{Type: "t", Bucket: "b", Key: "k"}, Data: "d"}
	for _, tt := range []struct {
		source, name string
		o            mapreduce.Object
		arg, want    string
	}{
		{name: "Riak.mapValues", o: found, want: `["{\"x\":1,\"y\":\"é\"}"]`},
		{name: "Riak.mapValues", o: missing, want: `[{"not_found":{"bucket":"b","bucket_type":"t","key":"k","keydata":"d"}}]`},
		{name: "Riak.mapValuesJson", o: found, want: `[{"x":1,"y":"é"}]`},
		{name: "Riak.mapValuesJson", o: missing, want: `[{"not_found":{"bucket":"b","bucket_type":"t","key":"k","keydata":"d"}}]`},
		{name: "Riak.mapByFields", o: found, arg: `{"x":"1"}`, want: `[{"x":1,"y":"é"}]`},
		{name: "Riak.mapByFields", o: found, arg: `{"x":2}`, want: `[]`},
		{name: "Riak.mapByFields", o: missing, arg: `{"x":2}`, want: `[]`},
		{source: `function(o, d, a) { return [o.bucket_type, o.bucket, o.key, typeof o.vclock, o.values.length, d, a]; }`, o: withData, arg: `{"a":[1]}`, want: `["default","b","k","string",1,[1,"d"],{"a":[1]}]`},
		{source: `function(o, d, a) { return [d === undefined, a === undefined]; }`, o: found, want: `[true,true]`},
		{source: `function(o) { var m = o.values[0].metadata; return [m["content-type"], m["X-Riak-Meta"], m.Links, m.index]; }`, o: found, want: `["application/json",{"X-Riak-Meta-Who":"me"},[["lb","lk","lt"]],{"age_int":[7]}]`},
		{source: `function(o) { return o.values.map(function(v) { return v.data; }); }`, o: siblings, want: `["1","` + "\uFFFD" + `"]`},
		{source: `function(o) { return [[o.bucket, o.key, "kd"]]; }`, o: found, want: `[["b","k","kd"]]`},
	} {
		values, err := open(t, query.Function{Name: tt.name, Source: tt.source}).Map(t.Context(), tt.o, parse(t, tt.arg))
		if got := show(t, values, err); got != tt.want {
			t.Errorf("%s%s: %s, want %s", tt.name, tt.source, got, tt.want)
		}
	}
}

func TestOpen_errors(t *testing.T) {
	for _, f := range []query.Function{{Name: "Riak.nope"}, {Name: "eval"}, {Source: "function("}, {Source: ""}, {Source: "var x = 1"}} {
		if _, err := js.New(js.Options{}).Open(f); !errors.Is(err, js.ErrSource) {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

// TestCall_limits holds I1: what does not end by itself is ended, and the function
// can be called again.
func TestCall_limits(t *testing.T) {
	cancelled := errors.New("cancelled by the test")
	for _, tt := range []struct {
		name, source string
		opt          js.Options
		ctx          func(context.Context) (context.Context, context.CancelFunc)
		want         error
	}{
		{"time", `while (true) {}`, js.Options{CallTime: 50 * time.Millisecond}, nil, js.ErrTime},
		{"memory", `var a = []; while (true) { a.push("x" + a.length); }`, js.Options{CallMemory: 32 << 20, CallTime: time.Minute}, nil, js.ErrMemory},
		{"output", `var a = []; for (var i = 0; i < 1e5; i++) { a.push(i); } return a;`, js.Options{CallOutput: 1 << 10}, nil, js.ErrMemory},
		{"context", `while (true) {}`, js.Options{CallTime: time.Minute}, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, 50*time.Millisecond, cancelled)
		}, cancelled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := js.New(tt.opt).Open(query.Function{Source: `function(v, arg) { if (arg) { return [arg]; } ` + tt.source + ` }`})
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			if tt.ctx != nil {
				var cancel context.CancelFunc
				ctx, cancel = tt.ctx(ctx)
				defer cancel()
			}
			if _, err := c.Reduce(ctx, nil, nil); !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if again, err := c.Reduce(t.Context(), nil, "again"); err != nil || len(again) != 1 {
				t.Errorf("called again: %v, %v", again, err)
			}
		})
	}
}

// TestCall_state holds I2.
func TestCall_state(t *testing.T) {
	e := js.New(js.Options{})
	f := query.Function{Source: `function() { Riak.n = (Riak.n || 0) + 1; return [Riak.n]; }`}
	first, _ := e.Open(f)
	second, _ := e.Open(f)
	for _, tt := range []struct {
		c    mapreduce.Code
		want int64
	}{{first, 1}, {first, 2}, {second, 1}} {
		if got, err := tt.c.Reduce(t.Context(), nil, nil); err != nil || got[0] != tt.want {
			t.Errorf("%v, %v; want %d", got, err, tt.want)
		}
	}
}

// FuzzSource holds I3 for any source.
func FuzzSource(f *testing.F) {
	f.Add(`function(v) { return v; }`)
	f.Add(`(function() { return [1, {a: [2]}]; })`)
	f.Add(`function(v) { var o = {}; o.o = o; return [o]; }`)
	e := js.New(js.Options{CallTime: 50 * time.Millisecond, CallMemory: 64 << 20})
	f.Fuzz(func(t *testing.T, source string) {
		c, err := e.Open(query.Function{Source: source})
		if err != nil {
			return
		}
		values, err := c.Reduce(t.Context(), []any{int64(1), "x"}, nil)
		if err == nil {
			if _, err := query.AppendValue(nil, values); err != nil {
				t.Errorf("%q returned %v: %v", source, values, err)
			}
		}
	})
}

const document = `{"name":"Baton","n":12,"tags":["a","b","c"],"text":"the quick brown fox jumps over the lazy dog"}`

// BenchmarkMap is a map in JavaScript, and its limit: what the interpreter alone
// does with the same function over the same text.
func BenchmarkMap(b *testing.B) {
	text := strings.Repeat(document+",", 9) + document
	value := []byte("[" + text + "]") // some 1 KiB
	const source = `function(v) { return [JSON.parse(v.values[0].data)[0].n]; }`
	b.Run("worker", func(b *testing.B) {
		c := open(b, query.Function{Source: source})
		o := mapreduce.Object{Found: true, Object: kv.Object{Bucket: "b", Key: "k", Value: value, ContentType: "application/json"}}
		b.ReportAllocs()
		for b.Loop() {
			if out, err := c.Map(b.Context(), o, nil); err != nil || len(out) != 1 {
				b.Fatal(out, err)
			}
		}
	})
	b.Run("limit", func(b *testing.B) {
		vm := goja.New()
		quoted, _ := json.Marshal(string(value))
		v, err := vm.RunString(`var f = ` + source + `; var o = {values: [{data: ` + string(quoted) + `}]}; (function(n) { for (var i = 0; i < n; i++) { f(o); } })`)
		if err != nil {
			b.Fatal(err)
		}
		loop, _ := goja.AssertFunction(v)
		b.ReportAllocs()
		if _, err := loop(goja.Undefined(), vm.ToValue(b.N)); err != nil {
			b.Fatal(err)
		}
	})
}
