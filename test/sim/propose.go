package sim

import (
	"errors"
	"slices"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// proposeAgain is how long a proposer waits for an answer before it asks again with the same ids.
const proposeAgain = 120 * time.Millisecond

// A client proposes over the network for one process's life, as cluster.Proposer does over a store: it
// repeats what has no answer under the same ids.
type client struct {
	c     *Cluster
	name  ring.NodeID                     // where answers go
	life  string                          // the proposer's name
	after func(d time.Duration, f func()) // in that life
	seq   uint64
	asks  uint64
	open  map[uint64]func(answerMsg)
	hint  ring.NodeID // who may lead
}

func newClient(c *Cluster, name ring.NodeID, life string, after func(time.Duration, func())) *client {
	return &client{c: c, name: name, life: life, after: after, open: map[uint64]func(answerMsg){}}
}

// propose calls done once with the outcomes, or with cluster.ErrUnavailable when no leader was found and
// so nothing can have been done; never when the process ends before.
func (p *client) propose(term uint64, ops []topology.Op, done func([]topology.Outcome, error)) {
	cmds := make([]topology.Command, len(ops))
	for i, op := range ops {
		p.seq++
		cmds[i] = topology.Command{ID: topology.CommandID{Proposer: p.life, Seq: p.seq}, Term: term, Op: op}
	}
	batch, err := cluster.AppendBatch(nil, cmds)
	if err != nil {
		p.c.W.Failf("%s: %v", p.life, err)
		return
	}
	p.ask(string(batch), false, done, func() {
		p.life += "+"
		p.seq = 0
		p.propose(term, ops, done)
	})
}

// ask sends the proposal to whoever may lead, until there is an answer. It is in doubt once an answer
// stayed away. One that is not, and whose outcomes are forgotten, was refused because of its numbers: anew
// proposes it under another name.
func (p *client) ask(batch string, doubted bool, done func([]topology.Outcome, error), anew func()) {
	p.asks++
	id := p.asks
	to := p.hint
	if to == "" {
		to = p.c.Nodes[p.c.W.rnd.IntN(len(p.c.Nodes))].ID
	}
	p.open[id] = func(m answerMsg) {
		switch {
		case !m.refused && !doubted && forgotten(m.outcomes):
			anew()
		case !m.refused:
			done(m.outcomes, nil)
		case m.leader == "" && !doubted:
			p.hint = ""
			done(nil, cluster.ErrUnavailable)
		default:
			p.hint = m.leader
			p.after(10*time.Millisecond, func() { p.ask(batch, doubted, done, anew) })
		}
	}
	p.c.Net.Send(p.name, to, proposeMsg{id: id, batch: batch})
	p.after(proposeAgain, func() {
		if p.open[id] != nil {
			delete(p.open, id)
			p.hint = ""
			p.ask(batch, true, done, anew)
		}
	})
}

func forgotten(out []topology.Outcome) bool {
	return !slices.ContainsFunc(out, func(o topology.Outcome) bool { return !errors.Is(o.Err, topology.ErrForgotten) })
}

func (p *client) receive(m answerMsg) {
	if f := p.open[m.id]; f != nil {
		delete(p.open, m.id)
		f(m)
	}
}

// An operator proposes from outside of the cluster, whoever lives or dies in it.
type operator struct {
	*client
	busy bool
}

// A Step is what an operator does until it is done: Next looks at the newest record and returns what to
// propose, nothing to wait, or done.
type Step struct {
	Name string
	Next func(s topology.State) (ops []topology.Op, done bool)
}

// Operate takes the steps one after the other, each until it is done.
func (c *Cluster) Operate(steps ...Step) {
	c.steps = append(c.steps, steps...)
	c.operate()
}

// Operating reports whether steps are left.
func (c *Cluster) Operating() bool { return len(c.steps) > 0 }

func (c *Cluster) operate() {
	if c.op.busy || len(c.steps) == 0 {
		return
	}
	s := c.Newest()
	ops, done := c.steps[0].Next(s)
	switch {
	case done:
		c.W.Note("operator: %s is done", c.steps[0].Name)
		c.steps = c.steps[1:]
		c.operate()
	case len(ops) > 0:
		c.op.busy = true
		term, _ := s.Term()
		c.op.propose(term, ops, func(out []topology.Outcome, _ error) { // the next look decides again
			for i, o := range out {
				c.W.Note("operator: %s: %v", topology.OpName(ops[i]), o.Code)
			}
			c.op.busy = false
			c.op.after(5*time.Millisecond, c.operate)
		})
	default:
		c.op.after(20*time.Millisecond, c.operate)
	}
}

// Once is a step that proposes until the condition holds.
func Once(name string, holds func(topology.State) bool, ops ...topology.Op) Step {
	return Step{name, func(s topology.State) ([]topology.Op, bool) { return ops, holds(s) }}
}

// Commit stages a plan for what is staged and commits it.
func Commit() Step {
	var committing uint64
	return Step{"commit", func(s topology.State) ([]topology.Op, bool) {
		p := s.Plan()
		switch {
		case p == nil && committing != 0:
			return nil, true
		case p != nil && p.BasedOn == s.Membership():
			committing = p.Version
			return []topology.Op{topology.CommitPlan{PlanVersion: p.Version}}, false
		}
		result, err := cluster.Plan(s)
		if err != nil {
			return nil, false
		}
		return []topology.Op{cluster.PlanOp(s, result)}, false
	}}
}

// Joining waits until a node is a member that waits for its plan, or is more than that.
func Joining(node ring.NodeID) Step {
	return Step{"joining " + string(node), func(s topology.State) ([]topology.Op, bool) {
		m, ok := s.Member(node)
		return nil, ok && m.Status != topology.Removed
	}}
}
