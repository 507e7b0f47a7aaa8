package kv_test

import (
	"testing"

	"github.com/dee2748c/baton/kv"
)

var benchObject = kv.Object{Bucket: "corpus", Key: "line-000001", Value: make([]byte, 1000), ContentType: "text/plain"}

// A put with one copy, the machine and the vnode; each one over the version that
// the one before it wrote.
func BenchmarkPut(b *testing.B) {
	s, o := serve(b), benchObject
	b.ReportAllocs()
	for b.Loop() {
		w, err := s.doPut(kv.Put{Object: o})
		if err != nil {
			b.Fatal(err)
		}
		o.Context = w.Context
	}
}

// The same to a key that holds nothing.
func BenchmarkPut_new(b *testing.B) {
	s := serve(b)
	r := kv.Put{Object: benchObject}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.doPut(r); err != nil {
			b.Fatal(err)
		}
		clear(s.store)
	}
}

func BenchmarkGet(b *testing.B) {
	s := serve(b)
	s.put(benchObject)
	r := kv.Get{Bucket: "corpus", Key: "line-000001"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.doGet(r); err != nil {
			b.Fatal(err)
		}
	}
}
