package handoff_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

func items(t *testing.T, payload []byte) []store.Op {
	t.Helper()
	parsed, err := handoff.ParseItems(payload)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(parsed.All())
}

func fill(n, size int) contents {
	c := contents{}
	for i := range n {
		k := fmt.Sprintf("key-%03d", i)
		c[k] = store.Item{Key: []byte(k), Value: make([]byte, size), Version: uint64(i)}
	}
	return c
}

// Every item comes once, in key order, in batches no larger than asked for.
func TestBulkReader(t *testing.T) {
	for _, n := range []int{0, 1, 7, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := handoff.NewBulkReader(fill(n, 50).scan(), nil)
			var got []string
			for last := false; !last; {
				e, ok := r.Read(300).(handoff.BulkRead)
				if !ok {
					t.Fatal("unreadable")
				}
				last = e.Last
				if len(e.Payload) > 300 {
					t.Errorf("batch of %d bytes", len(e.Payload))
				}
				if e.Items == 0 {
					if !last || e.Payload != nil {
						t.Error("an empty batch that is not the last, or not nil")
					}
					continue
				}
				for _, op := range items(t, e.Payload) {
					got = append(got, string(op.Key))
				}
			}
			if len(got) != n || !slices.IsSorted(got) || len(slices.Compact(got)) != n {
				t.Errorf("read %d keys: %v", len(got), got)
			}
		})
	}
}

type failing struct {
	*iterator
	err error
}

func (f failing) Err() error { return f.err }

