// Package matrix holds every transfer to matrix.md: what must come of it when a fault strikes at a point of
// its way. The table is the specification; each of its cells is a test.
//
//	matrix.md -> Parse -> a Cell for each fault, point and kind -> TestMatrix runs it in package sim
//
// A cell brings one transfer of a running cluster under load exactly to the point, lets the fault happen,
// ends it after a while, and waits until all is at rest. Package sim checks meanwhile, at every step, that
// no acknowledged write is lost, that no two nodes acknowledge for one partition, and that epochs never go
// back; the cell adds what must become of the transfer.
//
//	go test ./test/matrix -run 'TestMatrix/durable/source_restarts/sealing'
//	go test ./test/matrix -seed 7
//	go test ./test/matrix -long            // many seeds for each cell
//
// Invariants:
//
//	I1 every row of the table is a fault that this package can cause, and every such fault is a row, of
//	   both sorts of kinds; every row has a cell for each point of a transfer
//	I2 every cell names outcomes that are checked
//	I3 what the table leaves to other packages is a test there, by its name
package matrix
