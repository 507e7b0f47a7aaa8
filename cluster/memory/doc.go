// Package memory is the replicated record within one process: for tests, examples and clusters whose
// nodes share a process.
//
// A [Log] is the record; each node opens a [Store] on it. Commands of all handles are applied one
// proposal after the other under one lock, so the log is linearizable by construction. The handle
// that was opened first and can be reached leads; when it is closed or cut off, the next one does.
//
//	log := memory.New()
//	store := log.Store("n1")
//	defer store.Close()
//
// A handle can be made to fail as a networked one does: [Store.Cut] and [Store.Heal] (nothing gets
// through), [Store.LoseAnswers] and [Store.LoseProposals] (the outcome is unknown), [Store.Lag]
// (watchers see an old record), [Log.Lead] (another leader).
//
// Invariants:
//
//	I1 what a proposal answered is in every later read of every handle
//	I2 the versions that one handle shows its watchers never go back
//	I3 at most one handle leads
//	I4 after Close no call of the handle has an effect
package memory
