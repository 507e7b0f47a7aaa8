package swim

import (
	"bytes"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
)

func TestAssess(t *testing.T) {
	start := time.Unix(100, 0)
	const gone = memberlist.NodeStateType(-1)
	var w watched
	for i, step := range []struct {
		state memberlist.NodeStateType
		after time.Duration
		want  cluster.Reach
	}{
		{gone, 0, cluster.Reachable},
		{gone, 2 * time.Second, cluster.Suspect},
		{memberlist.StateAlive, 3 * time.Second, cluster.Reachable},
		{gone, 4 * time.Second, cluster.Reachable},
		{gone, 9 * time.Second, cluster.Suspect},
		{gone, 10 * time.Second, cluster.Unreachable},
		{memberlist.StateSuspect, 11 * time.Second, cluster.Suspect},
		{memberlist.StateDead, 12 * time.Second, cluster.Unreachable},
		{gone, 13 * time.Second, cluster.Unreachable}, // the library forgets the dead, this does not
		{memberlist.StateAlive, 14 * time.Second, cluster.Reachable},
		{memberlist.StateLeft, 15 * time.Second, cluster.Unreachable},
	} {
		w.assess(state{step.state, false}, step.state != gone, start.Add(step.after), 2*time.Second, 6*time.Second)
		if w.reach != step.want {
			t.Errorf("step %d: %v, want %v", i, w.reach, step.want)
		}
	}
}

func TestCallsNeverEndAndSlowDown(t *testing.T) { // I3
	now := time.Unix(100, 0)
	w := watched{reach: cluster.Unreachable}
	for i := range 100 {
		if !w.due(true, now) {
			t.Fatalf("call %d is not due after a pause of %v", i, w.pause)
		}
		w.calling = true
		if w.due(true, now) {
			t.Fatal("two calls at once")
		}
		w.called(now, 5*time.Second)
		if w.pause > 5*time.Second || w.pause <= 0 || w.due(true, now) {
			t.Fatalf("call %d: pause %v", i, w.pause)
		}
		now = now.Add(w.pause)
	}
}

func TestNotifyAlive(t *testing.T) { // I1
	d := &Detector{
		opts: Options{Node: "me"}, lives: make(map[ring.NodeID]uint64),
		members: map[ring.NodeID]*watched{"peer": {}},
	}
	for i, step := range []struct {
		node     ring.NodeID
		life     uint64
		believed bool
	}{
		{"me", 0, true}, {"stranger", 9, false}, {"peer", 3, true}, {"peer", 2, false}, {"peer", 3, true}, {"peer", 4, true}, {"peer", 3, false},
	} {
		peer := &memberlist.Node{Name: name(step.node), Meta: appendMeta(nil, step.life, false)}
		if err := d.NotifyAlive(peer); (err == nil) != step.believed {
			t.Errorf("step %d: %v", i, err)
		}
	}
	if err := d.NotifyAlive(&memberlist.Node{Name: "peer", Meta: []byte{1}}); err == nil {
		t.Error("no incarnation, and believed")
	}
}

// A member that was given up, or that moved, gets new connections.
func TestRoutesChange(t *testing.T) {
	members := update(nil, map[ring.NodeID]string{"me": "x", "peer": "old"}, "me")
	w := members["peer"]
	first := w.route
	w.assess(state{memberlist.StateSuspect, false}, true, time.Time{}, time.Second, time.Second)
	if len(members) != 1 || w.route != first {
		t.Errorf("suspicion changed the route to %v", w.route)
	}
	for range 2 {
		w.assess(state{memberlist.StateDead, true}, true, time.Time{}, time.Second, time.Second)
	}
	if want := (route{"old", 1}); w.route != want {
		t.Errorf("given up: %v, want %v", w.route, want)
	}
	if members = update(members, map[ring.NodeID]string{"peer": "new"}, "me"); members["peer"].addr != "new" {
		t.Errorf("moved: %v", members["peer"].route)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(frame([]byte("packet")))
	f.Add([]byte{0, 9, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := readFrame(bytes.NewReader(b)); err == nil && !bytes.HasPrefix(b, frame(p)) {
			t.Fatalf("%x was read as %x", b, p)
		}
	})
}
