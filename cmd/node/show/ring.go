package show

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
)

// RingReady shows whether all members agree, in one line for each reason.
func RingReady(r admin.RingReady) string {
	if r.Ready {
		var nodes []ring.NodeID
		for _, n := range r.Nodes {
			nodes = append(nodes, n.Node)
		}
		return fmt.Sprintf("TRUE all members have applied version %d: %s\n", r.Version, list(nodes))
	}
	return "FALSE " + strings.Join(r.Reasons, "\nFALSE ") + "\n"
}

// RingStatus shows who decides, what moves, and who can't be reached.
func RingStatus(s admin.Status, r admin.Ring, ready admin.RingReady) string {
	var b strings.Builder
	stale(&b, r.Record)
	title(&b, "Coordinator")
	up := "up"
	switch {
	case s.Coordinator == "":
		up = "--"
	case slices.Contains(r.Unreachable, s.Coordinator):
		up = "unreachable"
	}
	fmt.Fprintf(&b, "Coordinator:  %s\nStatus:       %s\nRing Ready:   %t\n", dash(string(s.Coordinator)), up, ready.Ready)
	for _, reason := range ready.Reasons {
		fmt.Fprintf(&b, "              %s\n", reason)
	}
	b.WriteString("\n")
	title(&b, "Ownership Handoff")
	if len(r.Moves) == 0 {
		b.WriteString("No partition has to move.\n")
	} else {
		rows := [][]string{{"Owner", "Next Owner", "Partition", "Waiting on", "Index"}}
		for _, m := range r.Moves {
			rows = append(rows, []string{string(m.From), string(m.To), fmt.Sprint(m.Partition), list(m.Waiting), m.Index})
		}
		table(&b, rows, 2)
	}
	b.WriteString("\n")
	title(&b, "Unreachable Nodes")
	if len(r.Unreachable) == 0 {
		b.WriteString("All nodes answer.\n")
		return b.String()
	}
	for _, n := range r.Unreachable {
		fmt.Fprintf(&b, "%s\n", n)
	}
	b.WriteString("They keep what they own, and come back by answering. For one that will not:\n" +
		"baton cluster down NODE, then force-remove or force-replace, plan and commit.\n")
	return b.String()
}

// Ring shows the owner of every partition, and the next one where it moves.
func Ring(r admin.Ring) string {
	var b strings.Builder
	stale(&b, r.Record)
	heading := []string{"Partition", "Next"}
	for _, k := range r.Kinds {
		heading = append(heading, k.Kind)
	}
	rows := [][]string{heading}
	for p, next := range r.Committed {
		row := []string{fmt.Sprint(p), string(next)}
		for _, k := range r.Kinds {
			owner := "="
			if k.Owners[p] != next {
				owner = string(k.Owners[p])
			}
			row = append(row, owner)
		}
		rows = append(rows, row)
	}
	table(&b, rows, 0)
	b.WriteString("\nNext is the committed owner; = means that it serves the partition already.\n")
	return b.String()
}
