package kv_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/replica"
	"github.com/dee2748c/baton/vnode"
)

// testHead is the partition that tests serve, and the head of their keys.
const testHead ring.Partition = 3

// fatal is what the tests and the laws have in common.
type fatal interface {
	Helper()
	Fatal(args ...any)
}

// server is one partition of the kind over a mapStore.
type server struct {
	t     fatal
	store mapStore
	vnode vnode.Vnode
	at    vnode.Partition
	seq   uint64

	copied  vnode.Copy // what the record says
	damaged [][]byte   // what it has met and can't decode
}

func serve(t fatal) *server {
	return serveAt(t, vnode.Partition{Kind: kv.KindName, ID: testHead, Size: 8, Node: "a"})
}

func serveAt(t fatal, at vnode.Partition) *server {
	v, err := kv.Kind(nil).Open(at)
	if err != nil {
		t.Fatal(err)
	}
	return &server{t: t, store: mapStore{}, vnode: v, at: at}
}

// send does what the runtime does with a command: the writes go into the store
// when the handler replied.
func (s *server) send(body []byte) []byte {
	s.t.Helper()
	cx := vnode.NewContext(s.at, s.store, &s.seq, nil)
	cx.SetCopy(s.copied)
	d := s.vnode.HandleCommand(cx, vnode.Command{Body: body})
	reply, ok := d.(vnode.Reply)
	if !ok || cx.Err() != nil {
		s.t.Fatal("disposition", d, cx.Err())
	}
	if err := s.store.Write(cx.Batch()); err != nil {
		s.t.Fatal(err)
	}
	s.damaged = append(s.damaged, cx.TakeDamaged()...)
	return reply.Body
}

// giveUp does what the runtime does with what the vnode can't decode, when the
// record says that the copy lacks it.
func (s *server) giveUp() {
	s.t.Helper()
	for _, key := range s.damaged {
		cx := vnode.NewContext(s.at, s.store, &s.seq, nil)
		cx.SetCopy(s.copied)
		s.vnode.(vnode.InfoHandler).HandleInfo(cx, vnode.Excised{From: key, To: append(key, 0)})
		if err := errors.Join(cx.Err(), s.store.Write(cx.Batch())); err != nil {
			s.t.Fatal(err)
		}
	}
	s.damaged = nil
}

// one is the bucket of tests of a single copy.
var one = bucket.Defaults(1)

// set is the one copy.
func (s *server) set() replica.Set {
	return replica.Set{Head: testHead, Self: "a", Copies: []replica.Copy{{Entry: ring.Entry{Partition: testHead, Node: "a"}, Up: true}}}
}

// run runs a machine whose only replica is this one.
func (s *server) run(m replica.Machine) {
	s.t.Helper()
	events := []replica.Event{{Type: replica.Begin}}
	for len(events) > 0 {
		sends := m.Step(events[0], nil)
		events = events[1:]
		for _, send := range sends {
			events = append(events, replica.Event{Type: replica.Answer, Send: send.ID, Body: s.send(send.Body)})
		}
	}
	if !m.Done() {
		s.t.Fatal("machine is not done")
	}
}

func (s *server) doPut(r kv.Put) (kv.Written, error) {
	s.t.Helper()
	return s.putIn(r, &one)
}

func (s *server) putIn(r kv.Put, p *bucket.Properties) (kv.Written, error) {
	s.t.Helper()
	m, err := kv.NewWrite(s.set(), r, p)
	if err != nil {
		return kv.Written{}, err
	}
	s.run(m)
	return m.Written()
}

func (s *server) doGet(r kv.Get) (kv.Object, error) {
	s.t.Helper()
	m, err := kv.NewRead(s.set(), r, &one, time.Time{})
	if err != nil {
		return kv.Object{}, err
	}
	s.run(m)
	return m.Object()
}

func (s *server) doDelete(r kv.Delete) (kv.Deleted, error) {
	s.t.Helper()
	m, err := kv.NewRemove(s.set(), r, &one)
	if err != nil {
		return kv.Deleted{}, err
	}
	s.run(m)
	return m.Deleted()
}

func (s *server) put(o kv.Object) kv.Written {
	s.t.Helper()
	return s.write(kv.Put{Object: o})
}

