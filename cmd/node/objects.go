package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/show"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// errSiblings is the negative answer of a get that was to print one value.
var errSiblings = errors.New("object has several values")

// typeFlag adds --type, the bucket type.
func typeFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("type", kv.DefaultType, "bucket type")
}

// quorum is a flag that says how many copies a request waits for.
type quorum struct{ to *bucket.Quorum }

func (q quorum) Type() string { return "copies" }

func (q quorum) String() string {
	if q.to == nil || *q.to == bucket.Default {
		return ""
	}
	return q.to.String()
}

func (q quorum) Set(s string) (err error) {
	*q.to, err = bucket.ParseQuorum(s)
	return err
}

// writeFlags adds the flags of what a write waits for.
func writeFlags(cmd *cobra.Command, o *kv.WriteOptions) {
	f := cmd.Flags()
	f.Var(quorum{&o.W}, "w", "copies that acknowledge: a number, one, quorum or all (default: the bucket's)")
	f.Var(quorum{&o.DW}, "dw", "copies among them that are durable")
	f.Var(quorum{&o.PW}, "pw", "copies among them that are primaries")
	replicaFlags(cmd, &o.NodeConfirms, &o.Sloppy)
}

// replicaFlags adds the flags of which copies may answer.
func replicaFlags(cmd *cobra.Command, confirms *int, sloppy *kv.Choice) {
	f := cmd.Flags()
	f.IntVar(confirms, "node-confirms", 0, "nodes among those that answer (default: the bucket's)")
	f.Var(choice{sloppy, kv.Yes}, "sloppy", "let other nodes stand in for primaries that do not answer (default: the bucket's)")
	f.Var(choice{sloppy, kv.No}, "strict", "let primaries answer only")
	f.Lookup("sloppy").NoOptDefVal, f.Lookup("strict").NoOptDefVal = "true", "true"
	cmd.MarkFlagsMutuallyExclusive("sloppy", "strict")
}

// choice is a flag that overrides the bucket; true sets it to yes.
type choice struct {
	to  *kv.Choice
	yes kv.Choice
}

func (choice) Type() string { return "bool" }

func (c choice) String() string {
	if c.to == nil || *c.to == kv.Unset {
		return ""
	}
	return strconv.FormatBool(*c.to == c.yes)
}

func (c choice) Set(s string) error {
	v, err := strconv.ParseBool(s)
	if *c.to = c.yes; !v {
		*c.to = kv.Yes + kv.No - c.yes
	}
	return err
}

// timeoutFlag adds --timeout; what it returns bounds a request by it.
func timeoutFlag(cmd *cobra.Command) func(context.Context) (context.Context, context.CancelFunc) {
	d := cmd.Flags().Duration("timeout", admin.DefaultTimeout, "how long the request may take")
	return func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, *d) }
}

func newGet() *cobra.Command {
	var options kv.ReadOptions
	var within func(context.Context) (context.Context, context.CancelFunc)
	var siblings, head bool
	var file string
	var bucketType *string
	cmd := newRemote(&cobra.Command{
		Use: "get BUCKET KEY", Short: "Print the value of an object",
		Long: `Print the value of an object, byte for byte, or with --json the whole object with
its values in base64. Exit code 1 when there is none, or when there are several
values: --siblings shows them all, and a put with --context settles them.`,
		Example: "  baton get users ada\n  baton get users ada -o ada.json\n  baton get users ada --head",
		Args:    cobra.ExactArgs(2),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		ctx, cancel := within(ctx)
		defer cancel()
		name := admin.Name{Type: *bucketType, Bucket: args[0], Key: args[1]}
		o, err := c.Get(ctx, admin.GetRequest{Name: name, Head: head, Options: options})
		switch {
		case err != nil:
			return err
		case r.asJSON, head, siblings:
			return r.print(o, show.Object(o))
		case len(o.Contents) > 1:
			return fmt.Errorf("get %v: %w: show its %d values with --siblings, settle them with put --context", name, errSiblings, len(o.Contents))
		case file != "":
			return os.WriteFile(file, o.Contents[0].Value, 0o644)
		}
		_, err = r.cmd.OutOrStdout().Write(o.Contents[0].Value)
		return err
	})
	f := cmd.Flags()
	bucketType = typeFlag(cmd)
	f.Var(quorum{&options.R}, "r", "copies that answer: a number, one, quorum or all (default: the bucket's)")
	f.Var(quorum{&options.PR}, "pr", "copies among them that are primaries")
	replicaFlags(cmd, &options.NodeConfirms, &options.Sloppy)
	f.Var(choice{&options.BasicQuorum, kv.Yes}, "basic-quorum", "answer that there is none as soon as a majority says so")
	f.Var(choice{&options.NotFoundOK, kv.Yes}, "notfound-ok", "count a copy that does not have the key as an answer")
	f.Lookup("basic-quorum").NoOptDefVal, f.Lookup("notfound-ok").NoOptDefVal = "true", "true"
	within = timeoutFlag(cmd)
	f.BoolVar(&siblings, "siblings", false, "show every value with what is said about it")
	f.BoolVar(&head, "head", false, "show what is said about the values, and their sizes")
	f.StringVarP(&file, "output", "o", "", "write the value to this file")
	cmd.MarkFlagsMutuallyExclusive("output", "siblings", "head")
	return cmd
}

