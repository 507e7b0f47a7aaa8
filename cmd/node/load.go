package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/bulk"
	"github.com/dee2748c/baton/kv"
)

// workers is how many writes a load or an import has under way by default.
const workers = 16

func newLoad() *cobra.Command {
	format, key, concurrency, skip := string(bulk.Lines), "", workers, 0
	replace := false
	var bucketType *string
	cmd := newRemote(&cobra.Command{
		Use: "load BUCKET FILE|-", Short: "Write an object for each line or row of a file",
		Long: `Write an object for each line or row of a file. --format lines stores each line
under its number, jsonl each JSON object, csv each row as a JSON object; --key
names the member or column that is the key.

What is there already is left as it is, unless --replace is given, and counted:
so a load that was interrupted can be repeated. The error says how many items
went through; --skip that many saves the time.`,
		Example: "  baton load speeches hamlet.txt\n  baton load users users.csv --format csv --key id\n  zcat log.gz | baton load log - --format jsonl --key id",
		Args:    cobra.ExactArgs(2),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		in, err := open(r.cmd.InOrStdin(), args[1])
		if err != nil {
			return err
		}
		defer in.Close()
		items := func(yield func(bulk.Item, error) bool) {
			n := 0
			for item, err := range bulk.Items(in, bulk.Format(format), key) {
				if n++; err == nil && n <= skip {
					continue
				}
				if !yield(item, err) {
					return
				}
			}
		}
		counts, err := bulk.Run(ctx, concurrency, items, func(ctx context.Context, i bulk.Item) (bulk.Outcome, error) {
			o := kv.Object{Type: *bucketType, Bucket: args[0], Key: i.Key, Value: i.Value, ContentType: i.ContentType}
			if replace {
				return bulk.Written, overwrite(ctx, c, admin.PutRequest{Object: o})
			}
			return create(ctx, c, admin.PutRequest{Object: o})
		}, newTeller(r, "load"))
		return finish(r, "load", counts, fmt.Sprintf("repeat it with --skip %d", skip+counts.Through), err)
	})
	f := cmd.Flags()
	bucketType = typeFlag(cmd)
	f.StringVar(&format, "format", format, "lines, jsonl or csv")
	f.StringVar(&key, "key", "", "member or column that is the key (default: the number of the line; the first column)")
	f.IntVar(&concurrency, "concurrency", concurrency, "writes under way at once")
	f.BoolVar(&replace, "replace", false, "replace what is there")
	f.IntVar(&skip, "skip", 0, "leave out so many items, which an earlier load has written")
	return cmd
}

// open opens a file, or gives standard input for "-".
func open(in io.Reader, path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(in), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &usageError{err.Error()}
	}
	return f, nil
}

// create writes an object if there is none under its name.
func create(ctx context.Context, c *admin.Client, r admin.PutRequest) (bulk.Outcome, error) {
	r.IfNoneMatch = true
	_, err := c.Put(ctx, r)
	if errors.Is(err, kv.ErrExists) {
		return bulk.There, nil
	}
	return bulk.Written, err
}

// overwrite writes an object in the place of all values that are there.
func overwrite(ctx context.Context, c *admin.Client, r admin.PutRequest) error {
	o := &r.Object
	now, err := c.Get(ctx, admin.GetRequest{Name: admin.Name{Type: o.Type, Bucket: o.Bucket, Key: o.Key}, Head: true})
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	o.Context = kv.Context(now.Context)
	_, err = c.Put(ctx, r)
	return err
}

// newTeller writes the counts about once a second: to standard error for people,
// as objects to standard output for programs.
func newTeller(r *remote, what string) func(bulk.Counts) {
	last := time.Now()
	return func(c bulk.Counts) {
		if time.Since(last) < time.Second {
			return
		}
		last = time.Now()
		if r.asJSON {
			_ = json.NewEncoder(r.cmd.OutOrStdout()).Encode(counted{"progress", c})
			return
		}
		fmt.Fprintf(r.cmd.ErrOrStderr(), "%s: %s\n", what, counts(c))
	}
}

// counted is a line of a load or an import with --json.
type counted struct {
	Event string `json:"event"`
	bulk.Counts
}

func counts(c bulk.Counts) string {
	s := fmt.Sprintf("%d written", c.Written)
	if c.There > 0 {
		s += fmt.Sprintf(", %d there already", c.There)
	}
	if c.Failed > 0 {
		s += fmt.Sprintf(", %d failed", c.Failed)
	}
	return s
}

// finish prints the counts of a load or an import, and says how to go on after
// an error.
func finish(r *remote, what string, c bulk.Counts, remedy string, err error) error {
	if printErr := r.print(counted{"end", c}, fmt.Sprintf("%s: %s\n", what, counts(c))); err == nil {
		err = printErr
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, bulk.ErrInput) {
		return &usageError{fmt.Sprintf("%s: %v", what, err)}
	}
	return fmt.Errorf("%s: %w: %s", what, err, remedy)
}
