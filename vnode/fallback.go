package vnode

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
)

// fallbackSuffix tells the store of a fallback from those of primaries. No kind
// that is registered has it: names of kinds have no tilde.
const fallbackSuffix = "~fallback"

// FallbackStore returns where the fallback of a vnode keeps its data on a node.
func FallbackStore(id store.ID) store.ID {
	return store.ID{Kind: id.Kind + fallbackSuffix, Partition: id.Partition}
}

// OfFallback returns the vnode that a store's fallback stands in for; ok is
// false for the store of a primary.
func OfFallback(id store.ID) (of store.ID, ok bool) {
	n := len(id.Kind) - len(fallbackSuffix)
	if n <= 0 || id.Kind[n:] != fallbackSuffix {
		return store.ID{}, false
	}
	return store.ID{Kind: id.Kind[:n], Partition: id.Partition}, true
}

// Mergeable is implemented by the vnodes of kinds that have fallbacks: how a
// fallback's items get to the primary.
type Mergeable interface {
	// MergeCommand returns the command that adds items to a primary. Done twice,
	// late, or in another order it comes to the same. grace is the grace period of
	// the record before the items were read. The items are the caller's.
	//
	// damaged are the keys of the items that are not what any writer wrote, which
	// the primary would refuse with all beside them; then there is no command. The
	// runtime gives them up as with Context.Damage.
	MergeCommand(grace uint64, items []store.Item) (command []byte, damaged [][]byte, err error)
	// MergeReply returns what the primary's answer says: no error if it has all of
	// the items. With the keys of items that it has not taken for now, the error is
	// the reason, and it has all others.
	MergeReply(body []byte) (left [][]byte, err error)
}

// Fallback is the life of a vnode that stands in for a primary of another node
// as a pure machine. Not safe for concurrent use: it belongs to an actor.
//
//	Absent --asked--> Opening --hint in the record--> Serving --owner is up, merge in the record--> Returning
//	  ^                  ^                               ^  |                                          |
//	  |                  +------- hint gone -------------|--+                                          |
//	  |                                                  +------------- error, merge gone -------------+
//	  +--- hint and merge gone ---- Closing <------------------------- nothing left -------------------+
//
// It hands back under a session of the record: it asks for one, and what it sends
// counts only as long as the owner sees it there. While something else moves the
// partition, or its node or the owner's has transfers enough, there is none.
type Fallback struct {
	id     store.ID // of the primary
	self   ring.NodeID
	life   uint64 // the node's incarnation
	state  FallbackState
	opened uint64 // of the hint in the record, 0 if there is none
	grace  uint64 // of the record
	epoch  uint64 // of the owner
	merge  uint64 // session of this node's merge in the record, 0 if there is none
	spent  uint64 // a session that was given up here
	asked  bool   // for a session, not answered yet
	data   bool   // there may be data in the store
	known  bool   // a record was applied and the store looked at

	refused   bool // the record refused the last hint
	parked    int
	parkLimit int
	ticks     int // since the owner is up, or since the last failed page
	failures  int // failed pages in a row
}

// NewFallback returns the machine of the fallback of a vnode on one life of node
// self. parkLimit 0 means DefaultParkLimit.
func NewFallback(id store.ID, self ring.NodeID, incarnation uint64, parkLimit int) *Fallback {
	if parkLimit <= 0 {
		parkLimit = DefaultParkLimit
	}
	return &Fallback{id: id, self: self, life: incarnation, state: FallbackAbsent{}, parkLimit: parkLimit}
}

// FallbackState is where a fallback stands in its life: one of the structs below.
type FallbackState interface {
	fallbackState()
	String() string
}

// States of a fallback.
type (
	// FallbackAbsent holds nothing.
	FallbackAbsent struct{}
	// FallbackOpening waits for its hint in the record; commands wait with it.
	FallbackOpening struct{}
	// FallbackServing serves under the hint of that record version.
	FallbackServing struct{ Opened uint64 }
	// FallbackReturning serves, and a page of its items is on its way to the owner.
	FallbackReturning struct{ Opened, Session uint64 }
	// FallbackClosing is empty and waits for the end of its hint; commands wait.
	FallbackClosing struct{ Opened, Session uint64 }
)

func (FallbackAbsent) fallbackState()    {}
func (FallbackOpening) fallbackState()   {}
func (FallbackServing) fallbackState()   {}
func (FallbackReturning) fallbackState() {}
func (FallbackClosing) fallbackState()   {}

