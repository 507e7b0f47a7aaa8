// Package storetest is the conformance suite of package store: what an engine
// must do to be one. Each engine's own test package calls it:
//
//	func TestEngine(t *testing.T) {
//		storetest.Run(t, func(tb testing.TB) store.Engine { return memory.New() })
//	}
//
// Run checks the invariants of package store, I1 to I8, by tables, by races
// and by a random walk that compares the engine with a map after every step.
// The subtests are named after the invariant that they check.
//
// An engine that survives its process is checked by RunDurable as well. It
// gets a Disk, which is what remains of the machine when it loses power:
//
//	Open --> engine --writes--> disk --Crash--> disk without some of what was not synced --Open--> engine
//
// After each crash the walk asks that every partition is as it was after some
// operation not older than its last durable one: lost at the end perhaps, but
// never torn, never mixed, and with a summary that a recount confirms.
//
// BenchmarkWrite and BenchmarkScan measure all engines alike, so that their
// figures can be compared.
package storetest
