// Command node builds bin/baton, the one binary of Baton.
//
// A file per subcommand: each declares its flags, calls the library and prints.
// Nothing about the cluster is decided here.
//
//	main -> newRoot -> subcommand -> package demo, or baton -> exitCode
//
// Exit codes, the same for every subcommand, decided in exit.go from the type
// of the error:
//
//	0  done
//	1  a negative result: the command worked and the answer is no
//	2  usage or input: what was asked can't be done as it was asked
//	3  unavailable or unknown: it could not be done, or may have been done
//	4  refused by the cluster's state
//
// Standard output carries results, standard error carries errors; --json makes
// every line of standard output one JSON object.
package main