func (FallbackAbsent) String() string    { return "absent" }
func (FallbackOpening) String() string   { return "opening" }
func (s FallbackServing) String() string { return fmt.Sprintf("serving hint=%d", s.Opened) }
func (s FallbackReturning) String() string {
	return fmt.Sprintf("returning hint=%d session=%d", s.Opened, s.Session)
}
func (s FallbackClosing) String() string { return fmt.Sprintf("closing hint=%d", s.Opened) }

// FallbackEvent is what happened to a fallback.
type FallbackEvent interface{ fallbackEvent() }

type (
	// FallbackRecovered is the first event: whether the store has items of an
	// earlier life.
	FallbackRecovered struct{ Data bool }
	// FallbackApplied is what a newer record says: the version at which this
	// node's hint was opened and the session of its merge, 0 if there is none, and
	// the owner's epoch.
	FallbackApplied struct {
		Opened uint64
		Merge  uint64
		Epoch  uint64
		Grace  uint64
	}
	// FallbackAsked: a command was parked.
	FallbackAsked struct{}
	// HintRefused: the record refused the hint.
	HintRefused struct{ Err error }
	// MergeAnswered: the proposal of a session was decided; Err refuses it.
	MergeAnswered struct{ Err error }
	// FallbackTick comes once a second. Up says that the owner seems to answer and
	// that operators let data go there, Idle that no command came since the last tick.
	FallbackTick struct{ Up, Idle bool }
	// ReturnWanted asks for the hand-back now.
	ReturnWanted struct{}
	// PageReturned answers ReturnPage: the owner has the page durably and what did
	// not change meanwhile is removed here, or Err says why not. Left says that
	// there are more items.
	PageReturned struct {
		Left bool
		Err  error
	}
	// FallbackDropped answers DropFallback.
	FallbackDropped struct{}
)

func (FallbackRecovered) fallbackEvent() {}
func (FallbackApplied) fallbackEvent()   {}
func (FallbackAsked) fallbackEvent()     {}
func (HintRefused) fallbackEvent()       {}
func (MergeAnswered) fallbackEvent()     {}
func (FallbackTick) fallbackEvent()      {}
func (ReturnWanted) fallbackEvent()      {}
func (PageReturned) fallbackEvent()      {}
func (FallbackDropped) fallbackEvent()   {}

// Actions of a fallback, beside Propose, Close and ReplayParked.
type (
	// OpenFallback makes the module ready; Opened takes the place of its epoch.
	OpenFallback struct{ Opened uint64 }
	// RefuseParked answers what was parked: nothing was done.
	RefuseParked struct{ Err error }
	// ReturnPage sends a page of items to the owner under the session, then
	// PageReturned.
	ReturnPage struct{ Session uint64 }
	// DropFallback drops the store, then FallbackDropped.
	DropFallback struct{}
)

func (OpenFallback) action() {}
func (RefuseParked) action() {}
func (ReturnPage) action()   {}
func (DropFallback) action() {}

const (
	// patience is how many ticks a fallback waits to be idle once the owner is up.
	patience = 10
	// maxPause bounds the ticks between two attempts to hand back.
	maxPause = 32
)

// State returns where the fallback stands.
func (f *Fallback) State() FallbackState { return f.state }

// Admit decides how a command is served: Serve, Park or RefuseFrozen. Park
// counts it, and Step(FallbackAsked) must follow.
func (f *Fallback) Admit() Verdict {
	switch f.state.(type) {
	case FallbackServing, FallbackReturning:
		return Serve
	}
	if f.parked >= f.parkLimit {
		return RefuseFrozen
	}
	f.parked++
	return Park
}

// Step applies one event and returns what to do, in order.
func (f *Fallback) Step(e FallbackEvent) []Action {
	switch e := e.(type) {
	case FallbackRecovered:
		f.data, f.known = e.Data, true
	case FallbackApplied:
		f.opened, f.merge, f.epoch, f.grace = e.Opened, e.Merge, e.Epoch, e.Grace
		f.asked = f.asked && e.Merge == 0
	case HintRefused:
		return f.hintRefused(e.Err)
	case MergeAnswered:
		f.asked = false
		if e.Err != nil {
			f.ticks = min(f.ticks, patience) // soon again: whatever takes the slot will end
		}
	case FallbackTick:
		return f.tick(e)
	case ReturnWanted:
		f.failures, f.ticks = 0, patience
		return f.giveBack(true)
	case PageReturned:
		return f.pageReturned(e)
	case FallbackDropped:
		f.data = false
		if _, ok := f.state.(FallbackClosing); ok {
			f.state = FallbackAbsent{}
		}
	}
	return f.reconcile()
}

