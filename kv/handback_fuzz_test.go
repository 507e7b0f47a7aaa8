package kv_test

import (
	"errors"
	"testing"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/vnode"
)

// FuzzMergeReply: whatever an owner answers to a hand-back, nothing is left without
// a reason, and what is left has a name.
func FuzzMergeReply(f *testing.F) {
	key := string(kv.AppendKey(nil, testHead, "", "b", "k"))
	f.Add([]byte("\x00\x00\x00"))
	f.Add([]byte("\x00\x00\x05" + string(rune(len(key))) + key + "\x01"))
	f.Add([]byte("\x00\x00\x05" + string(rune(len(key))) + key + "\x02" + string(rune(len(key))) + key + "\x01"))
	f.Add([]byte("\x00\x00\x05" + string(rune(len(key))) + key + "\x03"))
	s := serveAt(f, vnode.Partition{Kind: kv.KindName, ID: testHead, Size: 8, Node: "b", Fallback: true})
	f.Fuzz(func(t *testing.T, body []byte) {
		left, err := s.vnode.(vnode.Mergeable).MergeReply(body)
		if len(left) > 0 && !errors.Is(err, kv.ErrSiblings) && !errors.Is(err, kv.ErrFormat) {
			t.Errorf("%q is left: %v", left, err)
		}
		for _, key := range left {
			if _, _, _, _, err := kv.DecodeKey(key); err != nil {
				t.Errorf("%q is left: %v", key, err)
			}
		}
	})
}
