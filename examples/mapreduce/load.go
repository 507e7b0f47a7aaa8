package main

import (
	"context"
	"embed"
	"io/fs"
	"path"
	"strings"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/kv"
)

//go:embed testdata/*.txt testdata/weather.csv
var samples embed.FS

// loadSamples puts the speeches in, one object each, keyed by the year, and the
// weather, one object for each day.
func loadSamples(ctx context.Context, n *baton.Node) error {
	speeches, err := fs.Glob(samples, "testdata/*.txt")
	if err != nil {
		return err
	}
	for _, file := range speeches {
		text, err := samples.ReadFile(file)
		if err != nil {
			return err
		}
		year := path.Base(file)[:len("1790")]
		if err := n.KV().Put(ctx, kv.Object{Bucket: "speeches", Key: year, Value: text}); err != nil {
			return err
		}
	}
	weather, err := samples.ReadFile("testdata/weather.csv")
	if err != nil {
		return err
	}
	return putRows(ctx, n, "weather", string(weather))
}

// putRows puts the rows behind the header in, keyed by their first column.
func putRows(ctx context.Context, n *baton.Node, bucket, csv string) error {
	for i, row := range strings.Split(strings.TrimSpace(csv), "\n") {
		if i == 0 {
			continue
		}
		date, _, _ := strings.Cut(row, ",")
		if err := n.KV().Put(ctx, kv.Object{Bucket: bucket, Key: date, Value: []byte(row)}); err != nil {
			return err
		}
	}
	return nil
}
