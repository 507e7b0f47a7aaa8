// Package bench measures a cluster with the YCSB core workloads: it loads
// records, counts them, lets clients make requests, and reports percentiles.
//
//	Options -> load -> count -> warm up -> measure -> Result
//	                      |         Progress, once a second
//	             Target: an admin address, or nodes in this process
//
// A client makes its next request when the last one was answered; latencies are
// those of single requests and do not hold what a client would have waited that
// the server kept from asking.
//
// Invariants:
//
//	I1  a run whose load left another number of records than it wrote is an error
//	I2  every request ends in a histogram or among the errors, by operation and code
//	I3  nothing is left behind: no goroutine, no directory
package bench
