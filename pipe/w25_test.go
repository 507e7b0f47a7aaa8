package pipe_test

import (
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestW25 are what was left open in the handoff of riak_pipe_vnode, letter by
// letter, as transcripts of testdata/w25 in the words of TestQueues_transcripts.
// The rest: e, the vnode does not send the data, a task beside it does (package
// actors); h, a long call delays only the seal, and the partition serves until
// then (TestQueues_transcripts); j, what travels has a version and no code
// (TestImport_damaged, TestDecodeSpec_newer).
func TestW25(t *testing.T) {
	datadriven.Walk(t, "testdata/w25", func(t *testing.T, path string) {
		s := new(script)
		datadriven.RunTest(t, path, s.run)
	})
}
