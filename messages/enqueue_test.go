package messages_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/messages"
)

func TestParseEnqueue_roundTrip(t *testing.T) {
	want := messages.Enqueue{
		Pipe: [16]byte{1, 2, 15: 16}, Fitting: 2, StreamFitting: -1, StreamFrom: 1 << 60, StreamAttempt: 3, Count: 7,
	}
	b := make([]byte, messages.EnqueueSize, messages.EnqueueSize+5)
	want.Put(b)
	got, items, err := messages.ParseEnqueue(append(b, "items"...))
	if err != nil || string(items) != "items" {
		t.Fatalf("ParseEnqueue = %q, %v", items, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, _, err := messages.ParseEnqueue(b[:messages.EnqueueSize-1]); !errors.Is(err, messages.ErrDamaged) {
		t.Errorf("cut short: %v, want ErrDamaged", err)
	}
}

func FuzzParseEnqueue(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, messages.EnqueueSize+3))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, items, err := messages.ParseEnqueue(b)
		if err != nil {
			if !errors.Is(err, messages.ErrDamaged) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again := make([]byte, messages.EnqueueSize)
		e.Put(again)
		if !bytes.Equal(append(again, items...), b) {
			t.Fatalf("encoded again: %x, want %x", again, b)
		}
	})
}
