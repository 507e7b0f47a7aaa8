package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/vnode"
)

// TestError_everyRefusalHasACode holds the table to the record's codes: a
// sentinel without a line would reach clients as an internal error.
func TestError_everyRefusalHasACode(t *testing.T) {
	for c := topology.CodeInvalid; !strings.HasPrefix(c.String(), "code "); c++ {
		refusal := &topology.Error{Code: c, Text: "stage leave n1: " + c.String() + ": it is so: do that"}
		e := toError("leave", "n1", refusal)
		if e.Code == "internal" {
			t.Errorf("%v has no code", c)
		}
		if !errors.Is(e, refusal.Unwrap()) {
			t.Errorf("%s does not match %v", e.Code, c)
		}
		if e.Remedy != "do that" || e.Message != c.String()+": it is so" {
			t.Errorf("%s: message %q, remedy %q", e.Code, e.Message, e.Remedy)
		}
	}
}

// TestError_survivesTheWire takes every known error through JSON.
func TestError_survivesTheWire(t *testing.T) {
	codes := map[string]bool{}
	for _, k := range known {
		if codes[k.code] {
			t.Errorf("code %s is used twice", k.code)
		}
		codes[k.code] = true
		b, err := json.Marshal(toError("op", "x", fmt.Errorf("do it: %w", k.err)))
		if err != nil {
			t.Fatal(err)
		}
		var back Error
		if err := json.Unmarshal(b, &back); err != nil || !errors.Is(&back, k.err) {
			t.Errorf("%s came back as %v", b, back.Unwrap())
		}
	}
}

func TestError_text(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{refuse(ErrNodeUp, "n1 still sees it: stop it"), "down n2: node answers: n1 still sees it: stop it"},
		{fmt.Errorf("plan: %w", cluster.ErrClosed), "down n2: plan: topology store closed: the node is stopping: ask another one"},
		{topology.ErrNothingPlanned, "down n2: nothing planned: make a plan first: baton cluster plan"},
		{
			fmt.Errorf("read at n1: %w: no answer from n3: dial: connection refused", cluster.ErrUnavailable),
			"down n2: read at n1: topology store unavailable: no answer from n3: dial: connection refused: " +
				"nothing was changed: a majority of the cluster's voters, or the Consul server, must be reachable",
		},
		{errors.New("disk on fire"), "down n2: disk on fire"},
	} {
		if got := toError("down", "n2", tt.err).Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// TestError_notDone: a write that was refused since a disk is full is not done,
// also for who asked through the API.
func TestError_notDone(t *testing.T) {
	for _, cause := range []error{messages.ErrNoSpace, vnode.ErrOverloaded, nil} {
		err := toError("put", "b/k", errors.Join(kv.ErrNotDone, cause))
		if !errors.Is(err, kv.ErrNotDone) || cause != nil && !errors.Is(err, cause) {
			t.Errorf("caused by %v: got %v, code %s", cause, err, err.Code)
		}
	}
	if err := toError("put", "b/k", kv.ErrUnknown); errors.Is(err, kv.ErrNotDone) {
		t.Errorf("unknown is taken for not done: %v", err)
	}
}
