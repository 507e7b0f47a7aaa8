package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/cmd/node/settings"
)

func newStart() *cobra.Command {
	var asJSON bool
	cmd := newConfigured(&cobra.Command{
		Use: "start", Short: "Start a node: of a new cluster, of one to join, or one that waits to be told",
		Long: `Start a node. With --bootstrap it creates a cluster, with --join it asks to join
one, with --bootstrap-expect N and --join the first N nodes create one together;
with none of them it waits for baton cluster join. A node that was a member goes
on as that member, whatever of these is given.

Every setting is a flag, a variable (--ring-size: BATON_RING_SIZE) and a key of
the file (ring-size = 64), in this precedence; baton config show lists them.

One line on standard output says that the node is ready: it has a cluster and
takes part in it. Before that, a node that waits for baton cluster join says so
in a line of its own, with the address to ask. The log goes to standard error.
SIGTERM and SIGINT stop it in order, within --shutdown-timeout; a second one ends
it at once. A node that has left its cluster exits with code 0.`,
		Example: `  baton start --bootstrap --name n1
  baton start --name n2 --join 10.0.0.1:8099 --cluster-addr 10.0.0.2:8099
  baton start --config /etc/baton.conf --json`,
	}, func(cmd *cobra.Command, c *settings.Config) error {
		log := newLogger(cmd.ErrOrStderr(), c.LogLevel, c.LogFormat)
		for _, w := range c.Misspelled(os.Environ()) {
			log.Warn(w)
		}
		if c.PBAddr != "" {
			log.Warn("the protocol buffers address is not served by this version", "pb-addr", c.PBAddr)
		}
		node, err := startNode(cmd.Context(), c, log, func(r ready) {
			if err := printReady(cmd.OutOrStdout(), r, asJSON); err != nil {
				log.Error("not told that the node waits", "err", err)
			}
		})
		if errors.Is(err, context.Canceled) && cmd.Context().Err() != nil {
			log.Info("stopped before it had a cluster")
			return nil
		}
		if err != nil {
			return err
		}
		return serve(cmd.Context(), node, c.ShutdownTimeout, log, func() error {
			return printReady(cmd.OutOrStdout(), node.ready(), asJSON)
		})
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the line that says ready as a JSON object")
	return cmd
}

// newLogger returns a logger of the settings, which were checked.
func newLogger(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // checked; else it is info
	o := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// node is what start needs of a running node.
type node interface {
	// ready returns what is to be told about it.
	ready() ready
	// Done is closed when the node has ended by itself; Err says why, nil when
	// it has left the cluster.
	Done() <-chan struct{}
	Err() error
	// Stop drains the node, hands leadership over, and ends it.
	Stop(ctx context.Context) error
}

// ready is the line that says that a node is ready.
type ready struct {
	Node        string `json:"node"`
	Phase       string `json:"phase"`
	ClusterID   string `json:"cluster_id,omitempty"`
	ClusterAddr string `json:"cluster_addr"`
	AdminAddr   string `json:"admin_addr"`
	HTTPAddr    string `json:"http_addr,omitempty"`
}

func printReady(w io.Writer, r ready, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	http := ""
	if r.HTTPAddr != "" {
		http = ", http " + r.HTTPAddr
	}
	if r.ClusterID == "" {
		_, err := fmt.Fprintf(w, "waiting: %s (%s), cluster address %s, admin %s%s: baton --admin %s cluster join ADDR\n",
			r.Node, r.Phase, r.ClusterAddr, r.AdminAddr, http, r.AdminAddr)
		return err
	}
	_, err := fmt.Fprintf(w, "ready: %s (%s), cluster %s, cluster address %s, admin %s%s\n", r.Node, r.Phase, r.ClusterID, r.ClusterAddr, r.AdminAddr, http)
	return err
}

// serve announces the node and waits until it ends by itself, or until ctx ends
// and it was stopped in time.
func serve(ctx context.Context, n node, timeout time.Duration, log *slog.Logger, announce func() error) error {
	err := announce()
	if err == nil {
		select {
		case <-n.Done():
			return n.Err()
		case <-ctx.Done():
			log.Info("stopping", "within", timeout)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if stopErr := n.Stop(ctx); err == nil {
		err = stopErr
	}
	return err
}
