// Package js runs map and reduce functions that clients send as JavaScript, or
// name from those that Riak has always had (Riak.mapValues and the like).
//
// Each worker has an interpreter of its own, in which nothing exists but the
// language and the object Riak: no files, no network, no clock but the date. A
// call that takes too long, returns too much, or runs while the process's memory
// grows beyond a bound is interrupted, and its query fails.
//
// The interpreter can't bound its own memory: one call of a built-in of the
// language may take much at once. So a node runs JavaScript only if its options
// hold an Engine, which an operator decides who trusts the clients.
//
//	{"map": {"language": "javascript", "source": "function(o, data, arg) { return [o.key]; }"}}
//	{"reduce": {"language": "javascript", "name": "Riak.reduceSum"}}
//
// Invariants:
//
//   - I1 A call ends within its time, or soon after its context.
//   - I2 Calls of one worker see what earlier ones of it left; no other worker does.
//   - I3 Whatever a function returns becomes values, or a typed error.
package js
