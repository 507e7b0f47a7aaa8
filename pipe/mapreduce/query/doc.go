// Package query is the language of jobs that are written down, not compiled in:
// which objects they read, and through which map, reduce and link phases what is
// made of them goes. Jobs of Riak's clients mean the same here.
//
//	{"inputs": "speeches",
//	 "query": [{"map": {"language": "erlang", "module": "app", "function": "words"}},
//	           {"reduce": {"language": "erlang", "module": "riak_kv_mapreduce", "function": "reduce_plist_sum"}}],
//	 "timeout": 90000}
//
// Parse checks a job and says what is wrong with it in words for its author. What
// flows between phases are values: what JSON can say, and the report of an object
// that was not found. Inside the cluster they have an encoding of their own, which
// keeps strings that are not UTF-8 and in which equal values have equal bytes.
//
// Everything here is pure: nothing is looked up and nothing runs.
//
// Invariants:
//
//   - I1 Whatever the bytes, Parse returns a query within the limits or a *ParseError.
//   - I2 A value decodes to what was encoded; equal values have equal encodings.
//   - I3 Compare is a total order, and agrees with equality of encodings.
//   - I4 A phase that is kept has its place in the result, also when it is empty.
package query
