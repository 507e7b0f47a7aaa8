package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/cmd/node/demo"
	"github.com/dee2748c/baton/cmd/node/settings"
)

func TestExitCode(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"done", nil, exitDone},
		{"an unknown flag", errors.New("unknown flag"), exitUsage},
		{"a bad input", ran(&demo.InputError{}), exitUsage},
		{"a bad option", ran(fmt.Errorf("demo: %w", &demo.OptionError{})), exitUsage},
		{"a bad option of a node", ran(fmt.Errorf("start: %w", &baton.OptionError{})), exitUsage},
		{"inexact", ran(fmt.Errorf("3 words: %w", demo.ErrInexact)), exitNegative},
		{"refused", ran(fmt.Errorf("commit: %w", topology.ErrPlanChanged)), exitRefused},
		{"a bad setting", &settings.Error{}, exitUsage},
		{"not ready", ran(errNotReady), exitNegative},
		{"a removed node", ran(fmt.Errorf("start node: %w", topology.ErrNotMember)), exitRefused},
		{"a directory in use", ran(fmt.Errorf("start node: %w", baton.ErrDirInUse)), exitRefused},
		{"a fenced node", ran(baton.ErrFenced), exitRefused},
		{"a port in use", ran(fmt.Errorf("listen: %w", baton.ErrAddrInUse)), exitUsage},
		{"a command that can't be", ran(topology.ErrInvalid), exitUsage},
		{"no majority", ran(cluster.ErrUnavailable), exitUnavailable},
		{"a lost record", ran(cluster.ErrTopologyLost), exitRefused},
		{"nothing listens", ran(admin.ErrUnreachable), exitUnavailable},
		{"interrupted", ran(context.Canceled), exitUnavailable},
		{"out of time", ran(context.DeadlineExceeded), exitUnavailable},
		{"an unknown outcome", ran(baton.ErrUnknownOutcome), exitUnavailable},
		{"anything else", ran(errors.New("anything else")), exitUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := exitCode(tt.err); got != tt.want {
				t.Errorf("exit code %d, want %d", got, tt.want)
			}
		})
	}
}

// TestCommands_haveExamples holds every subcommand to help with examples.
func TestCommands_haveExamples(t *testing.T) {
	var check func(*cobra.Command)
	check = func(c *cobra.Command) {
		if c.Short == "" || !strings.Contains(c.Example, "baton ") {
			t.Errorf("%s has no description or no example", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check(newRoot())
}

func TestRun_reportsOnce(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"demo", "--input", "nosuchdir"}, &out, &errs); code != exitUsage {
		t.Errorf("exit code %d, want %d", code, exitUsage)
	}
	if out.Len() != 0 || strings.Count(errs.String(), "\n") != 1 || !strings.HasPrefix(errs.String(), "baton: input nosuchdir does not exist") {
		t.Errorf("printed %q and %q", out.String(), errs.String())
	}
}
