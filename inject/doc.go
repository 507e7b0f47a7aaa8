// Package inject marks the points of the code at which tests make a process die or stop, so that a fault
// strikes exactly there and not by luck. A build without the tag "inject" has none of it: At is empty and
// inlined.
//
//	inject.At(inject.FoldBefore)          // in the code
//	go build -tags inject ./cmd/node      // for tests
//	BATON_INJECT=/tmp/n1.inject baton start ...
//	echo 'handoff.fold.before crash 1' > /tmp/n1.inject
//
// The file arms one point of a running process: its name, what happens there (crash: the process kills
// itself; stop: it stops until somebody continues it), and at which pass. The file is removed before
// anything happens, so that whoever wrote it sees that the point was reached, and the next process of that
// node passes. A cut at a point is made by whoever stopped the process there.
//
// Within a test's own process, points can be held or fail:
//
//	h := inject.Park(inject.BatchReceived)     // go test -tags inject
//	<-h.Reached(); ...; h.Release()
//	inject.Fail(inject.SyncBefore, err)        // where the code asks inject.Err
//
// Invariants:
//
//	I1 a point that is not armed does nothing
//	I2 an armed point strikes once, at the pass that the file names
//	I3 every point of All is passed somewhere in the code, and test/e2e strikes at each
//	I4 Park and Fail take the next pass of their point, and no other
package inject
