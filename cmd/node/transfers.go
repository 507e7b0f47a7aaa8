package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cmd/node/show"
)

func newTransfers() *cobra.Command {
	var watch bool
	interval := time.Second
	cmd := newRemote(&cobra.Command{
		Use: "transfers", Short: "Show which partitions move, how far they are, and what failed",
		Long: `Show which partitions move, how far they are, and what failed. With --watch the
picture is drawn anew until nothing is left to move; where standard output is no
terminal, one line is written for each change instead.`,
		Example: "  baton transfers --watch",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		if !watch {
			t, err := c.Transfers(ctx)
			if err != nil {
				return err
			}
			return r.print(t, show.Transfers(t))
		}
		tick := time.NewTicker(max(interval, 10*time.Millisecond))
		defer tick.Stop()
		return follow(ctx, c.Transfers, newPicture(r.cmd.OutOrStdout(), r.asJSON), tick.C)
	})
	cmd.Flags().BoolVar(&watch, "watch", false, "go on until nothing is left to move")
	cmd.Flags().DurationVar(&interval, "interval", interval, "pause between two looks, with --watch")
	return cmd
}

// follow shows the transfers at each tick until there are none and none waits.
func follow(ctx context.Context, look func(context.Context) (admin.Transfers, error), draw func(before, now admin.Transfers) error, tick <-chan time.Time) error {
	var before admin.Transfers
	for {
		now, err := look(ctx)
		if err == nil {
			err = draw(before, now)
		}
		if err != nil || show.Settled(now) {
			return err
		}
		before = now
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick:
		}
	}
}

// newPicture chooses how the next look is shown: as an object when it differs,
// over the last picture, or as the lines that are new.
func newPicture(w io.Writer, asJSON bool) func(before, now admin.Transfers) error {
	file, ok := w.(*os.File)
	switch {
	case asJSON:
		return func(before, now admin.Transfers) error {
			if reflect.DeepEqual(before, now) {
				return nil
			}
			return json.NewEncoder(w).Encode(now)
		}
	case ok && term.IsTerminal(int(file.Fd())):
		return func(_, now admin.Transfers) error {
			_, err := fmt.Fprintf(w, "\x1b[H\x1b[2J%s", show.Transfers(now))
			return err
		}
	}
	return func(before, now admin.Transfers) error {
		lines := show.Changes(before, now)
		if len(lines) == 0 {
			return nil
		}
		_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
		return err
	}
}

func newTransferLimit() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "transfer-limit [NODE] [LIMIT]", Short: "Show or set how many transfers a node takes part in at once",
		Long: `Without a limit, show those of all nodes or of one. With one, set it for a node
or for all: how many transfers it sends at once, and how many it receives. 0
opens no more.`,
		Example: "  baton transfer-limit\n  baton transfer-limit 4\n  baton transfer-limit n1 16",
		Args:    cobra.MaximumNArgs(2),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		node, limit, set, err := limitOf(args)
		if err != nil {
			return err
		}
		if set {
			done, err := c.TransferLimit(ctx, node, limit)
			if err != nil {
				return err
			}
			return r.print(done, show.Done(done))
		}
		t, err := c.Transfers(ctx)
		if err != nil {
			return err
		}
		limits := []admin.Limit{}
		for _, l := range t.Limits {
			if node == "" || l.Node == node {
				limits = append(limits, l)
			}
		}
		if len(limits) == 0 {
			return &usageError{fmt.Sprintf("%s is not a member: see baton cluster members", node)}
		}
		t.Limits = limits
		return r.print(limits, show.Limits(t))
	})
}

// limitOf reads [NODE] [LIMIT]. A single number is a limit for all.
func limitOf(args []string) (node ring.NodeID, limit int, set bool, err error) {
	if len(args) == 0 {
		return "", 0, false, nil
	}
	last := args[len(args)-1]
	limit, bad := strconv.Atoi(last)
	switch {
	case len(args) == 1 && bad != nil:
		return ring.NodeID(last), 0, false, nil
	case bad != nil || limit < 0:
		return "", 0, false, &usageError{fmt.Sprintf("limit %q: give a number of transfers", last)}
	case len(args) == 2:
		node = ring.NodeID(args[0])
	}
	return node, limit, true, nil
}
