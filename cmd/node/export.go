package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/bulk"
	"github.com/dee2748c/baton/cmd/node/dump"
	"github.com/dee2748c/baton/kv"
)

func newExport() *cobra.Command {
	format, all := string(dump.JSONLines), false
	var bucketType *string
	cmd := newRemote(&cobra.Command{
		Use: "export [BUCKET] FILE|-", Short: "Write the objects of a bucket, or of all, to a file that import reads",
		Long: `Write the objects of a bucket, or with --all of every bucket, with their
siblings, metadata, links and indexes to a file, which import reads on any
cluster. It ends with a sum over its content. The file appears when it is whole;
if an object can't be read the command fails and there is no file.`,
		Example: "  baton export users users.jsonl\n  baton export --all all.batonexp --format binary",
		Args:    cobra.RangeArgs(1, 2),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		if all == (len(args) == 2) {
			return &usageError{"give a bucket and a file, or --all and a file"}
		}
		path := args[len(args)-1]
		n, err := exportTo(r.cmd.OutOrStdout(), path, dump.Format(format), func(w *dump.Writer) error {
			if all {
				return exportAll(ctx, c, w)
			}
			return exportBucket(ctx, c, w, *bucketType, args[0])
		})
		if err != nil || path == "-" {
			return err
		}
		return r.print(map[string]any{"objects": n, "file": path}, fmt.Sprintf("export: %d objects in %s\n", n, path))
	})
	bucketType = typeFlag(cmd)
	cmd.Flags().StringVar(&format, "format", format, "jsonl or binary")
	cmd.Flags().BoolVar(&all, "all", false, "every bucket of every type")
	return cmd
}

// exportTo lets write fill a file, which gets its name when it is whole.
func exportTo(stdout io.Writer, path string, f dump.Format, write func(*dump.Writer) error) (n uint64, err error) {
	out := stdout
	if path != "-" {
		file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
		if err != nil {
			return 0, &usageError{err.Error()}
		}
		defer os.Remove(file.Name()) // of no effect once it has its name
		defer file.Close()
		out = file
	}
	w, err := dump.NewWriter(out, f)
	if err != nil {
		return 0, &usageError{err.Error()}
	}
	if err = write(w); err == nil {
		err = w.Close()
	}
	if file, ok := out.(*os.File); ok && path != "-" && err == nil {
		err = errors.Join(file.Sync(), file.Close(), os.Rename(file.Name(), path))
	}
	return w.Objects(), err
}

