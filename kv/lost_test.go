package kv_test

import (
	"slices"
	"testing"
	"time"
)

// A copy that lost its data coordinates a write before it has it again: that takes nothing from the
// copies which have what it gave dots to before (T-B27).
func TestMachines_lostCopyTakesNothing(t *testing.T) {
	f, p := newFleet(t, 3), strict(3)
	now := time.Unix(0, 0)
	f.putAt(now, &p, "1", "")
	f.putAt(now, &p, "2", "")
	lost := serveAt(t, f.copies[0].at)
	lost.at.Incarnation++
	lost.seq, lost.copied.Incomplete, lost.copied.Lost = 0, true, 1
	f.copies[0] = lost
	f.putAt(now, &p, "3", "") // through its node
	if got := texts(f.getAt(now, &p), nil); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("%v stand, three writes were acknowledged", got)
	}
}
