package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run executes the command line and returns the exit code. An interrupt cancels
// the command's context, so that it ends in order; a second one ends the process
// at once.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(stderr, "baton: %v\n", err)
	}
	return exitCode(err)
}

// newRoot assembles the command tree.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "baton",
		Short: "A vnode actor runtime: data and work on a ring of partitions that move live",
		Long: `Baton runs actors on a ring of partitions. Nodes join and leave while the
actors work; a partition moves with its data and its running workers.

Exit codes: 0 done, 1 a negative result, 2 usage or input, 3 unavailable or
unknown, 4 refused by the cluster's state.`,
		Example: `  baton cluster status
  baton demo
  baton version --json`,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
	}
	root.AddCommand(newStart(), newCluster(), newTransfers(), newTransferLimit(), newHandoff(),
		newRingReady(), newRingStatus(), newMembers("member-status"), newConfig(), newDemo(), newVersion(),
		newGet(), newPut(), newDel(), newList(), newLoad(), newExport(), newImport(),
		newBucket(), newBucketType(), newBench(),
		newEntropy(), newJob(), newAudit(), newRepair(), newHints(), newDataBackup(), newDataRestore())
	return root
}
