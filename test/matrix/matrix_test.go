package matrix

import (
	_ "embed"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/sim"
)

//go:embed matrix.md
var text string

var (
	seedFlag = flag.Uint64("seed", 0, "run each cell with this seed")
	longFlag = flag.Bool("long", false, "run each cell with 30 seeds")
)

// TestMatrix runs every cell of the table.
func TestMatrix(t *testing.T) {
	cells, _, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		t.Run(strings.ReplaceAll(c.String(), " ", "_"), func(t *testing.T) {
			t.Parallel()
			f, ok := faults[c.Fault]
			if !ok {
				t.Fatalf("nobody can cause %q", c.Fault)
			}
			for _, seed := range seeds(c) {
				if err := run(c, f, seed); err != nil {
					t.Fatalf("%v\nrepeat with: go test ./test/matrix -run '^%s$' -seed %d", err, strings.ReplaceAll(t.Name(), "/", "$/^"), seed)
				}
			}
		})
	}
}

// TestTable_complete: every fault is a row of both sorts (I1), and what other packages hold is there (I3).
func TestTable_complete(t *testing.T) {
	cells, elsewhere, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	for _, c := range cells {
		rows[c.Fault]++
	}
	for name := range faults {
		if rows[name] != 2*int(sim.Points) {
			t.Errorf("%q has %d cells, and should have %d", name, rows[name], 2*int(sim.Points))
		}
	}
	if len(elsewhere) == 0 {
		t.Error("nothing is held elsewhere")
	}
	for _, h := range elsewhere {
		if !hasTest(t, h) {
			t.Errorf("%q is left to %s in %s, which has no such test", h.Fault, h.Test, h.Package)
		}
	}
}

func hasTest(t *testing.T, h Held) bool {
	files, err := os.ReadDir("../../" + h.Package)
	if err != nil {
		t.Fatal(err)
	}
	is := regexp.MustCompile(`(?m)^func ` + regexp.QuoteMeta(h.Test) + `\(`)
	return slices.ContainsFunc(files, func(f os.DirEntry) bool {
		src, err := os.ReadFile("../../" + h.Package + "/" + f.Name())
		return err == nil && strings.HasSuffix(f.Name(), "_test.go") && is.Match(src)
	})
}

// TestParse: a table with anything that nobody checks is refused.
func TestParse(t *testing.T) {
	head := "## Durable\n| fault | P | F | S | Z | D | C |\n|---|---|---|---|---|---|---|\n"
	if cells, _, err := Parse(head + "| x | abort or waits, commit | abort | abort | revert | refused | commit |"); err != nil || len(cells) != 6 {
		t.Errorf("%v, %v", cells, err)
	}
	for _, row := range []string{"| x | abort |", "| x | abort | abort | abort | - | commit | commit |", "| x | abort | abort | abort | maybe | commit | commit |"} {
		if cells, _, err := Parse(head + row); err == nil {
			t.Errorf("%q is taken as %v", row, cells)
		}
	}
}

func seeds(c Cell) []uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(c.String())) // never fails
	first := h.Sum64() >> 32
	switch {
	case *seedFlag != 0:
		return []uint64{*seedFlag}
	case *longFlag:
		out := make([]uint64, 30)
		for i := range out {
			out[i] = first + uint64(i)
		}
		return out
	}
	return []uint64{first}
}

// run is one cell under one seed.
func run(cell Cell, f fault, seed uint64) error {
	s, err := begin(cell, f, seed)
	if err != nil {
		return err
	}
	s.owner, s.epoch = s.x.Owner()
	reported := s.reported(cell)
	f.strike(s)
	over := func() bool { return s.x.Ending().Over }
	ends := s.c.W.Now() + f.lasts
	if err := s.c.Run(func() bool { return over() || s.c.W.Now() >= ends }, f.lasts+time.Minute); err != nil {
		return fmt.Errorf("during the fault: %w", err)
	}
	decided := over() || s.stage() == topology.StageAbort
	if s.lost != nil {
		s.remove()
	} else if over() {
		if err := s.owns(); err != nil {
			return err
		}
	}
	if err := s.c.Run(func() bool { return s.c.W.Now() >= ends }, f.lasts+time.Minute); err != nil {
		return fmt.Errorf("during the fault: %w", err)
	}
	if f.mend != nil {
		f.mend(s)
	}
	ended := over()
	if err := s.c.Run(func() bool { return over() && s.answered == s.asked }, 3*time.Minute); err != nil {
		return fmt.Errorf("after the fault: %w", err)
	}
	if !ended && s.lost == nil {
		if err := s.owns(); err != nil {
			return err
		}
	}
	got := Outcome{Waits: f.lasts > 0 && s.lost == nil && !decided, End: s.end()}
	if !slices.ContainsFunc(cell.Allowed, func(o Outcome) bool {
		return o.Waits == got.Waits && o.End == got.End && !(o.Unreported && reported)
	}) {
		return fmt.Errorf("the outcome is %q (%+v, reported %t), and must be one of %v", got, s.x.Ending(), reported, cell.Allowed)
	}
	if err := s.rest(); err != nil {
		return fmt.Errorf("at rest: %w", err)
	}
	if f.after != nil {
		return f.after(s, got.End)
	}
	return nil
}

