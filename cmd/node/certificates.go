package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cmd/node/show"
)

func newCertificates() *cobra.Command {
	var want admin.CertificatesRequest
	var kind string
	partition := -1
	cmd := newRemote(&cobra.Command{
		Use: "certificates", Short: "Show how transfers ended: who gave what to whom, and what both counted",
		Long: `Show how transfers ended: who gave what to whom, what both sides counted, how long
nobody acknowledged writes (Frozen), and how many late frames were turned away by
source and target (Fenced). The last certificate of each partition is in the
record, those before are in the logs of the nodes that took part (In). With --all
transfers that failed are shown too.`,
		Example: "  baton handoff certificates\n  baton handoff certificates --kind kv --partition 17\n  baton handoff certificates --all --json",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		want.Kind = kind
		if partition >= 0 {
			p := ring.Partition(partition)
			want.Partition = &p
		}
		certificates, err := c.Certificates(ctx, want)
		if err != nil {
			return err
		}
		return r.print(certificates, show.Certificates(certificates))
	})
	f := cmd.Flags()
	f.StringVar(&kind, "kind", "", "only of this vnode kind")
	f.IntVar(&partition, "partition", -1, "only of this partition")
	f.Uint64Var(&want.Session, "session", 0, "only of this session")
	f.BoolVar(&want.Failed, "all", false, "failed transfers too")
	return cmd
}
