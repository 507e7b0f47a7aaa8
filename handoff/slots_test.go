package handoff_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/store"
)

func key(session uint64) handoff.SlotKey {
	return handoff.SlotKey{ID: store.ID{Kind: "kv", Partition: ring.Partition(session)}, Session: session}
}

func sessions(keys []handoff.SlotKey) []uint64 {
	var out []uint64
	for _, k := range keys {
		out = append(out, k.Session)
	}
	return out
}

func TestSlots_firstComeFirstServed(t *testing.T) {
	s := handoff.NewSlots(handoff.Limits{Outgoing: 2, Waiting: 2})
	for _, want := range []bool{true, true, false, false} {
		session := uint64(len(s.Running(handoff.Outgoing)) + len(s.Waiting(handoff.Outgoing)) + 1)
		if granted, err := s.Request(handoff.Outgoing, key(session)); granted != want || err != nil {
			t.Fatalf("Request(%d) = %v, %v, want %v", session, granted, err, want)
		}
	}
	_, err := s.Request(handoff.Outgoing, key(5))
	var busy *handoff.BusyError
	if !errors.As(err, &busy) || !errors.Is(err, handoff.ErrBusy) || busy.Running != 2 || busy.Waiting != 2 {
		t.Errorf("Request(5) = %v, want a BusyError of 2 and 2", err)
	}
	if granted, err := s.Request(handoff.Incoming, key(5)); !granted || err != nil {
		t.Errorf("the other direction = %v, %v, want a place of its own", granted, err)
	}
	if granted, err := s.Request(handoff.Outgoing, key(1)); !granted || err != nil {
		t.Errorf("Request of who runs = %v, %v", granted, err)
	}
	if granted, err := s.Request(handoff.Outgoing, key(4)); granted || err != nil {
		t.Errorf("Request of who waits = %v, %v", granted, err)
	}
	if got := sessions(s.Release(handoff.Outgoing, key(2))); !slices.Equal(got, []uint64{3}) {
		t.Errorf("Release(2) grants %v, want 3", got)
	}
	if got := s.Release(handoff.Outgoing, key(4)); got != nil {
		t.Errorf("leaving the line grants %v", got)
	}
	if got := s.Release(handoff.Outgoing, key(1)); got != nil {
		t.Errorf("Release(1) grants %v, nobody waits", got)
	}
}

