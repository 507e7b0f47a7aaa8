package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/dee2748c/baton/api/admin"
)

// Certificates is a table of transfers that have ended.
func Certificates(c admin.Certificates) string {
	var b strings.Builder
	if len(c.Certificates) == 0 {
		b.WriteString("No transfer has ended that the nodes remember.\n")
	} else {
		rows := [][]string{{"Session", "Type", "Kind", "Partition", "From", "To", "Epochs", "Items", "Bytes", "Digest", "Frozen", "Fenced", "In"}}
		for _, x := range c.Certificates {
			row := []string{fmt.Sprint(x.Session), x.Type, string(x.Kind), fmt.Sprint(x.Partition), string(x.Source), string(x.Target)}
			in := strings.Join(x.In, " ")
			if x.Failed != "" {
				rows = append(rows, append(row, fmt.Sprint(x.EpochBefore), "", "", "failed: "+x.Failed, "", "", in))
				continue
			}
			digest := x.SourceDigest[:min(12, len(x.SourceDigest))]
			if x.SourceDigest != x.TargetDigest {
				digest = "DIFFERS"
			}
			frozen := "unknown"
			if x.FreezeMicros > 0 {
				frozen = (time.Duration(x.FreezeMicros) * time.Microsecond).String()
			}
			rows = append(rows, append(row, fmt.Sprintf("%d-%d", x.EpochBefore, x.EpochAfter), fmt.Sprint(x.Items), Bytes(x.Bytes),
				digest, frozen, fmt.Sprintf("%d/%d", x.SourceFenced, x.TargetFenced), in))
		}
		table(&b, rows, 0, 3, 7, 8, 10, 11)
	}
	for _, d := range c.Damaged {
		fmt.Fprintf(&b, "The history of %s can't be read whole: %s\n", d.Node, d.Text)
	}
	for _, u := range c.Unanswered {
		fmt.Fprintf(&b, "%s did not answer: %s\n", u.Node, u.Error)
	}
	return b.String()
}
