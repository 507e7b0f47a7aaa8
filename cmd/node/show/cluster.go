package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
)

// Status shows the cluster, the members and what is staged.
func Status(s admin.Status) string {
	var b strings.Builder
	fact := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s%s\n", name, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
	fact("Node", "%s, %s", s.Node, s.Phase)
	switch {
	case s.ClusterID != "":
	case s.Phase == admin.PhaseUnjoined:
		fact("Cluster", "none: join one with baton cluster join ADDR")
		return b.String()
	default:
		fact("Cluster", "none yet: the node waits for members to take it in")
		return b.String()
	}
	fact("Cluster", "%s, record version %d", s.ClusterID, s.Version)
	stale(&b, s.Record)
	fact("Agreement", "%s", agreement(s.Agreement))
	fact("Ring", "%s, target n %d, kinds %s", count(s.RingSize, "partition"), s.TargetN, strings.Join(s.Kinds, " "))
	settled := "settled"
	if !s.Settled {
		settled = "not settled"
	}
	fact("Transfers", "%d active, %s, moved by %s in term %d", s.Transfers, settled, dash(string(s.Coordinator)), s.Term)
	for _, a := range s.Alarms {
		fmt.Fprintf(&b, "ALARM %s since %s: %s\n", a.Code, a.Since.Format(time.RFC3339), a.Text)
	}
	if l := s.Late; l.Fenced > 0 || l.AppliedAfterClose > 0 {
		fact("Late frames", "%d fenced, %d applied after their session", l.Fenced, l.AppliedAfterClose)
	}
	b.WriteString("\n")
	b.WriteString(Members(s.Members))
	if len(s.Staged) == 0 {
		return b.String()
	}
	b.WriteString("\n")
	staged(&b, s.Staged)
	if s.PlanVersion == 0 {
		b.WriteString("\nThere is no plan of these changes: make one with baton cluster plan\n")
	} else {
		fmt.Fprintf(&b, "\nPlan %d is staged: commit it with baton cluster commit\n", s.PlanVersion)
	}
	return b.String()
}

func agreement(a admin.Agreement) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, leader %s", a.Store, dash(string(a.Leader)))
	if a.LeaderAddr != "" {
		fmt.Fprintf(&b, " (%s)", a.LeaderAddr)
	}
	fmt.Fprintf(&b, ", term %d", a.Term)
	if len(a.Voters) > 0 {
		fmt.Fprintf(&b, ", voters %s", list(a.Voters))
	}
	if len(a.NonVoters) > 0 {
		fmt.Fprintf(&b, ", followers %s", list(a.NonVoters))
	}
	if a.Problem != "" {
		fmt.Fprintf(&b, "\nWARNING: nothing can be decided now: %s", a.Problem)
	}
	return b.String()
}

// stale warns that an answer may be old.
func stale(b *strings.Builder, r admin.Record) {
	if r.Stale != "" {
		fmt.Fprintf(b, "WARNING: this is what the node last knew, version %d: %s\n", r.Version, r.Stale)
	}
}

// statuses are those that the tail of a membership table counts.
var statuses = []string{"valid", "leaving", "exiting", "joining", "down"}

// Members shows the membership with the shares of the ring, now and when
// everything has moved.
func Members(members []admin.Member) string {
	var b strings.Builder
	title(&b, "Membership")
	rows := [][]string{{"Status", "Ring", "Pending", "Reach", "Weight", "Node"}}
	n := map[string]int{}
	for _, m := range members {
		n[m.Status]++
		pending := "--"
		if m.Pending != m.Share {
			pending = percent(m.Pending)
		}
		rows = append(rows, []string{m.Status, percent(m.Share), pending, m.Reach, fmt.Sprint(m.Weight), located(m.Node, m.Location)})
	}
	table(&b, rows, 1, 2, 4)
	rule(&b)
	var tail []string
	for _, s := range statuses {
		tail = append(tail, fmt.Sprintf("%s%s:%d", strings.ToUpper(s[:1]), s[1:], n[s]))
	}
	b.WriteString(strings.Join(tail, " / ") + "\n")
	return b.String()
}

func located(n ring.NodeID, location string) string {
	if location == "" {
		return string(n)
	}
	return fmt.Sprintf("%s (%s)", n, location)
}

