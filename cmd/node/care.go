package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cmd/node/show"
)

func newEntropy() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "entropy", Short: "Show how far the asked node's copies are compared with the others, and what was repaired",
		Example: "  baton entropy",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		e, err := c.Entropy(ctx)
		if err != nil {
			return err
		}
		return r.print(e, show.Entropy(e))
	})
}

func newRepair() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "repair PARTITION", Short: "Compare a partition of the asked node with every other copy now, and bring what it lacks",
		Example: "  baton repair 17",
		Args:    cobra.MatchAll(cobra.ExactArgs(1), numberAt(0)),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		p, err := strconv.ParseUint(args[0], 10, 32)
		if err != nil {
			return &usageError{fmt.Sprintf("partition %q: give its number", args[0])}
		}
		done, err := c.Repair(ctx, ring.Partition(p))
		if err != nil {
			return err
		}
		return r.print(done, show.Repair(done))
	})
}

func newHints() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "hints", Short: "Show what nodes keep for others that did not answer",
		Example: "  baton hints",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		h, err := c.Hints(ctx)
		if err != nil {
			return err
		}
		return r.print(h, show.Hints(h))
	})
}

func newDataBackup() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "backup DIR", Short: "Write a backup of the asked node, which goes on serving, to a directory of its machine",
		Long: `Write a backup of the asked node, which goes on serving, to a directory of its
machine, which must not exist or be empty. Back up every node of the cluster, one
after the other; baton restore --record says whether the backups fit together.
baton cluster backup writes the replicated record alone.`,
		Example: "  baton backup /backup/n1 --admin 10.0.0.1:8097",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		dir, err := filepath.Abs(args[0])
		if err != nil {
			return &usageError{err.Error()}
		}
		b, err := c.BackupData(ctx, dir)
		if err != nil {
			return err
		}
		return r.print(b, show.DataBackup(b))
	})
}

func newDataRestore() *cobra.Command {
	var o baton.RestoreOptions
	asJSON := false
	cmd := &cobra.Command{
		Use: "restore BACKUP", Short: "Make a data directory of a backup, for a node of a new cluster",
		Long: `Make a data directory of a backup, whose sums are compared first. The node goes
on in a cluster of its own, with the record of the backup: restore every node of
the old cluster, with the same --record, and start first the one that record is
of. A single node of a living cluster is not restored but replaced: its copies
come from the others.`,
		Example: "  baton restore /backup/n1 --data-dir /var/lib/baton\n  baton restore /backup/n2 --data-dir /var/lib/baton --record /backup/n1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Backup = args[0]
			m, err := baton.Restore(cmd.Context(), o)
			if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
				err = &usageError{err.Error()}
			}
			if err != nil {
				return ran(err)
			}
			text := fmt.Sprintf("%s holds %s as of record version %d. Start it with: baton start --name %s --data-dir %s\n", o.DataDir, m.Node, m.RecordVersion, m.Node, o.DataDir)
			return ran(printAnswer(cmd.OutOrStdout(), asJSON, m, text))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.DataDir, "data-dir", "", "data directory to make")
	f.StringVar(&o.Record, "record", "", "backup whose record the restored cluster begins with (default: this one)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}
