// Package mapred holds queries to what Riak's own tests of MapReduce ask for:
// each scenario under the name TestCnn_..., on clusters within one process.
//
// Where a scenario fixes what Riak does and Baton does better, the test says so.
//
// TestC11, the unit tests of Riak's job parser, key filters and reduce worker, are
// in packages query and mapreduce. TestC04 and TestC09 need the HTTP interface;
// TestC12 needs permissions.
//
// Invariants: those of package query, and that the counts of every complete run
// add up and nothing of it is left.
package mapred
