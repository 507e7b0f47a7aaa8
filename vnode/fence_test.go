package vnode_test

import (
	"testing"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/vnode"
)

// owner returns a vnode of node a at epoch 3 under the record of a version.
func owner(recovered, version, fence uint64) *vnode.Lifecycle {
	l := vnode.NewLifecycle("a", 1, 0)
	l.Step(vnode.Recovered{Epoch: 3, Fence: recovered})
	l.Step(vnode.Applied{Version: version, Part: topology.Part{Owner: "a", Epoch: 3}, Fence: fence})
	return l
}

// TestLifecycle_fence proves I8: what a fence refuses, in every state, and that
// the highest one of disk, record and messages counts.
func TestLifecycle_fence(t *testing.T) {
	for name, l := range map[string]*vnode.Lifecycle{
		"from disk":        owner(7, 9, 0),
		"from the record":  owner(0, 9, 7),
		"from a message":   owner(0, 9, 0),
		"a lower record":   owner(7, 9, 5),
		"a lower message":  owner(7, 9, 5),
		"of a former life": owner(7, 6, 5), // the record is behind what the disk remembers
	} {
		t.Run(name, func(t *testing.T) {
			switch name {
			case "from a message":
				l.Step(vnode.FenceRaised{Version: 7})
			case "a lower message":
				l.Step(vnode.FenceRaised{Version: 6})
			}
			l.Step(vnode.Applied{Version: l.Version() + 1, Part: topology.Part{Owner: "a", Epoch: 3}})
			if l.Fence() != 7 {
				t.Errorf("fence %d, want 7", l.Fence())
			}
			if got := l.Admit(6, 0); got != vnode.StaleRing {
				t.Errorf("a request by ring 6: verdict %d", got)
			}
			if got := l.Admit(7, 0); got != vnode.Serve {
				t.Errorf("a request by ring 7: verdict %d", got)
			}
			l.Step(vnode.Applied{Version: l.Version() + 1, Part: topology.Part{Owner: "b", Epoch: 4}})
			if got := l.Admit(6, 0); got != vnode.StaleRing {
				t.Errorf("a request by ring 6 to a former owner: verdict %d: it must not be sent on", got)
			}
		})
	}
}

// TestLifecycle_admitFence: an equal fence is taken again, a lower one refused,
// one of a record that is not there waits, and only the owner of the epoch answers.
func TestLifecycle_admitFence(t *testing.T) {
	l := owner(7, 9, 7)
	for _, c := range []struct {
		version, epoch uint64
		want           vnode.Verdict
	}{
		{7, 3, vnode.Serve},
		{8, 3, vnode.Serve},
		{6, 3, vnode.StaleRing},
		{9, 3, vnode.Serve},
		{10, 3, vnode.Park},
		{9, 2, vnode.WrongOwner},
		{9, 4, vnode.WrongOwner},
	} {
		if got := l.AdmitFence(c.version, c.epoch); got != c.want {
			t.Errorf("fence %d at epoch %d: verdict %d, want %d", c.version, c.epoch, got, c.want)
		}
	}
	l.Step(vnode.Applied{Version: 11, Part: topology.Part{Owner: "b", Epoch: 4}})
	if got := l.AdmitFence(9, 4); got != vnode.WrongOwner {
		t.Errorf("a former owner: verdict %d", got)
	}
}
