package main

import (
	"context"
	"math/rand/v2"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/bench"
	"github.com/dee2748c/baton/cmd/node/ycsb"
)

func newBench() *cobra.Command {
	o := bench.Defaults()
	distribution := ""
	cmd := newRemote(&cobra.Command{
		Use: "bench", Short: "Measure a cluster with the YCSB workloads A to F",
		Long: `Measure a cluster with the YCSB workloads: A 50% reads and 50% updates, B 95% and
5%, C reads only, D 95% reads of the latest and 5% inserts, E 95% scans and 5%
inserts, F 50% reads and 50% read-modify-writes. Records are loaded and counted
first, into a bucket which has to be empty, or to hold the same records; its
writes replace what is there (allow_mult false).

The node at --admin is measured, through HTTP and JSON; with --nodes that many
nodes in this process, through the library.`,
		Example: "  baton bench --workload b --records 100000 --duration 30s\n  baton bench --nodes 1 --engine pebble --concurrency 64\n  baton bench --nodes 3 --workload e --json | tail -n 1",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		o.Distribution = ycsb.Distribution(distribution)
		if !r.cmd.Flags().Changed("seed") {
			o.Seed = rand.Uint64N(1 << 32)
		}
		out := bench.NewText(r.cmd.OutOrStdout())
		if r.asJSON {
			out = bench.NewJSON(r.cmd.OutOrStdout())
		}
		if o.Nodes > 0 {
			return bench.Run(ctx, o, nil, out)
		}
		return bench.Run(ctx, o, bench.NewRemote(c, o.Bucket), out)
	})
	f := cmd.Flags()
	f.StringVar(&o.Workload, "workload", o.Workload, "a to f")
	f.StringVar(&distribution, "distribution", "", "uniform, zipfian or latest (default: the workload's)")
	f.StringVar(&o.Bucket, "bucket", o.Bucket, "bucket of the records")
	f.IntVar(&o.Records, "records", o.Records, "records to load")
	f.IntVar(&o.ValueSize, "value-size", o.ValueSize, "bytes of a value")
	f.IntVar(&o.Concurrency, "concurrency", o.Concurrency, "clients, each with one request at a time")
	f.DurationVar(&o.Duration, "duration", o.Duration, "how long to measure")
	f.IntVar(&o.Operations, "operations", 0, "measure so many requests instead")
	f.DurationVar(&o.WarmUp, "warm-up", o.WarmUp, "requests before that, which do not count")
	f.Uint64Var(&o.Seed, "seed", 0, "decides the requests (default: random, printed)")
	f.IntVar(&o.Nodes, "nodes", 0, "measure so many nodes in this process")
	f.StringVar(&o.Engine, "engine", o.Engine, "of those nodes: memory or pebble")
	f.IntVar(&o.NVal, "n-val", o.NVal, "copies of each record on those nodes")
	f.IntVar(&o.Ring, "ring-size", o.Ring, "partitions of their ring, a power of two")
	return cmd
}
