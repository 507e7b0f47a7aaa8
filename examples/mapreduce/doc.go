// Command mapreduce runs three jobs over real data on a cluster of three nodes
// in one process:
//
//	speeches --wordcount------> word to number of occurrences
//	speeches --index----------> word to the addresses that it is in
//	weather  --hottest-day----> month to its highest temperature
//	prices   --highest-close--> month to its highest closing price
//
// jobs.go is what a user writes; main.go starts the nodes, puts the data in, and
// prints results. Prices are read from a file given as the argument, with
// columns date,open,high,low,close,... as in testdata/README.md:
//
//	go run ./examples/mapreduce
//	go run ./examples/mapreduce sp500-2000.csv
//
// Jobs are registered on every node under their names, because functions do not
// travel; what a job's types need on the wire, they bring along.
//
// Invariants:
//
//   - I1 Every job gives exactly what a loop over the same data gives.
package main