func (s *server) write(r kv.Put) kv.Written {
	s.t.Helper()
	w, err := s.doPut(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return w
}

func TestKind_putGetDelete(t *testing.T) {
	s := serve(t)
	o := kv.Object{
		Type: "t", Bucket: "b", Key: "k", Value: []byte("v"), ContentType: "text/plain",
		Meta: []kv.Attribute{{Name: "n", Value: "m"}},
	}
	get := kv.Get{Type: "t", Bucket: "b", Key: "k"}
	del := kv.Delete{Type: "t", Bucket: "b", Key: "k"}

	if _, err := s.doGet(get); !errors.Is(err, kv.ErrNotFound) {
		t.Fatalf("get before the put: %v, want ErrNotFound", err)
	}
	w := s.put(o)
	got, err := s.doGet(get)
	if err != nil {
		t.Fatal(err)
	}
	if got.Context != w.Context || got.ETag() == "" {
		t.Errorf("context %x, the put said %x; tag %q", got.Context, w.Context, got.ETag())
	}
	if diff := cmp.Diff(o, got, cmpopts.IgnoreFields(kv.Object{}, "Context")); diff != "" {
		t.Errorf("object changed (-put +got):\n%s", diff)
	}
	for _, want := range []bool{true, false} {
		d, err := s.doDelete(del)
		if err != nil || d.Existed != want || d.Siblings != 0 {
			t.Errorf("delete: %+v, %v; want %v", d, err, want)
		}
	}
	if len(s.store) != 2 {
		t.Errorf("%d items after the delete, want the tombstone and the note that it can be reaped", len(s.store))
	}
}

// I4: a refused request changes nothing, at the client or at the vnode.
func TestKind_refusals(t *testing.T) {
	long := strings.Repeat("x", kv.MaxNameBytes+1)
	s := serve(t)
	s.put(kv.Object{Bucket: "b", Key: "k", Value: []byte("v")})
	before := maps.Clone(s.store)

	refused := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	for _, r := range []struct {
		object kv.Object
		want   error
	}{
		{kv.Object{Key: "k"}, kv.ErrEmptyName},
		{kv.Object{Bucket: "b"}, kv.ErrEmptyName},
		{kv.Object{Bucket: "b", Key: long}, kv.ErrTooLarge},
		{kv.Object{Bucket: "b", Key: "k", Value: make([]byte, kv.MaxValueBytes+1)}, kv.ErrTooLarge},
		{kv.Object{Bucket: "b", Key: "k", ContentType: strings.Repeat("x", kv.MaxMetaBytes+1)}, kv.ErrTooLarge},
	} {
		_, err := kv.NewWrite(s.set(), kv.Put{Object: r.object}, &one)
		refused(err, r.want)
	}
	_, err := kv.NewRead(s.set(), kv.Get{Bucket: long, Key: "k"}, &one, time.Time{})
	refused(err, kv.ErrTooLarge)
	_, err = kv.NewRemove(s.set(), kv.Delete{Bucket: "b"}, &one)
	refused(err, kv.ErrEmptyName)

	// What a node of other make could send.
	key := kv.AppendKey(nil, testHead, "", "b", "k")
	put := func(key, content []byte) []byte {
		return kv.AppendItem([]byte{1, 0, 0, 0}, key, content)
	}
	value := []byte{15, 1, 'w'}
	for _, r := range []struct {
		name string
		body []byte
		want error
	}{
		{"empty", nil, kv.ErrBadRequest},
		{"unknown operation", []byte{99}, kv.ErrBadRequest},
		{"page with unknown flags", []byte{10, 128, 3}, kv.ErrBadRequest},
		{"page of a head that is elsewhere", []byte{10, 0, 9, 0, 1, 'b', 0, 1, 1, 0, 0, 0}, kv.ErrBadRequest},
		{"cut page", []byte{10, 0, 3, 0, 1, 'b', 0, 1}, kv.ErrBadRequest},
		{"put under no key", put([]byte("nonsense"), value), kv.ErrBadRequest},
		{"put under a key of a head that is elsewhere", put(kv.AppendKey(nil, 9, "", "b", "k"), value), kv.ErrBadRequest},
		{"put under an empty key", put(kv.AppendKey(nil, testHead, "", "b", ""), value), kv.ErrEmptyName},
		{"put of a long key", put(append(key, long...), value), kv.ErrTooLarge},
		{"put of garbage", put(key, []byte{15, 9}), kv.ErrCorrupt},
		{"put of a later format", put(key, []byte{9, 0}), kv.ErrFormat},
		{"put with half a tag", []byte{1, 4, 0, 0, 1, 2, 3}, kv.ErrBadRequest},
		{"put with a false context", append([]byte{1, 0, 1, 9, 0}, put(key, value)[4:]...), kv.ErrContext},
		{"put with a state that is none", append([]byte{1, 64, 0, 0, 0, 1, 9}, put(key, value)[4:]...), kv.ErrBadRequest},
		{"put at the end of time", append([]byte{1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, put(key, value)[4:]...), kv.ErrBadRequest},
		{"cut put", []byte{1, 0, 200}, kv.ErrBadRequest},
		{"get of nothing", []byte{2}, kv.ErrBadRequest},
		{"delete of nothing", []byte{3, 0, 0, 0, 1, 0x10}, kv.ErrBadRequest},
		{"delete with a value", append([]byte{3}, put(key, value)[1:]...), kv.ErrBadRequest},
		{"cut delete", []byte{3, 7}, kv.ErrBadRequest},
		{"merge with unknown flags", []byte{5, 16, 0}, kv.ErrBadRequest},
		{"merge of garbage", append(kv.AppendItem([]byte{5, 0, 0}, key, []byte{1, 2}), kv.AppendItem(nil, key, nil)...), kv.ErrBadRequest},
		{"digest of nothing", []byte{6}, kv.ErrBadRequest},
		{"reap of half a digest", []byte{7, 0, 0, 1, 2}, kv.ErrBadRequest},
		{"reapable without a limit", []byte{8, 0}, kv.ErrBadRequest},
		{"sweep without a limit", []byte{12, 0}, kv.ErrBadRequest},
	} {
		reply := s.send(r.body)
		if _, err := kv.Answer(reply); !errors.Is(err, r.want) {
			t.Errorf("%s: %v, want %v", r.name, err, r.want)
		}
	}
	if diff := cmp.Diff(before, s.store); diff != "" {
		t.Errorf("refused requests changed the store:\n%s", diff)
	}
}

func TestDecodeReply_refusesWhatAnswersSomethingElse(t *testing.T) {
	for _, body := range [][]byte{nil, {200}, {0}, {0, 0, 5, 1}} {
		if _, err := (kv.Reapable{}).DecodeReply(body); err == nil {
			t.Errorf("reapable takes %x", body)
		}
	}
}

func FuzzHandleCommand(f *testing.F) {
	key := kv.AppendKey(nil, testHead, "", "b", "k")
	stored := kv.AppendStored(nil, kv.Object{Value: []byte("v")})
	digest := kv.DigestOf(stored)
	for _, body := range [][]byte{
		{10, 0, byte(testHead), 0, 1, 'b', 0, 3, 9, 0, 1, 'a', 0},
		append([]byte{2}, key...),
		append([]byte{6}, key...),
		kv.AppendItem([]byte{1, 0, 0, 0}, key, []byte{15, 1, 'w'}),
		kv.AppendItem([]byte{3, 0, 4, 1, 1, 'a', 5, 7}, key, nil),
		kv.EncodeMerge(0, true, [2][]byte{key, stored}),
		append(append([]byte{7, 1, 3}, digest[:]...), kv.AppendItem(nil, key, nil)...),
		kv.EncodeReapable(kv.Reapable{Limit: 2}),
		kv.EncodeSweep(kv.Sweep{Now: time.UnixMilli(1e12)}),
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := serve(t)
		s.put(kv.Object{Bucket: "b", Key: "k", Value: []byte("v")})
		reply := s.send(body)
		if len(reply) == 0 {
			t.Fatal("no reply")
		}
		_, _ = kv.DecodeMergeReply(reply)
		_, _ = kv.Reapable{}.DecodeReply(reply)
		_, _ = kv.Sweep{}.DecodeReply(reply)
		// A field that this build does not know is kept for those that do.
		if _, err := s.get("k"); err != nil && !errors.Is(err, kv.ErrNotFound) && !errors.Is(err, kv.ErrFormat) {
			t.Errorf("%x left an object that can't be read: %v", body, err)
		}
	})
}
