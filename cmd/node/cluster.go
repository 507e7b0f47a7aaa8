package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cmd/node/show"
)

func newCluster() *cobra.Command {
	return newGroup("cluster", "Change and show the cluster: stage, plan, commit", `  baton cluster join 10.0.0.1:8099
  baton cluster plan && baton cluster commit`,
		newJoin(), newLeave(), newReplace(), newForceRemove(), newForceReplace(), newDown(), newLocation(), newWeight(),
		newPlan(), newCommit(), newClear(), newStatus(), newMembers("members"), newClusterRing(), newBackup(), newRestore(), newRecover())
}

// newChange is a command that makes one change and prints what came of it.
func newChange(cmd *cobra.Command, change func(ctx context.Context, c *admin.Client, args []string) (admin.Done, error)) *cobra.Command {
	return newRemote(cmd, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		done, err := change(ctx, c, args)
		if err != nil {
			return err
		}
		return r.print(done, show.Done(done))
	})
}

func newJoin() *cobra.Command {
	var now bool
	cmd := &cobra.Command{
		Use: "join ADDR...", Short: "Let the asked node, which has no cluster, join that of the cluster addresses",
		Long: `Let the asked node, which was started without --bootstrap and --join, ask for
admission to the cluster that the members at the cluster addresses belong to.
The join is staged: data moves after plan and commit.`,
		Example: "  baton cluster join 10.0.0.1:8099 10.0.0.2:8099 --admin http://10.0.0.4:8097",
		Args:    cobra.MinimumNArgs(1),
	}
	newChange(cmd, func(ctx context.Context, c *admin.Client, args []string) (admin.Done, error) {
		done, err := c.Join(ctx, args)
		if err != nil || !now {
			return done, err
		}
		plan, err := c.Plan(ctx)
		if err != nil {
			return done, err
		}
		return c.Commit(ctx, plan.PlanVersion)
	})
	cmd.Flags().BoolVar(&now, "commit", false, "plan and commit what is staged too: data moves at once")
	return cmd
}

func newLeave() *cobra.Command {
	return newChange(&cobra.Command{
		Use: "leave [NODE]", Short: "Stage that a node, by default the asked one, hands everything off and exits",
		Example: "  baton cluster leave n3",
		Args:    cobra.MaximumNArgs(1),
	}, func(ctx context.Context, c *admin.Client, args []string) (admin.Done, error) {
		return c.Leave(ctx, first(args))
	})
}

// first is the first argument as a node, or none.
func first(args []string) ring.NodeID {
	if len(args) == 0 {
		return ""
	}
	return ring.NodeID(args[0])
}

func newReplace() *cobra.Command {
	return newChange(&cobra.Command{
		Use: "replace OLD NEW", Short: "Stage that NEW, which is joining, gets exactly the partitions of OLD, which leaves",
		Example: "  baton cluster replace n2 n5",
		Args:    cobra.ExactArgs(2),
	}, func(ctx context.Context, c *admin.Client, args []string) (admin.Done, error) {
		return c.Replace(ctx, ring.NodeID(args[0]), ring.NodeID(args[1]))
	})
}

func newForceRemove() *cobra.Command {
	return newChange(&cobra.Command{
		Use: "force-remove NODE", Short: "Stage that a lost node is removed at the commit; what only it has is lost",
		Example: "  baton cluster force-remove n3",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, c *admin.Client, args []string) (admin.Done, error) {
		return c.ForceRemove(ctx, first(args))
	})
}

func newForceReplace() *cobra.Command {
	return newChange(&cobra.Command{
		Use: "force-replace OLD NEW", Short: "Stage that NEW takes the place of a lost OLD at the commit; what only OLD has is lost",
		Example: "  baton cluster force-replace n3 n5",
		Args:    cobra.ExactArgs(2),
	}, func(ctx context.Context, c *admin.Client, args []string) (admin.Done, error) {
		return c.ForceReplace(ctx, ring.NodeID(args[0]), ring.NodeID(args[1]))
	})
}

func newDown() *cobra.Command {
	var force bool
	cmd := newChange(&cobra.Command{
		Use: "down NODE", Short: "Declare that a node's process is gone until it starts again",
		Example: "  baton cluster down n3",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, c *admin.Client, args []string) (admin.Done, error) {
		return c.Down(ctx, first(args), force)
	})
	cmd.Flags().BoolVar(&force, "force", false, "even though it seems to answer")
	return cmd
}

