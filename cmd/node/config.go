package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/settings"
)

func newConfig() *cobra.Command {
	return newGroup("config", "Show and check the settings of baton start", "  baton config show --effective", newConfigShow(), newConfigCheck())
}

// newConfigured is a command that takes the settings of baton start.
func newConfigured(cmd *cobra.Command, work func(cmd *cobra.Command, c *settings.Config) error) *cobra.Command {
	c := &settings.Config{}
	c.Bind(cmd.Flags())
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := c.Load(cmd.Flags(), settings.System()); err != nil {
			return err
		}
		return ran(work(cmd, c))
	}
	return cmd
}

func newConfigShow() *cobra.Command {
	var effective, running, asJSON bool
	var addr string
	cmd := newConfigured(&cobra.Command{
		Use: "show", Short: "Show what baton start would be told with these flags, this environment and file",
		Long: `Show the settings that flags, environment and file give, in the form of the file;
with --effective the defaults too, with --running those of a running node.`,
		Example: "  baton config show --effective\n  baton config show --running --admin http://10.0.0.1:8097",
	}, func(cmd *cobra.Command, c *settings.Config) error {
		shown := c.Settings(effective)
		if running {
			var err error
			if shown, err = runningConfig(cmd.Context(), addr); err != nil {
				return err
			}
		}
		return printAnswer(cmd.OutOrStdout(), asJSON, shown, settingLines(shown))
	})
	cmd.Flags().BoolVar(&effective, "effective", false, "show the defaults too")
	cmd.Flags().BoolVar(&running, "running", false, "ask the node at --admin")
	cmd.Flags().StringVar(&addr, "admin", "", "admin address of the node to ask (BATON_ADMIN)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON list")
	return cmd
}

func runningConfig(ctx context.Context, addr string) ([]admin.Setting, error) {
	c, err := (&remote{addr: addr}).client()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Config(ctx)
}

// settingLines is the form of the file, with sources as comments above.
func settingLines(all []admin.Setting) string {
	var b strings.Builder
	source := ""
	for _, s := range all {
		if s.Source != source {
			source = s.Source
			fmt.Fprintf(&b, "# %s\n", source)
		}
		value := s.Value
		if value == "" || strings.TrimSpace(value) != value {
			value = strconv.Quote(value)
		}
		fmt.Fprintf(&b, "%s = %s\n", s.Name, value)
	}
	return b.String()
}

func newConfigCheck() *cobra.Command {
	var asJSON bool
	cmd := newConfigured(&cobra.Command{
		Use: "check", Short: "Check the settings, without starting anything; exit code 2 when baton start would refuse them",
		Example: "  baton config check --config /etc/baton.conf",
	}, func(cmd *cobra.Command, c *settings.Config) error {
		warnings := c.Misspelled(os.Environ())
		text := "The settings are in order.\n"
		for _, w := range warnings {
			text = "WARNING: " + w + "\n" + text
		}
		return printAnswer(cmd.OutOrStdout(), asJSON, struct {
			OK       bool     `json:"ok"`
			Warnings []string `json:"warnings"`
		}{true, append([]string{}, warnings...)}, text)
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}
