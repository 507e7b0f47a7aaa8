package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

func main() {
	if err := run(context.Background(), os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mapreduce:", err)
		os.Exit(1)
	}
}

// run puts the data into a cluster of three, runs the jobs and prints some of
// their results.
func run(ctx context.Context, w io.Writer, args []string) (err error) {
	nodes, err := startNodes(ctx, "a", "b", "c")
	defer func() { err = errors.Join(err, stopNodes(ctx, nodes)) }()
	if err != nil {
		return err
	}
	if err = loadSamples(ctx, nodes[0]); err != nil {
		return err
	}
	counts, err := results(ctx, nodes[1], wordCount, "speeches")
	if err != nil {
		return err
	}
	where, err := results(ctx, nodes[2], index, "speeches")
	if err != nil {
		return err
	}
	for _, word := range []string{"the", "war", "emancipation"} {
		fmt.Fprintf(w, "%-12s %4d times, in %s\n", word, counts[word], strings.Join(where[word], " "))
	}
	if err = printMonths(ctx, w, nodes[0], hottestDay, "weather"); err != nil || len(args) == 0 {
		return err
	}
	prices, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	if err = putRows(ctx, nodes[0], "prices", string(prices)); err != nil {
		return err
	}
	return printMonths(ctx, w, nodes[0], highestClose, "prices")
}

// startNodes starts nodes that share the ring evenly.
func startNodes(ctx context.Context, names ...string) (nodes []*baton.Node, err error) {
	o := baton.Options{Jobs: []mapreduce.Definition{wordCount, index, hottestDay, highestClose}}
	o.Bootstrap = true // the first one creates the cluster, the others join it
	for _, o.Name = range names {
		n, err := baton.Start(ctx, o)
		if err != nil {
			return nodes, err
		}
		nodes, o.Bootstrap, o.Join = append(nodes, n), false, []string{n.Addr()}
	}
	return nodes, nodes[0].Rebalance(ctx)
}

func stopNodes(ctx context.Context, nodes []*baton.Node) (err error) {
	for _, n := range nodes {
		err = errors.Join(err, n.Stop(ctx))
	}
	return err
}

// results runs a job and gathers everything that it yields.
func results[K comparable, V, R any](ctx context.Context, n *baton.Node, job mapreduce.Job[K, V, R], bucket string) (map[K]R, error) {
	running, err := baton.RunJob(ctx, n, job, baton.Bucket(bucket))
	if err != nil {
		return nil, err
	}
	all := maps.Collect(running.All())
	return all, running.Err()
}

func printMonths(ctx context.Context, w io.Writer, n *baton.Node, job mapreduce.Job[string, float64, float64], bucket string) error {
	highest, err := results(ctx, n, job, bucket)
	if err != nil {
		return err
	}
	months := slices.Sorted(maps.Keys(highest))
	fmt.Fprintf(w, "%s, %d months:\n", job.Name, len(months))
	for _, month := range months[max(0, len(months)-4):] {
		fmt.Fprintf(w, "  %s %.1f\n", month, highest[month])
	}
	return nil
}
