package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
)

// defaultAdmin is where a node on this machine takes changes by default.
const defaultAdmin = "http://127.0.0.1:8097"

// errNotReady is the negative answer of ringready.
var errNotReady = errors.New("not every member has applied the newest record")

// remote is a command that asks one node. Every such command has --admin and
// --json.
type remote struct {
	cmd    *cobra.Command
	addr   string
	asJSON bool
}

// newRemote completes a command; work asks the node and prints.
func newRemote(cmd *cobra.Command, work func(ctx context.Context, r *remote, c *admin.Client, args []string) error) *cobra.Command {
	r := &remote{cmd: cmd}
	cmd.Flags().StringVar(&r.addr, "admin", "", "admin address of the node to ask (BATON_ADMIN; default "+defaultAdmin+")")
	cmd.Flags().BoolVar(&r.asJSON, "json", false, "print JSON objects, one a line")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := r.client()
		if err != nil {
			return err
		}
		defer c.Close()
		return ran(work(cmd.Context(), r, c, args))
	}
	return cmd
}

func (r *remote) client() (*admin.Client, error) {
	addr := r.addr
	if addr == "" {
		addr = os.Getenv("BATON_ADMIN")
	}
	if addr == "" {
		addr = defaultAdmin
	}
	return admin.NewClient(addr)
}

// print writes an answer: as JSON, or as text for people.
func (r *remote) print(answer any, text string) error {
	return printAnswer(r.cmd.OutOrStdout(), r.asJSON, answer, text)
}

func printAnswer(w io.Writer, asJSON bool, answer any, text string) error {
	if asJSON {
		return json.NewEncoder(w).Encode(answer)
	}
	_, err := io.WriteString(w, text)
	return err
}

// newGroup is a command that only has subcommands. A wrong one is a usage error
// that names the nearest.
func newGroup(use, short, example string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
			for _, s := range cmd.SuggestionsFor(args[0]) {
				text += fmt.Sprintf(": did you mean %s?", s)
			}
			return errors.New(text)
		},
	}
	cmd.AddCommand(subs...)
	return cmd
}
