package history

import (
	"fmt"
	"slices"
	"sync"

	"github.com/dee2748c/baton/kv"
)

// Kind is what an operation does.
type Kind uint8

// The kinds of operations.
const (
	Get Kind = iota
	Put
	Delete
)

// Outcome is what a client knows of an operation.
type Outcome uint8

// The outcomes; an operation that never ended is Unknown.
const (
	Unknown Outcome = iota
	OK
	NotDone
)

// Op is one operation of one client.
type Op struct {
	Kind    Kind
	Outcome Outcome
	Key     string
	// Via is the node that was asked, for messages.
	Via string
	// Value is what a put writes; no other one writes it.
	Value string
	// Seen are the values that a put or a delete takes the place of.
	Seen []string
	// Values are what a get returned, none if it found nothing.
	Values []string
	// Context is what a get or a put was answered, empty if nothing.
	Context kv.Context
	// Begin and End are places in the order of all begins and ends; End is 0 for
	// one that never ended. Final marks a get that began when all faults were healed.
	Begin, End uint64
	Final      bool
}

// String returns the operation as messages show it.
func (o *Op) String() string {
	what := [...]string{"get", "put", "delete"}[o.Kind]
	outcome := [...]string{"unknown", "ok", "not done"}[o.Outcome]
	text := fmt.Sprintf("[%d-%d %s %s", o.Begin, o.End, what, o.Key)
	if o.Via != "" {
		text += " at " + o.Via
	}
	switch o.Kind {
	case Get:
		text += fmt.Sprintf(" = %q", o.Values)
	case Put:
		text += fmt.Sprintf(" %q over %q", o.Value, o.Seen)
	case Delete:
		text += fmt.Sprintf(" of %q", o.Seen)
	}
	return fmt.Sprintf("%s, %s, context %x]", text, outcome, string(o.Context))
}

// History is what was done and seen. It is safe for concurrent use.
type History struct {
	mu    sync.Mutex
	now   uint64
	final bool
	ops   []*Op
}

// New returns an empty history.
func New() *History { return &History{} }

// Begin records that an operation is about to be asked for; End has to be given
// what it returns.
func (h *History) Begin(o Op) *Op {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now++
	o.Begin, o.End, o.Final = h.now, 0, h.final
	op := &o
	h.ops = append(h.ops, op)
	return op
}

// End records how the operation ended: answer's Outcome, Values and Context.
func (h *History) End(op *Op, answer Op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now++
	op.End, op.Outcome, op.Values, op.Context = h.now, answer.Outcome, answer.Values, answer.Context
}

// Now is the place of what begins or ends next.
func (h *History) Now() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now + 1
}

// Final says that all faults are healed: gets that begin from now on see the end.
func (h *History) Final() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.final = true
}

// Ops returns the operations in the order of their begins.
func (h *History) Ops() []Op {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]Op, len(h.ops))
	for i, o := range h.ops {
		out[i] = *o
	}
	return out
}

// Counts says how many operations ended in which way.
type Counts struct {
	Gets, Puts, Deletes, OK, Unknown, NotDone int
}

// String returns the counts in one line.
func (c Counts) String() string {
	return fmt.Sprintf("%d gets, %d puts, %d deletes: %d ok, %d unknown, %d not done", c.Gets, c.Puts, c.Deletes, c.OK, c.Unknown, c.NotDone)
}

// Counts counts the operations.
func (h *History) Counts() (c Counts) {
	for _, o := range h.Ops() {
		*[...]*int{&c.Gets, &c.Puts, &c.Deletes}[o.Kind]++
		*[...]*int{&c.Unknown, &c.OK, &c.NotDone}[o.Outcome]++
	}
	return c
}

// Keys returns the keys that have a value at the end, in order.
func (h *History) Keys() []string {
	found := map[string]bool{}
	for _, o := range h.Ops() {
		if o.Final && o.Kind == Get && o.Outcome == OK && len(o.Values) > 0 {
			found[o.Key] = true
		}
	}
	var out []string
	for k := range found {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
