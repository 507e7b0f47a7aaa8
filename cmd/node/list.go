package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/show"
	"github.com/dee2748c/baton/kv"
)

func newList() *cobra.Command {
	var q admin.IndexRequest
	var exact string
	var buckets bool
	var bucketType *string
	cmd := newRemote(&cobra.Command{
		Use: "list [BUCKET]", Short: "List the keys of a bucket, the buckets of a type, or what an index finds",
		Long: `List the keys of a bucket, one a line, in no order that means anything; with
--buckets the buckets that hold objects; with --index the keys that an index
finds, in the order of their terms within each partition, or over all with
--sorted. $key is an index of every bucket whose terms are the keys.

What was there all the time is listed once. If something can't be listed the
command says so and ends with code 3. With --limit, the continuation of the next
page is written to standard error, or with --json in a last object.`,
		Example: `  baton list users
  baton list --buckets --type logs
  baton list users --index born_int --from 1800 --to 1899 --terms
  baton list users --index '$key' --from a --to b --limit 100`,
		Args: cobra.MaximumNArgs(1),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		if buckets == (len(args) == 1) {
			return &usageError{"give a bucket, or --buckets"}
		}
		out := newLines(r)
		defer out.w.Flush()
		if buckets {
			for b, err := range c.Buckets(ctx, *bucketType) {
				if err == nil {
					err = out.print(admin.Object{Bucket: admin.Text(b)}, show.Text(b))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
		if !r.cmd.Flags().Changed("index") && exact == "" && q.IndexQuery == (kv.IndexQuery{}) {
			for o, err := range c.List(ctx, admin.ListRequest{Type: *bucketType, Bucket: args[0], KeysOnly: true}) {
				if err == nil {
					err = out.print(o, show.Text(o.Key))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
		q.Type, q.Bucket = *bucketType, args[0]
		if q.Index == "" {
			q.Index = kv.KeyIndex
		}
		if exact != "" {
			q.Exact, q.From = true, exact
		}
		return out.index(ctx, c, q)
	})
	f := cmd.Flags()
	bucketType = typeFlag(cmd)
	f.BoolVar(&buckets, "buckets", false, "the buckets of the type")
	f.StringVar(&q.Index, "index", "", "NAME_int, NAME_bin or $key")
	f.StringVar(&exact, "exact", "", "this term only")
	f.StringVar(&q.From, "from", "", "terms from this one on")
	f.StringVar(&q.To, "to", "", "terms up to this one, included")
	f.StringVar(&q.Regex, "regex", "", "terms that match this expression (RE2)")
	f.BoolVar(&q.Terms, "terms", false, "print the term before each key")
	f.BoolVar(&q.Sorted, "sorted", false, "in the order of terms over all partitions")
	f.IntVar(&q.Limit, "limit", 0, "so many entries, and a continuation")
	f.StringVar(&q.Continuation, "continuation", "", "go on behind the page that it came with")
	cmd.MarkFlagsMutuallyExclusive("exact", "from")
	cmd.MarkFlagsMutuallyExclusive("exact", "to")
	cmd.MarkFlagsMutuallyExclusive("buckets", "index")
	return cmd
}

// lines prints a listing.
type lines struct {
	r       *remote
	w       *bufio.Writer
	encoder *json.Encoder
}

func newLines(r *remote) *lines {
	w := bufio.NewWriter(r.cmd.OutOrStdout())
	return &lines{r, w, json.NewEncoder(w)}
}

func (l *lines) print(v any, text string) error {
	if l.r.asJSON {
		return l.encoder.Encode(v)
	}
	_, err := fmt.Fprintln(l.w, text)
	return err
}

// index prints what an index query finds.
func (l *lines) index(ctx context.Context, c *admin.Client, q admin.IndexRequest) error {
	var failed error
	end, err := c.Index(ctx, q, func(e admin.IndexEntry) bool {
		text := show.Text(e.Key)
		if q.Terms {
			text = show.Text(e.Term) + "\t" + text
		}
		failed = l.print(e, text)
		return failed == nil
	})
	if err = errors.Join(err, failed); err != nil || end.Continuation == "" {
		return err
	}
	if l.r.asJSON {
		return l.encoder.Encode(struct {
			Continuation string `json:"continuation"`
		}{end.Continuation})
	}
	_, err = fmt.Fprintf(l.r.cmd.ErrOrStderr(), "There is more: go on with --continuation %s\n", end.Continuation)
	return err
}
