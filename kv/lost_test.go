package kv_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton/kv"
)

// A copy that lost its data does not coordinate before it has it again: its clock would cover its own
// earlier writes, which it does not have, and take them from the other copies (T-B27).
func TestMachines_lostCopyDoesNotCoordinate(t *testing.T) {
	f, p := newFleet(t, 3), strict(3)
	now := time.Unix(0, 0)
	f.putAt(now, &p, "1", "")
	f.putAt(now, &p, "2", "")
	lost := serveAt(t, f.copies[0].at)
	lost.at.Incarnation++
	lost.seq, lost.copied.Incomplete = 0, true
	f.copies[0] = lost
	f.putAt(now, &p, "3", "") // through its node
	if got := texts(f.getAt(now, &p), nil); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("%v stand, three writes were acknowledged", got)
	}

	// With nobody else to coordinate nothing is written.
	one := newFleet(t, 1)
	one.copies[0].copied.Incomplete = true
	single := strict(1)
	m := one.put(&single, kv.Object{Value: []byte("1")})
	if _, err := m.Written(); !errors.Is(err, kv.ErrNotDone) || !errors.Is(err, kv.ErrIncomplete) {
		t.Errorf("a write that only a copy without its data could coordinate: %v", err)
	}
}