func newPut() *cobra.Command {
	var r admin.PutRequest
	var within func(context.Context) (context.Context, context.CancelFunc)
	var contextText string
	var meta, links, indexes []string
	var bucketType *string
	var back bool
	cmd := newRemote(&cobra.Command{
		Use: "put BUCKET KEY [VALUE|-|@FILE]", Short: "Write an object",
		Long: `Write an object; the value is the argument, the content of @FILE, or standard
input. With --context, which get --head prints, it takes the place of the values
that were read; without one it stands beside what is there as a sibling.`,
		Example: `  baton put users ada '{"born": 1815}' --content-type application/json
  baton put users ada @ada.json --index born_int=1815 --if-none-match
  echo Ada | baton put users ada --context AQF0Ag==`,
		Args: cobra.RangeArgs(2, 3),
	}, func(ctx context.Context, rem *remote, c *admin.Client, args []string) error {
		o := &r.Object
		o.Type, o.Bucket, o.Key = *bucketType, args[0], args[1]
		var err error
		if o.Context, err = contextArg(contextText); err == nil {
			err = describe(o, meta, links, indexes)
		}
		if err == nil {
			o.Value, err = valueArg(rem.cmd.InOrStdin(), args[2:])
		}
		if err != nil {
			return err
		}
		ctx, cancel := within(ctx)
		defer cancel()
		w, err := c.Put(ctx, r)
		if err != nil {
			return err
		}
		name := admin.Name{Type: o.Type, Bucket: o.Bucket, Key: o.Key}
		if back {
			now, err := c.Get(ctx, admin.GetRequest{Name: name})
			if err != nil {
				return err
			}
			return rem.print(now, show.Object(now))
		}
		return rem.print(w, show.Written(name, w))
	})
	f := cmd.Flags()
	bucketType = typeFlag(cmd)
	f.StringVar(&r.Object.ContentType, "content-type", "", "media type of the value")
	f.StringVar(&r.Object.Encoding, "encoding", "", "content coding of the value, such as gzip")
	f.StringVar(&r.Object.Charset, "charset", "", "character set of the value")
	f.StringArrayVar(&meta, "meta", nil, "user metadata NAME=VALUE, repeatable")
	f.StringArrayVar(&links, "link", nil, "link BUCKET/KEY[=TAG], repeatable")
	f.StringArrayVar(&indexes, "index", nil, "index entry NAME_int=NUMBER or NAME_bin=TEXT, repeatable")
	f.StringVar(&contextText, "context", "", "context of the values to replace, in base64")
	f.BoolVar(&r.IfNoneMatch, "if-none-match", false, "only if there is no object")
	f.StringVar(&r.IfMatch, "if-match", "", "only over the version with this entity tag")
	f.BoolVar(&r.IfNotModified, "if-not-modified", false, "only if --context is still that of the object")
	writeFlags(cmd, &r.Options)
	within = timeoutFlag(cmd)
	f.BoolVar(&back, "return", false, "read the object after the write and show it")
	return cmd
}

