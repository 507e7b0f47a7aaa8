package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cmd/node/settings"
	"github.com/dee2748c/baton/cmd/node/show"
)

func newHandoff() *cobra.Command {
	return newGroup("handoff", "Show, bound, stop and ask for transfers of partitions",
		"  baton handoff summary\n  baton handoff disable outbound --node n1\n  baton handoff move 17 n3",
		newHandoffSummary(), newHandoffDetails(), newHandoffConfig(), newHandoffSwitch("enable"), newHandoffSwitch("disable"),
		newHandoffCancel(), newHandoffMove(), newCertificates())
}

func newHandoffSummary() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "summary", Short: "Show how much each node sends and receives, and how much it has yet to send",
		Example: "  baton handoff summary", Args: cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		h, err := c.Handoff(ctx)
		if err != nil {
			return err
		}
		return r.print(h, show.HandoffSummary(h))
	})
}

func newHandoffDetails() *cobra.Command {
	var past int
	cmd := newRemote(&cobra.Command{
		Use: "details", Short: "Show each transfer, what each partition that has to move waits for, and what came of the latest",
		Example: "  baton handoff details\n  baton handoff details --past 100", Args: cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		var d show.Details
		var err error
		if d.Transfers, err = c.Transfers(ctx); err != nil {
			return err
		}
		h, err := c.Handoff(ctx)
		if err != nil {
			return err
		}
		d.Pending = h.Pending
		// An address that serves reads only does not tell of the past.
		ended, err := c.Certificates(ctx, admin.CertificatesRequest{Failed: true})
		if err != nil && !errors.Is(err, admin.ErrReadOnly) {
			return err
		}
		d.Past = ended.Certificates[max(0, len(ended.Certificates)-past):]
		return r.print(d, show.HandoffDetails(d))
	})
	cmd.Flags().IntVar(&past, "past", 10, "how many transfers that have ended")
	return cmd
}

func newHandoffConfig() *cobra.Command {
	var node, rate string
	var limit int
	cmd := &cobra.Command{
		Use: "config", Short: "Show or set what bounds the transfers of a node or of all",
		Long: `Without --limit and --rate, show what bounds transfers. With one of them, set it,
for one node or for all: --limit is how many transfers a node sends at once, and
how many it receives, --rate how many bytes a second it sends in all of them
together. Transfers that are under way follow a new rate at once.`,
		Example: "  baton handoff config\n  baton handoff config --rate 100MiB --limit 4\n  baton handoff config --node n1 --rate 0",
		Args:    cobra.NoArgs,
	}
	newRemote(cmd, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		req := admin.HandoffConfigRequest{Node: ring.NodeID(node)}
		if cmd.Flags().Changed("limit") {
			req.Limit = &limit
		}
		if cmd.Flags().Changed("rate") {
			n, err := rateOf(rate)
			if err != nil {
				return err
			}
			req.Rate = &n
		}
		if req.Limit != nil || req.Rate != nil {
			done, err := c.ConfigureHandoff(ctx, req)
			if err != nil {
				return err
			}
			return r.print(done, show.Done(done))
		}
		h, err := c.Handoff(ctx)
		if err != nil {
			return err
		}
		if node != "" {
			if h.Nodes, err = only(h.Nodes, req.Node); err != nil {
				return err
			}
		}
		return r.print(h.Nodes, show.HandoffConfig(h))
	})
	cmd.Flags().StringVar(&node, "node", "", "only this node")
	cmd.Flags().IntVar(&limit, "limit", 0, "transfers out of a node at once, and into it; 0 opens no more")
	cmd.Flags().StringVar(&rate, "rate", "", "bytes per second that a node sends, such as 100MiB; 0 is no bound")
	return cmd
}

// only picks one node.
func only(all []admin.NodeHandoff, node ring.NodeID) ([]admin.NodeHandoff, error) {
	for _, n := range all {
		if n.Node == node {
			return []admin.NodeHandoff{n}, nil
		}
	}
	return nil, &usageError{fmt.Sprintf("%s is not a member: see baton cluster members", node)}
}

// rateOf reads bytes per second; 0 is no bound.
func rateOf(text string) (uint64, error) {
	if text == "0" {
		return 0, nil
	}
	n, ok := settings.Size(text)
	if !ok || n == 0 {
		return 0, &usageError{fmt.Sprintf("rate %q: give bytes per second, such as 100MiB, or 0 for no bound", text)}
	}
	return uint64(n), nil
}

// newHandoffSwitch is enable or disable.
func newHandoffSwitch(verb string) *cobra.Command {
	var node, kind string
	var cancel bool
	on := verb == "enable"
	cmd := &cobra.Command{
		Use: verb + " inbound|outbound|both", Short: map[bool]string{true: "Open transfers again", false: "Open no more transfers"}[on],
		Example:   "  baton handoff " + verb + " outbound --node n1",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"inbound", "outbound", "both"},
	}
	newRemote(cmd, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		done, err := c.SwitchHandoff(ctx, admin.HandoffSwitchRequest{Node: ring.NodeID(node), Kind: kind, Direction: args[0], On: on, Cancel: cancel})
		if err != nil {
			return err
		}
		return r.print(done, show.HandoffDone(done))
	})
	cmd.Flags().StringVar(&node, "node", "", "only out of this node, or into it")
	cmd.Flags().StringVar(&kind, "kind", "", "only of this vnode kind")
	if !on {
		cmd.Long = "Open no more transfers out of a node or into it. Those under way go on, without\n--cancel. Ownership stays as it is until they are enabled again."
		cmd.Flags().BoolVar(&cancel, "cancel", false, "also cancel those under way that can be")
	}
	return cmd
}

func newHandoffCancel() *cobra.Command {
	var kind string
	var partition uint32
	cmd := &cobra.Command{
		Use: "cancel [SESSION]", Short: "Cancel a transfer whose partition has not changed owners yet",
		Long: `Cancel a transfer by its session, or all of one partition. The source goes on as
the owner, and the copy is thrown away. The transfer is opened again after a
pause, unless it is disabled or the partition moved back. Once ownership has
changed it is too late: exit code 4.`,
		Example: "  baton handoff cancel 42\n  baton handoff cancel --partition 17 --kind kv",
		Args:    cobra.MaximumNArgs(1),
	}
	newRemote(cmd, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		req := admin.HandoffCancelRequest{Kind: kind}
		byPartition := cmd.Flags().Changed("partition")
		switch {
		case byPartition == (len(args) == 1):
			return &usageError{"name a session, or a partition with --partition"}
		case byPartition:
			p := ring.Partition(partition)
			req.Partition = &p
		default:
			session, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil || session == 0 {
				return &usageError{fmt.Sprintf("session %q: give its number, see baton transfers", args[0])}
			}
			req.Session = session
		}
		done, err := c.CancelHandoff(ctx, req)
		if err != nil {
			return err
		}
		return r.print(done, show.HandoffDone(done))
	})
	cmd.Flags().Uint32Var(&partition, "partition", 0, "all transfers of this partition")
	cmd.Flags().StringVar(&kind, "kind", "", "with --partition: only of this vnode kind")
	return cmd
}

func newHandoffMove() *cobra.Command {
	return newChange(&cobra.Command{
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
}
