// Package pipes proves pipes on whole clusters: the scenarios of riak_pipe's
// tests that need nodes, by their numbers. Those that need none are in package
// pipe.
//
// Invariants: after each test no worker, queue, sender or goroutine is left, and
// those of package pipe.
package pipes
