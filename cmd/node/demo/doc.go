// Package demo is what `baton demo` does: a MapReduce job on real text over
// several nodes, while a further node joins and partitions move under it.
//
//	find the text files -> start nodes -> load (one object per piece of a file)
//	   -> job begins -> a twelfth of the inputs done -> a node joins
//	   -> partitions move, with data and with running workers
//	   -> job ends -> recount in one goroutine -> compare every word -> summary
//
// Everything that can be decided from values is a function of values: finding
// and splitting (Find, split), counting and comparing (recount, compare), what
// is shown (Board). Only run.go starts nodes.
//
// Invariants:
//
//	I1 Bad input is found before the first node starts, and the error names the
//	   thing and the remedy.
//	I2 When Run returns, no node that it started is running and no directory that
//	   it made exists, whatever the outcome.
//	I3 No word spans two objects, so that counts per object add up.
//	I4 The recount shares no counting code with the job.
//	I5 A summary says exact only if every word of either count agrees.
package demo
