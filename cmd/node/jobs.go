package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/show"
)

func newJob() *cobra.Command {
	return newGroup("job", "Run MapReduce jobs, see and cancel them", "  baton job submit count.json\n  baton job list",
		newJobSubmit(), newJobList(), newJobShow(), newJobCancel())
}

func newJobSubmit() *cobra.Command {
	var watch bool
	cmd := newRemote(&cobra.Command{
		Use: "submit FILE|-", Short: "Run the job that a file describes, and print its result",
		Long: `Run the job that a file describes, in the JSON of Riak's clients, and print its
result as it comes in: one value a line, behind the number of its phase and a
tab. The node that is asked coordinates the job; the job ends when this command does. The account of the job
goes to standard error, and with --watch how far it is.`,
		Example: `  baton job submit count.json
  echo '{"inputs":"b","query":[]}' | baton job submit - --watch`,
		Args: cobra.ExactArgs(1),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		in := r.cmd.InOrStdin()
		if args[0] != "-" {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			in = f
		}
		return submitJob(ctx, r, c, in, watch)
	})
	cmd.Flags().BoolVar(&watch, "watch", false, "say how far the job is, on standard error")
	return cmd
}

func submitJob(ctx context.Context, r *remote, c *admin.Client, in io.Reader, watch bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &jobPrinter{out: r.cmd.OutOrStdout(), asJSON: r.asJSON}
	notes := r.cmd.ErrOrStderr()
	if file, ok := notes.(*os.File); ok {
		p.redraw = watch && term.IsTerminal(int(file.Fd()))
	}
	err := c.SubmitJob(ctx, in, watch, func(e admin.JobEvent) {
		if err := p.take(e); err != nil {
			cancel(err) // nobody reads on
		}
		if e.Job == nil || r.asJSON {
			return
		}
		switch {
		case p.redraw && e.Job.State == "running":
			fmt.Fprintf(notes, "\r\x1b[K%s", show.JobLine(*e.Job))
		case p.redraw:
			fmt.Fprintf(notes, "\r\x1b[K%s\n", show.JobLine(*e.Job))
		case watch || e.Job.State != "running":
			fmt.Fprintln(notes, show.JobLine(*e.Job))
		}
	})
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return cause
	}
	return err
}

// jobPrinter prints the events of a job.
type jobPrinter struct {
	out    io.Writer
	asJSON bool
	redraw bool // the line about how far the job is
}

func (p *jobPrinter) take(e admin.JobEvent) error {
	if p.asJSON {
		return json.NewEncoder(p.out).Encode(e)
	}
	if e.Part == nil {
		return nil
	}
	var values []json.RawMessage
	if err := json.Unmarshal(e.Part.Data, &values); err != nil {
		return err
	}
	for _, v := range values {
		if _, err := fmt.Fprintf(p.out, "%d\t%s\n", e.Part.Phase, v); err != nil {
			return err
		}
	}
	return nil
}

func newJobList() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "list", Short: "Show the jobs that a node coordinates, and the latest that it has",
		Example: "  baton job list\n  baton job list --admin 10.0.0.2:8097", Args: cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		l, err := c.Jobs(ctx)
		if err != nil {
			return err
		}
		return r.print(l, show.Jobs(l))
	})
}

func newJobShow() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "show ID", Short: "Show how far a job is, phase by phase, or how it ended",
		Example: "  baton job show 3f2a9c0d11e24c7b8f50d6a7c1b2e3f4", Args: cobra.ExactArgs(1),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		l, err := c.Jobs(ctx)
		if err != nil {
			return err
		}
		for _, j := range l.Jobs {
			if j.ID == args[0] {
				return r.print(j, show.Job(j))
			}
		}
		return fmt.Errorf("job %s: %w: ask the node that coordinates it: baton job list --admin ADDR", args[0], admin.ErrNoJob)
	})
}

func newJobCancel() *cobra.Command {
	return newRemote(&cobra.Command{
		Use: "cancel ID", Short: "End a job that a node coordinates",
		Example: "  baton job cancel 3f2a9c0d11e24c7b8f50d6a7c1b2e3f4", Args: cobra.ExactArgs(1),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		l, err := c.CancelJob(ctx, args[0])
		if err != nil {
			return err
		}
		return r.print(l, "The job is told to end.\n")
	})
}
