package clustertest

import (
	"fmt"
	"math/rand/v2"

	"github.com/anishathalye/porcupine"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// registers are the joining nodes whose nonce is overwritten.
var registers = [...]ring.NodeID{"r1", "r2"}

// seen is the record reduced to what the operations of Linearizable touch: a counter (the term), two
// registers (the nonces of joins that replace one another, with the number of writes), and the version
// that all changes share.
type seen struct {
	version, term uint64
	regs          [len(registers)]struct{ nonce, incarnation uint64 }
}

func reduce(s topology.State) seen {
	v := seen{version: s.Version()}
	v.term, _ = s.Term()
	for i, n := range registers {
		m, _ := s.Member(n)
		v.regs[i].nonce, v.regs[i].incarnation = m.Nonce, m.Incarnation
	}
	return v
}

type what uint8

const (
	reading  what = iota
	counting      // begin n terms in one proposal
	writing       // join the register's node with the nonce
	refusing      // propose what is refused, with no effect
)

// input is one operation.
type input struct {
	what  what
	n     int
	reg   int
	nonce uint64
}

func drawInput(rnd *rand.Rand) input {
	switch rnd.IntN(6) {
	case 0:
		return input{what: refusing}
	case 1, 2:
		return input{what: counting, n: 1 + rnd.IntN(3)}
	}
	return input{what: writing, reg: rnd.IntN(len(registers)), nonce: 1 + rnd.Uint64()>>1}
}

func (in input) ops() []topology.Op {
	switch in.what {
	case counting:
		ops := make([]topology.Op, in.n)
		for i := range ops {
			ops[i] = topology.BeginTerm{Node: nodes[0]}
		}
		return ops
	case writing:
		return []topology.Op{join(registers[in.reg], in.nonce)}
	case refusing:
		return []topology.Op{create(nodes[0])}
	}
	return nil
}

// output is what an operation was answered: what a read saw, or what the last command of a proposal came
// to.
type output struct {
	unknown bool
	seen    seen
	last    topology.Outcome
}

func answer(out []topology.Outcome) output {
	last := out[len(out)-1]
	last.ID, last.Err = topology.CommandID{}, nil // the code says it
	return output{last: last}
}

// step is the sequential specification.
func step(s seen, in input, out output) (bool, seen) {
	want := topology.Outcome{Code: topology.CodeApplied}
	switch in.what {
	case reading:
		return out.seen == s, s
	case counting:
		s.version, s.term = s.version+uint64(in.n), s.term+uint64(in.n)
		want.Term = s.term
	case writing:
		r := &s.regs[in.reg]
		s.version++
		r.nonce, r.incarnation = in.nonce, r.incarnation+1
		want.Incarnation = r.incarnation
	case refusing:
		want.Code = topology.CodeClusterExists
	}
	want.Version = s.version
	return out.unknown || out.last == want, s
}

func describe(in, out any) string {
	i, _ := in.(input)
	o, _ := out.(output)
	what := [...]string{
		reading: "read", counting: fmt.Sprintf("count %d", i.n),
		writing: fmt.Sprintf("write %s=%d", registers[i.reg], i.nonce), refusing: "create again",
	}[i.what]
	switch {
	case o.unknown:
		return what + ": no answer"
	case i.what == reading:
		return fmt.Sprintf("%s: %+v", what, o.seen)
	}
	return fmt.Sprintf("%s: %v at version %d, term %d, incarnation %d", what, o.last.Code, o.last.Version, o.last.Term, o.last.Incarnation)
}

// model is the specification in porcupine's form. It begins with the created cluster.
var model = porcupine.Model{
	Init: func() any { return seen{version: 1} },
	Step: func(state, in, out any) (bool, any) {
		s, _ := state.(seen)
		i, _ := in.(input)
		o, _ := out.(output)
		return step(s, i, o)
	},
	DescribeOperation: describe,
	DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
}
