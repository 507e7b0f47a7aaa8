package kv_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/kv/hashtree"
	"github.com/dee2748c/baton/replica"
	"github.com/dee2748c/baton/vnode"
)

// copied is one vnode among several that keep copies of one head's keys.
type copied struct {
	t       fatal
	at      vnode.Partition
	store   mapStore
	vnode   vnode.Vnode
	catalog *bucket.Catalog
	seq     uint64
	state   vnode.Copy
	damaged [][]byte // what it has met and can't decode
}

func newCopied(t fatal, p ring.Partition, c *bucket.Catalog) *copied {
	v := &copied{t: t, at: vnode.Partition{Kind: kv.KindName, ID: p, Size: 8, Node: ring.NodeID(fmt.Sprint("n", p))}, store: mapStore{}, catalog: c}
	v.open()
	return v
}

// open is what a start does, after a crash too: the store is all there is.
func (v *copied) open() {
	var err error
	if v.vnode, err = kv.Kind(func() *bucket.Catalog { return v.catalog }).Open(v.at); err != nil {
		v.t.Fatal(err)
	}
}

func (v *copied) context() *vnode.Context {
	cx := vnode.NewContext(v.at, v.store, &v.seq, nil)
	cx.SetCopy(v.state)
	return cx
}

// send serves a command; with fail set the store does not take what it writes.
func (v *copied) send(body []byte, fail bool) []byte {
	v.t.Helper()
	cx := v.context()
	d := v.vnode.HandleCommand(cx, vnode.Command{Body: body})
	reply, ok := d.(vnode.Reply)
	if !ok || cx.Err() != nil {
		v.t.Fatal("disposition", d, cx.Err())
	}
	if fail {
		v.inform(vnode.NotWritten{})
		return nil
	}
	if err := v.store.Write(cx.Batch()); err != nil {
		v.t.Fatal(err)
	}
	v.damaged = append(v.damaged, cx.TakeDamaged()...)
	return reply.Body
}

func (v *copied) inform(msg any) {
	cx := v.context()
	v.vnode.(vnode.InfoHandler).HandleInfo(cx, msg)
	if err := v.store.Write(cx.Batch()); err != nil {
		v.t.Fatal(err)
	}
}

// objects returns what the copy holds of a head's buckets: name to state.
func (v *copied) objects(head ring.Partition, buckets ...string) map[string]string {
	all := make(map[string]string)
	for _, b := range buckets {
		from, to := kv.BucketRange(head, "", b, "")
		for k, item := range v.store {
			if k >= string(from) && k < string(to) {
				all[k] = string(item.Value)
			}
		}
	}
	return all
}

func (v *copied) merge(fail bool, storeKey []byte, s *kv.State) {
	v.t.Helper()
	reply := v.send(kv.EncodeMerge(v.state.Grace, false, [2][]byte{storeKey, s.Append(nil)}), fail)
	if _, err := kv.DecodeMergeReply(reply); err != nil && !fail {
		v.t.Fatal(err)
	}
}

// reap removes a tombstone from this copy alone.
func (v *copied) reap(storeKey []byte) {
	stored := v.store[string(storeKey)].Value
	if stored == nil {
		return
	}
	d := kv.DigestOf(stored)
	body := append([]byte{7, 1, 0}, d[:]...)
	v.send(append(binary.AppendUvarint(body, uint64(len(storeKey))), storeKey...), false)
}

func (v *copied) save() {
	for more := true; more; {
		var err error
		if more, err = kv.DecodeSaveTrees(v.send(kv.EncodeSaveTrees(), false)); err != nil {
			v.t.Fatal(err)
		}
	}
}

