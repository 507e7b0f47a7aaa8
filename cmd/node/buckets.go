package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/show"
	"github.com/dee2748c/baton/kv/bucket"
)

func newBucket() *cobra.Command {
	var propsType, setType, resetType *string
	props := newRemote(&cobra.Command{
		Use: "props BUCKET", Short: "Show the properties of a bucket",
		Example: "  baton bucket props users",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		p, err := c.BucketProperties(ctx, *propsType, args[0])
		if err != nil {
			return err
		}
		return r.print(p, show.Properties(p.Properties))
	})
	propsType = typeFlag(props)
	set := newRemote(&cobra.Command{
		Use: "set BUCKET NAME=VALUE...", Short: "Set properties of a bucket",
		Long: `Set properties of a bucket, or give a JSON object of them. A value is JSON or
else text; null takes back what was said, so that the bucket's type counts again.`,
		Example: "  baton bucket set users n_val=5 w=all\n  baton bucket set sessions '{\"ttl\": \"30m\", \"allow_mult\": false}'",
		Args:    cobra.MinimumNArgs(2),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		raw, err := propertiesArg(args[1:])
		if err != nil {
			return err
		}
		p, err := c.SetBucket(ctx, admin.BucketRequest{Type: admin.Text(*setType), Bucket: admin.Text(args[0]), Properties: raw})
		if err != nil {
			return err
		}
		return r.print(p, show.Properties(p.Properties))
	})
	setType = typeFlag(set)
	reset := newRemote(&cobra.Command{
		Use: "reset BUCKET", Short: "Take back all that was set for a bucket: its type counts again",
		Example: "  baton bucket reset users",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		p, err := c.ResetBucket(ctx, *resetType, args[0])
		if err != nil {
			return err
		}
		return r.print(p, show.Properties(p.Properties))
	})
	resetType = typeFlag(reset)
	return newGroup("bucket", "Show and set the properties of buckets", "  baton bucket props users\n  baton bucket set users n_val=5", props, set, reset)
}

// propertiesArg makes a JSON object of NAME=VALUE arguments, or of the one
// argument that is one.
func propertiesArg(args []string) (json.RawMessage, error) {
	if len(args) == 1 && strings.HasPrefix(strings.TrimSpace(args[0]), "{") {
		if !json.Valid([]byte(args[0])) {
			return nil, &usageError{"the properties are not a JSON object"}
		}
		return json.RawMessage(args[0]), nil
	}
	all := map[string]json.RawMessage{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, &usageError{fmt.Sprintf("property %q: give NAME=VALUE", arg)}
		}
		raw := json.RawMessage(value)
		if !json.Valid(raw) {
			var err error
			if raw, err = json.Marshal(value); err != nil {
				return nil, err
			}
		}
		all[name] = raw
	}
	return json.Marshal(all)
}

func newBucketType() *cobra.Command {
	list := newRemote(&cobra.Command{
		Use: "list", Short: "List the bucket types",
		Example: "  baton bucket-type list",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, r *remote, c *admin.Client, _ []string) error {
		types, err := c.BucketTypes(ctx)
		if err != nil {
			return err
		}
		return r.print(types, show.BucketTypes(types))
	})
	status := newRemote(&cobra.Command{
		Use: "status TYPE", Short: "Show whether a bucket type is active, and its properties",
		Example: "  baton bucket-type status logs",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		types, err := c.BucketTypes(ctx)
		if err != nil {
			return err
		}
		for _, t := range types {
			if t.Name == args[0] {
				return r.print(t, show.BucketType(t))
			}
		}
		return fmt.Errorf("bucket type %s: %w: see baton bucket-type list", args[0], bucket.ErrNoType)
	})
	create := newTypeChange("create TYPE [NAME=VALUE...]", "Create a bucket type; it can be used when it is activated",
		"  baton bucket-type create logs n_val=2 allow_mult=false", 1, (*admin.Client).CreateType)
	activate := newRemote(&cobra.Command{
		Use: "activate TYPE", Short: "Let a bucket type be used",
		Example: "  baton bucket-type activate logs",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
		t, err := c.ActivateType(ctx, args[0])
		if err != nil {
			return err
		}
		return r.print(t, show.BucketType(t))
	})
	update := newTypeChange("update TYPE NAME=VALUE...", "Set properties of an active bucket type",
		"  baton bucket-type update logs w=all", 2, (*admin.Client).UpdateType)
	return newGroup("bucket-type", "Create and change bucket types, whose properties their buckets share",
		"  baton bucket-type create logs n_val=2\n  baton bucket-type activate logs\n  baton put --type logs web 1 hello", list, status, create, activate, update)
}

func newTypeChange(use, short, example string, least int, change func(*admin.Client, context.Context, admin.TypeRequest) (admin.BucketType, error)) *cobra.Command {
	return newRemote(&cobra.Command{Use: use, Short: short, Example: example, Args: cobra.MinimumNArgs(least)},
		func(ctx context.Context, r *remote, c *admin.Client, args []string) error {
			raw, err := propertiesArg(args[1:])
			if err != nil {
				return err
			}
			t, err := change(c, ctx, admin.TypeRequest{Name: args[0], Properties: raw})
			if err != nil {
				return err
			}
			return r.print(t, show.BucketType(t))
		})
}
