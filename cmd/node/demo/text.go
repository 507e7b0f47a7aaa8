package demo

import (
	"fmt"
	"io"
	"strings"
)

// NewPlain returns an Output for a pipe or a file: plain lines, and of a
// progress one line for each quarter.
func NewPlain(w io.Writer) Output { return &plain{w: w, steps: steps{per: 4}} }

type plain struct {
	w     io.Writer
	steps steps
}

func (p *plain) Show(e Event) error {
	if !p.steps.reached(e) {
		return nil
	}
	if o, ok := e.(Owning); ok && !o.Settled {
		return nil // the transfers tell
	}
	for _, line := range lines(e) {
		if _, err := fmt.Fprintln(p.w, line); err != nil {
			return err
		}
	}
	return nil
}

// steps thins out progress: of each thing that makes progress it lets one event
// pass for each step.
type steps struct {
	per    int64 // steps from nothing to all
	passed map[string]int64
}

// reached reports whether the event is to be shown.
func (s *steps) reached(e Event) bool {
	done, of, ok := progressOf(e)
	if !ok {
		return true
	}
	now := s.per
	if of > 0 {
		now = done * s.per / of
	}
	if now <= s.passed[e.name()] {
		return false
	}
	if s.passed == nil {
		s.passed = map[string]int64{}
	}
	s.passed[e.name()] = now
	return true
}

// progressOf returns how far an event says that something has come, and false
// for events that say no such thing.
func progressOf(e Event) (done, of int64, ok bool) {
	switch e := e.(type) {
	case Loading:
		return e.Bytes, e.Of, true
	case Mapping:
		return int64(e.Done), int64(e.Of), true
	case Recounting:
		return e.Bytes, e.Of, true
	}
	return 0, 0, false
}

// lines gives an event as lines of text.
func lines(e Event) []string {
	one := func(format string, args ...any) []string { return []string{fmt.Sprintf(format, args...)} }
	switch e := e.(type) {
	case Started:
		return startedLines(e)
	case Loading:
		return one("load       %3d%%  %d files, %d objects, %s", percent(e.Bytes, e.Of), e.Files, e.Inputs, megabytes(e.Bytes))
	case Joining:
		return one("join       %s joins at %s after %d inputs", e.Node, e.Addr, e.Inputs)
	case Owning:
		return one("ring       version %d: %s", e.Version, shares(e.Shares))
	case Moving:
		return nil
	case Moved:
		if e.Items == 0 && e.Match {
			return nil // Transfers counts them
		}
		return one("transfer   %s", movedLine(e))
	case Transfers:
		return one("transfers  %d ended: %d with matching digests, %d with different ones; %d had nothing to move", e.Ended, e.Matching, e.Differing, e.Empty)
	case Mapping:
		return one("job        %3d%%  %d of %d inputs", percent(int64(e.Done), int64(e.Of)), e.Done, e.Of)
	case Phase:
		return one("phase      %-10s in %d, out %d", e.Phase, e.In, e.Out)
	case Recounting:
		return one("recount    %3d%%  %s in one goroutine", percent(e.Bytes, e.Of), megabytes(e.Bytes))
	case Frequent:
		return frequentLines(e)
	case Differing:
		return differingLines(e)
	case Summary:
		return summaryLines(e)
	}
	return nil
}

func startedLines(e Started) []string {
	out := []string{fmt.Sprintf("input      %s: %d files, %s", e.Input, e.Files, megabytes(e.Bytes))}
	for _, n := range e.Nodes {
		out = append(out, fmt.Sprintf("node       %s at %s", n.Node, n.Addr))
	}
	return append(out, fmt.Sprintf("cluster    ring of %d partitions, %s engine, seed %d", e.Ring, e.Engine, e.Seed))
}

func shares(all []Share) string {
	parts := make([]string, len(all))
	for i, s := range all {
		parts[i] = fmt.Sprintf("%s %d", s.Node, s.Partitions)
	}
	return strings.Join(parts, ", ")
}

func movedLine(e Moved) string {
	match := "digests match"
	if !e.Match {
		match = "DIGESTS DIFFER"
	}
	when := "after the job"
	if e.DuringJob {
		when = "during the job"
	}
	return fmt.Sprintf("%-4s %3d  %s -> %s  %d items, %d bytes, %s (%s), %s",
		e.Kind, e.Partition, e.From, e.To, e.Items, e.Bytes, match, e.Digest, when)
}

func frequentLines(e Frequent) []string {
	out := []string{fmt.Sprintf("the %d most frequent words:", len(e.Words))}
	for _, w := range e.Words {
		out = append(out, fmt.Sprintf("%12d  %s", w.Count, w.Word))
	}
	return out
}

func differingLines(e Differing) []string {
	out := []string{fmt.Sprintf("%d words differ:", e.Words)}
	for _, d := range e.First {
		out = append(out, fmt.Sprintf("  %q: the job counted %d, the recount %d", d.Word, d.Job, d.Want))
	}
	if more := e.Words - len(e.First); more > 0 {
		out = append(out, fmt.Sprintf("  and %d more", more))
	}
	return out
}

func summaryLines(s Summary) []string {
	return []string{
		fmt.Sprintf("words      %d, %d distinct", s.Words, s.Distinct),
		fmt.Sprintf("input      %d files (%d binary skipped), %d bytes, %d objects", s.Files, s.Skipped, s.Bytes, s.Inputs),
		fmt.Sprintf("moved      %d partitions with data while the job ran, %d workers archived, %d bytes handed off", s.Moved, s.Archived, s.HandoffBytes),
		fmt.Sprintf("time       %d ms in all, %d ms for the job", s.ElapsedMS, s.JobMS),
		fmt.Sprintf("exact: %t", s.Exact),
	}
}

func percent(done, of int64) int64 {
	if of <= 0 {
		return 100
	}
	return done * 100 / of
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
