package pipe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/dee2748c/baton/pipe"
)

// TestSink_transcripts runs the transcripts of testdata/sink.
//
//	new [held=BYTES]
//	enqueue FROM seq=N items=x,y | want N | end items=N [failed]
func TestSink_transcripts(t *testing.T) {
	spec := testSpec(pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.Follow()})
	datadriven.Walk(t, "testdata/sink", func(t *testing.T, path string) {
		var s *pipe.Sink
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var n int
			if len(d.CmdArgs) > 0 {
				_, _ = fmt.Sscan(d.CmdArgs[0].Key, &n)
			}
			var e pipe.SinkEvent
			switch d.Cmd {
			case "new":
				opt := pipe.SinkOptions{Spec: spec}
				d.MaybeScanArgs(t, "held", &opt.MaxHeld)
				s = pipe.NewSink(opt)
				return ""
			case "want":
				e = pipe.Want{Batches: n}
			case "enqueue":
				e = sinkEnqueue(t, d, spec, n)
			case "end":
				end := &pipe.SinkEnd{Pipe: spec.ID, ReplyTo: spec.Coordinator}
				d.ScanArgs(t, "items", &end.Items)
				if d.HasArg("failed") {
					end.Err = pipe.ErrCancelled
				}
				e = end
			}
			var b strings.Builder
			for _, a := range s.Step(e) {
				switch a := a.(type) {
				case pipe.Deliver:
					fmt.Fprintf(&b, "deliver from %d: %s\n", a.From, batchNames([]pipe.Batch{a.Batch}))
				case *pipe.Ack:
					fmt.Fprintf(&b, "ack %v seq=%d\n", a.Stream, a.Seq)
				case *pipe.Refuse:
					fmt.Fprintf(&b, "refuse %v expected=%d\n", a.Stream, a.Expected)
				case *pipe.SinkDone:
					fmt.Fprintf(&b, "done, items=%d\n", a.Items)
				case *pipe.Complete:
					fmt.Fprintf(&b, "complete, items=%d err=%v\n", a.Items, a.Err)
				}
			}
			if b.Len() == 0 {
				return "nothing\n"
			}
			return b.String()
		})
	})
}

func sinkEnqueue(t *testing.T, d *datadriven.TestData, spec *pipe.Spec, from int) *pipe.Enqueue {
	t.Helper()
	e := &pipe.Enqueue{Pipe: spec.ID, Fitting: 1, Stream: pipe.Stream{From: uint64(from)}}
	var items string
	d.ScanArgs(t, "items", &items)
	d.ScanArgs(t, "seq", &e.Seq)
	var b pipe.Builder
	for _, it := range strings.Split(items, ",") {
		b.Append([]byte(it))
	}
	e.Batch = b.Seal()
	return e
}
