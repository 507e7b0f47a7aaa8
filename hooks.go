package baton

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// Hooks are functions that this node runs at the writes of buckets whose
// properties name them. Register the same ones on every node: a write is refused
// where one of its hooks is missing. They are called from the goroutines of the
// clients, several at a time, and a write waits for them.
type Hooks struct {
	// Pre are run before a write, by name.
	Pre map[string]PreCommit
	// Post are run after a write that was done, by name.
	Post map[string]PostCommit
}

// A PreCommit may change what is to be written, or refuse it with an error. A
// delete shows it an object with Deleted set. The names, Context and Deleted
// must stay as they are.
type PreCommit func(ctx context.Context, o *kv.Object) error

// A PostCommit is told of a write that was done. It can't undo it.
type PostCommit func(ctx context.Context, o kv.Object)

// ErrNoHook says that a bucket names a hook which this node has not registered
// in Options.Hooks.
var ErrNoHook = errors.New("hook not registered on this node")

// What a hook must not do.
var (
	errHookPanic   = errors.New("it panicked")
	errHookRenames = errors.New("it changed the names, Context or Deleted of the object, which it must leave")
)

// A HookError says that a hook refused a write, or could not be run. Nothing was
// written.
type HookError struct {
	Hook string
	Err  error // of the hook, or ErrNoHook
}

// Error names the hook and what it said.
func (e *HookError) Error() string { return fmt.Sprintf("hook %q: %v", e.Hook, e.Err) }

// Unwrap returns what the hook said.
func (e *HookError) Unwrap() error { return e.Err }

// check reports, as a *HookError, a named hook that is not registered.
func (h *Hooks) check(pre, post []string) error {
	for _, name := range pre {
		if h.Pre[name] == nil {
			return &HookError{name, ErrNoHook}
		}
	}
	for _, name := range post {
		if h.Post[name] == nil {
			return &HookError{name, ErrNoHook}
		}
	}
	return nil
}

// before runs what the bucket wants to be run before a write of o. The error is
// a *HookError.
func (h *Hooks) before(ctx context.Context, p *bucket.Properties, o *kv.Object) error {
	if err := h.check(p.Precommit, p.Postcommit); err != nil {
		return err
	}
	if len(p.Precommit) == 0 {
		return nil
	}
	now := *o
	for _, name := range p.Precommit {
		was := now
		err := guarded(func() error { return h.Pre[name](ctx, &now) })
		*o = now
		if err == nil && (was.Type != now.Type || was.Bucket != now.Bucket || was.Key != now.Key || was.Context != now.Context || was.Deleted != now.Deleted) {
			err = errHookRenames
		}
		if err != nil {
			return &HookError{name, err}
		}
	}
	return nil
}

// after runs what the bucket wants to be run after a write of o.
func (h *Hooks) after(ctx context.Context, p *bucket.Properties, o kv.Object, log *slog.Logger) {
	for _, name := range p.Postcommit {
		if err := guarded(func() error { h.Post[name](ctx, o); return nil }); err != nil {
			log.Error("post-commit hook", "hook", name, "bucket", o.Bucket, "err", err)
		}
	}
}

// guarded makes an error of a panic of user code.
func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", errHookPanic, v)
		}
	}()
	return f()
}