// exchange runs an exchange to its end, in slices of limit bytes, and calls
// between after every command.
func exchange(t fatal, head ring.Partition, n int, a, b *copied, limit int, between func()) kv.Exchanged {
	t.Helper()
	result, err := tryExchange(t, head, n, a, b, limit, between)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// tryExchange is exchange that returns the error of a slice.
func tryExchange(t fatal, head ring.Partition, n int, a, b *copied, limit int, between func()) (kv.Exchanged, error) {
	t.Helper()
	return exchangeAt(t, head, n, a, b, 0, limit, between)
}

// exchangeAt is tryExchange at a time in Unix milliseconds.
func exchangeAt(t fatal, head ring.Partition, n int, a, b *copied, now uint64, limit int, between func()) (kv.Exchanged, error) {
	t.Helper()
	x := kv.NewExchange(head, n, a.at.ID, b.at.ID, kv.CopiesSignature(a.catalog))
	for n := 0; n == 0 || x.More(); n++ {
		if n > 10_000 {
			t.Fatal("no end")
		}
		set := replica.Set{Head: head, Grace: max(a.state.Grace, b.state.Grace), Copies: []replica.Copy{
			{Entry: ring.Entry{Partition: a.at.ID, Node: a.at.Node}}, {Entry: ring.Entry{Partition: b.at.ID, Node: b.at.Node}},
		}}
		x.Slice(set, now, limit)
		sends := x.Step(replica.Event{Type: replica.Begin}, nil)
		for len(sends) > 0 {
			s := sends[0]
			to := a
			if s.To.Partition == b.at.ID {
				to = b
			}
			reply := to.send(s.Body, false)
			between()
			sends = x.Step(replica.Event{Type: replica.Answer, Send: s.ID, Body: reply}, slices.Clone(sends[1:]))
		}
		if !x.Done() {
			t.Fatal("not done")
		}
		if x.Err() != nil {
			return x.Result(), x.Err()
		}
	}
	return x.Result(), nil
}

// counts is a catalog with buckets one, two and three of so many copies.
func counts(numbers ...int) *bucket.Catalog {
	entries := map[string][]byte{}
	for i, name := range []string{"one", "two", "three"} {
		entries["bucket/default\x00"+name] = fmt.Appendf(nil, `{"n_val":%d}`, numbers[i])
	}
	return bucket.NewCatalog(bucket.Defaults(3), func(yield func(string, []byte) bool) {
		for _, k := range slices.Sorted(maps.Keys(entries)) {
			if !yield(k, entries[k]) {
				return
			}
		}
	})
}

// names are keys of which some begin blocks of the hash tree.
func names(n int) (all []string) {
	starts := 0
	for i := 0; len(all) < n; i++ {
		k := fmt.Sprintf("k%d", i)
		storeKey := kv.AppendKey(nil, testHead, "", "three", k)
		begins := hashtree.Hash(storeKey[3:])%hashtree.BlockKeys == 0
		if begins || len(all)-starts < n*3/4 {
			all = append(all, k)
		}
		if begins {
			starts++
		}
	}
	return all
}

func state(actor string, event uint64, deleted bool) *kv.State {
	s := &kv.State{}
	v := kv.Sibling{Dot: kv.Dot{Actor: kv.Actor(actor), N: event}, Modified: event, Deleted: deleted}
	if !deleted {
		v.Content = kv.EncodeContent(kv.Content{Value: fmt.Appendf(nil, "%s-%d", actor, event)})
	}
	s.Write(nil, v)
	return s
}

// TestExchange_copiesBecomeEqual: whatever two copies hold, however it came
// there, and whatever is lost in crashes and failed writes on the way, after an
// exchange each holds the merge of both, and a second one finds nothing.
func TestExchange_copiesBecomeEqual(t *testing.T) {
	keys := names(60)
	rapid.Check(t, func(t *rapid.T) {
		catalog := counts(1, 2, 3)
		a, b := newCopied(t, testHead, catalog), newCopied(t, testHead+1, catalog)
		event := uint64(0)
		step := func() {
			v := []*copied{a, b}[rapid.IntRange(0, 1).Draw(t, "copy")]
			storeKey := kv.AppendKey(nil, testHead, "", "three", rapid.SampledFrom(keys).Draw(t, "key"))
			switch rapid.IntRange(0, 11).Draw(t, "step") {
			case 0:
				v.open()
			case 1:
				v.save()
			case 2:
				a.state.Grace += 3
				b.state.Grace = a.state.Grace
				v.reap(storeKey)
			case 3:
				event++
				v.merge(true, storeKey, state("x", event, false))
			case 4:
				event++
				v.merge(false, storeKey, state(string(v.at.Node), event, true))
			case 5:
				exchange(t, testHead, 3, a, b, 1, func() {})
			case 6:
				event++
				s := state("both", event, false)
				a.merge(false, storeKey, s)
				b.merge(false, storeKey, s)
			default:
				event++
				v.merge(false, storeKey, state(string(v.at.Node), event, false))
			}
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			step()
		}
		want := a.objects(testHead, "three")
		for k, v := range b.objects(testHead, "three") {
			if _, ok := want[k]; !ok {
				want[k] = v
				continue
			}
			var s, o kv.State
			if err := errors.Join(s.Decode([]byte(want[k])), o.Decode([]byte(v))); err != nil {
				t.Fatal(err)
			}
			s.Merge(o)
			want[k] = string(s.Append(nil))
		}
		exchange(t, testHead, 3, a, b, rapid.IntRange(1, 2000).Draw(t, "limit"), func() {})
		for _, v := range []*copied{a, b} {
			if d := cmp.Diff(want, v.objects(testHead, "three")); d != "" {
				t.Fatalf("%s, -want +got:\n%s", v.at.Node, d)
			}
		}
		if r := exchange(t, testHead, 3, a, b, 1<<20, func() {}); r.Differing != 0 || r.Blocks != 0 {
			t.Fatalf("equal copies differ: %+v", r)
		}
	})
}

// TestExchange_underWrites: writes between all commands do no harm; when they
// have ended, so do the differences.
func TestExchange_underWrites(t *testing.T) {
	keys := names(300)
	catalog := counts(1, 2, 3)
	a, b := newCopied(t, testHead, catalog), newCopied(t, testHead+1, catalog)
	event := uint64(0)
	write := func(v *copied) {
		event++
		k := keys[int(event*7919)%len(keys)]
		v.merge(false, kv.AppendKey(nil, testHead, "", "three", k), state(string(v.at.Node), event, event%5 == 0))
	}
	for range 400 {
		write(a)
		write(b)
	}
	for range 3 {
		exchange(t, testHead, 3, a, b, 500, func() { write(a); write(b) })
	}
	exchange(t, testHead, 3, a, b, 500, func() {})
	if d := cmp.Diff(a.objects(testHead, "three"), b.objects(testHead, "three")); d != "" {
		t.Fatal(d)
	}
}

// fill gives both copies the same n keys.
func fill(n int, copies ...*copied) [][]byte {
	var keys [][]byte
	for i := range n {
		k := kv.AppendKey(nil, testHead, "", "three", fmt.Sprintf("key-%06d", i))
		keys = append(keys, k)
		for _, v := range copies {
			v.merge(false, k, state("w", uint64(i+1), false))
		}
	}
	return keys
}

// TestExchange_readsLittle: of 3,000 keys one that differs is found without
// reading the others, and a copy that has lost half gets this half.
func TestExchange_readsLittle(t *testing.T) {
	catalog := counts(1, 2, 3)
	a, b := newCopied(t, testHead, catalog), newCopied(t, testHead+1, catalog)
	keys := fill(3000, a, b)
	exchange(t, testHead, 3, a, b, 1<<20, func() {}) // counts
	if r := exchange(t, testHead, 3, a, b, 1<<20, func() {}); r.Bytes > 200 || r.Keys != 3000 {
		t.Errorf("equal copies: %+v", r)
	}
	a.merge(false, keys[1234], state("late", 9999, false))
	r := exchange(t, testHead, 3, a, b, 1<<20, func() {})
	if r.Differing != 2 || r.Repaired != [2]uint64{1, 1} || r.Bytes > 60_000 {
		t.Errorf("one key differs: %+v", r)
	}
	t.Logf("one of 3,000 keys differs: %d bytes", r.Bytes)

	size := 0
	for _, k := range keys[1500:] {
		size += len(k) + len(b.store[string(k)].Value)
		delete(b.store, string(k))
	}
	b.inform(vnode.Excised{From: keys[1500]})
	r = exchange(t, testHead, 3, a, b, 64<<10, func() {})
	if r.Repaired != [2]uint64{0, 1500} || r.Bytes > uint64(5*size) {
		t.Errorf("half is lost, %d bytes of keys and states: %+v", size, r)
	}
	t.Logf("half of 3,000 keys lost, %d bytes: %d bytes passed", size, r.Bytes)

	wiped := newCopied(t, testHead+2, catalog)
	r = exchange(t, testHead, 3, a, wiped, 64<<10, func() {})
	if r.Repaired != [2]uint64{0, 3000} || r.Bytes > uint64(2*size*6) {
		t.Errorf("all is lost: %+v", r)
	}
	t.Logf("all 3,000 keys lost, %d bytes: %d bytes passed", 2*size, r.Bytes)
	if d := cmp.Diff(a.objects(testHead, "three"), wiped.objects(testHead, "three")); d != "" {
		t.Error(d)
	}
}

// TestExchange_countsOfCopies: a bucket of one copy is nobody else's; when its
// number of copies rises, the others get it; copies that know other numbers say so.
func TestExchange_countsOfCopies(t *testing.T) {
	catalog := counts(1, 2, 3)
	a, b := newCopied(t, testHead, catalog), newCopied(t, testHead+1, catalog)
	for i := range 300 {
		for _, name := range []string{"one", "two", "three"} {
			a.merge(false, kv.AppendKey(nil, testHead, "", name, fmt.Sprint(i)), state("w", uint64(i+1), false))
		}
	}
	run := func(want map[int]uint64) {
		t.Helper()
		for n, repaired := range want {
			if r := exchange(t, testHead, n, a, b, 1<<20, func() {}); r.Repaired != [2]uint64{0, repaired} {
				t.Errorf("n %d: %+v, want %d keys", n, r, repaired)
			}
		}
	}
	run(map[int]uint64{2: 300, 3: 300})
	if got := len(b.objects(testHead, "one")); got != 0 {
		t.Errorf("%d keys of the bucket with one copy have two", got)
	}
	if got := kv.CopyCounts(catalog); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("numbers of copies %v", got)
	}
	a.save()
	b.save()
	raised := counts(3, 2, 3)
	a.catalog = raised
	x := kv.NewExchange(testHead, 3, a.at.ID, b.at.ID, kv.CopiesSignature(raised))
	x.Slice(replica.Set{}, 0, 1<<20)
	for _, s := range x.Step(replica.Event{Type: replica.Begin}, nil) {
		to := a
		if s.To.Partition == b.at.ID {
			to = b
		}
		x.Step(replica.Event{Type: replica.Answer, Send: s.ID, Body: to.send(s.Body, false)}, nil)
	}
	if !errors.Is(x.Err(), kv.ErrOtherCopies) || !x.More() {
		t.Errorf("a copy with other numbers: %v", x.Err())
	}
	b.catalog = raised
	b.open()
	run(map[int]uint64{2: 0, 3: 300})
	if d := cmp.Diff(a.objects(testHead, "one"), b.objects(testHead, "one")); d != "" {
		t.Error(d)
	}
}

