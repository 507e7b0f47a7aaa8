package show_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/show"
)

// TestShow renders the answers in testdata (JSON, as the API gives them).
func TestShow(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var before admin.Transfers
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out string
			switch d.Cmd {
			case "status":
				out = show.Status(read[admin.Status](t, d))
			case "members":
				out = show.Members(read[admin.Members](t, d).Members)
			case "plan":
				out = show.Plan(read[admin.Plan](t, d))
			case "ring":
				out = show.Ring(read[admin.Ring](t, d))
			case "ring-status":
				x := read[struct {
					Status admin.Status
					Ring   admin.Ring
					Ready  admin.RingReady
				}](t, d)
				out = show.RingStatus(x.Status, x.Ring, x.Ready)
			case "ringready":
				out = show.RingReady(read[admin.RingReady](t, d))
			case "transfers":
				out = show.Transfers(read[admin.Transfers](t, d))
			case "limits":
				out = show.Limits(read[admin.Transfers](t, d))
			case "summary":
				out = show.HandoffSummary(read[admin.Handoff](t, d))
			case "config":
				out = show.HandoffConfig(read[admin.Handoff](t, d))
			case "details":
				out = show.HandoffDetails(read[show.Details](t, d))
			case "cancelled":
				out = show.HandoffDone(read[admin.HandoffDone](t, d))
			case "changes":
				now := read[admin.Transfers](t, d)
				out = strings.Join(show.Changes(before, now), "\n")
				before = now
			case "hints":
				out = show.Hints(read[admin.Hints](t, d))
			case "done":
				out = show.Done(read[admin.Done](t, d))
			default:
				d.Fatalf(t, "unknown command")
			}
			for line := range strings.Lines(out) {
				if text := strings.TrimSuffix(line, "\n"); strings.TrimRight(text, " ") != text {
					t.Errorf("%s: a line ends with a space: %q", d.Pos, text)
				}
			}
			return out
		})
	})
}

func read[T any](t *testing.T, d *datadriven.TestData) T {
	var v T
	if err := json.Unmarshal([]byte(d.Input), &v); err != nil {
		d.Fatalf(t, "%v", err)
	}
	return v
}

func TestBytes(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 20 << 20: "20.0 MiB", 1 << 63: "8192.0 PiB"} {
		if got := show.Bytes(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
