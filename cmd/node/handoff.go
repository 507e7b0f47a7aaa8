package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
)

func newHandoff() *cobra.Command {
	move := newChange(&cobra.Command{
		Use: "move PARTITION NODE", Short: "Move one partition, of all kinds, to a node",
		Example: "  baton handoff move 17 n3",
		Args:    cobra.MatchAll(cobra.ExactArgs(2), numberAt(0)),
	}, func(ctx context.Context, c *admin.Client, args []string) (admin.Done, error) {
		p, err := strconv.ParseUint(args[0], 10, 32)
		if err != nil {
			return admin.Done{}, &usageError{fmt.Sprintf("partition %q: give its number", args[0])}
		}
		return c.Move(ctx, admin.MoveRequest{Partition: ring.Partition(p), To: ring.NodeID(args[1])})
	})
	return newGroup("handoff", "Move single partitions", "  baton handoff move 17 n3", move)
}
