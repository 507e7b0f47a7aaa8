package sim

import (
	"time"

	"github.com/dee2748c/baton/cluster/ring"
)

// A Network carries values between endpoints. What it carries is never changed by anybody.
type Network struct {
	// Each message takes MinDelay to MaxDelay, so that messages overtake one another. Those of a stream
	// keep their order.
	MinDelay, MaxDelay time.Duration
	// Drop and Double are the probabilities that a message is lost or arrives twice.
	Drop, Double float64
	// Late is the probability that a copy of a frame or a request stays on the way, for seconds or until
	// WakeLate.
	Late float64
	// Swap is the probability that a frame of a stream does not keep the order.
	Swap float64
	// Tamper decides about each frame, request and response that is sent, if it is not nil.
	Tamper func(from, to ring.NodeID, msg any) Fate

	w    *World
	to   map[ring.NodeID]func(from ring.NodeID, msg any)
	cut  map[[2]ring.NodeID]bool
	data map[[2]ring.NodeID]bool // cuts of what goes between vnodes
	mute map[ring.NodeID]bool    // who neither sends nor gets messages of the log
	late []func()                // what waits for WakeLate
}

// A Fate is what happens to a message.
type Fate uint8

// The fates.
const (
	Arrives   Fate = iota // or not, as the probabilities say
	Vanishes              // it is lost
	Doubles               // it arrives twice
	Overtaken             // what is sent after it arrives first
	Lingers               // it arrives, and once more after WakeLate
	Corrupts              // its bytes are not what was sent
)

func newNetwork(w *World) *Network {
	return &Network{
		w: w, MinDelay: 100 * time.Microsecond, MaxDelay: time.Millisecond,
		to: map[ring.NodeID]func(ring.NodeID, any){}, cut: map[[2]ring.NodeID]bool{},
		data: map[[2]ring.NodeID]bool{}, mute: map[ring.NodeID]bool{},
	}
}

// Listen makes f get what is sent to the name. It replaces a former one.
func (n *Network) Listen(name ring.NodeID, f func(from ring.NodeID, msg any)) { n.to[name] = f }

// A stream keeps the order of what one node sends to another.
type stream struct{ last time.Duration }

// Send sends a message. What is cut when it arrives is lost, too.
func (n *Network) Send(from, to ring.NodeID, msg any) { n.carry(from, to, msg, nil) }

func (n *Network) carry(from, to ring.NodeID, msg any, s *stream) {
	data := isData(msg)
	fate := Arrives
	if data && n.Tamper != nil {
		fate = n.Tamper(from, to, msg)
	}
	copies := 1
	if fate == Vanishes || n.w.Chance(n.Drop) {
		copies = 0
	} else if fate == Doubles || n.w.Chance(n.Double) {
		copies = 2
	}
	if fate == Corrupts {
		msg = n.corrupted(msg)
	}
	arrive := func() { n.arrive(from, to, msg) }
	first := time.Duration(0)
	for i := range copies {
		delay := n.w.Between(n.MinDelay, n.MaxDelay)
		switch {
		case fate == Overtaken:
			delay += 2 * n.MaxDelay
		case s != nil && i > 0:
			delay += first
		case s != nil && !n.w.Chance(n.Swap):
			at := max(n.w.now+delay, s.last+1)
			s.last, delay = at, at-n.w.now
		}
		first = delay
		n.w.After(delay, arrive)
	}
	if fate != Lingers && (!data || !n.w.Chance(n.Late)) {
		return
	}
	if fate != Lingers && n.w.Chance(0.1) {
		msg = foreign(msg) // as if from a cluster that had these addresses before
	}
	if fate != Lingers && n.w.Chance(0.5) {
		n.w.After(n.w.Between(0, 10*time.Second), func() { n.arrive(from, to, msg) })
	} else {
		n.late = append(n.late, func() { n.arrive(from, to, msg) })
	}
}

func (n *Network) arrive(from, to ring.NodeID, msg any) {
	pair := [2]ring.NodeID{from, to}
	if n.cut[pair] || isData(msg) && n.data[pair] || !isData(msg) && (n.mute[from] || n.mute[to]) {
		return
	}
	if f := n.to[to]; f != nil {
		f(from, msg)
	}
}

// WakeLate lets all arrive that is on the way for long, within a second, in any order.
func (n *Network) WakeLate() { n.Wake(time.Second) }

// Wake lets all arrive that is on the way for long, within a time, in any order, and says how much it is.
func (n *Network) Wake(within time.Duration) int {
	count := len(n.late)
	for _, arrive := range n.late {
		n.w.After(n.w.Between(0, within), arrive)
	}
	n.late = nil
	return count
}

// Cut stops what goes from one name to another, in this direction only.
func (n *Network) Cut(from, to ring.NodeID) { n.cut[[2]ring.NodeID{from, to}] = true }

// CutData stops what vnodes of one node send to those of another, in this direction only. The log goes on.
func (n *Network) CutData(from, to ring.NodeID) { n.data[[2]ring.NodeID{from, to}] = true }

// CutLog keeps a node from the record: messages of the log and proposals are lost, those between vnodes are not.
func (n *Network) CutLog(node ring.NodeID) { n.mute[node] = true }

// Split cuts every pair of the two sides in both directions.
func (n *Network) Split(a, b []ring.NodeID) {
	for _, x := range a {
		for _, y := range b {
			n.Cut(x, y)
			n.Cut(y, x)
		}
	}
}

// Heal takes all cuts back.
func (n *Network) Heal() {
	clear(n.cut)
	clear(n.data)
	clear(n.mute)
}

// Reach reports whether both directions between two names are open for messages of the log.
func (n *Network) Reach(a, b ring.NodeID) bool {
	return !n.mute[a] && !n.mute[b] && n.open(a, b)
}

// open reports whether neither direction between two names is cut for everything.
func (n *Network) open(a, b ring.NodeID) bool {
	return !n.cut[[2]ring.NodeID{a, b}] && !n.cut[[2]ring.NodeID{b, a}]
}
