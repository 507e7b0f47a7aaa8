package cluster

import (
	"errors"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// An Event is something that a Coordination is told: Changed, HealthChanged, Answered or
// Elapsed.
type Event interface{ at() time.Time }

// Changed is an update of the record. At is the time now, of any clock that does not jump.
type Changed struct {
	At     time.Time
	Update Update
}

// HealthChanged is what liveness believes now. Before the first, everybody is trusted.
type HealthChanged struct {
	At     time.Time
	Health Health
}

// Answered is the answer to the last Propose.
type Answered struct {
	At       time.Time
	Outcomes []topology.Outcome
	Err      error
}

// Elapsed says that the time of the last Wake has come.
type Elapsed struct{ At time.Time }

func (e Changed) at() time.Time       { return e.At }
func (e HealthChanged) at() time.Time { return e.At }
func (e Answered) at() time.Time      { return e.At }
func (e Elapsed) at() time.Time       { return e.At }

// An Action is something that a Coordination asks for: Propose or Wake.
type Action interface{ action() }

// Propose asks to propose the operations in one proposal. Exactly one Answered follows it.
type Propose struct {
	Term uint64
	Ops  []topology.Op
}

// Wake asks for an Elapsed event after a time; it replaces the Wake before.
type Wake struct{ After time.Duration }

func (Propose) action() {}
func (Wake) action()    {}

// CoordinationOptions configures a Coordination.
type CoordinationOptions struct {
	// Node is the node that coordinates.
	Node ring.NodeID
	// Limits bounds the transfers. Only its PerNode is taken; the rest is the coordination's own.
	Limits Limits
	// FirstRetry is the pause before a failed transfer or proposal is tried again; it doubles with
	// each further failure up to MaxRetry. Defaults 200 ms and 30 s.
	FirstRetry, MaxRetry time.Duration
	// CancelRetry is the pause before a transfer that an operator cancelled is opened again. Default
	// DefaultCancelRetry.
	CancelRetry time.Duration
	// SealBudget is how long a transfer may be in StageSeal, where nobody serves its partition, before it
	// is decided by what the record has: it doubles with each failed transfer of the partition, up to
	// 32 times, so that a slow one gets there. Default DefaultSealBudget.
	SealBudget time.Duration
}

// DefaultCancelRetry leaves an operator the time to disable what was cancelled.
const DefaultCancelRetry = 30 * time.Second

// DefaultSealBudget is a thousand times what a flip takes, and longer than it takes to find out that a node
// is unreachable.
const DefaultSealBudget = 10 * time.Second

func (o CoordinationOptions) withDefaults() CoordinationOptions {
	if o.FirstRetry <= 0 {
		o.FirstRetry = 200 * time.Millisecond
	}
	if o.MaxRetry <= 0 {
		o.MaxRetry = 30 * time.Second
	}
	if o.CancelRetry <= 0 {
		o.CancelRetry = DefaultCancelRetry
	}
	if o.SealBudget <= 0 {
		o.SealBudget = DefaultSealBudget
	}
	return o
}

// A Coordination is the coordinator as a machine: events in, actions out, no clock and no goroutine.
// What it remembers are pauses, since when transfers seal, and its term; a successor needs none of it. It is not safe for
// concurrent use.
type Coordination struct {
	opts     CoordinationOptions
	update   Update
	health   Health
	doubt    bool    // the last proposal was not answered: it is decided again as before
	news     *Health // learned in doubt
	term     uint64  // issued to this coordination; 0 while it has none
	proposed bool    // an Answered is to come
	seen     bool    // the update was decided on
	after    uint64  // version of the last answer: older records are not decided on
	failures int     // proposals in a row without effect
	pauses   map[moveID]pause
	seals    Seals
}

type moveID struct {
	kind topology.Kind
	p    ring.Partition
}

// A pause is the time before a partition is tried again after its failed session.
type pause struct {
	session uint64
	until   time.Time
}

// NewCoordination returns a coordination that waits for its first update.
func NewCoordination(opts CoordinationOptions) *Coordination {
	return &Coordination{opts: opts.withDefaults(), seen: true, pauses: map[moveID]pause{}}
}

// Step takes one event and returns what is to be done, in order.
func (c *Coordination) Step(e Event) []Action {
	switch e := e.(type) {
	case Changed:
		c.update, c.seen, c.doubt = e.Update, false, false
		if !e.Update.Leader {
			c.term, c.seals = 0, Seals{} // whoever can't decide has not waited for anybody
		}
	case HealthChanged:
		c.news = &e.Health
		if c.doubt {
			return nil
		}
		c.seen = false
	case Answered:
		c.proposed, c.doubt = false, e.Err != nil
		if again := c.answered(e); again > 0 {
			return []Action{Wake{again}}
		}
	case Elapsed:
		c.seen = false
	}
	return c.decide(e.at())
}

// answered takes the answer in and returns how long to wait before another try when nothing was
// accepted; what was accepted brings an update.
func (c *Coordination) answered(e Answered) time.Duration {
	accepted := false
	for _, o := range e.Outcomes {
		c.after = max(c.after, o.Version)
		accepted = accepted || o.Changed()
		switch {
		case o.Term != 0:
			c.term = o.Term
		case errors.Is(o.Err, topology.ErrStaleTerm):
			c.term = 0
		}
	}
	if accepted && e.Err == nil {
		c.failures = 0
		return 0
	}
	c.failures++
	return c.backoff(uint64(c.failures))
}

// backoff returns the pause after so many failures.
func (c *Coordination) backoff(failures uint64) time.Duration {
	d := c.opts.FirstRetry
	for ; failures > 1 && d < c.opts.MaxRetry; failures-- {
		d *= 2
	}
	return min(d, c.opts.MaxRetry)
}

func (c *Coordination) decide(now time.Time) []Action {
	if c.proposed || c.seen || !c.update.Leader || c.update.State.Ring() == nil {
		return nil
	}
	c.seen = true
	if c.update.State.Version() < c.after || !c.mayCoordinate() {
		return nil // an update is on its way, or this node has no say
	}
	if term, _ := c.update.State.Term(); c.term == 0 || c.term < term {
		return c.propose(0, []topology.Op{topology.BeginTerm{Node: c.opts.Node}})
	}
	return c.schedule(now)
}

// schedule proposes what the record asks for, and asks to be woken when a pause ends.
func (c *Coordination) schedule(now time.Time) []Action {
	if c.news != nil && !c.doubt {
		c.health, c.news = *c.news, nil
	}
	next := time.Duration(0)
	limits := Limits{
		PerNode:     c.opts.Limits.PerNode,
		Up:          c.health.Up,
		Unreachable: func(n ring.NodeID) bool { return c.health.Of(n) == Unreachable },
	}
	waits := func(left time.Duration) bool {
		if left > 0 && (next == 0 || left < next) {
			next = left
		}
		return left > 0
	}
	pauses := map[moveID]pause{}
	c.seals.Follow(c.update.State, now)
	limits.Hold = func(kind topology.Kind, p ring.Partition, x topology.Part) bool {
		return waits(c.hold(pauses, moveID{kind, p}, x, now))
	}
	limits.Overdue = func(t *topology.Transfer) bool { return !waits(c.patience(t, now)) }
	ops := Schedule(c.update.State, limits)
	c.pauses = pauses
	var out []Action
	if len(ops) > 0 {
		out = c.propose(c.term, ops)
	}
	if next > 0 {
		out = append(out, Wake{next})
	}
	return out
}

func (c *Coordination) mayCoordinate() bool {
	m, ok := c.update.State.Member(c.opts.Node)
	return ok && (m.Alive() || m.Status == topology.Exiting)
}

func (c *Coordination) propose(term uint64, ops []topology.Op) []Action {
	c.proposed = true
	return []Action{Propose{Term: term, Ops: ops}}
}

// patience returns how long a transfer may still be in StageSeal. Its time begins when this coordination
// first sees it there.
func (c *Coordination) patience(t *topology.Transfer, now time.Time) time.Duration {
	budget := c.opts.SealBudget << min(c.update.State.Part(t.Kind, t.Partition).Attempts, 5)
	return c.seals.Since(t.Session).Add(budget).Sub(now)
}

// hold returns how long a partition is still to be left alone. The pause begins when this
// coordination first sees the failure.
func (c *Coordination) hold(pauses map[moveID]pause, id moveID, x topology.Part, now time.Time) time.Duration {
	if x.Attempts == 0 {
		return 0
	}
	w, known := c.pauses[id]
	if !known || w.session != x.LastSession {
		after := c.backoff(x.Attempts)
		if x.LastReason == topology.ReasonCancelled {
			after = max(after, c.opts.CancelRetry)
		}
		w = pause{session: x.LastSession, until: now.Add(after)}
	}
	pauses[id] = w
	return w.until.Sub(now)
}
