package entropy

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/hashtree"
	"github.com/dee2748c/baton/replica"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/memory"
	"github.com/dee2748c/baton/store/pebble"
	"github.com/dee2748c/baton/vnode"
)

const head ring.Partition = 3

// copied is one vnode that keeps copies of the head's keys.
type copied struct {
	t     *testing.T
	at    vnode.Partition
	part  store.Partition
	vnode vnode.Vnode
	seq   uint64
	grace uint64
}

func open(t *testing.T, e store.Engine, p ring.Partition) *copied {
	t.Helper()
	part, err := e.Open(store.ID{Kind: kv.KindName, Partition: p})
	if err != nil {
		t.Fatal(err)
	}
	c := &copied{t: t, part: part, at: vnode.Partition{Kind: kv.KindName, ID: p, Size: 8, Node: "a"}}
	if c.vnode, err = kv.Kind(nil).Open(c.at); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *copied) context() *vnode.Context {
	cx := vnode.NewContext(c.at, c.part, &c.seq, nil)
	cx.SetCopy(vnode.Copy{Grace: c.grace})
	return cx
}

// send serves a command as the runtime does; lost drops what it writes.
func (c *copied) send(body []byte, lost bool) []byte {
	c.t.Helper()
	cx := c.context()
	reply, ok := c.vnode.HandleCommand(cx, vnode.Command{Body: body}).(vnode.Reply)
	if !ok || cx.Err() != nil {
		c.t.Fatal("no reply: ", cx.Err())
	}
	if lost {
		c.vnode.(vnode.InfoHandler).HandleInfo(c.context(), vnode.NotWritten{})
		return nil
	}
	if err := c.part.Write(cx.Batch()); err != nil {
		c.t.Fatal(err)
	}
	return reply.Body
}

func exchange(t *testing.T, a, b *copied) kv.Exchanged {
	t.Helper()
	x := kv.NewExchange(head, 3, a.at.ID, b.at.ID, 0)
	for n := 0; n == 0 || x.More(); n++ {
		x.Slice(replica.Set{Grace: max(a.grace, b.grace)}, 0, 1<<20)
		for sends := x.Step(replica.Event{Type: replica.Begin}, nil); len(sends) > 0; {
			s, to := sends[0], a
			if s.To.Partition == b.at.ID {
				to = b
			}
			sends = x.Step(replica.Event{Type: replica.Answer, Send: s.ID, Body: to.send(s.Body, false)}, append([]replica.Send(nil), sends[1:]...))
		}
		if x.Err() != nil || n > 1000 {
			t.Fatal("slice", n, x.Err())
		}
	}
	return x.Result()
}

// scan returns the items of a space.
func (c *copied) scan(space byte) (all []store.Item) {
	s := c.part.Snapshot()
	defer s.Close()
	it := s.Scan([]byte{space}, []byte{space + 1})
	defer it.Close()
	for it.Next() {
		all = append(all, it.Item().Clone())
	}
	if it.Err() != nil {
		c.t.Fatal(it.Err())
	}
	return all
}

// TestTree_powerCuts cuts the power at random moments of a life with writes,
// deletes, failed writes, counts and saves. After each cut the tree that is
// loaded, with what is open counted anew, has the root that a copy has which was
// given the same objects one by one.
func TestTree_powerCuts(t *testing.T) {
	names := names(400)
	valid := 0
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 15))
		fs := vfs.NewCrashableMem()
		e, err := pebble.Open("db", pebble.Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		a, b := open(t, e, head), open(t, memory.New(), head+1)
		var cuts []*vfs.MemFS
		for step := range uint64(600) {
			key := kv.AppendKey(nil, head, "", "b", names[random.IntN(len(names))])
			switch r := random.IntN(100); {
			case r < 4:
				more := true
				for more {
					if more, err = kv.DecodeSaveTrees(a.send(kv.EncodeSaveTrees(), false)); err != nil {
						t.Fatal(err)
					}
				}
			case r < 6:
				exchange(t, a, b)
			case r < 10:
				cuts = append(cuts, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 40, 100}[random.IntN(3)], RNG: random}))
			case r < 14:
				if err := a.part.Sync(); err != nil {
					t.Fatal(err)
				}
			case r < 24: // the key is a tombstone, and reaped
				a.send(merge(a.grace, key, step, true), false)
				a.grace += 3
				b.grace = a.grace
				item, err := a.part.Get(key)
				if err != nil {
					t.Fatal(err)
				}
				d := kv.DigestOf(item.Value)
				body := append([]byte{7, 1, 0}, d[:]...)
				a.send(append(binary.AppendUvarint(body, uint64(len(key))), key...), false)
			default:
				a.send(merge(a.grace, key, step, false), r < 30)
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		for i, disk := range cuts {
			valid += check(t, fmt.Sprintf("seed %d, cut %d", seed, i), disk)
		}
	}
	if valid == 0 {
		t.Error("no block was loaded after any of the cuts")
	}
	t.Logf("%d blocks were loaded", valid)
}

// check opens what a cut left and returns how many blocks it says the sums of.
func check(t *testing.T, what string, disk *vfs.MemFS) (valid int) {
	e, err := pebble.Open("db", pebble.Options{FS: disk})
	if err != nil {
		t.Fatal(what, err)
	}
	defer e.Close()
	a, b := open(t, e, head), open(t, memory.New(), head+1)
	for _, item := range a.scan(0x40) {
		if len(item.Value) > 20 {
			valid++
		}
	}
	for _, item := range a.scan(0x10) {
		b.send(kv.EncodeMerge(0, false, [2][]byte{item.Key, item.Value}), false)
	}
	if r := exchange(t, a, b); r.Blocks != 0 || r.Differing != 0 {
		t.Errorf("%s: %d blocks loaded, and the tree is not that of the objects: %+v", what, valid, r)
	}
	return valid
}

// names are keys of which many begin blocks.
func names(n int) (all []string) {
	for i := 0; len(all) < n; i++ {
		k := fmt.Sprintf("k%d", i)
		storeKey := kv.AppendKey(nil, head, "", "b", k)
		if len(all)%4 != 0 || hashtree.Hash(storeKey[3:])%hashtree.BlockKeys == 0 {
			all = append(all, k)
		}
	}
	return all
}

func merge(grace uint64, key []byte, event uint64, deleted bool) []byte {
	s := &kv.State{}
	s.Clock = s.Clock.Add(kv.Dot{Actor: "w", N: event + 1})
	v := kv.Sibling{Dot: kv.Dot{Actor: "w", N: event + 1}, Modified: event, Deleted: deleted}
	if !deleted {
		v.Content = content
	}
	s.Siblings = append(s.Siblings, v)
	return kv.EncodeMerge(grace, false, [2][]byte{key, s.Append(nil)})
}

// content is the stored form of an empty value.
var content = []byte{15, 0}
