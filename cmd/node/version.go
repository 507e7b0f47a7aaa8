package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is what `baton version` prints.
type version struct {
	Module   string `json:"module"`
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the module's version, the commit and the Go version of this binary",
		Example: `  baton version
  baton version --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			build, _ := debug.ReadBuildInfo()
			return ran(printVersion(cmd.OutOrStdout(), versionOf(build), asJSON))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// versionOf reads what the Go command recorded in the binary; nil means that it
// recorded nothing.
func versionOf(build *debug.BuildInfo) version {
	v := version{Module: "unknown", Version: "unknown", Commit: "unknown", Go: "unknown"}
	if build == nil {
		return v
	}
	v.Go = build.GoVersion
	if build.Main.Path != "" {
		v.Module, v.Version = build.Main.Path, build.Main.Version
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func printVersion(w io.Writer, v version, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(v)
	}
	modified := ""
	if v.Modified {
		modified = " (modified)"
	}
	_, err := fmt.Fprintf(w, "baton %s\nmodule %s\ncommit %s%s\nbuilt with %s\n", v.Version, v.Module, v.Commit, modified, v.Go)
	return err
}