// TestExchange_staleGrace: states that were read too long ago are refused, and
// read again.
func TestExchange_staleGrace(t *testing.T) {
	catalog := counts(1, 2, 3)
	a, b := newCopied(t, testHead, catalog), newCopied(t, testHead+1, catalog)
	fill(3, a)
	x := kv.NewExchange(testHead, 3, a.at.ID, b.at.ID, kv.CopiesSignature(catalog))
	refused := false
	for i := 0; i == 0 || x.More(); i++ {
		if i > 10 {
			t.Fatal("no end")
		}
		x.Slice(replica.Set{Grace: a.state.Grace}, 0, 1<<20)
		for sends := x.Step(replica.Event{Type: replica.Begin}, nil); len(sends) > 0; {
			to := a
			if sends[0].To.Partition == b.at.ID {
				to = b
			}
			if sends[0].Body[0] == 5 && !refused {
				a.state.Grace, b.state.Grace = 2, 2
			}
			sends = x.Step(replica.Event{Type: replica.Answer, Send: sends[0].ID, Body: to.send(sends[0].Body, false)}, slices.Clone(sends[1:]))
		}
		if x.Err() != nil {
			if !errors.Is(x.Err(), kv.ErrStaleGrace) {
				t.Fatal(x.Err())
			}
			refused = true
		}
	}
	if !refused || len(b.objects(testHead, "three")) != 3 {
		t.Errorf("refused %v, %d keys", refused, len(b.objects(testHead, "three")))
	}
}

