package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/topology"
)

// HandoffSummary shows each node's part in the transfers.
func HandoffSummary(h admin.Handoff) string {
	var b strings.Builder
	stale(&b, h.Record)
	rows := [][]string{{"Node", "Sending", "Receiving", "Pending", "Sends", "Receives"}}
	for _, n := range h.Nodes {
		rows = append(rows, []string{
			string(n.Node), fmt.Sprint(n.Sending), fmt.Sprint(n.Receiving), fmt.Sprint(n.Pending), rate(n.SendRate), rate(n.ReceiveRate),
		})
	}
	table(&b, rows, 1, 2, 3, 4, 5)
	silent(&b, h.Unanswered, "its rates are not shown")
	return b.String()
}

// HandoffConfig shows what bounds the transfers of each node.
func HandoffConfig(h admin.Handoff) string {
	var b strings.Builder
	stale(&b, h.Record)
	rows := [][]string{{"Node", "Limit", "Rate", "Outbound", "Inbound"}}
	for _, n := range h.Nodes {
		bound := "unlimited"
		if n.Rate > 0 {
			bound = Bytes(n.Rate) + "/s"
		}
		rows = append(rows, []string{string(n.Node), fmt.Sprint(n.Limit), bound, switched(n.OutboundOff), switched(n.InboundOff)})
	}
	table(&b, rows, 1)
	return b.String()
}

func switched(off []topology.Kind) string {
	if len(off) == 0 {
		return "enabled"
	}
	return "disabled: " + strings.Join(off, " ")
}

// Details is all that is known of single transfers.
type Details struct {
	admin.Transfers
	// Pending partitions have to move and wait.
	Pending []admin.PendingTransfer `json:"pending"`
	// Past are the latest transfers that have ended, the oldest first.
	Past []admin.Certificate `json:"past"`
}

// HandoffDetails shows what moves, what waits for what, what failed, and what
// came of the latest transfers.
func HandoffDetails(d Details) string {
	var b strings.Builder
	d.Waiting = nil // told one by one
	b.WriteString(Transfers(d.Transfers))
	if len(d.Pending) > 0 {
		b.WriteString("\n")
		title(&b, "Pending Transfers")
		rows := [][]string{{"Partition", "From", "To", "Waits for"}}
		for _, x := range d.Pending {
			rows = append(rows, []string{fmt.Sprintf("%s/%d", x.Kind, x.Partition), string(x.Source), string(x.Target), x.WaitsFor})
		}
		table(&b, rows)
	}
	if len(d.Past) > 0 {
		b.WriteString("\n")
		title(&b, "Past Transfers")
		rows := [][]string{{"Session", "Type", "Partition", "From", "To", "Items", "Bytes", "Took", "Outcome"}}
		for _, x := range d.Past {
			took, outcome := "--", "finished"
			if !x.Opened.IsZero() && !x.Ended.IsZero() {
				took = x.Ended.Sub(x.Opened).Round(time.Millisecond).String()
			}
			if x.Failed != "" {
				outcome = "failed: " + x.Failed
			}
			rows = append(rows, []string{
				fmt.Sprint(x.Session), x.Type, fmt.Sprintf("%s/%d", x.Kind, x.Partition), string(x.Source), string(x.Target),
				fmt.Sprint(x.Items), Bytes(x.Bytes), took, outcome,
			})
		}
		table(&b, rows, 0, 5, 6, 7)
	}
	return b.String()
}

// HandoffDone shows what came of a change that may cancel transfers.
func HandoffDone(d admin.HandoffDone) string {
	var b strings.Builder
	b.WriteString(Done(d.Done))
	if len(d.Cancelled) > 0 {
		fmt.Fprintf(&b, "cancelled sessions: %s\n", list(d.Cancelled))
	}
	if len(d.TooLate) > 0 {
		fmt.Fprintf(&b, "too late, ownership has changed: %s\n", list(d.TooLate))
	}
	return b.String()
}

// silent notes who did not answer, and what is missing because of it.
func silent(b *strings.Builder, all []admin.Unanswered, what string) {
	for i, u := range all {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "NOTE: %s does not answer (%s): %s\n", u.Node, u.Error, what)
	}
}
