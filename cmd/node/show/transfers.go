package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/dee2748c/baton/api/admin"
)

// Transfers shows what waits, what moves and what failed.
func Transfers(t admin.Transfers) string {
	var b strings.Builder
	stale(&b, t.Record)
	for _, w := range t.Waiting {
		fmt.Fprintf(&b, "%s waiting to handoff %s\n", w.Node, count(w.Partitions, "partition"))
	}
	if len(t.Waiting) > 0 {
		b.WriteString("\n")
	}
	if len(t.Active) == 0 {
		b.WriteString("No transfers are active.\n")
	} else {
		title(&b, "Active Transfers")
		rows := [][]string{{"Session", "Type", "Partition", "From", "To", "Stage", "Items", "Bytes", "Rate", "Progress", "ETA", "Waits for"}}
		for _, x := range t.Active {
			rows = append(rows, []string{
				fmt.Sprint(x.Session), x.Type, fmt.Sprintf("%s/%d", x.Kind, x.Partition), string(x.Source), string(x.Target),
				stage(x), fmt.Sprint(x.Items), Bytes(x.Bytes), rate(x.ByteRate), bar(x), eta(x), dash(x.WaitsFor),
			})
		}
		table(&b, rows, 0, 6, 7, 8)
	}
	if len(t.Failed) > 0 {
		b.WriteString("\n")
		title(&b, "Failed Attempts")
		rows := [][]string{{"Partition", "From", "To", "Attempts", "Reason"}}
		for _, x := range t.Failed {
			rows = append(rows, []string{fmt.Sprintf("%s/%d", x.Kind, x.Partition), string(x.Source), string(x.Target), fmt.Sprint(x.Attempts), x.Reason})
		}
		table(&b, rows, 3)
		b.WriteString("They are tried again, after pauses.\n")
	}
	if len(t.Guards) > 0 {
		b.WriteString("\n")
		title(&b, "Held Past The End Of The Session")
		rows := [][]string{{"Node", "Session", "Held by", "Since", "Over since"}}
		for _, g := range t.Guards {
			over := g.Closed.Format(time.RFC3339)
			if g.Leaked {
				over += ", leaked"
			}
			rows = append(rows, []string{string(g.Node), fmt.Sprint(g.Session), g.Name, g.Entered.Format(time.RFC3339), over})
		}
		table(&b, rows, 1)
	}
	silent(&b, t.Unanswered, "its progress is not shown")
	return b.String()
}

func stage(t admin.Transfer) string {
	if t.Reason != "" {
		return fmt.Sprintf("%s (%s)", t.Stage, t.Reason)
	}
	return t.Stage
}

func rate(bytes float64) string {
	if bytes < 1 {
		return "--"
	}
	return Bytes(uint64(bytes)) + "/s"
}

func eta(t admin.Transfer) string {
	if t.ETA == nil {
		return "--"
	}
	return duration(*t.ETA)
}

func bar(t admin.Transfer) string {
	if t.Percent == nil {
		return "--"
	}
	return fmt.Sprintf("[%-10s] %.0f%%", strings.Repeat("#", int(*t.Percent/10)), *t.Percent)
}

// Limits shows the limits on transfers.
func Limits(t admin.Transfers) string {
	var b strings.Builder
	stale(&b, t.Record)
	rows := [][]string{{"Limit", "Node"}}
	for _, l := range t.Limits {
		rows = append(rows, []string{fmt.Sprint(l.Limit), string(l.Node)})
	}
	table(&b, rows, 0)
	return b.String()
}

// Changes tells what is new since an earlier answer, one line each: transfers
// that began, came to another stage or a further tenth, failed or ended, and at
// last that nothing is left.
func Changes(before, now admin.Transfers) []string {
	was := map[uint64]admin.Transfer{}
	for _, t := range before.Active {
		was[t.Session] = t
	}
	var out []string
	for _, t := range now.Active {
		old, known := was[t.Session]
		delete(was, t.Session)
		if known && old.Stage == t.Stage && tenth(old) == tenth(t) {
			continue
		}
		line := fmt.Sprintf("session %d %s/%d %s -> %s %s", t.Session, t.Kind, t.Partition, t.Source, t.Target, stage(t))
		if t.Percent != nil {
			line += fmt.Sprintf(" %.0f%%", *t.Percent)
		}
		out = append(out, line)
	}
	for _, t := range before.Active {
		if _, ended := was[t.Session]; ended {
			out = append(out, fmt.Sprintf("session %d %s/%d %s -> %s ended", t.Session, t.Kind, t.Partition, t.Source, t.Target))
		}
	}
	if a, b := waiting(before), waiting(now); a != b && b > 0 {
		out = append(out, fmt.Sprintf("%s waiting", count(b, "partition")))
	}
	if Settled(now) {
		out = append(out, "nothing left to move")
	}
	return out
}

// tenth is how many tenths are done.
func tenth(t admin.Transfer) int {
	if t.Percent == nil {
		return -1
	}
	return int(*t.Percent / 10)
}

// waiting is the number of partitions that still have to move.
func waiting(t admin.Transfers) int {
	n := 0
	for _, w := range t.Waiting {
		n += w.Partitions
	}
	return n
}

// Settled reports whether there is nothing left to watch.
func Settled(t admin.Transfers) bool { return len(t.Active) == 0 && len(t.Waiting) == 0 }
