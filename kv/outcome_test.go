package kv_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/replica"
	"github.com/dee2748c/baton/vnode"
)

func (f *fleet) begin(m replica.Machine, err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
	f.step(m, replica.Event{Type: replica.Begin})
}

func (f *fleet) write(p *bucket.Properties, r kv.Put) (kv.Written, error) {
	f.t.Helper()
	r.Object.Bucket, r.Object.Key = "b", "k"
	m, err := kv.NewWrite(f.set("a"), r, p)
	f.begin(m, err)
	f.settle()
	return m.Written()
}

func (f *fleet) read(p *bucket.Properties, self ring.NodeID) (kv.Object, error) {
	f.t.Helper()
	m, err := kv.NewRead(f.set(self), kv.Get{Bucket: "b", Key: "k"}, p, time.UnixMilli(2e12))
	f.begin(m, err)
	f.settle()
	if !m.Done() {
		f.t.Fatal("read is not done")
	}
	return m.Object()
}

func text(v string) kv.Put { return kv.Put{Object: kv.Object{Value: []byte(v)}} }

// A sloppy quorum goes on with fallbacks; a strict one, or primaries that are
// asked for, refuse before anything is sent.
func TestWrite_primariesDown(t *testing.T) {
	f, p := newFleet(t, 3), bucket.Defaults(3)
	f.down[1], f.down[2] = true, true
	if _, err := f.write(&p, text("v")); err != nil {
		t.Fatalf("sloppy: %v", err)
	}
	if len(f.spares) != 2 {
		t.Errorf("%d fallbacks, want 2", len(f.spares))
	}
	if got := texts(f.read(&p, "a")); !slices.Equal(got, []string{"v"}) {
		t.Errorf("read of one primary and the fallbacks: %v", got)
	}
	for e, s := range f.spares { // what a fallback keeps is the object alone
		if len(s.store) != 1 {
			t.Errorf("%v keeps %d items", e, len(s.store))
		}
	}
	put := text("w")
	put.Options = kv.WriteOptions{PW: bucket.Majority}
	_, err := f.write(&p, put)
	var q *kv.QuorumError
	if !errors.As(err, &q) || !errors.Is(err, kv.ErrNotDone) || q.Primaries != (kv.Count{Got: 1, Want: 2}) {
		t.Errorf("pw: %v", err)
	}
	put.Options = kv.WriteOptions{Sloppy: kv.No}
	if _, err = f.write(&p, put); !errors.Is(err, kv.ErrNotDone) {
		t.Errorf("strict: %v", err)
	}
	put.Options = kv.WriteOptions{NodeConfirms: 4}
	if _, err = f.write(&p, put); !errors.Is(err, kv.ErrNotDone) {
		t.Errorf("node_confirms: %v", err)
	}
	if got := texts(f.read(&p, "a")); !slices.Equal(got, []string{"v"}) {
		t.Errorf("after refusals: %v", got)
	}
	// The primaries come back, and the fallbacks give them what they keep.
	f.down[1], f.down[2] = false, false
	for e, s := range f.spares {
		body, damaged, err := s.vnode.(vnode.Mergeable).MergeCommand(f.grace, slices.Collect(s.items()))
		if err != nil || damaged != nil {
			t.Fatal(err, damaged)
		}
		if _, err := s.vnode.(vnode.Mergeable).MergeReply(f.at(ring.Entry{Partition: e.Partition, Node: e.Node}).send(body)); err != nil {
			t.Fatal(err)
		}
	}
	f.equal(t)
}

