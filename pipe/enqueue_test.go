package pipe_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
)

// frameOf does what a shell does with a Transmit.
func frameOf(e *pipe.Enqueue) *messages.Frame {
	return &messages.Frame{
		Header: messages.Header{
			Type: messages.TypePipeEnqueue, Flags: e.Round, Partition: uint32(e.Partition), Seq: e.Seq,
			From: string(e.ReplyTo.Node), FromIncarnation: e.ReplyTo.Incarnation, Endpoint: e.ReplyTo.Endpoint,
		},
		Payload: e.Payload(),
	}
}

func sampleEnqueue(b pipe.Batch) *pipe.Enqueue {
	return &pipe.Enqueue{
		Pipe: pipe.ID{9, 8, 7}, Fitting: 2, Partition: 5, Stream: pipe.Stream{Fitting: 1, From: 77, Attempt: 3}, Seq: 12,
		Coordinator: pipe.Address{Node: "node-1", Incarnation: 4, Endpoint: 55},
		ReplyTo:     pipe.Address{Node: "node-2", Incarnation: 6, Endpoint: 66},
		Round:       200, Batch: b,
	}
}

func TestEnqueue_roundTrip(t *testing.T) {
	for _, to := range []pipe.Address{{Node: "node-2", Incarnation: 6, Endpoint: 66}, {}} {
		e := sampleEnqueue(pipe.BatchOf([]byte("one"), nil, []byte("three")))
		e.ReplyTo = to
		got, err := pipe.DecodeEnqueue(frameOf(e))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, got, cmpopts.IgnoreUnexported(pipe.Enqueue{}), cmpopts.IgnoreFields(pipe.Enqueue{}, "Batch")); d != "" {
			t.Errorf("decoded (-want +got):\n%s", d)
		}
		if !sameItems(collect(got.Batch), collect(e.Batch)) {
			t.Errorf("items %q", collect(got.Batch))
		}
		if !bytes.Equal(got.Payload(), e.Payload()) {
			t.Error("what was decoded encodes differently")
		}
	}
}

// TestEnqueue_notCopied: the items of a batch that an outbox built are put on
// the wire where they lie, and a receiver reads them where they arrived.
func TestEnqueue_notCopied(t *testing.T) {
	out := newOutbox(t, testSpec(pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.Constant(2)}), pipe.OutboxOptions{})
	if err := out.Emit([]byte("item")); err != nil {
		t.Fatal(err)
	}
	e := out.Flush()[0].(pipe.Transmit).Enqueue
	frame := frameOf(e)
	if tail := frame.Payload[len(frame.Payload)-e.Batch.Size():]; &tail[0] != &e.Batch.Bytes()[0] {
		t.Error("sealing copied the items")
	}
	got, err := pipe.DecodeEnqueue(frame)
	if err != nil {
		t.Fatal(err)
	}
	if &got.Batch.Bytes()[0] != &e.Batch.Bytes()[0] {
		t.Error("decoding copied the items")
	}
}

func TestDecodeEnqueue_damaged(t *testing.T) {
	whole := frameOf(sampleEnqueue(pipe.BatchOf([]byte("one"), []byte("two"))))
	for n := range len(whole.Payload) {
		f := *whole
		f.Payload = whole.Payload[:n]
		if _, err := pipe.DecodeEnqueue(&f); !errors.Is(err, pipe.ErrDamaged) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for _, bad := range []func(*pipe.Enqueue){
		func(e *pipe.Enqueue) { e.Fitting = -1 },
		func(e *pipe.Enqueue) { e.Fitting = pipe.MaxFittings + 1 },
		func(e *pipe.Enqueue) { e.Stream.Fitting = -2 },
	} {
		e := sampleEnqueue(pipe.BatchOf([]byte("one")))
		bad(e)
		if _, err := pipe.DecodeEnqueue(frameOf(e)); !errors.Is(err, pipe.ErrDamaged) {
			t.Errorf("fitting %d from %v: %v", e.Fitting, e.Stream, err)
		}
	}
}

func FuzzDecodeEnqueue(f *testing.F) {
	f.Add(frameOf(sampleEnqueue(pipe.BatchOf([]byte("one"), nil))).Payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := pipe.DecodeEnqueue(&messages.Frame{Payload: payload})
		if err != nil {
			if !errors.Is(err, pipe.ErrDamaged) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if n := len(collect(e.Batch)); n != e.Batch.Len() {
			t.Fatalf("%d items, want %d", n, e.Batch.Len())
		}
		again := *e
		if _, err := pipe.DecodeEnqueue(frameOf(&again)); err != nil {
			t.Fatalf("does not decode again: %v", err)
		}
	})
}
