package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/cmd/node/show"
)

// newMembers is `cluster members`, and `member-status` as operators know it.
func newMembers(use string) *cobra.Command {
	var all bool
	example := "  baton cluster members"
	if use != "members" {
		example = "  baton " + use
	}
	cmd := newRemote(&cobra.Command{
		Use: use, Short: "Show the members with their shares of the ring",
		Example: example,
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		m, err := c.Members(ctx)
		if err != nil {
			return err
		}
		if !all {
			m.Members = slices.DeleteFunc(m.Members, func(m admin.Member) bool { return m.Status == topology.Removed.String() })
		}
		return r.print(m, show.Members(m.Members))
	})
	cmd.Flags().BoolVar(&all, "all", false, "removed ones too")
	return cmd
}

func newClusterRing() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "ring", Short: "Show the owner of every partition, and the next one where it moves",
		Example: "  baton cluster ring",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		owners, err := c.Ring(ctx)
		if err != nil {
			return err
		}
		return r.print(owners, show.Ring(owners))
	})
}

func newRingReady() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "ringready", Short: "Say whether every member has applied the newest record; exit code 1 when not",
		Example: "  baton ringready",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		ready, err := c.RingReady(ctx)
		if err != nil {
			return err
		}
		if err := r.print(ready, show.RingReady(ready)); err != nil {
			return err
		}
		if !ready.Ready {
			return errNotReady
		}
		return nil
	})
}

// ringStatus is what `ring-status --json` prints.
type ringStatus struct {
	Status admin.Status    `json:"status"`
	Ring   admin.Ring      `json:"ring"`
	Ready  admin.RingReady `json:"ready"`
}

func newRingStatus() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "ring-status", Short: "Show who coordinates, which partitions move, and who can't be reached",
		Example: "  baton ring-status",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		var s ringStatus
		var err error
		if s.Status, err = c.Status(ctx); err != nil {
			return err
		}
		if s.Ring, err = c.Ring(ctx); err != nil {
			return err
		}
		if s.Ready, err = c.RingReady(ctx); err != nil {
			return err
		}
		return r.print(s, show.RingStatus(s.Status, s.Ring, s.Ready))
	})
}
