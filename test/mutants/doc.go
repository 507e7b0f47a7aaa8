// Package mutants breaks the code in known ways and expects the tests to go
// red: a test that passes whatever the code does proves nothing.
//
//	Mutant{Tags | Edits, Packages, Red} -> go test -json -> every test of Red has failed
//
// A mutant is a build tag that the code itself offers, or edits of source text
// that are laid over the files while the tests are built; no file is changed.
// An edit whose text is not found any more, and a mutant that does not build,
// are failures of their own: they prove nothing either.
//
// Invariants:
//
//	I1 A mutant counts as found only if it builds, runs, and every named test fails.
//	I2 No file of the tree is changed.
package mutants
