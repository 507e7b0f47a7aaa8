package kv_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/vnode"
)

// TestMerge_ownBuffer: a state that is nearly all of a buffer of its own is kept
// as it came; from any other buffer the store keeps a copy.
func TestMerge_ownBuffer(t *testing.T) {
	from := serve(t)
	from.put(kv.Object{Bucket: "b", Key: "k", Value: bytes.Repeat([]byte("v"), 1000)})
	key := kv.AppendKey(nil, testHead, "", "b", "k")
	stored := from.store[string(key)].Value
	body := slices.Clip(kv.EncodeMerge(0, false, [2][]byte{key, stored}))
	for _, tt := range []struct {
		name  string
		cmd   vnode.Command
		keeps bool
	}{
		{"all of its buffer", vnode.Command{Body: bytes.Clone(body)[:len(body):len(body)], Own: true}, true},
		{"a piece of a frame", vnode.Command{Body: bytes.Clone(body)}, false},
		{"in far more room than it needs", vnode.Command{Body: append(make([]byte, 0, 4*len(body)), body...), Own: true}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t)
			cx := vnode.NewContext(s.at, s.store, &s.seq, nil)
			s.vnode.HandleCommand(cx, tt.cmd)
			if err := s.store.Write(cx.Batch()); err != nil {
				t.Fatal(err)
			}
			got := s.store[string(key)].Value
			if !bytes.Equal(got, stored) {
				t.Fatalf("the copy holds %x", got)
			}
			if kept := &got[0] == &tt.cmd.Body[len(body)-len(got)]; kept != tt.keeps {
				t.Errorf("the store keeps the buffer: %t, want %t", kept, tt.keeps)
			}
		})
	}
}
