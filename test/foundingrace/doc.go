// Package foundingrace tests the race that this product was started for.
//
// A handoff starts in two steps: the vnode is told that one is about to start
// (handoff_starting), and later the sending task asks for the data (FOLD_REQ).
// Messages of workers and clients arrive in between. The vnode of old took
// itself for moving from the first step on: it answered a worker's next_input
// with an order to archive, and when the archive came back before FOLD_REQ it
// had no place to put it.
//
// The explorer composes the machines as they run in production, vnode.Lifecycle
// of source and target, pipe.Queues of both, pipe.Runner for every worker and
// pipe.Sink, and visits every order of these events at one partition:
//
//	handoff_starting, FOLD_REQ, freeze, flip,
//	a cancel before FOLD_REQ, a cancel after it, another attempt or none,
//	three enqueues for two workers, every turn of either worker (next_input,
//	archive, done), the end of inputs, a worker's exit, a fitting going down
//
// At every step: no panic, and no archive is ordered before FOLD_REQ. From
// every final state: the handoff ends, and each input was processed exactly
// once (of a pipe whose worker died or that was taken down: at most once).
//
// Orders that lead to the same state of all machines are explored once from
// there on, so the number of orders covered is far above that of states
// visited; both are printed. States are compared by everything they hold, not
// by a hash.
//
// The same tests must fail when the vnode switches at handoff_starting: the
// build tag mutant_fold_at_starting plants that mistake in package vnode, and
// TestExplorer_adapterMutant plants it in the adapter.
package foundingrace
