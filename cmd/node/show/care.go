package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/dee2748c/baton/api/admin"
)

// Entropy shows what anti-entropy did, and where the partitions stand.
func Entropy(e admin.Entropy) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-11s%s\n", "Node", e.Node)
	round := "none yet"
	if e.Rounds > 0 {
		round = fmt.Sprint(e.Rounds)
	}
	if !e.LastRound.IsZero() {
		round += ", the last at " + e.LastRound.UTC().Format(time.RFC3339)
	}
	fmt.Fprintf(&b, "%-11s%s\n", "Rounds", round)
	fmt.Fprintf(&b, "%-11s%d, %d failed\n", "Exchanges", e.Exchanges, e.Failed)
	fmt.Fprintf(&b, "%-11s%d states, %s\n", "Repaired", e.Repaired, Bytes(e.Bytes))
	fmt.Fprintf(&b, "%-11s%d tombstones, %d expired objects\n\n", "Removed", e.Reaped, e.Expired)
	rows := [][]string{{"Partition", "Keys", "Tombstones", "Differing", "Copy"}}
	for _, p := range e.Partitions {
		state := "whole"
		differing := uint64(0)
		for _, x := range p.Last {
			differing += x.Differing
			if x.Error != "" {
				state = fmt.Sprintf("not compared with %s: %s", x.Node, x.Error)
			}
		}
		if p.IncompleteSince > 0 {
			state = fmt.Sprintf("lacks data since record version %d", p.IncompleteSince)
		}
		if p.Running != nil {
			state += fmt.Sprintf(", compared with %s now", p.Running.Node)
		}
		rows = append(rows, []string{fmt.Sprint(p.Partition), fmt.Sprint(p.Keys), fmt.Sprint(p.Waiting), fmt.Sprint(differing), state})
	}
	table(&b, rows, 0, 1, 2, 3)
	return b.String()
}

// Repair shows what a repair found and did.
func Repair(r admin.Repair) string {
	var b strings.Builder
	rows := [][]string{{"Head", "Copies", "With", "Node", "Keys", "Taken", "Given", "Bytes"}}
	for _, x := range r.Exchanges {
		rows = append(rows, []string{
			fmt.Sprint(x.Head), fmt.Sprint(x.Copies), fmt.Sprint(x.With), string(x.Node), fmt.Sprint(x.Keys), fmt.Sprint(x.Taken), fmt.Sprint(x.Given), Bytes(x.Bytes),
		})
	}
	table(&b, rows, 0, 1, 2, 4, 5, 6, 7)
	if r.Single {
		b.WriteString("\nThere are buckets with one copy (n_val 1): what this partition lost of them nobody has.\n")
	}
	fmt.Fprintf(&b, "\nPartition %d is repaired.\n", r.Partition)
	return b.String()
}

// Hints is a table of what fallbacks keep.
func Hints(h admin.Hints) string {
	if len(h.Hints) == 0 {
		return "No node keeps data for another.\n"
	}
	var b strings.Builder
	rows := [][]string{{"Kind", "Partition", "Kept by", "For", "Since version", "Items", "Bytes"}}
	wrong := ""
	for _, x := range h.Hints {
		items, bytes := "--", "--" // its node has not been asked
		if k := x.Kept; k != nil {
			items, bytes = fmt.Sprint(k.Items), Bytes(k.Bytes)
			if k.Error != "" {
				wrong += k.Error + "\n"
			}
		}
		rows = append(rows, []string{string(x.Kind), fmt.Sprint(x.Partition), string(x.Node), string(x.Owner), fmt.Sprint(x.Opened), items, bytes})
	}
	table(&b, rows, 1, 4, 5, 6)
	if wrong != "" {
		b.WriteString("\n" + wrong)
	}
	return b.String()
}

// DataBackup says what a backup holds.
func DataBackup(d admin.DataBackup) string {
	return fmt.Sprintf("Wrote a backup of %s to %s: %d items of %s, %s, record version %d.\n",
		d.Node, d.Directory, d.Items, count(d.Partitions, "partition"), Bytes(uint64(d.Bytes)), d.RecordVersion)
}