// F8: what can't be read, encoded or sent is said, with its name.
func TestBulkReader_unreadable(t *testing.T) {
	corrupt := errors.New("bad block")
	for _, tc := range []struct {
		name string
		r    *handoff.BulkReader
		want string
	}{
		{"snapshot", handoff.NewBulkReader(failing{fill(2, 1).scan(), corrupt}, nil), "bad block"},
		{"encoder", handoff.NewBulkReader(fill(2, 1).scan(), func(key, _ []byte) ([]byte, error) {
			if string(key) == "key-001" {
				return nil, corrupt
			}
			return nil, nil
		}), `"key-001": bad block`},
		{"too large", handoff.NewBulkReader(fill(1, messages.MaxPayloadSize).scan(), nil), `"key-000"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, ok := tc.r.Read(1 << 20).(handoff.Unreadable)
			if !ok || !strings.Contains(e.Err.Error(), tc.want) {
				t.Errorf("Read = %+v, want Unreadable with %q", e, tc.want)
			}
		})
	}
}

func TestBulkReader_encodes(t *testing.T) {
	r := handoff.NewBulkReader(fill(1, 1).scan(), func(key, value []byte) ([]byte, error) {
		return append([]byte("for "), key...), nil
	})
	e, ok := r.Read(1000).(handoff.BulkRead)
	if !ok || string(items(t, e.Payload)[0].Value) != "for key-000" {
		t.Errorf("Read = %+v", e)
	}
}

func TestDirtySet(t *testing.T) {
	c := contents{"a": {Key: []byte("a"), Value: []byte("1"), Version: 1}}
	var d handoff.DirtySet
	mark := func(keys ...string) {
		for _, k := range keys {
			d.Mark([]byte(k))
		}
	}
	read := func(max int, final *store.Summary) handoff.DirtyRead {
		t.Helper()
		e, ok := d.ReadDirty(max, 1000, c.get, nil, final).(handoff.DirtyRead)
		if !ok {
			t.Fatal("unreadable")
		}
		return e
	}
	mark("a", "b", "a", "c", "b")
	if d.Len() != 3 {
		t.Fatalf("Len = %d, want each key once", d.Len())
	}
	// The state is read when it is sent, not when it changed.
	c["a"] = store.Item{Key: []byte("a"), Value: []byte("2"), Version: 2}
	sum := c.summary()
	first := read(2, &sum)
	want := []store.Op{{Key: []byte("a"), Value: []byte("2"), Version: 2}, {Key: []byte("b"), Delete: true}}
	if diff := cmp.Diff(want, items(t, first.Payload)); diff != "" || first.Left != 1 || first.Final != nil {
		t.Errorf("Left %d, Final %v; items (-want +got):\n%s", first.Left, first.Final, diff)
	}
	// A key that changes again is sent again, behind those that wait.
	mark("a")
	second := read(10, &sum)
	if got := items(t, second.Payload); len(got) != 2 || string(got[0].Key) != "c" || string(got[1].Key) != "a" {
		t.Errorf("second read = %v", got)
	}
	if second.Left != 0 || second.Final != &sum {
		t.Errorf("second read leaves %d, Final %v", second.Left, second.Final)
	}
	if e := read(10, nil); e.Items != 0 || e.Payload != nil || e.Final != nil {
		t.Errorf("read of nothing = %+v", e)
	}
	mark("a")
	d.Reset()
	if d.Len() != 0 {
		t.Error("Reset keeps marks")
	}
	mark("a")
	if d.Len() != 1 {
		t.Error("a key can't be marked after Reset")
	}
}

func TestDirtySet_batchSize(t *testing.T) {
	c := fill(10, 100)
	var d handoff.DirtySet
	for _, it := range c.scan().items {
		d.Mark(it.Key)
	}
	seen := 0
	for d.Len() > 0 {
		e, ok := d.ReadDirty(100, 300, c.get, nil, nil).(handoff.DirtyRead)
		if !ok || len(e.Payload) > 300 || e.Left != uint64(d.Len()) {
			t.Fatalf("ReadDirty = %+v with %d left", e, d.Len())
		}
		seen += e.Items
	}
	if seen != 10 {
		t.Errorf("%d items of 10", seen)
	}
}

// F8, and the keys stay marked: nothing is forgotten by a failed read.
func TestDirtySet_unreadable(t *testing.T) {
	var d handoff.DirtySet
	d.Mark([]byte("ok"))
	d.Mark([]byte("a"))
	get := func(key []byte) (store.Item, error) {
		if string(key) == "a" {
			return store.Item{}, store.ErrCorrupt
		}
		return store.Item{}, store.ErrNotFound
	}
	e := d.ReadDirty(10, 1000, get, nil, nil)
	if u, ok := e.(handoff.Unreadable); !ok || !errors.Is(u.Err, store.ErrCorrupt) || !strings.Contains(u.Err.Error(), `"a"`) {
		t.Errorf("ReadDirty = %+v, want Unreadable", e)
	}
	d.Mark([]byte("ok"))
	if d.Len() != 2 {
		t.Errorf("%d marks after a failed read, want the 2 from before", d.Len())
	}
	d.Reset()
	d.Mark([]byte("b"))
	if e, ok := d.ReadDirty(10, 1000, get, nil, nil).(handoff.DirtyRead); !ok || e.Items != 1 {
		t.Errorf("ReadDirty after Reset = %+v, want 1 item", e)
	}
}

func TestWire_roundTrip(t *testing.T) {
	seal := topology.Seal{LastSeq: 9, Items: 2, Bytes: 20, Digest: topology.Digest{1, 2, 3}}
	fin, err := handoff.SealOf(handoff.FinMessage(seal))
	if err != nil || fin != seal {
		t.Errorf("SealOf = %v, %v", fin, err)
	}
	bad := &messages.Error{Code: uint32(messages.CodeMismatch)}
	for _, want := range []handoff.SenderEvent{handoff.FinOK{Seal: seal}, handoff.FinBad{Err: bad, Have: seal}} {
		var reply *messages.Error
		if fb, ok := want.(handoff.FinBad); ok {
			reply = fb.Err
		}
		got, err := handoff.FinReplyEvent(handoff.FinReplyMessage(seal, reply))
		if err != nil || got != want {
			t.Errorf("FinReplyEvent = %v, %v, want %v", got, err, want)
		}
	}
}

func TestWire_damaged(t *testing.T) {
	digest := make([]byte, 16)
	if _, err := handoff.SealOf(&messages.Fin{Digest: digest[:15]}); !errors.Is(err, messages.ErrDamaged) {
		t.Errorf("a short digest = %v", err)
	}
	if _, err := handoff.SealOf(nil); !errors.Is(err, messages.ErrDamaged) {
		t.Errorf("no fin = %v", err)
	}
	for _, m := range []*messages.FinReply{
		nil,
		{Ok: true, Digest: digest[:3]},
		{Ok: false, Digest: digest},
		{Ok: true, Digest: digest, Error: &messages.Error{Code: uint32(messages.CodeGap)}},
	} {
		if e, err := handoff.FinReplyEvent(m); !errors.Is(err, messages.ErrDamaged) {
			t.Errorf("FinReplyEvent(%v) = %v, %v", m, e, err)
		}
	}
}
