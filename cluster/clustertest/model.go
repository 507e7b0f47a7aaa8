package clustertest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// registers are the joining nodes whose nonce is overwritten.
var registers = [...]ring.NodeID{"r1", "r2"}

// seen is the record reduced to what the operations of Linearizable touch: a counter (the term), two
// registers (the nonces of joins that replace one another, with the number of writes), an entry of the
// metadata that is compared and swapped, and the version that all changes share.
type seen struct {
	version, term uint64
	entry, value  uint64 // the entry's version, 0 before the first, and its value
	regs          [len(registers)]struct{ nonce, incarnation uint64 }
}

func reduce(s topology.State) seen {
	v := seen{version: s.Version()}
	v.term, _ = s.Term()
	value, version := s.Metadata(entryKey)
	v.entry = version
	v.value, _ = binary.Uvarint(value)
	for i, n := range registers {
		m, _ := s.Member(n)
		v.regs[i].nonce, v.regs[i].incarnation = m.Nonce, m.Incarnation
	}
	return v
}

// entryKey is the key of the entry that is swapped.
const entryKey = "entry"

type what uint8

const (
	reading  what = iota
	counting      // begin n terms in one proposal
	writing       // join the register's node with the nonce
	refusing      // propose what is refused, with no effect
	swapping      // put the nonce into the entry if it is of the version n
)

// input is one operation.
type input struct {
	what  what
	n     uint64
	reg   int
	nonce uint64
}

// drawInput draws an operation by a caller that saw the entry at a version.
func drawInput(rnd *rand.Rand, entry uint64) input {
	switch rnd.IntN(8) {
	case 3, 4:
		return input{what: swapping, n: entry, nonce: 1 + rnd.Uint64()>>1}
	case 0:
		return input{what: refusing}
	case 1, 2:
		return input{what: counting, n: 1 + rnd.Uint64N(3)}
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
	case swapping:
		return []topology.Op{topology.PutMetadata{Key: entryKey, Value: binary.AppendUvarint(nil, in.nonce), Expect: in.n}}
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
		s.version, s.term = s.version+in.n, s.term+in.n
		want.Term = s.term
	case writing:
		r := &s.regs[in.reg]
		s.version++
		r.nonce, r.incarnation = in.nonce, r.incarnation+1
		want.Incarnation = r.incarnation
	case refusing:
		want.Code = topology.CodeClusterExists
	case swapping:
		if in.n != s.entry {
			want.Code = topology.CodeMetadataChanged
			break
		}
		s.version++
		s.entry, s.value = s.version, in.nonce
	}
	want.Version = s.version
	return out.unknown || out.last == want, s
}

func describe(i input, o output) string {
	what := [...]string{
		reading: "read", counting: fmt.Sprintf("count %d", i.n),
		writing: fmt.Sprintf("write %s=%d", registers[i.reg], i.nonce), refusing: "create again",
		swapping: fmt.Sprintf("swap version %d for %d", i.n, i.nonce),
	}[i.what]
	switch {
	case o.unknown:
		return what + ": no answer"
	case i.what == reading:
		return fmt.Sprintf("%s: %+v", what, o.seen)
	}
	return fmt.Sprintf("%s: %v at version %d, term %d, incarnation %d", what, o.last.Code, o.last.Version, o.last.Term, o.last.Incarnation)
}
