package kv_test

import (
	"testing"

	"github.com/dee2748c/baton/kv"
)

// A put as the client encodes it, the vnode serves it and the client reads the
// answer; each one over the version that the one before it wrote.
func BenchmarkPut(b *testing.B) {
	s := serve(b)
	o := kv.Object{Bucket: "corpus", Key: "line-000001", Value: make([]byte, 1000), ContentType: "text/plain"}
	b.ReportAllocs()
	for b.Loop() {
		o.Context = s.put(o).Context
	}
}

// The same to a key that holds nothing.
func BenchmarkPut_new(b *testing.B) {
	s := serve(b)
	o := kv.Object{Bucket: "corpus", Key: "line-000001", Value: make([]byte, 1000), ContentType: "text/plain"}
	b.ReportAllocs()
	for b.Loop() {
		s.put(o)
		clear(s.store)
	}
}

func BenchmarkGet(b *testing.B) {
	s := serve(b)
	s.put(kv.Object{Bucket: "corpus", Key: "line-000001", Value: make([]byte, 1000), ContentType: "text/plain"})
	get := kv.Get{Bucket: "corpus", Key: "line-000001"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := get.DecodeReply(s.do(get)); err != nil {
			b.Fatal(err)
		}
	}
}
