package model

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// check is one search of a model.
type check struct {
	model   string
	defines string
	wrong   bool // a rule is missing, and that must be found
	cycles  bool // runs without an end are looked for too
	soak    bool // only with BATON_SOAK
}

const (
	small     = "-DSESSIONS=1 -DSTREAMS=1 -DWRITES=1 -DCRASHES=1"
	two       = "-DSESSIONS=2 -DSTREAMS=2 -DWRITES=1 -DCRASHES=0"
	neighbour = "-DNEIGHBOUR -DSESSIONS=1 -DSTREAMS=1 -DWRITES=1 -DCRASHES=0"
	activate  = "-DACTIVATE -DSESSIONS=1 -DSTREAMS=1 -DWRITES=1 -DCRASHES=0"
)

var checks = []check{
	{model: "handoff", defines: "-DSESSIONS=1 -DSTREAMS=1 -DWRITES=2 -DCRASHES=1"},
	{model: "handoff", defines: small, cycles: true},
	{model: "handoff", defines: two},
	{model: "handoff", defines: "-DNEIGHBOUR " + small},
	{model: "handoff", defines: "-DACTIVATE -DSESSIONS=1 -DSTREAMS=1 -DWRITES=2 -DCRASHES=1"},
	{model: "handoff", defines: "-DSESSIONS=2 -DSTREAMS=2 -DWRITES=1 -DCRASHES=1", soak: true},
	{model: "handoff", defines: "-DSESSIONS=1 -DSTREAMS=2 -DWRITES=2 -DCRASHES=2", soak: true},
	{model: "handoff", defines: small + " -DNOFREEZE", wrong: true},
	{model: "handoff", defines: small + " -DTHAWS", wrong: true},
	{model: "handoff", defines: small + " -DNOCOMPARE -DGAPS", wrong: true},
	{model: "handoff", defines: small + " -DSERVEEARLY", wrong: true},
	{model: "handoff", defines: small + " -DNOSYNC", wrong: true},
	{model: "handoff", defines: small + " -DONESEAL", wrong: true},
	{model: "handoff", defines: small + " -DNOLOSTCHECK", wrong: true},
	{model: "handoff", defines: small + " -DNOREPLAY", wrong: true},
	{model: "handoff", defines: small + " -DNOBUDGET", wrong: true},
	{model: "handoff", defines: small + " -DNOCOMMIT", wrong: true},
	{model: "handoff", defines: small + " -DCOMMITANY", wrong: true},
	{model: "handoff", defines: neighbour + " -DNOK7", wrong: true},
	{model: "handoff", defines: neighbour + " -DNONEIGHBOUR", wrong: true},
	{model: "handoff", defines: neighbour + " -DNOBEGIN", wrong: true},
	{model: "handoff", defines: activate + " -DREVERTANY", wrong: true},
	{model: "handoff", defines: activate + " -DACKFIRST", wrong: true},
	{model: "handoff", defines: activate + " -DEARLYDELETE", wrong: true},
	{model: "handoff", defines: two + " -DNOSESSION", wrong: true},
	{model: "handoff", defines: two + " -DREUSE", wrong: true},
	{model: "grace", defines: "-DGMAX=5"},
	{model: "grace", defines: "-DGMAX=4 -DPUT", soak: true},
	{model: "grace", defines: "-DGMAX=6", soak: true},
	{model: "grace", defines: "-DK=2", wrong: true},
	{model: "grace", defines: "-DNOCHECK", wrong: true},
	{model: "grace", defines: "-DNOHINTCHECK", wrong: true},
	{model: "grace", defines: "-DNOTALL", wrong: true},
	{model: "grace", defines: "-DNOHINT", wrong: true},
	{model: "grace", defines: "-DEARLYCLOSE", wrong: true},
	{model: "grace", defines: "-DNOLINGER", wrong: true},
	{model: "grace", defines: "-DOWNNEED", wrong: true},
	{model: "grace", defines: "-DASKERSGRACE", wrong: true},
	{model: "join"},
	{model: "join", cycles: true},
	{model: "join", defines: "-DMEMORY", wrong: true},
	{model: "join", defines: "-DNOREPEAT", wrong: true},
	{model: "join", defines: "-DNORETRY", wrong: true},
	{model: "join", defines: "-DNOSTART", wrong: true},
	{model: "pipe", defines: "-DINPUTS=3 -DMOVES=2"},
	{model: "pipe", cycles: true},
	{model: "pipe", defines: "-DINPUTS=3 -DMOVES=3", soak: true},
	{model: "pipe", defines: "-DINPUTS=3 -DMOVES=2", cycles: true, soak: true},
	{model: "pipe", defines: "-DNOFREEZE", wrong: true},
	{model: "pipe", defines: "-DACKEARLY", wrong: true},
	{model: "pipe", defines: "-DBYACTOR", wrong: true},
	{model: "pipe", defines: "-DANYORDER", wrong: true},
	{model: "pipe", defines: "-DEOIEARLY", wrong: true},
	{model: "pipe", defines: "-DEOIDONE", wrong: true},
	{model: "pipe", defines: "-DMIDINPUT", wrong: true},
	{model: "pipe", defines: "-DATSTART", wrong: true},
	{model: "pipe", defines: "-DDONEUNACKED", wrong: true},
	{model: "pipe", defines: "-DSEALRUNNING", wrong: true},
	{model: "pipe", defines: "-DNOWINDOW", wrong: true},
	{model: "pipe", defines: "-DNOQUEUE", wrong: true},
	{model: "pipe", defines: "-DNOARCHIVE", wrong: true},
	{model: "pipe", defines: "-DNOCURSOR", wrong: true},
	{model: "pipe", defines: "-DNODONE", wrong: true},
	{model: "pipe", defines: "-DNORESTORE", wrong: true},
	{model: "pipe", defines: "-DTAKESTWICE", wrong: true},
}

// TestModels checks every model, and that each rule that is removed is missed (I1, I2).
func TestModels(t *testing.T) {
	spin, cc, err := find(t.Context())
	if errors.Is(err, ErrNoTool) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		t.Run(strings.TrimSpace(c.model+" "+c.defines), func(t *testing.T) {
			if c.soak && os.Getenv("BATON_SOAK") == "" {
				t.Skip("a wider bound: set BATON_SOAK")
			}
			t.Parallel()
			model, err := filepath.Abs(filepath.Join("testdata", c.model+".pml"))
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			r, err := verify(t.Context(), spin, cc, t.TempDir(), model, c.cycles, strings.Fields(c.defines))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("| %s | %s | %s states | %.1f s | %s |", c.model, c.defines, r.states, time.Since(began).Seconds(), r.failed)
			if c.wrong != (r.failed != "") {
				t.Errorf("found %q, expected an error: %t", r.failed, c.wrong)
			}
		})
	}
}
