package bucket

import (
	"fmt"
	"testing"
)

// The catalog of a cluster with 10,000 buckets that have properties of their
// own: what a node does when one of them changes.
func BenchmarkNewCatalog(b *testing.B) {
	e := newEntries()
	for i := range 10_000 {
		e.values[bucketKey("default", fmt.Sprintf("bucket-%d", i))] = []byte(`{"n_val":2,"allow_mult":false,"w":"all"}`)
	}
	c := e.catalog(b)
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.catalog(b)
		}
	})
	b.Run("next", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c = c.Next(e.MetadataWith(Prefix))
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	e := newEntries()
	ops, err := Set(e, "", "books", Changes{"n_val": 1})
	e.do(b, ops, err)
	c := e.catalog(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Lookup("", "books"); err != nil {
			b.Fatal(err)
		}
	}
}