// A sloppy read asks as many fallbacks as primaries do not answer, if those that
// do are too few: any one of them may be the one that has the value. It asks none
// if they are enough.
func TestRead_asksEveryFallback(t *testing.T) {
	for _, tt := range []struct {
		name      string
		n         int
		down      []int // before the read
		refuses   []int // while it runs
		r         bucket.Quorum
		fallbacks []int // that are asked; the last of them has the value
	}{
		{"two are down", 3, []int{1, 2}, nil, 2, []int{1, 2}},
		{"one is down, two are enough", 3, []int{1}, nil, 2, nil},
		{"one is down, all are wanted", 3, []int{1}, nil, 3, []int{1}},
		{"two refuse", 3, nil, []int{0, 1}, 2, []int{0, 1}},
		{"one is down, another one refuses", 3, []int{2}, []int{0}, 2, []int{0, 2}},
		{"all are down", 5, []int{0, 1, 2, 3, 4}, nil, 3, []int{0, 1, 2, 3, 4}},
		{"three of five", 5, []int{0, 1}, []int{4}, 3, []int{0, 1, 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, p := newFleet(t, tt.n), bucket.Defaults(tt.n)
			p.R = tt.r
			spare := func(i int) ring.Entry {
				return ring.Entry{Partition: testHead + ring.Partition(i), Node: "s" + node(i), Fallback: true}
			}
			if len(tt.fallbacks) > 0 {
				f.at(spare(tt.fallbacks[len(tt.fallbacks)-1])).write(value("v", ""))
			} else {
				f.copies[0].write(value("v", ""))
			}
			for _, i := range tt.down {
				f.down[i] = true
			}
			m, err := kv.NewRead(f.set("z"), kv.Get{Bucket: "b", Key: "k"}, &p, time.Time{})
			f.begin(m, err)
			asked := make(map[ring.Entry]bool)
			for len(f.pending) > 0 {
				to, how := f.pending[0].send.To, answers
				i := int(to.Partition - testHead)
				if asked[to] = true; !to.Fallback && slices.Contains(tt.refuses, i) {
					how = refuses
				}
				f.end(0, how, "s"+node(i))
			}
			if got := texts(m.Object()); !slices.Equal(got, []string{"v"}) {
				_, err := m.Object()
				t.Errorf("%v, %v", got, err)
			}
			for i := range tt.n {
				if want := slices.Contains(tt.fallbacks, i); asked[spare(i)] != want {
					t.Errorf("the fallback of copy %d was asked: %v", i, !want)
				}
			}
		})
	}
}

// Which outcome a write has by how its Sends end: first the coordinator's, then
// those of the others.
func TestWrite_outcomes(t *testing.T) {
	for _, tt := range []struct {
		name string
		ends []ending
		want error
		held int // copies that hold it in the end
	}{
		{"all", []ending{answers, answers, answers}, nil, 3},
		{"one refuses", []ending{answers, refuses, answers}, nil, 2},
		{"both others refuse", []ending{answers, refuses, refuses}, kv.ErrUnknown, 1},
		{"one is lost, one refuses", []ending{answers, loses, refuses}, kv.ErrUnknown, 2},
		{"the coordinator refuses, another one takes it", []ending{refuses, answers, answers}, nil, 2},
		{"two refuse, the third one alone is no quorum", []ending{refuses, refuses}, kv.ErrNotDone, 0},
		{"the coordinator is lost, done", []ending{loses}, kv.ErrUnknown, 1},
		{"the coordinator is lost, not done", []ending{vanishes}, kv.ErrUnknown, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, p := newFleet(t, 3), strict(3)
			put := text("v")
			put.Object.Bucket, put.Object.Key = "b", "k"
			m, err := kv.NewWrite(f.set("a"), put, &p)
			f.begin(m, err)
			for _, how := range tt.ends {
				f.end(0, how, "")
			}
			if !m.Done() || len(f.pending) > 0 {
				t.Fatalf("done %v, %d pending", m.Done(), len(f.pending))
			}
			if _, err := m.Written(); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			held := 0
			for _, c := range f.copies {
				held += min(len(c.store), 1)
			}
			if held != tt.held {
				t.Errorf("%d copies hold it, want %d", held, tt.held)
			}
		})
	}
}

