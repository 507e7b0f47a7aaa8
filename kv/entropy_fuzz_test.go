package kv_test

import (
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/replica"
)

// FuzzTree: no question about hash trees makes a vnode panic, or change objects.
func FuzzTree(f *testing.F) {
	x := kv.NewExchange(testHead, 3, testHead, testHead+1, 0)
	x.Slice(replica.Set{}, 0, 1<<20)
	for _, s := range x.Step(replica.Event{Type: replica.Begin}, nil) {
		f.Add(s.Body[1:])
	}
	f.Add(kv.EncodeSaveTrees()[1:])
	f.Add([]byte{5, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 1, 'b', 'x'})
	f.Fuzz(func(t *testing.T, body []byte) {
		v := newCopied(t, testHead, counts(1, 2, 3))
		fill(3, v)
		v.send(append([]byte{9}, body...), false)
		if n := len(v.objects(testHead, "three")); n != 3 {
			t.Errorf("%d objects", n)
		}
	})
}

// FuzzExchange: whatever copies answer, an exchange ends.
func FuzzExchange(f *testing.F) {
	counted := []byte{0, 0, 0, 2}
	root := append(append([]byte{}, counted...), 1, 0, 0, 0, 0, 0, 0, 0, 9)
	other := append(append([]byte{}, counted...), 1, 0, 0, 0, 0, 0, 0, 0, 8)
	nodes := append(append([]byte{}, counted...), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0)
	f.Add(root, other, nodes, nodes)
	f.Add(root, []byte{0, 0, 0, 1, 5}, root, root)
	f.Add(root, []byte{0, 0, 0, 0}, root, []byte{4})
	f.Fuzz(func(t *testing.T, a, b, c, d []byte) {
		x := kv.NewExchange(testHead, 3, testHead, testHead+1, 0)
		answers := [][]byte{a, b, c, d}
		x.Slice(replica.Set{Copies: []replica.Copy{{Entry: ring.Entry{Partition: testHead}}}}, 0, 1<<20)
		sends := x.Step(replica.Event{Type: replica.Begin}, nil)
		for i := 0; len(sends) > 0 && i < 100; i++ {
			next := x.Step(replica.Event{Type: replica.Answer, Send: sends[0].ID, Body: answers[i%4]}, nil)
			sends = append(sends[1:], next...)
		}
		if len(sends) == 0 && !x.Done() {
			t.Error("nothing is sent and it is not done")
		}
	})
}
