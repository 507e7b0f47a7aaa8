// Package dynamic runs jobs without pause while nodes join and leave at random:
// the kind of test that found the founding race. Every answer must be exact.
//
// Invariants:
//
//   - I1 Each job's result equals the count of its input, whatever moved meanwhile.
//   - I2 When the nodes have stopped, no goroutine is left.
package dynamic
