package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cmd/node/settings"
	"github.com/dee2748c/baton/cmd/node/show"
)

// errFindings is the negative answer of an audit.
var errFindings = errors.New("the audit found what is wrong")

func newAudit() *cobra.Command {
	var kind, rate string
	partition := -1
	verify := newRemote(&cobra.Command{
		Use: "verify", Short: "Read everything that the cluster holds, and compare it",
		Long: `Read everything that the cluster holds, and compare it: each copy with what is on
the disk, with what its kind writes and with its running digest; the certificates
of all transfers with each other and with the record; and the copies of all keys
with each other. It changes nothing, but damage that it meets is repaired as if a
read had met it. One line is written for each finding, and the exit status is 1
if there is one.`,
		Example: "  baton audit verify\n  baton audit verify --kind kv --partition 17\n  baton audit verify --rate 200MiB --json",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		req := admin.AuditRequest{Kind: kind}
		if partition >= 0 {
			p := ring.Partition(partition)
			req.Partition = &p
		}
		if rate != "" {
			n, ok := settings.Size(rate)
			if !ok || n <= 0 {
				return &usageError{fmt.Sprintf("rate %q: give bytes per second, such as 64MiB", rate)}
			}
			req.Rate = uint64(n)
		}
		return runAudit(ctx, r, c, req)
	})
	f := verify.Flags()
	f.StringVar(&kind, "kind", "", "only this vnode kind")
	f.IntVar(&partition, "partition", -1, "only this partition")
	f.StringVar(&rate, "rate", "", "what each node reads at most, in bytes per second (default 64MiB)")
	return newGroup("audit", "Verify what the cluster holds", "  baton audit verify", verify)
}

func runAudit(ctx context.Context, r *remote, c *admin.Client, req admin.AuditRequest) error {
	w := r.cmd.OutOrStdout()
	file, ok := w.(*os.File)
	progress := ok && !r.asJSON && term.IsTerminal(int(file.Fd()))
	findings := 0
	var copies int
	var read uint64
	var failed error
	err := c.Audit(ctx, req, func(e admin.AuditEvent) {
		if e.Finding != nil {
			findings++
		}
		if e.Copy != nil {
			copies++
			read += e.Copy.Bytes
		}
		var err error
		switch {
		case r.asJSON:
			err = json.NewEncoder(w).Encode(e)
		case e.Finding != nil:
			_, err = fmt.Fprint(w, clear(progress), show.Finding(*e.Finding))
		case e.Summary != nil:
			_, err = fmt.Fprint(w, clear(progress), show.AuditSummary(*e.Summary))
		case progress:
			_, err = fmt.Fprintf(w, "%s%s", clear(true), show.AuditProgress(copies, read))
		}
		failed = errors.Join(failed, err)
	})
	switch {
	case err != nil:
		return err
	case failed != nil:
		return failed
	case findings > 0:
		return errFindings
	}
	return nil
}

// clear empties the line of a terminal.
func clear(terminal bool) string {
	if terminal {
		return "\r\x1b[K"
	}
	return ""
}