// reported tells whether the record has the seal of the node that the fault strikes.
func (s *strike) reported(cell Cell) bool {
	t := s.c.Newest().Part(s.x.Kind, s.x.Partition).Transfer
	if strings.HasPrefix(cell.Fault, "target") {
		return t.Sealed != nil
	}
	return t.Frozen != nil
}

// stage is where the record has the transfer.
func (s *strike) stage() topology.Stage {
	if t := s.c.Newest().Part(s.x.Kind, s.x.Partition).Transfer; t != nil && t.Session == s.x.Session {
		return t.Stage
	}
	return 0
}

// items is how many a partition holds: so many that an operator's word comes in time while they are copied.
const items = 600

// begin brings a transfer of a running cluster to the point of the cell.
func begin(cell Cell, f fault, seed uint64) (*strike, error) {
	kind := topology.Kind("register")
	if cell.Sort == "volatile" {
		kind = "queue"
	}
	c := sim.NewCluster(sim.Options{Seed: seed, Nodes: 5, RingSize: 16, Items: items, LooseItems: items})
	c.Serve(sim.Load{Clients: 2, Think: 300 * time.Millisecond})
	s := &strike{c: c}
	var from, to *sim.Node
	if f.newcomer != "" {
		n := c.Join("n6", 6)
		c.Operate(sim.Joining("n6"), sim.Commit())
		if from = n; f.newcomer == "target" {
			from, to = nil, n
		}
		if err := c.Run(c.Settled, 2*time.Minute); err != nil {
			return nil, err
		}
	}
	var err error
	if s.x, err = c.TryBetween(kind, from, to); err == nil && f.before != nil {
		err = f.before(s)
	}
	if err == nil {
		err = c.Run(s.x.At(cell.Point), 2*time.Minute)
	}
	if err != nil {
		return nil, fmt.Errorf("on the way to the point: %w", err)
	}
	return s, nil
}

// end is what became of the transfer.
func (s *strike) end() End {
	e := s.x.Ending()
	switch {
	case e.Committed && s.asked && s.answer != nil:
		return Refused
	case e.Committed:
		return Commit
	case e.Reason == topology.ReasonReverted:
		return Revert
	}
	return Abort
}

// owns holds a transfer that was given up to have changed nothing: the source owns what it owned, at the
// epoch that it had. Only a flip that is taken back is an epoch of its own.
func (s *strike) owns() error {
	e := s.x.Ending()
	now, at := s.x.Owner()
	switch {
	case e.Committed:
		if now != s.x.Target.ID {
			return fmt.Errorf("committed, and %s owns it", now)
		}
	case e.Reason == topology.ReasonReverted:
		if now != s.x.Source.ID || at <= s.epoch {
			return fmt.Errorf("taken back, and %s owns it at epoch %d after %d", now, at, s.epoch)
		}
	case now != s.owner || at != s.epoch:
		return fmt.Errorf("given up, and %s owns it at epoch %d: it was %s at %d", now, at, s.owner, s.epoch)
	}
	return nil
}

// remove is what an operator does about a node that never returns.
func (s *strike) remove() {
	id := s.lost.ID
	is := func(want topology.Status) func(topology.State) bool {
		return func(r topology.State) bool {
			m, _ := r.Member(id)
			return m.Status == want || m.Status == topology.Removed
		}
	}
	forced := func(r topology.State) bool {
		m, _ := r.Member(id)
		return m.Departs.Forced() || is(topology.Removed)(r)
	}
	s.c.Operate(
		sim.Once("down", is(topology.Down), topology.MarkDown{Node: id}),
		sim.Once("force-remove", forced, topology.StageForceRemove{Node: id}),
		sim.Commit(),
		sim.Step{Name: "removed", Next: func(r topology.State) ([]topology.Op, bool) { return nil, is(topology.Removed)(r) }},
	)
}

// rest waits until all is at rest and every client has seen what was acknowledged, and looks at what the
// transfer left.
func (s *strike) rest() error {
	c := s.c
	c.Net.WakeLate()
	seen := c.W.Now() + 3*time.Second
	if err := c.Run(func() bool { return c.W.Now() > seen && c.Settled() }, 5*time.Minute); err != nil {
		return err
	}
	c.Rest()
	if err := c.Run(c.Verified, time.Minute); err != nil {
		return err
	}
	for _, n := range []*sim.Node{s.x.Source, s.x.Target} {
		if n == s.lost {
			continue
		}
		if session := s.x.Staged(n); session != 0 {
			return fmt.Errorf("%s keeps what session %d staged", n.ID, session)
		}
	}
	owner, _ := s.x.Owner()
	switch want := s.x.Target; {
	case s.lost != nil && owner == s.lost.ID:
		return fmt.Errorf("%s was removed and owns the partition", owner)
	case s.lost == nil && owner != want.ID:
		return fmt.Errorf("%s owns the partition, and the ring gives it to %s", owner, want.ID)
	}
	return nil
}