// Copies that lack acknowledged data do not count, nor do damaged ones. The read
// repairs the former; it tells the latter, which lack data from then on.
func TestRead_copiesThatDoNotCount(t *testing.T) {
	f, p := newFleet(t, 3), strict(3)
	if _, err := f.write(&p, text("v")); err != nil {
		t.Fatal(err)
	}
	key := string(kv.AppendKey(nil, testHead, "", "b", "k"))
	damage := func(i int) {
		item := f.copies[i].store[key]
		item.Value = []byte{2, 200, 1}
		f.copies[i].store[key] = item
	}
	for i, s := range f.copies {
		damage(i)
		if got := texts(f.read(&p, "a")); !slices.Equal(got, []string{"v"}) {
			t.Errorf("copy %d is damaged: %v", i, got)
		}
		if len(s.damaged) == 0 || s.store[key].Value[1] != 200 {
			t.Errorf("copy %d is damaged and not told: %q", i, s.damaged)
		}
		s.copied.Incomplete = true
		s.giveUp()
		if got := texts(f.read(&p, "a")); !slices.Equal(got, []string{"v"}) {
			t.Errorf("copy %d has given it up: %v", i, got)
		}
		s.copied.Incomplete = false
		f.equal(t)
	}
	// With one more copy that lost data too few are left to tell what was there.
	damage(1)
	clear(f.copies[0].store)
	f.copies[0].copied.Incomplete = true
	if _, err := f.read(&p, "a"); !errors.Is(err, kv.ErrNotDone) || string(f.copies[1].store[key].Value) == string(f.copies[2].store[key].Value) {
		t.Errorf("one empty and one damaged copy: %v", err)
	}
	if _, err := f.write(&p, text("w")); !errors.Is(err, nil) || f.copies[1].store[key].Value[1] != 200 {
		t.Errorf("a write beside a damaged copy: %v", err)
	}
	// A single answer is enough for r = 1, but not a damaged one.
	p.R = 1
	f.copies[0].copied.Incomplete = false
	f.copies[0].store[key] = f.copies[1].store[key]
	if got := texts(f.read(&p, "a")); len(got) != 2 {
		t.Errorf("r = 1, the first copy is damaged: %v", got)
	}
	p.R = bucket.Majority

	clear(f.copies[0].store)
	clear(f.copies[1].store)
	f.copies[0].copied.Incomplete, f.copies[1].copied.Incomplete = true, true
	_, err := f.read(&p, "a")
	if !errors.Is(err, kv.ErrNotDone) || !errors.Is(err, kv.ErrIncomplete) {
		t.Errorf("two copies that lack data: %v, want ErrNotDone, not an answer", err)
	}
}

// A quorum that has not got the key is one in all that the request asks for: of
// primaries and of nodes too.
func TestRead_notFoundQuorum(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(p *bucket.Properties)
		ends []ending
		want error
	}{
		{"r copies", func(*bucket.Properties) {}, []ending{answers, answers, refuses}, kv.ErrNotFound},
		{"too few copies", func(*bucket.Properties) {}, []ending{answers, refuses, refuses}, kv.ErrNotDone},
		{"too few primaries", func(p *bucket.Properties) { p.PR = 3 }, []ending{answers, answers, refuses}, kv.ErrNotDone},
		{"too few nodes", func(p *bucket.Properties) { p.NodeConfirms = 3 }, []ending{answers, answers, refuses}, kv.ErrNotDone},
		{"all nodes", func(p *bucket.Properties) { p.NodeConfirms = 3 }, []ending{answers, answers, answers}, kv.ErrNotFound},
		{"a basic quorum", func(p *bucket.Properties) { p.BasicQuorum = true }, []ending{answers, answers}, kv.ErrNotFound},
		{"a basic quorum, too few nodes", func(p *bucket.Properties) { p.BasicQuorum, p.NodeConfirms = true, 3 }, []ending{answers, answers, refuses}, kv.ErrNotDone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, p := newFleet(t, 3), strict(3)
			p.NotFoundOK = false
			tt.set(&p)
			m, err := kv.NewRead(f.set("a"), kv.Get{Bucket: "b", Key: "k"}, &p, time.Time{})
			f.begin(m, err)
			for i, how := range tt.ends {
				if m.Ready() {
					t.Fatalf("ready after %d ends", i)
				}
				f.end(0, how, "")
			}
			if _, err := m.Object(); !m.Ready() || !errors.Is(err, tt.want) {
				t.Errorf("ready %v: %v, want %v", m.Ready(), err, tt.want)
			}
		})
	}
}

