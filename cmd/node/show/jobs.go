package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/dee2748c/baton/api/admin"
)

// Jobs is a table of jobs.
func Jobs(l admin.JobList) string {
	if len(l.Jobs) == 0 {
		return "The node coordinates no job, and remembers none.\n"
	}
	var b strings.Builder
	rows := [][]string{{"Job", "Name", "State", "Started", "Took", "Steps", "Inputs"}}
	for _, j := range l.Jobs {
		var in uint64
		if len(j.Phases) > 0 {
			in = j.Phases[0].In
		}
		rows = append(rows, []string{
			j.ID, j.Name, j.State, j.Started.UTC().Format(time.RFC3339), took(j), fmt.Sprint(len(j.Phases)), fmt.Sprint(in),
		})
	}
	table(&b, rows, 4, 5, 6)
	return b.String()
}

// took is how long a job ran, empty while it runs.
func took(j admin.Job) string {
	if j.Ended == nil {
		return ""
	}
	return j.Ended.Sub(j.Started).Round(time.Millisecond).String()
}

// Job is a job with its phases.
func Job(j admin.Job) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Job %s (%s) at %s: %s\n", j.ID, j.Name, j.Node, j.State)
	fmt.Fprintf(&b, "Started %s", j.Started.UTC().Format(time.RFC3339))
	if t := took(j); t != "" {
		fmt.Fprintf(&b, ", took %s", t)
	}
	b.WriteString("\n")
	if j.Error != "" {
		fmt.Fprintf(&b, "Error: %s\n", j.Error)
	}
	rows := [][]string{{"Step", "In", "Bytes", "Out", "Partitions"}}
	for _, p := range j.Phases {
		out, partitions := "", ""
		if j.Ended != nil && p.Partitions > 0 {
			out, partitions = fmt.Sprint(p.Out), fmt.Sprint(p.Partitions)
		}
		rows = append(rows, []string{p.Name, fmt.Sprint(p.In), Bytes(p.Bytes), out, partitions})
	}
	table(&b, rows, 1, 2, 3, 4)
	return b.String()
}

// JobLine is how far a job is, on one line.
func JobLine(j admin.Job) string {
	var b strings.Builder
	fmt.Fprintf(&b, "job %s: %s", j.ID, j.State)
	for i, p := range j.Phases {
		sep := " -> "
		if i == 0 {
			sep = ", "
		}
		fmt.Fprintf(&b, "%s%s %d", sep, p.Name, p.In)
	}
	if t := took(j); t != "" {
		fmt.Fprintf(&b, ", %s", t)
	}
	return b.String()
}
