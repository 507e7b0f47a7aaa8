package kv_test

import (
	"testing"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/vnode"
)

var benchObject = kv.Object{Bucket: "corpus", Key: "line-000001", Value: make([]byte, 1000), ContentType: "text/plain"}

// A put as the client encodes it, the vnode serves it and the client reads the
// answer; each one over the version that the one before it wrote.
func BenchmarkPut(b *testing.B) {
	s, o := serve(b), benchObject
	b.ReportAllocs()
	for b.Loop() {
		r := kv.Put{Object: o}
		w, err := r.DecodeReply(ask(b, s, r))
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
		if _, err := r.DecodeReply(ask(b, s, r)); err != nil {
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
		if _, err := r.DecodeReply(ask(b, s, r)); err != nil {
			b.Fatal(err)
		}
	}
}

// ask is server.do without the costs of a test's helper.
func ask(b *testing.B, s *server, r kv.Request) []byte {
	body, err := kv.EncodeRequest(r, testHead)
	if err != nil {
		b.Fatal(err)
	}
	cx := vnode.NewContext(s.at, s.store, &s.seq, nil)
	reply := s.vnode.HandleCommand(cx, vnode.Command{Body: body}).(vnode.Reply)
	if err := s.store.Write(cx.Batch()); err != nil {
		b.Fatal(err)
	}
	return reply.Body
}
