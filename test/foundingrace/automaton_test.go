package foundingrace_test

import (
	"fmt"

	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/vnode"
)

// msg is an interned event or action: equal content, equal number.
type msg int

// vocabulary interns messages.
type vocabulary struct {
	values []any
	ids    map[string]msg
	known  map[any]msg // by values that are their own identity
	inner  map[msg]msg
}

func newVocabulary() *vocabulary {
	return &vocabulary{ids: make(map[string]msg), known: make(map[any]msg), inner: make(map[msg]msg)}
}

func (v *vocabulary) id(m any) msg {
	key := fmt.Sprintf("%T:", m) + dump(m)
	if id, ok := v.ids[key]; ok {
		return id
	}
	id := msg(len(v.values))
	v.values = append(v.values, m)
	v.ids[key] = id
	return id
}

// as interns the message that a comparable value without pointers stands for.
func (v *vocabulary) as(value any, message func() any) msg {
	id, ok := v.known[value]
	if !ok {
		id = v.id(message())
		v.known[value] = id
	}
	return id
}

// plain interns a message that is comparable and has no pointers.
func (v *vocabulary) plain(m any) msg { return v.as(m, func() any { return m }) }

// enqueueOf returns the batch within a Transmit.
func (v *vocabulary) enqueueOf(transmit msg) msg {
	id, ok := v.inner[transmit]
	if !ok {
		id = v.id(v.values[transmit].(pipe.Transmit).Enqueue)
		v.inner[transmit] = id
	}
	return id
}

// machine is one of the product's machines behind a common face.
type machine interface {
	step(e any) []any
}

// automaton is a machine's behaviour as a graph that is found out on demand:
// states are numbers, and each edge runs the real machine once. State 0 is the
// fresh machine.
type automaton struct {
	words  *vocabulary
	fresh  func() machine
	states [][]msg // events that lead there from a fresh machine
	index  map[string]int
	edges  map[edge]effect
}

type edge struct {
	from  int
	event msg
}

type effect struct {
	to      int
	actions []msg
}

func newAutomaton(words *vocabulary, fresh func() machine) *automaton {
	a := &automaton{words: words, fresh: fresh, index: make(map[string]int), edges: make(map[edge]effect)}
	a.intern(fresh(), nil)
	return a
}

func (a *automaton) intern(m machine, history []msg) int {
	key := dump(m)
	if i, ok := a.index[key]; ok {
		return i
	}
	i := len(a.states)
	a.index[key] = i
	a.states = append(a.states, history)
	return i
}

// at returns a live machine in the state.
func (a *automaton) at(state int) machine {
	m := a.fresh()
	for _, e := range a.states[state] {
		m.step(a.words.values[e])
	}
	return m
}

// step returns the state after the event, and the actions.
func (a *automaton) step(from int, event msg) (int, []msg) {
	key := edge{from, event}
	if e, ok := a.edges[key]; ok {
		return e.to, e.actions
	}
	m := a.at(from)
	var actions []msg
	for _, x := range m.step(a.words.values[event]) {
		actions = append(actions, a.words.id(x))
	}
	history := append(a.states[from][:len(a.states[from]):len(a.states[from])], event)
	to := a.intern(m, history)
	a.edges[key] = effect{to, actions}
	return to, actions
}

// The machines.

type queuesMachine struct{ q *pipe.Queues }

// importItems gives a target everything that was staged for it.
type importItems struct{ keys, values []string }

func (m *queuesMachine) step(e any) []any {
	var out []any
	if in, ok := e.(importItems); ok {
		for i, k := range in.keys {
			if err := m.q.Import([]byte(k), []byte(in.values[i])); err != nil {
				panic(err)
			}
		}
		return nil
	}
	for _, a := range m.q.Step(e.(pipe.QueuesEvent)) {
		out = append(out, a)
	}
	return out
}

// runnerMachine is a worker; its first event is its StartWorker.
type runnerMachine struct {
	r   *pipe.Runner
	reg *pipe.Registry
}

func (m *runnerMachine) step(e any) []any {
	var actions []pipe.RunnerAction
	if start, ok := e.(*pipe.StartWorker); ok {
		m.r, actions = pipe.NewRunner(start, m.reg, pipe.RunnerOptions{})
	} else {
		actions = m.r.Step(e.(pipe.RunnerEvent))
	}
	var out []any
	for _, a := range actions {
		out = append(out, a)
	}
	return out
}

type sinkMachine struct{ s *pipe.Sink }

func (m *sinkMachine) step(e any) []any {
	var out []any
	for _, a := range m.s.Step(e.(pipe.SinkEvent)) {
		out = append(out, a)
	}
	return out
}

// lifeMachine is a vnode's lifecycle; admission counts what it parks and is
// therefore an event too.
type lifeMachine struct{ l *vnode.Lifecycle }

type admit struct {
	version uint64
	hop     uint8
}

func (m *lifeMachine) step(e any) []any {
	if a, ok := e.(admit); ok {
		return []any{m.l.Admit(a.version, a.hop)}
	}
	var out []any
	for _, a := range m.l.Step(e.(vnode.Event)) {
		out = append(out, a)
	}
	return out
}
