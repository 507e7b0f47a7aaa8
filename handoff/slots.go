package handoff

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dee2748c/baton/store"
)

// Direction is what a slot is for.
type Direction uint8

// The directions.
const (
	Outgoing Direction = iota // transfers that send from this node
	Incoming                  // transfers that arrive at this node
	Sealing                   // transfers of this node that are ready to seal: each freezes a partition

	directions
)

// String returns the direction in lower case.
func (d Direction) String() string {
	switch d {
	case Outgoing:
		return "outgoing"
	case Incoming:
		return "incoming"
	case Sealing:
		return "sealing"
	}
	return fmt.Sprintf("direction %d", uint8(d))
}

// Limits bound the transfers of one node. The zero value means the defaults.
type Limits struct {
	Outgoing int // sending at once; default 4
	Incoming int // arriving at once; default 4
	Sealing  int // between readiness and flip at once, as source; default 2
	Waiting  int // queued for each of these; further ones are refused; default 1,024
}

func (l Limits) withDefaults() Limits {
	l.Outgoing = cmp.Or(l.Outgoing, 4)
	l.Incoming = cmp.Or(l.Incoming, 4)
	l.Sealing = cmp.Or(l.Sealing, 2)
	l.Waiting = cmp.Or(l.Waiting, 1024)
	return l
}

// Validate returns an error for a negative limit.
func (l Limits) Validate() error {
	for _, n := range []int{l.Outgoing, l.Incoming, l.Sealing, l.Waiting} {
		if n < 0 {
			return fmt.Errorf("handoff limits %+v: negative", l)
		}
	}
	return nil
}

// SlotKey names one transfer.
type SlotKey struct {
	ID      store.ID
	Session uint64
}

// Slots hands out the places for transfers on one node, first come first
// served. Who finds none free waits in line instead of being turned away to ask
// again: the place is granted when it is there. It belongs to one goroutine.
type Slots struct {
	lanes [directions]lane
	queue int
}

type lane struct {
	limit    int
	disabled bool
	running  []SlotKey // in the order of their grants
	waiting  []SlotKey
}

// NewSlots returns free slots.
func NewSlots(limits Limits) *Slots {
	s := new(Slots)
	s.SetLimits(limits)
	return s
}

// Request asks for a place. It is granted, or waited for: then a later Release
// or SetLimits returns the key. To ask again changes nothing. The error is
// *BusyError or ErrDisabled.
func (s *Slots) Request(d Direction, key SlotKey) (granted bool, err error) {
	l := &s.lanes[d]
	switch {
	case slices.Contains(l.running, key):
		return true, nil
	case slices.Contains(l.waiting, key):
		return false, nil
	case l.disabled:
		return false, fmt.Errorf("%v transfer of %v: %w", d, key.ID, ErrDisabled)
	case len(l.running) < l.limit:
		l.running = append(l.running, key)
		return true, nil
	case len(l.waiting) >= s.queue:
		return false, &BusyError{Direction: d, Running: len(l.running), Waiting: len(l.waiting)}
	}
	l.waiting = append(l.waiting, key)
	return false, nil
}

// Release gives a place back, or leaves the line, and returns who has a place
// now. A key that has none changes nothing.
func (s *Slots) Release(d Direction, key SlotKey) (granted []SlotKey) {
	l := &s.lanes[d]
	is := func(k SlotKey) bool { return k == key }
	l.running = slices.DeleteFunc(l.running, is)
	l.waiting = slices.DeleteFunc(l.waiting, is)
	return l.fill()
}

// fill grants free places to those who wait longest.
func (l *lane) fill() []SlotKey {
	n := min(l.limit-len(l.running), len(l.waiting))
	if n <= 0 || l.disabled {
		return nil
	}
	granted := slices.Clone(l.waiting[:n])
	l.running = append(l.running, granted...)
	l.waiting = slices.Delete(l.waiting, 0, n)
	return granted
}

// Slot is a place in a direction.
type Slot struct {
	Direction Direction
	Key       SlotKey
}

// SetLimits changes the limits. It returns who has a place now, and whose place
// is above a lowered limit: the newest ones, which the caller stops and
// releases, as riak_core_handoff_manager does.
func (s *Slots) SetLimits(limits Limits) (granted, excess []Slot) {
	limits = limits.withDefaults()
	s.queue = limits.Waiting
	for d, limit := range [directions]int{limits.Outgoing, limits.Incoming, limits.Sealing} {
		l := &s.lanes[d]
		l.limit = limit
		granted = appendSlots(granted, Direction(d), l.fill())
		excess = appendSlots(excess, Direction(d), l.running[min(limit, len(l.running)):])
	}
	return granted, excess
}

// Enable allows or disables a direction. Disabling returns who runs in it, for
// the caller to stop and release; those in line stay there. Enabling returns
// who has a place now.
func (s *Slots) Enable(d Direction, enabled bool) (granted, running []SlotKey) {
	l := &s.lanes[d]
	l.disabled = !enabled
	if enabled {
		return l.fill(), nil
	}
	return nil, slices.Clone(l.running)
}

// Running returns the transfers that have a place, in the order of their grants.
func (s *Slots) Running(d Direction) []SlotKey { return slices.Clone(s.lanes[d].running) }

// Waiting returns the transfers in line, first to be served first.
func (s *Slots) Waiting(d Direction) []SlotKey { return slices.Clone(s.lanes[d].waiting) }

func appendSlots(dst []Slot, d Direction, keys []SlotKey) []Slot {
	for _, k := range keys {
		dst = append(dst, Slot{Direction: d, Key: k})
	}
	return dst
}
