package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/show"
)

func newList() *cobra.Command {
	var bucketType *string
	cmd := newRemote(&cobra.Command{
		Use: "list BUCKET", Short: "List the keys of a bucket",
		Long: `List the keys of a bucket, one a line, in no order that means anything. Every
key that was there all the time is listed once; if some cannot be listed the
command says so and ends with code 3.`,
		Example: "  baton list users\n  baton list users --json",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		w := bufio.NewWriter(r.cmd.OutOrStdout())
		encoder := json.NewEncoder(w)
		for o, err := range c.List(ctx, admin.ListRequest{Type: *bucketType, Bucket: args[0], KeysOnly: true}) {
			if err != nil {
				_ = w.Flush()
				return err
			}
			if r.asJSON {
				err = encoder.Encode(o)
			} else {
				_, err = fmt.Fprintln(w, show.Text(o.Key))
			}
			if err != nil {
				return err
			}
		}
		return w.Flush()
	})
	bucketType = typeFlag(cmd)
	return cmd
}
