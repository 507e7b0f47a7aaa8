package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton"
)

func newRecover() *cobra.Command {
	var o baton.RecoverOptions
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use: "recover", Short: "On the machine of a stopped node: go on with it alone, when the majority of voters is gone for ever",
		Long: `Make a stopped node the only voter of the record that is in its data directory.
For the case that the majority of the voters is gone for ever; where it may come
back, wait for it. What only the others knew is lost, and none of them may start
again but with an empty data directory: there would be two records.

Then start the node, declare the others down, and force-remove or force-replace
them. Choose the node that has applied most: its log names the version.`,
		Example: "  baton cluster recover --data-dir /var/lib/baton --yes",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return errors.New("recover: what only the lost voters knew is given up: repeat it with --yes if they are gone for ever")
			}
			o.Logger = newLogger(cmd.ErrOrStderr(), "warn", "text")
			if err := baton.Recover(o); err != nil {
				return ran(err)
			}
			text := fmt.Sprintf("%s holds the only voter now. Start it, then declare the others down.\n", o.DataDir)
			return ran(printAnswer(cmd.OutOrStdout(), asJSON, map[string]string{"data_dir": o.DataDir}, text))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.DataDir, "data-dir", "", "data directory of the stopped node")
	f.BoolVar(&yes, "yes", false, "the majority is gone for ever")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}