func newLocation() *cobra.Command {
	return newChange(&cobra.Command{
		Use: "location NODE LOCATION", Short: "Stage another rack or zone of a node; \"\" for none",
		Example: "  baton cluster location n1 rack2",
		Args:    cobra.ExactArgs(2),
	}, func(ctx context.Context, c *admin.Client, args []string) (admin.Done, error) {
		return c.Share(ctx, admin.ShareRequest{Node: first(args), Location: &args[1]})
	})
}

func newWeight() *cobra.Command {
	return newChange(&cobra.Command{
		Use: "weight NODE WEIGHT", Short: "Stage another relative share of partitions",
		Example: "  baton cluster weight n1 2",
		Args:    cobra.MatchAll(cobra.ExactArgs(2), numberAt(1)),
	}, func(ctx context.Context, c *admin.Client, args []string) (admin.Done, error) {
		weight, err := strconv.Atoi(args[1])
		if err != nil {
			return admin.Done{}, err
		}
		return c.Share(ctx, admin.ShareRequest{Node: first(args), Weight: &weight})
	})
}

// numberAt holds one argument to be a number that is not negative.
func numberAt(i int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if n, err := strconv.Atoi(args[i]); err != nil || n < 0 {
			return fmt.Errorf("%q is not a number: give a whole number", args[i])
		}
		return nil
	}
}

func newPlan() *cobra.Command {
	var staged bool
	cmd := newRemote(&cobra.Command{
		Use: "plan", Short: "Compute and stage the plan of everything staged, and show what it would do",
		Example: "  baton cluster plan",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		ask := c.Plan
		if staged {
			ask = c.StagedPlan
		}
		p, err := ask(ctx)
		if err != nil {
			return err
		}
		return r.print(p, show.Plan(p))
	})
	cmd.Flags().BoolVar(&staged, "staged", false, "show the plan that is staged already, without a new one")
	return cmd
}

func newCommit() *cobra.Command {
	var version uint64
	cmd := newChange(&cobra.Command{
		Use: "commit", Short: "Make the staged plan the cluster's ring; partitions then move on their own",
		Example: "  baton cluster commit\n  baton cluster commit --plan 17",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, c *admin.Client, _ []string) (admin.Done, error) {
		if version == 0 {
			plan, err := c.StagedPlan(ctx)
			if err != nil {
				return admin.Done{}, err
			}
			version = plan.PlanVersion
		}
		return c.Commit(ctx, version)
	})
	cmd.Flags().Uint64Var(&version, "plan", 0, "version of the plan that was reviewed; another one is refused (default: the staged one)")
	return cmd
}

func newClear() *cobra.Command {
	return newChange(&cobra.Command{
		Use: "clear [NODE]", Short: "Take back what is staged, for one node or for all, and the plan",
		Example: "  baton cluster clear",
		Args:    cobra.MaximumNArgs(1),
	}, func(ctx context.Context, c *admin.Client, args []string) (admin.Done, error) {
		return c.Clear(ctx, first(args))
	})
}

func newStatus() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "status", Short: "Show the cluster, its members and what is staged",
		Example: "  baton cluster status --json",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		return r.print(s, show.Status(s))
	})
}

func newBackup() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "backup FILE", Short: "Write the replicated record to a file, for a restore",
		Example: "  baton cluster backup record.baton",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		b, err := c.Backup(ctx)
		if err != nil {
			return err
		}
		if err := os.WriteFile(args[0], b.State, 0o600); err != nil {
			return err
		}
		return r.print(b.Record, fmt.Sprintf("Wrote record version %d of cluster %s to %s\n", b.Version, b.ClusterID, args[0]))
	})
}

func newRestore() *cobra.Command {
	return newChange(&cobra.Command{
		Use: "restore [FILE]", Short: "Give a Consul server that lost the record it back: that of the asked node, or of a backup",
		Long: `Give a Consul server that lost the cluster's record (topology_lost) the record
back: the one that the asked node has applied, or that of a backup. Ask the node
whose cluster status shows the highest record version.`,
		Example: "  baton cluster restore\n  baton cluster restore record.baton",
		Args:    cobra.MaximumNArgs(1),
	}, func(ctx context.Context, c *admin.Client, args []string) (admin.Done, error) {
		if len(args) == 0 {
			return c.Restore(ctx, nil)
		}
		state, err := os.ReadFile(args[0])
		if err != nil {
			return admin.Done{}, err
		}
		return c.Restore(ctx, state)
	})
}