// K6: a late message with a state older than a reaped tombstone is refused, and
// a tombstone is reaped only where all that the record says allows it.
func TestTombstone_doesNotComeBack(t *testing.T) {
	f, p := newFleet(t, 1), bucket.Defaults(1)
	s := f.copies[0]
	if _, err := f.write(&p, text("v")); err != nil {
		t.Fatal(err)
	}
	key := kv.AppendKey(nil, testHead, "", "b", "k")
	late := kv.EncodeMerge(0, false, [2][]byte{key, s.store[string(key)].Value})
	m, err := kv.NewRemove(f.set("a"), kv.Delete{Bucket: "b", Key: "k"}, &p)
	f.begin(m, err)
	f.settle()
	digest := kv.DigestOf(s.store[string(key)].Value)
	reap := append(append([]byte{7, 1, 0}, digest[:]...), kv.AppendItem(nil, key, nil)...)
	page := func() int {
		t.Helper()
		got, err := kv.Reapable{}.DecodeReply(s.send(kv.EncodeReapable(kv.Reapable{})))
		if err != nil {
			t.Fatal(err)
		}
		return len(got.Reapable)
	}
	hinted := func(ring.Partition) bool { return true }
	for _, c := range []vnode.Copy{{Grace: 2}, {Grace: 3, Incomplete: true}, {Grace: 3, Hints: hinted}, {Grace: 3, Hinted: 4}} {
		s.copied = c
		if s.send(reap); len(s.store) != 2 {
			t.Fatalf("reaped with %+v", c)
		}
	}
	if s.copied = (vnode.Copy{Grace: 2}); page() != 0 {
		t.Error("reapable in period 2")
	}
	if s.copied = (vnode.Copy{Grace: 3}); page() != 1 {
		t.Error("not reapable in period 3")
	}
	if s.send(reap); len(s.store) != 0 {
		t.Fatalf("%d items left", len(s.store))
	}
	if _, err := kv.DecodeMergeReply(s.send(late)); !errors.Is(err, kv.ErrStaleGrace) || len(s.store) != 0 {
		t.Errorf("late message: %v, %d items", err, len(s.store))
	}
}

// Objects are gone when their time is over: for reads at once, from the disk
// after the margin.
func TestExpiry(t *testing.T) {
	f, p := newFleet(t, 3), bucket.Defaults(3)
	p.TTL = time.Minute
	put := text("v")
	put.Object.Modified = time.UnixMilli(2e12).Add(-59 * time.Second)
	if _, err := f.write(&p, put); err != nil {
		t.Fatal(err)
	}
	if got := texts(f.read(&p, "a")); !slices.Equal(got, []string{"v"}) {
		t.Errorf("in its time: %v", got)
	}
	p.TTL = time.Second
	if _, err := f.read(&p, "a"); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("past its time: %v", err)
	}
	again := text("w")
	again.IfNoneMatch, again.Object.Modified = true, time.UnixMilli(2e12)
	if w, err := f.write(&p, again); err != nil || w.Siblings != 1 {
		t.Errorf("in the place of an expired object: %+v, %v", w, err)
	}
}

// Buckets without siblings: all copies keep the same one of concurrent writes,
// whatever the order in which they hear of them.
func TestMergeSettled(t *testing.T) {
	p := strict(3)
	p.AllowMult = false
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		f := newFleet(t, 3)
		for i, self := range []ring.NodeID{"a", "b", "c"} {
			put := text(string(self))
			put.Object.Bucket, put.Object.Key = "b", "k"
			put.Object.Modified = time.UnixMilli(int64(1000 - i))
			m, err := kv.NewWrite(f.set(self), put, &p)
			f.begin(m, err)
		}
		for _, i := range order { // all are coordinated before any is merged
			f.end(slices.IndexFunc(f.pending, func(x *flying) bool { return x.send.Body[0] == 1 && int(x.send.To.Partition-testHead) == i }), answers, "")
		}
		for len(f.pending) > 0 {
			f.end(len(f.pending)-1, answers, "")
		}
		f.equal(t)
		if got := texts(f.read(&p, "b")); len(got) != 1 {
			t.Errorf("order %v: %v", order, got)
		}
	}
}
