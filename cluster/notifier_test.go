package cluster_test

import (
	"context"
	"testing"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

func TestNotifier(t *testing.T) {
	r := &record{fataler: t}
	r.create(8, 2, "a")
	first := r.s
	r.must(topology.BeginTerm{Node: "a"})
	second := r.s

	var n cluster.Notifier
	before := n.Watch(t.Context())
	n.Publish(cluster.Update{State: first})
	n.Publish(cluster.Update{State: second})
	if u := <-before; u.State != second {
		t.Errorf("version %d, want the newest, %d", u.State.Version(), second.Version())
	}
	n.Publish(cluster.Update{State: second})
	n.Publish(cluster.Update{State: first})
	select {
	case u := <-before:
		t.Errorf("woken for nothing: version %d", u.State.Version())
	default:
	}
	n.Publish(cluster.Update{State: first, Leader: true})
	if u := <-before; !u.Leader || u.State != second {
		t.Errorf("leader %t at version %d, want true at %d", u.Leader, u.State.Version(), second.Version())
	}
	if u := <-n.Watch(t.Context()); u.State != second {
		t.Errorf("a late watcher sees version %d", u.State.Version())
	}

	ctx, cancel := context.WithCancel(t.Context())
	ended := n.Watch(ctx)
	<-ended
	cancel()
	if _, ok := <-ended; ok {
		t.Error("an update after the context ended")
	}
	n.Close()
	n.Close()
	n.Publish(cluster.Update{State: first})
	for _, ch := range []<-chan cluster.Update{before, n.Watch(t.Context())} {
		if _, ok := <-ch; ok {
			t.Error("an update after Close")
		}
	}
}
