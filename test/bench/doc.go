// Command bench measures Baton and prints each figure beside the limit that the
// machine sets, measured in the same run, and beside a peer's figure.
//
//	go run ./test/bench                      all of the table
//	go run ./test/bench -only B6             one
//	go run ./test/bench -only B1 -profile .  one, with a CPU profile
//	go run ./test/bench -table FILE          the newest results of a file, as a table
//
// A figure is the median of five runs. Runs of a benchmark and of its limit
// alternate, so that both see the same neighbours on the machine; wall time
// moves by several times on a shared machine, CPU time per operation by little,
// so both are printed, with the load average.
//
//	table.go   what is measured: Bench{Case, Limit, Peer}
//	harness.go how: alternate, take medians, compare
//	limits*.go what the machine can do without Baton
//
// A limit that is slow flatters. Where the CPU time of a limit is known from
// another machine of the kind (Limit.CPU), a measurement that exceeds it by more
// than a quarter makes the ratio void, and the line says so.
//
// Invariants:
//
//	I1 A line has a ratio only if its limit was measured in the same run and was
//	   not slow.
//	I2 Nothing but the work between Start and Stop is counted.
//	I3 Every entry of the table runs in `go test`, at a small size.
package main