// TestExchange_damage: a state that does not decode is not replaced by the one of
// a single copy: its copy says so and has it back when it has given it up, and
// nobody is given the damaged bytes.
func TestExchange_damage(t *testing.T) {
	catalog := counts(1, 2, 3)
	for _, tt := range []struct {
		name string
		held bool // by the other copy
	}{{"both have it", true}, {"only the damaged copy has it", false}} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := newCopied(t, testHead, catalog), newCopied(t, testHead+1, catalog)
			keys := fill(5, a, b)
			k := keys[2]
			if !tt.held {
				delete(a.store, string(k))
				a.open()
			}
			item := b.store[string(k)]
			item.Value = []byte{2, 0xff}
			b.store[string(k)] = item
			b.open()
			_, err := tryExchange(t, testHead, 3, a, b, 1<<20, func() {})
			if errors.Is(err, kv.ErrCorrupt) != tt.held {
				t.Errorf("exchange: %v", err)
			}
			if len(b.damaged) == 0 || string(b.damaged[0]) != string(k) || string(b.store[string(k)].Value) != string(item.Value) {
				t.Errorf("damaged %q, %x is stored", b.damaged, b.store[string(k)].Value)
			}
			b.state.Incomplete = true
			b.inform(vnode.Excised{From: k, To: append(k, 0)})
			if r := exchange(t, testHead, 3, a, b, 1<<20, func() {}); !r.Incomplete[1] {
				t.Errorf("repaired: %+v", r)
			}
			want := len(keys)
			if !tt.held {
				want--
			}
			if d := cmp.Diff(a.objects(testHead, "three"), b.objects(testHead, "three")); d != "" || len(b.objects(testHead, "three")) != want {
				t.Error(d)
			}
			if r := exchange(t, testHead, 3, a, b, 1<<20, func() {}); r.Differing != 0 {
				t.Errorf("after the repair: %+v", r)
			}
		})
	}
}

