package matrix

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dee2748c/baton/test/sim"
)

// ErrTable is returned by Parse for a table that can't be run.
var ErrTable = errors.New("fault matrix")

// An Outcome is what may become of a transfer.
type Outcome struct {
	// Waits says that it is not decided, or not done, before the fault ends.
	Waits bool
	// Unreported says that this may be only if the record did not have the seal of the node that is struck.
	Unreported bool
	// End is how it ends.
	End End
}

// An End is how a transfer ends.
type End string

// The ends; matrix.md says what each of them means.
const (
	Commit  End = "commit"
	Abort   End = "abort"
	Revert  End = "revert"
	Refused End = "refused"
)

// A Cell is what must come of one fault at one point.
type Cell struct {
	Sort  string // of kinds: durable or volatile
	Fault string
	Point sim.Point
	// Allowed are the outcomes of which one must be.
	Allowed []Outcome
}

// A Held is a fault whose proof is a test elsewhere.
type Held struct{ Fault, Package, Test string }

// Parse reads the text of matrix.md: under a heading for each sort of kinds, the table of its cells; under
// the heading "Elsewhere", the faults that other packages hold.
func Parse(text string) (cells []Cell, elsewhere []Held, err error) {
	sort, lines := "", 0
	for i, line := range strings.Split(text, "\n") {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			sort, lines = strings.ToLower(title), 0
			continue
		}
		if !strings.HasPrefix(line, "|") || sort == "" {
			continue
		}
		if lines++; lines <= 2 {
			continue // the head of the table
		}
		fields := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		switch {
		case sort == "elsewhere" && len(fields) == 3:
			elsewhere = append(elsewhere, Held{fields[0], fields[1], fields[2]})
		case sort == "durable" || sort == "volatile":
			row, err := parseRow(sort, fields)
			if err != nil {
				return nil, nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			cells = append(cells, row...)
		}
	}
	return cells, elsewhere, nil
}

func parseRow(sort string, fields []string) (cells []Cell, err error) {
	if len(fields) != 1+int(sim.Points) {
		return nil, fmt.Errorf("%w: %q has %d cells, a transfer has %d points", ErrTable, fields[0], len(fields)-1, sim.Points)
	}
	for p, text := range fields[1:] {
		c := Cell{Sort: sort, Fault: fields[0], Point: sim.Point(p)}
		for _, word := range strings.Split(text, " or ") {
			end, waits := strings.CutPrefix(word, "waits, ")
			end, unreported := strings.CutSuffix(end, " unless reported")
			if !slices.Contains([]End{Commit, Abort, Revert, Refused}, End(end)) {
				return nil, fmt.Errorf("%w: %q, %v: %q is no outcome", ErrTable, fields[0], c.Point, word)
			}
			c.Allowed = append(c.Allowed, Outcome{waits, unreported, End(end)})
		}
		cells = append(cells, c)
	}
	return cells, nil
}

// String names the cell as its test is named.
func (c Cell) String() string { return fmt.Sprintf("%s/%s/%v", c.Sort, c.Fault, c.Point) }

// String is the outcome as the table writes it.
func (o Outcome) String() string {
	text := string(o.End)
	if o.Waits {
		text = "waits, " + text
	}
	if o.Unreported {
		text += " unless reported"
	}
	return text
}
