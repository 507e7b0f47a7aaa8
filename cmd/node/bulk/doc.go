// Package bulk carries many objects into a cluster: it cuts them out of a file,
// lets several workers write them, and counts exactly what became of each.
//
//	NewInput(reader, format) -> items -> Run(workers, work) -> Counts
//
// Invariants:
//
//	I1  every item that was read is counted once: written, there already, or failed
//	I2  after an error, all items before Counts.Through ended well: a repetition may skip them
//	I3  no more items are read than there are workers to take them
package bulk