func TestSlots_loweredLimit(t *testing.T) {
	s := handoff.NewSlots(handoff.Limits{Outgoing: 3})
	for i := range uint64(4) {
		if _, err := s.Request(handoff.Outgoing, key(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	granted, excess := s.SetLimits(handoff.Limits{Outgoing: 1})
	want := []handoff.Slot{{Direction: handoff.Outgoing, Key: key(2)}, {Direction: handoff.Outgoing, Key: key(3)}}
	if diff := cmp.Diff(want, excess); diff != "" || granted != nil {
		t.Errorf("granted %v; excess (-want +got):\n%s", granted, diff)
	}
	for _, slot := range excess {
		if got := s.Release(slot.Direction, slot.Key); got != nil {
			t.Errorf("Release(%v) grants %v above the limit", slot.Key, got)
		}
	}
	granted, _ = s.SetLimits(handoff.Limits{Outgoing: 2})
	if want := []handoff.Slot{{Direction: handoff.Outgoing, Key: key(4)}}; !slices.Equal(granted, want) {
		t.Errorf("a raised limit grants %v, want %v", granted, want)
	}
}

func TestSlots_disabled(t *testing.T) {
	s := handoff.NewSlots(handoff.Limits{Incoming: 1})
	for i := range uint64(2) {
		if _, err := s.Request(handoff.Incoming, key(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, running := s.Enable(handoff.Incoming, false); !slices.Equal(sessions(running), []uint64{1}) {
		t.Errorf("disabling returns %v, want 1", running)
	}
	if got := s.Release(handoff.Incoming, key(1)); got != nil {
		t.Errorf("Release while disabled grants %v", got)
	}
	if _, err := s.Request(handoff.Incoming, key(3)); !errors.Is(err, handoff.ErrDisabled) {
		t.Errorf("Request while disabled = %v, want ErrDisabled", err)
	}
	if granted, _ := s.Enable(handoff.Incoming, true); !slices.Equal(sessions(granted), []uint64{2}) {
		t.Errorf("enabling grants %v, want 2", granted)
	}
}

// No more run than may, nobody waits while a place is free, and places are
// granted in the order of the requests.
func TestSlots_model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 4).Draw(t, "limit")
		s := handoff.NewSlots(handoff.Limits{Outgoing: limit, Waiting: 6})
		var running, line []uint64
		next := uint64(1)
		t.Repeat(map[string]func(*rapid.T){
			"request": func(t *rapid.T) {
				granted, err := s.Request(handoff.Outgoing, key(next))
				switch {
				case len(running) < limit && granted && err == nil:
					running = append(running, next)
				case len(running) == limit && !granted && err == nil && len(line) < 6:
					line = append(line, next)
				case len(line) == 6 && errors.Is(err, handoff.ErrBusy):
				default:
					t.Fatalf("Request(%d) = %v, %v with %v running, %v in line", next, granted, err, running, line)
				}
				next++
			},
			"release": func(t *rapid.T) {
				all := append(slices.Clone(running), line...)
				if len(all) == 0 {
					return
				}
				id := rapid.SampledFrom(all).Draw(t, "id")
				is := func(k uint64) bool { return k == id }
				running, line = slices.DeleteFunc(running, is), slices.DeleteFunc(line, is)
				var want []uint64
				if len(running) < limit && len(line) > 0 {
					want = line[:1]
					running, line = append(running, line[0]), line[1:]
				}
				if got := sessions(s.Release(handoff.Outgoing, key(id))); !slices.Equal(got, want) {
					t.Fatalf("Release(%d) grants %v, want %v", id, got, want)
				}
			},
			"": func(t *rapid.T) {
				if !slices.Equal(sessions(s.Running(handoff.Outgoing)), running) || !slices.Equal(sessions(s.Waiting(handoff.Outgoing)), line) {
					t.Fatalf("running %v, in line %v; want %v, %v", s.Running(handoff.Outgoing), s.Waiting(handoff.Outgoing), running, line)
				}
			},
		})
	})
}

func TestLimits_Validate(t *testing.T) {
	if err := (handoff.Limits{}).Validate(); err != nil {
		t.Errorf("zero limits: %v", err)
	}
	if err := (handoff.Limits{Waiting: -1}).Validate(); err == nil {
		t.Error("a negative limit is accepted")
	}
	if err := (handoff.SenderOptions{Window: -1}).Validate(); err == nil {
		t.Error("a negative window is accepted")
	}
}

func TestStreams(t *testing.T) {
	var s handoff.Streams
	arrive := func(session, attempt uint64, want []uint64, wantErr error) {
		t.Helper()
		ahead, err := s.Arrive(session, attempt)
		if !slices.Equal(ahead, want) || !errors.Is(err, wantErr) || (err == nil) != (wantErr == nil) {
			t.Errorf("Arrive(%d, %d) = %v, %v, want %v, %v", session, attempt, ahead, err, want, wantErr)
		}
	}
	arrive(7, 1, nil, nil)
	arrive(8, 1, nil, nil)
	arrive(7, 3, []uint64{1}, nil)
	arrive(7, 2, nil, handoff.ErrStaleStream)
	arrive(7, 3, nil, handoff.ErrStaleStream)
	arrive(7, 4, []uint64{1, 3}, nil)
	s.Leave(7, 1)
	s.Leave(7, 1)
	arrive(7, 5, []uint64{3, 4}, nil)
	s.Leave(7, 3)
	s.Leave(7, 4)
	s.Leave(7, 5)
	s.Leave(9, 1)
	arrive(7, 1, nil, nil)
}
