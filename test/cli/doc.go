// Package cli tests the binary as a user meets it: arguments in, text and exit
// code out.
//
//	TestMain builds cmd/node once -> testdata/script/*.txtar run it
//
// The scripts are those of testscript, with more commands, of which two are:
//
//	exits CODE baton ARGS...    run, and fail unless the exit code is CODE
//	node NAME ARGS...           start a node, and put its addresses into NAME_ADMIN and NAME_CLUSTER
//
// Invariants:
//
//	I1 Every subcommand has help with examples.
//	I2 Bad input ends with code 2, says what and what to do, and leaves nothing behind.
//	I3 With --json every line of standard output is one JSON object.
//	I4 What is written to a cluster of processes is read, listed and exported byte for byte.
//	I5 The demo's counts are those of tr, sort and uniq -c on the same files.
package cli