// reconcile compares the state with the record.
func (f *Fallback) reconcile() []Action {
	if !f.known {
		return nil
	}
	switch s := f.state.(type) {
	case FallbackAbsent:
		switch {
		case f.data && f.opened != 0:
			return f.serve()
		case f.data || f.parked > 0:
			return f.open()
		case f.opened != 0:
			// The former process ended before it stored anything.
			return f.close()
		}
	case FallbackOpening:
		if f.opened != 0 {
			return f.serve()
		}
	case FallbackServing:
		switch {
		case f.opened != s.Opened:
			return append([]Action{Close{}}, f.open()...)
		case f.merge > f.spent:
			f.state = FallbackReturning{Opened: s.Opened, Session: f.merge}
			return []Action{ReturnPage{Session: f.merge}}
		}
	case FallbackReturning:
		switch {
		case f.opened != s.Opened:
			return append([]Action{Close{}}, f.open()...)
		case f.merge != s.Session:
			return append(f.failed(s), f.reconcile()...)
		}
	case FallbackClosing:
		switch {
		case f.opened != s.Opened:
			return []Action{DropFallback{}}
		case f.merge != s.Session:
			// Its end was given up by others; the hint is still there, without data.
			f.state = FallbackClosing{Opened: s.Opened, Session: f.merge}
			return []Action{f.closeHint(f.merge)}
		}
	}
	return nil
}

// failed goes back to serving from a hand-back that came to nothing.
func (f *Fallback) failed(s FallbackReturning) []Action {
	f.state, f.spent = FallbackServing{Opened: s.Opened}, max(f.spent, s.Session)
	f.failures, f.ticks = f.failures+1, 0
	return nil
}

func (f *Fallback) open() []Action {
	f.state, f.refused = FallbackOpening{}, false
	return []Action{Propose{Op: topology.OpenHint{
		Kind: f.id.Kind, Partition: f.id.Partition, Node: f.self, Incarnation: f.life, Grace: f.grace,
	}}}
}

func (f *Fallback) serve() []Action {
	f.state, f.data = FallbackServing{Opened: f.opened}, true
	f.ticks, f.failures = 0, 0
	return append([]Action{OpenFallback{Opened: f.opened}}, f.replay()...)
}

func (f *Fallback) replay() []Action {
	if f.parked == 0 {
		return nil
	}
	f.parked = 0
	return []Action{ReplayParked{}}
}

func (f *Fallback) close() []Action {
	f.state = FallbackClosing{Opened: f.opened, Session: f.merge}
	return []Action{f.closeHint(f.merge)}
}

func (f *Fallback) closeHint(session uint64) Action {
	return Propose{Op: topology.CloseHint{
		Kind: f.id.Kind, Partition: f.id.Partition, Node: f.self, Opened: f.opened, Session: session,
	}}
}

func (f *Fallback) hintRefused(err error) []Action {
	if _, ok := f.state.(FallbackOpening); !ok {
		return nil
	}
	f.refused = true
	if !f.data {
		f.state = FallbackAbsent{}
	}
	if f.parked == 0 {
		return nil
	}
	f.parked = 0
	return []Action{RefuseParked{Err: err}}
}

func (f *Fallback) tick(e FallbackTick) []Action {
	switch f.state.(type) {
	case FallbackOpening:
		if f.refused {
			return f.open() // data is waiting
		}
	case FallbackClosing:
		return f.reconcile() // the drop may have failed
	case FallbackServing:
		if !e.Up {
			f.ticks = 0
			return nil
		}
		f.ticks++
		return f.giveBack(e.Idle)
	}
	return nil
}

// giveBack asks for a session to hand back under: once the fallback is idle or has
// waited for long, and a failed attempt is some time ago.
func (f *Fallback) giveBack(idle bool) []Action {
	_, ok := f.state.(FallbackServing)
	pause := min(1<<min(f.failures, 8)-1, maxPause)
	if !ok || f.asked || f.merge != 0 || f.ticks < pause || !idle && f.ticks < patience {
		return nil
	}
	f.asked = true
	return []Action{Propose{Op: topology.OpenSession{
		Type: topology.Merge, Kind: f.id.Kind, Partition: f.id.Partition, Node: f.self, Incarnation: f.life, ExpectEpoch: f.epoch,
	}}}
}

func (f *Fallback) pageReturned(e PageReturned) []Action {
	s, ok := f.state.(FallbackReturning)
	switch {
	case !ok:
		return nil
	case e.Err != nil:
		return append(f.failed(s), Propose{Op: topology.Refuse{
			Report: topology.Report{Session: s.Session, Node: f.self, Incarnation: f.life}, Reason: topology.ReasonOf(e.Err),
		}})
	case e.Left:
		f.failures = 0
		return []Action{ReturnPage{Session: s.Session}}
	}
	return append(f.close(), Close{})
}
