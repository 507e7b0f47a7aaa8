package mapreduce_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/pipe/mapreduce"
)

type word string

type reading struct {
	Station string
	Values  []float64
	Tags    map[string]struct{}
	At      *time.Time
	Grid    [2]int8
	None    [0]int
	Nested  struct{ Ok bool }
}

type ringed struct{ Next *ringed }

// roundTrip is law I4 for one type.
func roundTrip[T any](t *testing.T, gen *rapid.Generator[T]) {
	t.Helper()
	codec, err := mapreduce.Builtin[T]()
	if err != nil {
		t.Fatalf("%v: %v", reflect.TypeFor[T](), err)
	}
	rapid.Check(t, func(t *rapid.T) {
		v := gen.Draw(t, "value")
		b, err := codec.Append([]byte("x"), v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := codec.Decode(b[1:])
		if err != nil {
			t.Fatalf("decode %x: %v", b[1:], err)
		}
		if diff := cmp.Diff(v, got, cmpopts.EquateNaNs()); diff != "" {
			t.Fatalf("changed (-want +got):\n%s", diff)
		}
	})
}

func TestBuiltin_keepsValues(t *testing.T) {
	roundTrip(t, rapid.String())
	roundTrip(t, rapid.Map(rapid.String(), func(s string) word { return word(s) }))
	roundTrip(t, rapid.Map(rapid.SliceOf(rapid.Byte()), bytes.Clone))
	roundTrip(t, rapid.Bool())
	roundTrip(t, rapid.Int())
	roundTrip(t, rapid.Int8())
	roundTrip(t, rapid.Int16())
	roundTrip(t, rapid.Int32())
	roundTrip(t, rapid.Int64())
	roundTrip(t, rapid.Uint())
	roundTrip(t, rapid.Uint8())
	roundTrip(t, rapid.Uint16())
	roundTrip(t, rapid.Uint32())
	roundTrip(t, rapid.Uint64())
	roundTrip(t, rapid.Float32())
	roundTrip(t, rapid.Float64())
	roundTrip(t, rapid.Map(rapid.Int64(), func(n int64) time.Duration { return time.Duration(n) }))
	roundTrip(t, rapid.SliceOf(rapid.String()))
	roundTrip(t, rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.Int())))
	roundTrip(t, rapid.Custom(func(t *rapid.T) reading {
		r := reading{
			Station: string(rapid.SliceOf(rapid.Byte()).Draw(t, "any bytes")),
			Values:  rapid.SliceOf(rapid.Float64()).Draw(t, "values"),
			Grid:    [2]int8{rapid.Int8().Draw(t, "x"), rapid.Int8().Draw(t, "y")},
		}
		r.Nested.Ok = rapid.Bool().Draw(t, "ok")
		if rapid.Bool().Draw(t, "tagged") {
			r.Tags = map[string]struct{}{rapid.String().Draw(t, "tag"): {}, "": {}}
			at := time.Unix(rapid.Int64Range(0, 1<<40).Draw(t, "at"), 0).UTC()
			r.At = &at
		}
		return r
	}))
}

func refused[T any](t *testing.T) {
	t.Helper()
	if _, err := mapreduce.Builtin[T](); !errors.Is(err, mapreduce.ErrCodec) {
		t.Errorf("%v: %v, want ErrCodec", reflect.TypeFor[T](), err)
	}
}

func TestBuiltin_refusesWhatItWouldLose(t *testing.T) {
	refused[any](t)
	refused[struct{ hidden int }](t)
	refused[[]error](t)
	refused[map[string]func()](t)
	refused[chan int](t)
	refused[complex128](t)
	refused[ringed](t)
	refused[struct{ P uintptr }](t)
}

// I3: numbers that compare equal are one key.
func TestBuiltin_floatsThatAreOneKey(t *testing.T) {
	for _, pair := range [][2]float64{{0, math.Copysign(0, -1)}, {math.NaN(), math.Float64frombits(0x7ff8000000000099)}} {
		c64, _ := mapreduce.Builtin[float64]()
		c32, _ := mapreduce.Builtin[float32]()
		in, _ := mapreduce.Builtin[struct{ X float64 }]()
		a, _ := c64.Append(nil, pair[0])
		b, _ := c64.Append(nil, pair[1])
		c, _ := c32.Append(nil, float32(pair[0]))
		d, _ := c32.Append(nil, float32(pair[1]))
		e, _ := in.Append(nil, struct{ X float64 }{pair[0]})
		f, _ := in.Append(nil, struct{ X float64 }{pair[1]})
		if !bytes.Equal(a, b) || !bytes.Equal(c, d) || !bytes.Equal(e, f) {
			t.Errorf("%v and %v encode apart", pair[0], pair[1])
		}
	}
}

func TestBuiltin_refusesDamage(t *testing.T) {
	damaged := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, mapreduce.ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", name, err)
		}
	}
	decode := func(dec func([]byte) error, raws ...[]byte) {
		t.Helper()
		for _, raw := range raws {
			damaged(string(raw), dec(raw))
		}
	}
	decode(decoding[uint8](t), nil, []byte{0x80}, []byte{1, 2}, []byte{0x80, 2})
	decode(decoding[int8](t), nil, []byte{0x80, 2})
	decode(decoding[bool](t), nil, []byte{2})
	decode(decoding[float32](t), make([]byte, 8))
	decode(decoding[float64](t), make([]byte, 4))
	decode(decoding[[]int](t), nil, []byte{9}, []byte{2}, []byte{2, 1}, []byte{1, 0})
	decode(decoding[*int](t), nil, []byte{2}, []byte{1})
	decode(decoding[map[string]int8](t), nil, []byte{9}, []byte{2, 1}, []byte{2, 1, 'a', 2, 0x80, 2})
	decode(decoding[struct{}](t), nil, []byte{1})
	decode(decoding[time.Time](t), nil, []byte{1, 200})
}

func decoding[T any](t *testing.T) func([]byte) error {
	t.Helper()
	codec, err := mapreduce.Builtin[T]()
	if err != nil {
		t.Fatal(err)
	}
	return func(b []byte) error {
		_, err := codec.Decode(b)
		return err
	}
}

func FuzzBuiltin(f *testing.F) {
	codec, err := mapreduce.Builtin[reading]()
	if err != nil {
		f.Fatal(err)
	}
	at := time.Unix(0, 0)
	seed, err := codec.Append(nil, reading{Station: "s", Values: []float64{1}, Tags: map[string]struct{}{"a": {}}, At: &at})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := codec.Decode(raw)
		if err != nil {
			return
		}
		b, err := codec.Append(nil, v)
		if err != nil {
			return // a time that MarshalBinary refuses
		}
		if again, err := codec.Decode(b); err != nil || !cmp.Equal(v, again, cmpopts.EquateNaNs()) {
			t.Errorf("%x decodes to %+v, then to %+v, %v", raw, v, again, err)
		}
	})
}