// contextArg reads a context as it is printed.
func contextArg(text string) (kv.Context, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", &usageError{fmt.Sprintf("--context %q: give it as get --head prints it", text)}
	}
	return kv.Context(raw), nil
}

// valueArg returns the value that the last argument names.
func valueArg(in io.Reader, args []string) ([]byte, error) {
	if len(args) == 0 || args[0] == "-" {
		return readValue(in)
	}
	path, ok := strings.CutPrefix(args[0], "@")
	if !ok {
		return []byte(args[0]), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &usageError{err.Error()}
	}
	defer f.Close()
	return readValue(f)
}

// readValue reads a value of any allowed size, and one byte more of one that is
// too large.
func readValue(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, kv.MaxValueBytes+1))
	if err != nil {
		return nil, &usageError{err.Error()}
	}
	return b, nil
}

// describe sets the metadata, links and index entries of o from flags.
func describe(o *kv.Object, meta, links, indexes []string) error {
	for _, m := range meta {
		name, value, ok := strings.Cut(m, "=")
		if !ok || name == "" {
			return &usageError{fmt.Sprintf("--meta %q: give NAME=VALUE", m)}
		}
		o.Meta = append(o.Meta, kv.Attribute{Name: name, Value: value})
	}
	for _, l := range links {
		target, tag, _ := strings.Cut(l, "=")
		bucket, key, ok := strings.Cut(target, "/")
		if !ok || bucket == "" || key == "" {
			return &usageError{fmt.Sprintf("--link %q: give BUCKET/KEY=TAG", l)}
		}
		o.Links = append(o.Links, kv.Link{Bucket: bucket, Key: key, Tag: tag})
	}
	for _, i := range indexes {
		name, term, ok := strings.Cut(i, "=")
		if !ok {
			return &usageError{fmt.Sprintf("--index %q: give NAME_int=NUMBER or NAME_bin=TEXT", i)}
		}
		e, err := indexEntry(name, term)
		if err != nil {
			return err
		}
		o.Indexes = append(o.Indexes, e)
	}
	return nil
}

// indexEntry reads an entry of an index, whose name says what its terms are.
func indexEntry(name, term string) (kv.Index, error) {
	switch {
	case strings.HasSuffix(name, "_bin") && name != "_bin":
		return kv.Index{Name: name, Kind: kv.BinIndex, Bin: term}, nil
	case strings.HasSuffix(name, "_int") && name != "_int":
		n, err := strconv.ParseInt(term, 10, 64)
		if err != nil {
			return kv.Index{}, &usageError{fmt.Sprintf("index %s: %q is no number of 64 bits", name, term)}
		}
		return kv.Index{Name: name, Kind: kv.IntIndex, Int: n}, nil
	}
	return kv.Index{}, &usageError{fmt.Sprintf("index %q: its name has to end with _int or _bin", name)}
}

func newDel() *cobra.Command {
	var options kv.WriteOptions
	var contextText string
	var within func(context.Context) (context.Context, context.CancelFunc)
	var bucketType *string
	cmd := newRemote(&cobra.Command{
		Use: "del BUCKET KEY", Short: "Delete an object",
		Long: `Delete an object: what --context has seen of it, or without one every value.
Exit code 1 when there was none.`,
		Example: "  baton del users ada",
		Args:    cobra.ExactArgs(2),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		ctx, cancel := within(ctx)
		defer cancel()
		name := admin.Name{Type: *bucketType, Bucket: args[0], Key: args[1]}
		seen, err := contextArg(contextText)
		if err != nil {
			return err
		}
		d, err := c.Delete(ctx, admin.DeleteRequest{Name: name, Context: seen, Options: options})
		if err != nil {
			return err
		}
		if err := r.print(d, show.Deleted(name, d)); err != nil {
			return err
		}
		if !d.Existed {
			return fmt.Errorf("delete %v: %w", name, kv.ErrNotFound)
		}
		return nil
	})
	bucketType = typeFlag(cmd)
	writeFlags(cmd, &options)
	within = timeoutFlag(cmd)
	cmd.Flags().StringVar(&contextText, "context", "", "context of the values to delete, in base64")
	return cmd
}
