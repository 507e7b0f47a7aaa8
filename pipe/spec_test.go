package pipe_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

type picky struct{ pipe.Factory }

var errPicky = errors.New("wants no argument")

func (picky) ValidateArg(arg []byte) error {
	if len(arg) > 0 {
		return errPicky
	}
	return nil
}

func TestSpec_Validate(t *testing.T) {
	reg := testRegistry(t)
	pass, _ := reg.Worker(pipe.Pass)
	if err := reg.AddWorker("picky", picky{pass}); err != nil {
		t.Fatal(err)
	}
	good := pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashSHA1)}
	with := func(change func(*pipe.Fitting)) *pipe.Spec {
		f := good
		change(&f)
		return testSpec(f)
	}
	for _, c := range []struct {
		name           string
		spec           *pipe.Spec
		fitting, field string
		is             error
	}{
		{"unknown worker", with(func(f *pipe.Fitting) { f.Worker = "nobody" }), "a", "worker", pipe.ErrUnknownWorker},
		{"unknown hash", with(func(f *pipe.Fitting) { f.Route = pipe.ByHash("nothing") }), "a", "route", pipe.ErrUnknownHash},
		{"no route", with(func(f *pipe.Fitting) { f.Route = pipe.Route{} }), "a", "route", pipe.ErrBadSpec},
		{"partition", with(func(f *pipe.Fitting) { f.Route = pipe.Constant(8) }), "a", "route", pipe.ErrBadSpec},
		{"bad arg", with(func(f *pipe.Fitting) { f.Worker, f.Arg = "picky", []byte("x") }), "a", "arg", errPicky},
		{"no name", with(func(f *pipe.Fitting) { f.Name = "" }), "#0", "name", pipe.ErrBadSpec},
		{"same name", testSpec(good, good), "a", "name", pipe.ErrBadSpec},
		{"queue items", with(func(f *pipe.Fitting) { f.QueueItems = -1 }), "a", "queue items", pipe.ErrBadSpec},
		{"queue bytes", with(func(f *pipe.Fitting) { f.QueueBytes = -1 }), "a", "queue bytes", pipe.ErrBadSpec},
		{"no fittings", testSpec(), "", "fittings", pipe.ErrBadSpec},
		{"ring size", &pipe.Spec{ID: pipe.ID{1}, RingSize: 9, Fittings: []pipe.Fitting{good}}, "", "ring size", pipe.ErrBadSpec},
		{"id", &pipe.Spec{RingSize: 8, Fittings: []pipe.Fitting{good}}, "", "id", pipe.ErrBadSpec},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.spec.Validate(reg)
			var se *pipe.SpecError
			if !errors.As(err, &se) || !errors.Is(err, c.is) || !errors.Is(err, pipe.ErrBadSpec) {
				t.Fatalf("got %v", err)
			}
			if se.Fitting != c.fitting || se.Field != c.field {
				t.Errorf("names fitting %q, field %q", se.Fitting, se.Field)
			}
		})
	}
	if err := testSpec(good).Validate(reg); err != nil {
		t.Errorf("good spec: %v", err)
	}
}

// TestSpec_Validate_all: every fault is named, not only the first.
func TestSpec_Validate_all(t *testing.T) {
	spec := testSpec(pipe.Fitting{Name: "a", Worker: "x"}, pipe.Fitting{Name: "b", Worker: "y"})
	err := spec.Validate(pipe.NewRegistry())
	for _, want := range []string{`fitting a: worker: "x"`, "fitting a: route", `fitting b: worker: "y"`, "fitting b: route"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func drawAddress(t *rapid.T, label string) pipe.Address {
	return pipe.Address{
		Node:        ring.NodeID(rapid.StringN(0, 20, -1).Draw(t, label)),
		Incarnation: rapid.Uint64().Draw(t, label), Endpoint: rapid.Uint64().Draw(t, label),
	}
}

func TestSpec_codec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &pipe.Spec{
			ID: pipe.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")), RingSize: rapid.IntRange(0, 65536).Draw(t, "ring"),
			Coordinator: drawAddress(t, "coordinator"), Sink: drawAddress(t, "sink"),
		}
		for range rapid.IntRange(0, 4).Draw(t, "fittings") {
			s.Fittings = append(s.Fittings, pipe.Fitting{
				Name: rapid.String().Draw(t, "name"), Worker: rapid.String().Draw(t, "worker"),
				Arg:        rapid.SliceOfN(rapid.Byte(), 1, 30).Draw(t, "arg"),
				Route:      pipe.Route{Kind: pipe.RouteKind(rapid.Byte().Draw(t, "kind")), Hash: rapid.String().Draw(t, "hash"), Partition: ring.Partition(rapid.Uint32().Draw(t, "partition"))},
				QueueItems: rapid.IntRange(0, 1<<31-1).Draw(t, "items"), QueueBytes: rapid.IntRange(0, 1<<31-1).Draw(t, "bytes"),
				RunEmpty: rapid.Bool().Draw(t, "run empty"),
			})
		}
		b, err := s.AppendBinary([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := pipe.DecodeSpec(b[len("before"):])
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, got); d != "" {
			t.Fatalf("decoded (-want +got):\n%s", d)
		}
		cut := rapid.IntRange(0, len(b)-len("before")-1).Draw(t, "cut")
		if _, err := pipe.DecodeSpec(b[len("before"):][:cut]); !errors.Is(err, pipe.ErrDamaged) {
			t.Fatalf("cut to %d bytes: %v", cut, err)
		}
	})
}

func TestDecodeSpec_newer(t *testing.T) {
	b, _ := testSpec().AppendBinary(nil)
	b[0]++
	if _, err := pipe.DecodeSpec(b); !errors.Is(err, pipe.ErrVersion) {
		t.Errorf("got %v", err)
	}
}

func FuzzDecodeSpec(f *testing.F) {
	b, _ := testSpec(pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashXXH3), Arg: []byte("arg")}).AppendBinary(nil)
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := pipe.DecodeSpec(data)
		if err != nil {
			if !errors.Is(err, pipe.ErrDamaged) && !errors.Is(err, pipe.ErrVersion) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if err := s.Validate(pipe.NewRegistry()); err != nil && !errors.Is(err, pipe.ErrBadSpec) {
			t.Fatalf("validate: %v", err)
		}
		again, err := s.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := pipe.DecodeSpec(again); err != nil || !cmp.Equal(s, got) {
			t.Fatalf("does not decode again: %v", err)
		}
	})
}

func TestRegistry_taken(t *testing.T) {
	reg := pipe.NewRegistry()
	f, _ := reg.Worker(pipe.Pass)
	if err := reg.AddWorker(pipe.Pass, f); !errors.Is(err, pipe.ErrRegistered) {
		t.Errorf("worker: %v", err)
	}
	if err := reg.AddHash(pipe.HashSHA1, func([]byte) uint64 { return 0 }); !errors.Is(err, pipe.ErrRegistered) {
		t.Errorf("hash: %v", err)
	}
}

func TestParseID(t *testing.T) {
	id := pipe.ID{1, 2, 255}
	if got, err := pipe.ParseID(id.String()); err != nil || got != id {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "12", strings.Repeat("g", 32)} {
		if _, err := pipe.ParseID(bad); !errors.Is(err, pipe.ErrDamaged) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