// TestExchange_lowestGrace: states that a copy gave which is behind are of its
// period, not of that of who asks (K6).
func TestExchange_lowestGrace(t *testing.T) {
	catalog := counts(1, 2, 3)
	a, b := newCopied(t, testHead, catalog), newCopied(t, testHead+1, catalog)
	fill(1, a)
	a.state.Grace, b.state.Grace = 4, 5
	x := kv.NewExchange(testHead, 3, a.at.ID, b.at.ID, kv.CopiesSignature(catalog))
	merges := 0
	for x.More() {
		x.Slice(replica.Set{Grace: 5}, 0, 1<<20)
		for sends := x.Step(replica.Event{Type: replica.Begin}, nil); len(sends) > 0; {
			s, to := sends[0], a
			if s.To.Partition == b.at.ID {
				to = b
			}
			if s.Body[0] == opMerge {
				if merges++; s.Body[2] != 4 {
					t.Errorf("a merge of period %d with what was read in period 4", s.Body[2])
				}
			}
			sends = x.Step(replica.Event{Type: replica.Answer, Send: s.ID, Body: to.send(s.Body, false)}, slices.Clone(sends[1:]))
		}
		if x.Err() != nil {
			t.Fatal(x.Err())
		}
	}
	if merges != 1 {
		t.Errorf("%d merges", merges)
	}
}
