package kv_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/replica"
)

// Nodes whose clocks jump by an hour either way decide the same: what a write has seen is told by its
// context, and no time of day is compared where siblings are kept.
func TestMachines_clockJumps(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	jumps := []time.Duration{-time.Hour, 0, time.Hour}
	for _, before := range jumps {
		for _, after := range jumps {
			f, p := newFleet(t, 3), strict(3)
			first, then := start.Add(before), start.Add(after)
			f.putAt(first, &p, "1", "")
			seen := f.getAt(first, &p)
			f.putAt(then, &p, "2", seen.Context)
			f.putAt(first, &p, "3", seen.Context)
			both := f.getAt(then, &p)
			if got := texts(both, nil); !slices.Equal(got, []string{"2", "3"}) {
				t.Fatalf("clocks at %v, then %v: %v stand, two concurrent writes had seen the first", before, after, got)
			}
			m, err := kv.NewRemove(f.set("b"), kv.Delete{Bucket: "b", Key: "k", Context: both.Context, Modified: then}, &p)
			if err != nil {
				t.Fatal(err)
			}
			f.step(m, replica.Event{Type: replica.Begin})
			f.settle()
			if _, err := m.Deleted(); err != nil {
				t.Fatal(err)
			}
			for _, now := range []time.Time{first, then} {
				if got := f.getAt(now, &p); len(got.Contents()) != 1 || len(got.Value) > 0 {
					t.Fatalf("clocks at %v, then %v: %v came back from a delete", before, after, texts(got, nil))
				}
			}
		}
	}
}

func (f *fleet) putAt(now time.Time, p *bucket.Properties, value string, seen kv.Context) {
	if _, err := f.put(p, kv.Object{Value: []byte(value), Context: seen, Modified: now}).Written(); err != nil {
		f.t.Fatal(err)
	}
}

// put runs a write through node a to its end.
func (f *fleet) put(p *bucket.Properties, o kv.Object) *kv.Write {
	o.Bucket, o.Key = "b", "k"
	m, err := kv.NewWrite(f.set("a"), kv.Put{Object: o}, p)
	if err != nil {
		f.t.Fatal(err)
	}
	f.step(m, replica.Event{Type: replica.Begin})
	f.settle()
	return m
}

// getAt returns what is there, the empty object if nothing is.
func (f *fleet) getAt(now time.Time, p *bucket.Properties) kv.Object {
	m, err := kv.NewRead(f.set("c"), kv.Get{Bucket: "b", Key: "k"}, p, now)
	if err != nil {
		f.t.Fatal(err)
	}
	f.step(m, replica.Event{Type: replica.Begin})
	f.settle()
	o, err := m.Object()
	if err != nil {
		return kv.Object{}
	}
	return o
}
