package show

import (
	"fmt"
	"strings"

	"github.com/dee2748c/baton/api/admin"
)

// Finding is one line that names what is wrong, where, and the way out.
func Finding(f admin.Finding) string {
	var b strings.Builder
	b.WriteString(strings.ToUpper(f.Problem))
	if f.Kind != "" {
		fmt.Fprintf(&b, " %s/%d", f.Kind, f.Partition)
	}
	if f.Node != "" {
		fmt.Fprintf(&b, " at %s", f.Node)
	}
	if f.From != "" || f.To != "" {
		to := "the end"
		if f.To != "" {
			to = fmt.Sprintf("%q", f.To)
		}
		fmt.Fprintf(&b, " keys from %q to %s", f.From, to)
	}
	fmt.Fprintf(&b, ": %s. Way out: %s\n", strings.TrimRight(f.Message, "."), f.Remedy)
	return b.String()
}

// AuditProgress is what an audit has read so far.
func AuditProgress(copies int, read uint64) string {
	return fmt.Sprintf("%s read, %s", plural(copies, "copy", "copies"), Bytes(read))
}

// AuditSummary says what an audit has done.
func AuditSummary(s admin.AuditSummary) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s read, %d items, %s; %s verified; copies of %s compared\n", plural(s.Copies, "copy", "copies"), s.Items, Bytes(s.Bytes),
		count(s.Certificates, "certificate"), count(s.Heads, "key range"))
	if s.Changing > 0 {
		fmt.Fprintf(&b, "%s changed all the time: audit again when there are fewer writes\n", count(s.Changing, "key range"))
	}
	if s.Skipped > 0 {
		fmt.Fprintf(&b, "%s not compared, since a copy did not answer\n", count(s.Skipped, "key range"))
	}
	if s.Findings == 0 {
		b.WriteString("Nothing is wrong.\n")
	} else {
		fmt.Fprintf(&b, "%s.\n", count(s.Findings, "finding"))
	}
	return b.String()
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