func exportBucket(ctx context.Context, c *admin.Client, w *dump.Writer, bucketType, bucket string) error {
	for o, err := range c.List(ctx, admin.ListRequest{Type: bucketType, Bucket: bucket}) {
		if err != nil {
			return err
		}
		object, err := o.KV()
		if err == nil {
			err = w.Write(object)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// exportAll exports every bucket of every type that is active.
func exportAll(ctx context.Context, c *admin.Client, w *dump.Writer) error {
	types, err := c.BucketTypes(ctx)
	if err != nil {
		return err
	}
	for _, t := range types {
		if !t.Active {
			continue
		}
		var buckets []string
		for b, err := range c.Buckets(ctx, t.Name) {
			if err != nil {
				return err
			}
			buckets = append(buckets, b)
		}
		slices.Sort(buckets)
		for _, b := range buckets {
			if err := exportBucket(ctx, c, w, t.Name, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// What an import does with an object whose key is taken.
const (
	conflictSibling = "sibling"
	conflictSkip    = "skip"
	conflictReplace = "replace"
)

func newImport() *cobra.Command {
	conflict, bucket, concurrency := conflictSkip, "", workers
	var bucketType *string
	cmd := newRemote(&cobra.Command{
		Use: "import FILE", Short: "Write the objects of an export to this cluster",
		Long: `Write the objects of an export to this cluster, with their siblings, metadata,
links, indexes and times. The whole file is read
and its sum compared before the first object is written. An import may be
repeated. --on-conflict says what happens to a key that is taken: skip leaves it,
replace puts the imported values in its place, and sibling adds each value that
is not there yet beside it. Where a key is taken its new value counts as later
than what was there. In a bucket with a ttl an object expires by its own time.`,
		Example: "  baton import users.jsonl\n  baton import users.jsonl --bucket users2 --on-conflict replace",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		if conflict != conflictSibling && conflict != conflictSkip && conflict != conflictReplace {
			return &usageError{fmt.Sprintf("--on-conflict %q: give sibling, skip or replace", conflict)}
		}
		f, err := os.Open(args[0])
		if err != nil {
			return &usageError{err.Error()}
		}
		defer f.Close()
		for _, err := range objectsOf(f) {
			if err != nil {
				return &usageError{fmt.Sprintf("import %s: %v: nothing was written", args[0], err)}
			}
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return &usageError{fmt.Sprintf("import %s: it has to be a file that can be read twice: %v", args[0], err)}
		}
		counts, err := bulk.Run(ctx, concurrency, objectsOf(f), func(ctx context.Context, o kv.Object) (bulk.Outcome, error) {
			if bucket != "" {
				o.Bucket = bucket
			}
			if r.cmd.Flags().Changed("type") {
				o.Type = *bucketType
			}
			return importObject(ctx, c, o, conflict)
		}, newTeller(r, "import"))
		return finish(r, "import", counts, "repeat it", err)
	})
	fl := cmd.Flags()
	bucketType = typeFlag(cmd)
	fl.StringVar(&bucket, "bucket", "", "import into this bucket (default: those in the file)")
	fl.StringVar(&conflict, "on-conflict", conflict, "sibling, skip or replace")
	fl.IntVar(&concurrency, "concurrency", concurrency, "objects under way at once")
	fl.Lookup("type").Usage = "import into this bucket type (default: those in the file)"
	return cmd
}

// objectsOf yields the objects of an export, or an error as the last.
func objectsOf(r io.Reader) func(yield func(kv.Object, error) bool) {
	return func(yield func(kv.Object, error) bool) {
		d, err := dump.NewReader(r)
		for err == nil {
			var o kv.Object
			if o, err = d.Next(); err == nil && !yield(o, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(kv.Object{}, err)
		}
	}
}

// importObject writes all values of one object.
func importObject(ctx context.Context, c *admin.Client, o kv.Object, conflict string) (bulk.Outcome, error) {
	contents := o.Contents()
	slices.Reverse(contents) // the newest last, so that it is the newest here too
	switch conflict {
	case conflictSibling:
		now, err := c.Get(ctx, admin.GetRequest{Name: admin.Name{Type: o.Type, Bucket: o.Bucket, Key: o.Key}})
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return 0, err
		}
		there, err := now.KV()
		if err != nil {
			return 0, err
		}
		if len(now.Contents) > 0 {
			held := there.Contents()
			contents = slices.DeleteFunc(contents, func(v kv.Content) bool {
				return slices.ContainsFunc(held, func(w kv.Content) bool { return same(v, w) })
			})
		}
		if len(contents) == 0 {
			return bulk.There, nil
		}
	case conflictReplace:
		if err := overwrite(ctx, c, imported(o, contents[0])); err != nil {
			return 0, err
		}
		contents = contents[1:]
	default:
		outcome, err := create(ctx, c, imported(o, contents[0]))
		if err != nil || outcome == bulk.There {
			return outcome, err
		}
		contents = contents[1:]
	}
	for _, content := range contents {
		if _, err := c.Put(ctx, imported(o, content)); err != nil {
			return 0, err
		}
	}
	return bulk.Written, nil
}

// imported writes one value under the name of o, with its own time.
func imported(o kv.Object, c kv.Content) admin.PutRequest {
	return admin.PutRequest{KeepModified: true, Object: kv.Object{
		Type: o.Type, Bucket: o.Bucket, Key: o.Key, Value: c.Value, ContentType: c.ContentType, Encoding: c.Encoding, Charset: c.Charset,
		Meta: c.Meta, Links: c.Links, Indexes: c.Indexes, Modified: c.Modified,
	}}
}

// same reports whether two values differ in nothing but their times.
func same(a, b kv.Content) bool {
	return string(a.Value) == string(b.Value) && a.ContentType == b.ContentType && a.Encoding == b.Encoding && a.Charset == b.Charset &&
		slices.Equal(a.Meta, b.Meta) && slices.Equal(a.Links, b.Links) && slices.Equal(a.Indexes, b.Indexes) && a.Deleted == b.Deleted
}