// staged shows changes that wait for a plan and a commit.
func staged(b *strings.Builder, changes []admin.Change) {
	title(b, "Staged Changes")
	rows := [][]string{{"Action", "Details"}}
	for _, c := range changes {
		rows = append(rows, []string{c.Action, details(c)})
	}
	table(b, rows)
	rule(b)
}

func details(c admin.Change) string {
	switch {
	case c.With != "":
		return fmt.Sprintf("%s with %s", c.Node, c.With)
	case c.Weight != 0 && c.Location != "":
		return fmt.Sprintf("%s, weight %d, location %s", c.Node, c.Weight, c.Location)
	case c.Weight != 0:
		return fmt.Sprintf("%s, weight %d", c.Node, c.Weight)
	}
	return string(c.Node)
}

// Plan shows what a commit would do.
func Plan(p admin.Plan) string {
	var b strings.Builder
	stale(&b, p.Record)
	if len(p.Changes) == 0 {
		b.WriteString("There are no staged changes.\n")
	} else {
		staged(&b, p.Changes)
	}
	b.WriteString("\n")
	title(&b, "Membership")
	rows := [][]string{{"Status", "After", "Ring", "After", "Weight", "Node"}}
	for _, m := range p.Members {
		after := "--"
		if m.StatusAfter != m.StatusBefore {
			after = m.StatusAfter
		}
		rows = append(rows, []string{m.StatusBefore, after, percent(m.ShareBefore), percent(m.ShareAfter), fmt.Sprint(m.Weight), located(m.Node, m.Location)})
	}
	table(&b, rows, 2, 3, 4)
	rule(&b)
	warnings(&b, p)
	flows(&b, p)
	fmt.Fprintf(&b, "\nNothing has changed yet. Commit this plan with: baton cluster commit --plan %d\n", p.PlanVersion)
	return b.String()
}

func warnings(b *strings.Builder, p admin.Plan) {
	if len(p.Warnings)+len(p.Infeasible)+len(p.Unsized) > 0 || p.Reason != "" {
		b.WriteString("\n")
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(b, "WARNING: %s\n", w.Text)
	}
	for _, text := range p.Infeasible {
		fmt.Fprintf(b, "INFEASIBLE: %s\n", text)
	}
	if p.Reason != "" {
		fmt.Fprintf(b, "NOTE: more moves than shares ask for: %s\n", p.Reason)
	}
	for _, u := range p.Unsized {
		fmt.Fprintf(b, "NOTE: %s did not say what it keeps (%s): sizes and times are too low\n", u.Node, u.Error)
	}
}

// flows shows who gives what to whom.
func flows(b *strings.Builder, p admin.Plan) {
	if len(p.Forced) > 0 {
		n := 0
		for _, f := range p.Forced {
			n += f.Count
		}
		fmt.Fprintf(b, "\nPartitions reassigned by force, at the commit and without their data: %d\n", n)
		for _, f := range p.Forced {
			fmt.Fprintf(b, "  %s from %s to %s\n", count(f.Count, "partition"), f.From, f.To)
		}
	}
	fmt.Fprintf(b, "\nTransfers resulting from these changes: %d\n", p.Count)
	for _, f := range p.Transfers {
		size := Bytes(f.Bytes)
		switch {
		case f.Unknown > 0 && f.Bytes == 0:
			size = "size not known"
		case f.Unknown > 0:
			size = "at least " + size
		}
		fmt.Fprintf(b, "  %s from %s to %s, %s\n", count(f.Count, "transfer"), f.From, f.To, size)
	}
	if p.Bytes > 0 {
		how := "assumed"
		if p.Estimate.Measured {
			how = "measured"
		}
		fmt.Fprintf(b, "  %s in all, %s at %s/s per node (%s)\n", Bytes(p.Bytes), duration(p.Estimate.Seconds), Bytes(uint64(p.Estimate.Rate)), how)
	}
}

// Done shows what came of a change.
func Done(d admin.Done) string {
	text := fmt.Sprintf("Done, record version %d", d.Version)
	if !d.Changed {
		text = fmt.Sprintf("Nothing to change, record version %d", d.Version)
	}
	if d.Note != "" {
		text += "; " + d.Note
	}
	return text + "\n"
}
