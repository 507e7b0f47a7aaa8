package storetest

import (
	"testing"

	"github.com/dee2748c/baton/store"
)

// Factory returns a new, empty engine. Run closes it.
type Factory func(tb testing.TB) store.Engine

// Run runs the conformance suite on engines that open makes.
func Run(t *testing.T, open Factory) {
	t.Helper()
	groups := []struct {
		name string
		run  func(*testing.T, Factory)
	}{
		{"Partition", testPartition},
		{"Scan", testScan},
		{"Snapshot", testSnapshot},
		{"Generations", testGenerations},
		{"Records", testRecords},
		{"BulkLoad", testBulkLoad},
		{"Close", testClose},
		{"Concurrency", testConcurrency},
		{"Model", testModel},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) { g.run(t, open) })
	}
}

// engineTest is one case of a group: it gets an engine of its own.
type engineTest struct {
	name string
	run  func(*testing.T, store.Engine)
}

func runAll(t *testing.T, open Factory, tests []engineTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			engine := open(t)
			defer closeAll(t, engine)
			test.run(t, engine)
		})
	}
}
