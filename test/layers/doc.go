// Package layers holds the proof that the house keeps its shape. It has no
// code that production imports: it is a set of checkers and the tests that run
// them over the whole module.
//
// The checkers are plain functions over plain values, so that each can be shown
// to fail on a made-up input:
//
//	go list -json ./...  -> CheckImports -> violations (layer, technology, name)
//	*.go, parsed         -> CheckSource  -> violations (clock, goroutine, lock, init)
//	every file, as text  -> CheckHouse, CheckText, CheckDoc -> violations (length, marks, hosts, doc.go)
//	*.md                 -> CheckQuotes, CheckTargets -> violations (stale code, missing targets)
//
// The table in table.go is the single statement of who may import whom. A
// package imports only packages on lines above its own; packages on one line
// are siblings and do not know each other. A package that is not in the table
// is a violation whose text says what to add and where.
//
// Every ban carries its reason as a string, because a rule that cannot say why
// it exists is removed by the first person whom it hinders.
//
// Invariants:
//
//	I1 A violation names the package, what it did, the reason, and the way out.
//	I2 Production imports are held to the table; test imports may in addition
//	   use test kits and test libraries, never a lower layer of the product.
//	I3 Generated files (*.pb.go) are held to the import rules and to no others.
package layers
