package main

import (
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/dee2748c/baton/cmd/node/demo"
)

func newDemo() *cobra.Command {
	o := demo.Defaults()
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a MapReduce job on real text while a node joins, and check every count",
		Long: `Starts a cluster in this process, each node with its own actor system, store and
gRPC server on a loopback port; loads every text file of the input; starts the
job; lets further nodes join when a twelfth of the inputs is done; counts the
same files again in a single goroutine; and compares every word. A word is a
maximal run of [A-Za-z0-9_].

The last line is "exact: true" (exit code 0) or "exact: false" (exit code 1).`,
		Example: `  baton demo
  baton demo --input ~/notes --nodes 5 --join 2
  baton demo --engine pebble --seed 7
  baton demo --json | tail -n 1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				o.Seed = rand.Uint64N(1 << 20)
			}
			return ran(demo.Run(cmd.Context(), o, output(cmd.OutOrStdout(), asJSON)))
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Nodes, "nodes", o.Nodes, "nodes at the beginning")
	f.IntVar(&o.Join, "join", o.Join, "nodes that join while the job runs")
	f.StringVar(&o.Input, "input", o.Input, "directory or text file (default: the *.go files of the Go tree)")
	f.StringVar(&o.Job, "job", o.Job, "job to run")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "decides the order in which files are loaded (default: random, printed)")
	f.StringVar(&o.Engine, "engine", o.Engine, "where nodes keep their partitions: memory or pebble")
	f.IntVar(&o.Ring, "ring-size", o.Ring, "partitions of the ring, a power of two")
	f.IntVar(&o.Port, "port", o.Port, "loopback port of the first node, the others take the next ones (default: any free ports)")
	f.StringSliceVar(&o.Names, "names", o.Names, "names of all nodes, those that join last (default: n1,n2,...)")
	f.StringVar(&o.Counts, "counts", o.Counts, "write every word with its count to this file")
	f.BoolVar(&asJSON, "json", false, "print one JSON object per line, the last a summary")
	return cmd
}

// output chooses how a demo is shown: objects, bars, or plain lines.
func output(w io.Writer, asJSON bool) demo.Output {
	if asJSON {
		return demo.NewJSON(w)
	}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return demo.NewTerminal(w, time.Now)
	}
	return demo.NewPlain(w)
}
