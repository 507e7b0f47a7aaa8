package clustertest

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/dee2748c/baton/cluster/topology"
)

// oracle is the sequential specification for porcupine, which searches. An
// operation without an answer took effect or did not.
var oracle = porcupine.NondeterministicModel{
	Init: func() []any { return []any{seen{version: 1}} },
	Step: func(state, in, out any) []any {
		s, _ := state.(seen)
		i, _ := in.(input)
		o, _ := out.(output)
		ok, next := step(s, i, o)
		switch {
		case o.unknown:
			return []any{s, next}
		case !ok:
			return nil
		}
		return []any{next}
	},
}

func linearizable(t *testing.T, history []operation) bool {
	t.Helper()
	model := oracle.ToModel()
	ops := make([]porcupine.Operation, len(history))
	for i, o := range history {
		ops[i] = porcupine.Operation{ClientId: i, Input: o.in, Output: o.out, Call: o.begun, Return: o.ended}
		if o.out.unknown {
			ops[i].Return = math.MaxInt64
		}
	}
	result := porcupine.CheckOperationsTimeout(model, ops, time.Minute)
	if result == porcupine.Unknown {
		t.Fatal("porcupine did not decide")
	}
	return result == porcupine.Ok
}

// drawHistory returns a history of n operations that overlap, in a random order;
// often one of them is not as it was.
func drawHistory(rnd *rand.Rand, n int) []operation {
	var history []operation
	s := seen{version: 1}
	for i := range n {
		in := drawInput(rnd, s.entry)
		if rnd.IntN(3) == 0 {
			in = input{what: reading}
		}
		at := int64(i * 10)
		o := operation{in: in, begun: at - rnd.Int64N(40), ended: at + rnd.Int64N(40)}
		o.out, s = after(s, in)
		if in.what != reading && rnd.IntN(8) == 0 {
			o.out = output{unknown: true}
		}
		history = append(history, o)
	}
	o := &history[rnd.IntN(n)]
	switch rnd.IntN(6) {
	case 0:
		o.out.last.Version++
		o.out.seen.version++
	case 1:
		o.out.last.Term++
		o.out.seen.term++
	case 2:
		o.begun += 30
		o.ended += 30
	case 3:
		*o = history[rnd.IntN(n)]
	}
	rnd.Shuffle(n, func(i, j int) { history[i], history[j] = history[j], history[i] })
	return history
}

// after returns what a faultless record answers in state s, and its next state.
func after(s seen, in input) (output, seen) {
	if in.what == reading {
		return output{seen: s}, s
	}
	_, next := step(s, in, output{})
	last := topology.Outcome{Code: topology.CodeApplied, Version: next.version}
	switch {
	case in.what == refusing:
		last.Code = topology.CodeClusterExists
	case in.what == swapping && in.n != s.entry:
		last.Code = topology.CodeMetadataChanged
	case in.what == counting:
		last.Term = next.term
	case in.what == writing:
		last.Incarnation = next.regs[in.reg].incarnation
	}
	return output{last: last}, next
}

// The order that versions give and the search of porcupine come to the same
// verdict.
func TestExplain_agreesWithPorcupine(t *testing.T) {
	const histories, seed = 20_000, 1
	verdicts := map[bool]int{}
	for i := range uint64(histories) {
		rnd := rand.New(rand.NewPCG(seed, i))
		history := drawHistory(rnd, 2+rnd.IntN(11))
		err, want := explain(history), linearizable(t, history)
		if (err == nil) != want {
			t.Fatalf("seed %d, history %d: porcupine says %v, explain %v:\n%v", seed, i, want, err, history)
		}
		verdicts[want]++
	}
	t.Logf("seed %d: %d histories in order, %d not", seed, verdicts[true], verdicts[false])
	if verdicts[true] < histories/10 || verdicts[false] < histories/10 {
		t.Error("the histories are too much alike")
	}
}
