package query_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := query.AppendValue(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// values generates values of any kind.
func values() *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Just[any](nil),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.Int64(), func(n int64) any { return n }),
		rapid.Map(rapid.Int64Range(-3, 3), func(n int64) any { return n }),
		rapid.Map(rapid.Float64(), func(f float64) any { return f + 0 }),
		rapid.Map(rapid.Float64Range(-3, 3), func(f float64) any { return math.Round(f) + 0 }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 4), func(b []byte) any { return string(b) }),
	)
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(leaf, 0, 3), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(rapid.String(), leaf, 0, 3), func(m map[string]any) any { return m }),
		rapid.Map(leaf, func(v any) any { return query.NotFound{Bucket: "b", Key: "k", Data: v} }),
	)
}

// TestValue_codec holds I2.
func TestValue_codec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values().Draw(t, "value")
		b, err := query.AppendValue(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := query.DecodeValue(b)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := query.AppendValue(nil, back)
		if !bytes.Equal(b, again) {
			t.Fatalf("%v encodes to %x, and decoded to %x", v, b, again)
		}
	})
}

// TestCompare_laws holds I3.
func TestCompare_laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := values().Draw(t, "a"), values().Draw(t, "b"), values().Draw(t, "c")
		ab, bc := query.Compare(a, b), query.Compare(b, c)
		if query.Compare(b, a) != -ab {
			t.Fatalf("%v and %v: %d one way, %d the other", a, b, ab, query.Compare(b, a))
		}
		if ab <= 0 && bc <= 0 && query.Compare(a, c) > 0 {
			t.Fatalf("%v <= %v <= %v, but the first is more than the last", a, b, c)
		}
		x, _ := query.AppendValue(nil, a)
		y, _ := query.AppendValue(nil, b)
		if (ab == 0) != bytes.Equal(x, y) {
			t.Fatalf("%v and %v: order says %d, encodings %x and %x", a, b, ab, x, y)
		}
	})
}

func TestCompare_kinds(t *testing.T) {
	want := []any{
		int64(-1), 0.5, int64(1), 1.0, int64(2), math.Inf(1), math.NaN(), false, nil, true,
		query.NotFound{Bucket: "b", Key: "k"},
		map[string]any{},
		map[string]any{"a": int64(1)},
		"", "a", "b",
		[]any{},
		[]any{"a"},
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, query.Compare)
	for i := range want {
		if query.Compare(got[i], want[i]) != 0 {
			t.Errorf("place %d: %v, want %v", i, got[i], want[i])
		}
	}
}

func TestValue_JSON(t *testing.T) {
	for text, want := range map[string]string{
		`[1, 1.0, 1e3, "<&>", null, true]`:                `[1,1.0,1000.0,"<&>",null,true]`,
		`{"b":[],"a":{}}`:                                 `{"a":{},"b":[]}`,
		`123456789012345678901234567890`:                  `1.2345678901234568e+29`,
		`"\u00e9\n"`:                                      `"é\n"`,
		`9223372036854775807`:                             `9223372036854775807`,
		strings.Repeat("[", 99) + strings.Repeat("]", 99): strings.Repeat("[", 99) + strings.Repeat("]", 99),
	} {
		v, err := query.ParseValue([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := query.AppendJSON(nil, v)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	got, err := query.AppendJSON(nil, query.NotFound{Type: "t", Bucket: "b", Key: "k", Data: int64(1)})
	if want := `{"not_found":{"bucket":"b","bucket_type":"t","key":"k","keydata":1}}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	if _, err := query.ParseValue([]byte(strings.Repeat("[", 1000) + strings.Repeat("]", 1000))); !errors.Is(err, query.ErrValue) {
		t.Errorf("1000 lists in each other: %v", err)
	}
}

func TestValueOf(t *testing.T) {
	type pair struct {
		Name string `json:"name"`
		N    uint8  `json:"n"`
	}
	type word string
	for _, tt := range []struct{ in, want any }{
		{3, int64(3)},
		{uint16(3), int64(3)},
		{float32(0.5), 0.5},
		{word("w"), "w"},
		{[]byte("w"), "w"},
		{pair{"x", 1}, map[string]any{"name": "x", "n": int64(1)}},
		{[]int{1, 2}, []any{int64(1), int64(2)}},
		{[]any{1, word("w")}, []any{int64(1), "w"}},
		{map[string]any{"a": uint8(1)}, map[string]any{"a": int64(1)}},
	} {
		got, err := query.ValueOf(tt.in)
		if err != nil || !cmp.Equal(got, tt.want) {
			t.Errorf("%#v: %#v, %v", tt.in, got, err)
		}
	}
	if _, err := query.ValueOf(make(chan int)); !errors.Is(err, query.ErrValue) {
		t.Errorf("a channel: %v", err)
	}
	if p, err := query.As[pair](map[string]any{"name": "x", "n": int64(1)}); err != nil || p != (pair{"x", 1}) {
		t.Errorf("%v, %v", p, err)
	}
	if n, err := query.As[int](int64(7)); err != nil || n != 7 {
		t.Errorf("%v, %v", n, err)
	}
	if _, err := query.As[int]("x"); !errors.Is(err, query.ErrValue) {
		t.Errorf("a string as a number: %v", err)
	}
}

func FuzzDecodeValue(f *testing.F) {
	f.Add(encode(f, nil))
	f.Add(encode(f, []any{int64(-5), 2.5, "x", map[string]any{"a": nil, "b": true}, query.NotFound{Bucket: "b", Key: "k"}}))
	f.Add([]byte{6, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := query.DecodeValue(b)
		if err != nil {
			if !errors.Is(err, query.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if again := encode(t, v); !bytes.Equal(again, b) {
			t.Fatalf("%x decodes to %v, which encodes to %x", b, v, again)
		}
	})
}
