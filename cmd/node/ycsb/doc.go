// Package ycsb generates the requests of the YCSB core workloads and keeps their
// latencies. It is pure: random numbers come from a source that the caller
// seeds, times from the caller.
//
//	Core("a") -> Workload --New(space, source)--> Generator --Next--> Request
//	                                                 durations --> Histogram --> percentiles
//
// A workload is a mix of reads, updates, inserts, scans and read-modify-writes,
// and a distribution over the records: uniform; zipfian, where the record of
// rank k has a share in proportion to 1/k^0.99, and ranks are scattered over the
// records by a hash; or latest, where the newest record has rank 1.
//
// Invariants:
//
//	I1  a request names a record that was acknowledged, an insert one that nobody else inserts
//	I2  equal seeds give equal requests
//	I3  a percentile of a Histogram is at most 1/64 above the exact one, and never below
package ycsb
