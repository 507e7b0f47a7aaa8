// Command protogen makes the Go code of messages/*.proto without a protoc binary:
//
//	messages/*.proto -> protocompile (parse, link) -> go tool protoc-gen-go -> messages/*.pb.go
//
// Run it from the root of the module, after each change of a .proto file, and commit what it wrote:
//
//	go run ./tools/protogen
//
// Invariants:
//
//	I1 Files are compiled by their path from the root, so that they register as messages/x.proto and never clash with
//	   another library's bare x.proto.
//	I2 The plugin is the one that go.mod pins; the output depends on nothing else.
//	I3 The committed code is what the sources give; a test regenerates and compares.
package main
