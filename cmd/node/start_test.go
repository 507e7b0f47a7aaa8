package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// fakeNode ends when it is told to.
type fakeNode struct {
	done    chan struct{}
	err     error
	stopErr error
	// left is how long the stop was given.
	left time.Duration
}

func (n *fakeNode) ready() ready          { return ready{Node: "n1"} }
func (n *fakeNode) Done() <-chan struct{} { return n.done }
func (n *fakeNode) Err() error            { return n.err }

func (n *fakeNode) Stop(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	n.left = time.Until(deadline)
	return errors.Join(ctx.Err(), n.stopErr)
}

func TestServe(t *testing.T) {
	refused := errors.New("removed by force")
	closed := make(chan struct{})
	close(closed)
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name     string
		ctx      context.Context
		node     *fakeNode
		announce error
		want     error
		stops    bool
	}{
		{"it left its cluster", t.Context(), &fakeNode{done: closed}, nil, nil, false},
		{"it was removed", t.Context(), &fakeNode{done: closed, err: refused}, nil, refused, false},
		{"it is told to stop", stopped, &fakeNode{}, nil, nil, true},
		{"it can't stop in time", stopped, &fakeNode{stopErr: context.DeadlineExceeded}, nil, context.DeadlineExceeded, true},
		{"nobody hears that it is ready", t.Context(), &fakeNode{}, errors.New("broken pipe"), errors.New("broken pipe"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := serve(tt.ctx, tt.node, time.Hour, slog.New(slog.DiscardHandler), func() error { return tt.announce })
			if !errors.Is(err, tt.want) && (err == nil || err.Error() != tt.want.Error()) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if (tt.node.left > 0) != tt.stops || tt.node.left > time.Hour {
				t.Errorf("the stop was given %v", tt.node.left)
			}
		})
	}
}

func TestPrintReady(t *testing.T) {
	r := ready{"n1", "member", "b0", "10.0.0.1:8099", "127.0.0.1:8097", "127.0.0.1:8098"}
	var out bytes.Buffer
	for _, x := range []ready{r, {"n2", "member", "b0", "10.0.0.2:8099", "127.0.0.1:8097", ""}} {
		if err := printReady(&out, x, false); err != nil {
			t.Fatal(err)
		}
	}
	want := "ready: n1 (member), cluster b0, cluster address 10.0.0.1:8099, admin 127.0.0.1:8097, http 127.0.0.1:8098\n" +
		"ready: n2 (member), cluster b0, cluster address 10.0.0.2:8099, admin 127.0.0.1:8097\n"
	if out.String() != want {
		t.Errorf("got %s, want %s", out.String(), want)
	}
	out.Reset()
	if err := printReady(&out, r, true); err != nil {
		t.Fatal(err)
	}
	var back ready
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back != r || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestNewLogger(t *testing.T) {
	for _, tt := range []struct{ level, format, want string }{
		{"info", "text", "level=INFO msg=b\n"},
		{"debug", "json", `"level":"DEBUG","msg":"a"}`},
		{"warn", "text", ""},
	} {
		var out bytes.Buffer
		log := newLogger(&out, tt.level, tt.format)
		log.Debug("a")
		log.Info("b")
		if !strings.Contains(out.String(), tt.want) || tt.want == "" && out.Len() > 0 {
			t.Errorf("%s %s: %s", tt.level, tt.format, out.String())
		}
	}
}
