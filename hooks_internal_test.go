package baton

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// TestHooks: they run in order, may change the value or refuse the write, and
// what they must not do is an error.
func TestHooks(t *testing.T) {
	refusal := errors.New("no")
	h := Hooks{
		Pre: map[string]PreCommit{
			"one":    func(_ context.Context, o *kv.Object) error { o.Value = append(o.Value, '1'); return nil },
			"two":    func(_ context.Context, o *kv.Object) error { o.Value = append(o.Value, '2'); return nil },
			"refuse": func(context.Context, *kv.Object) error { return refusal },
			"panic":  func(context.Context, *kv.Object) error { panic("oops") },
			"rename": func(_ context.Context, o *kv.Object) error { o.Key = "other"; return nil },
		},
		Post: map[string]PostCommit{"panic": func(context.Context, kv.Object) { panic("oops") }},
	}
	for _, c := range []struct {
		pre, post []string
		value     string
		hook      string
		err       error
	}{
		{nil, nil, "v", "", nil},
		{[]string{"two", "one"}, nil, "v21", "", nil},
		{[]string{"one", "refuse", "two"}, nil, "v1", "refuse", refusal},
		{[]string{"panic"}, nil, "v", "panic", errHookPanic},
		{[]string{"rename"}, nil, "v", "rename", errHookRenames},
		{[]string{"one", "none"}, nil, "v", "none", ErrNoHook},
		{nil, []string{"one"}, "v", "one", ErrNoHook},
	} {
		o := kv.Object{Bucket: "b", Key: "k", Value: []byte("v")}
		err := h.before(t.Context(), &bucket.Properties{Precommit: c.pre, Postcommit: c.post}, &o)
		var he *HookError
		switch {
		case !errors.Is(err, c.err) || string(o.Value) != c.value:
			t.Errorf("%q, %q: value %q, %v", c.pre, c.post, o.Value, err)
		case err != nil && (!errors.As(err, &he) || he.Hook != c.hook):
			t.Errorf("%q, %q: %v", c.pre, c.post, err)
		}
	}
	var log bytes.Buffer
	h.after(t.Context(), &bucket.Properties{Postcommit: []string{"panic"}}, kv.Object{}, slog.New(slog.NewTextHandler(&log, nil)))
	if !strings.Contains(log.String(), "oops") {
		t.Errorf("the panic of a hook after the write was not logged: %q", log.String())
	}
}
