package swim_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/swim"
)

var five = []ring.NodeID{"n1", "n2", "n3", "n4", "n5"}

// startFive starts five nodes that know each other. The last has a name with
// characters that memberlist gives a meaning.
func startFive(t *testing.T) (*network, map[ring.NodeID]*swim.Detector) {
	t.Helper()
	n := newNetwork(t)
	ds := make(map[ring.NodeID]*swim.Detector)
	for _, node := range five {
		ds[node] = n.start(node, 1)
	}
	awaitAlive(t, ds)
	return n, ds
}

func others(node ring.NodeID) []ring.NodeID {
	return slices.DeleteFunc(slices.Clone(five), func(o ring.NodeID) bool { return o == node })
}

func TestKilledNodeIsSuspectThenUnreachableAndComesBackElsewhere(t *testing.T) { // I2, I3
	n, ds := startFive(t)
	var mu sync.Mutex
	var seen []cluster.Reach
	var work sync.WaitGroup
	for _, o := range others("n5") {
		work.Go(func() {
			s := await(t, ds[o], cluster.Unreachable, "n5")
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, s...)
		})
	}
	n.stop("n5", ds["n5"])
	work.Wait()
	if !slices.Contains(seen, cluster.Suspect) {
		t.Errorf("nobody suspected it first: %v", seen)
	}
	for _, o := range others("n5") {
		if h := ds[o].Health(); !h.Up("n1") || h.Up("n5") {
			t.Errorf("at %s: n1 is %v, n5 %v", o, h.Of("n1"), h.Of("n5"))
		}
	}
	// A new process of the node, at a new address, which only the record knows.
	d := n.start("n5", 2)
	for _, o := range others("n5") {
		await(t, ds[o], cluster.Reachable, "n5")
	}
	await(t, d, cluster.Reachable, others("n5")...)
}

func TestPausedNodeComesBackWithItsIdentity(t *testing.T) { // I3
	n, ds := startFive(t)
	rest := others("n2")
	n.set(true, "n2", rest...)
	for _, o := range rest {
		n.set(true, o, "n2")
	}
	for _, o := range rest {
		await(t, ds[o], cluster.Unreachable, "n2")
	}
	await(t, ds["n2"], cluster.Unreachable, rest...)
	n.set(false, "n2", rest...)
	for _, o := range rest {
		n.set(false, o, "n2")
	}
	for _, o := range five {
		await(t, ds[o], cluster.Reachable, five...)
	}
}

func TestMuteNodeIsUnreachableUntilItIsHeard(t *testing.T) { // I2, I3: a cut in one direction only
	n, ds := startFive(t)
	rest := others("n3")
	n.set(true, "n3", rest...)
	for _, o := range rest {
		await(t, ds[o], cluster.Unreachable, "n3")
	}
	n.set(false, "n3", rest...)
	for _, o := range five {
		await(t, ds[o], cluster.Reachable, five...)
	}
}

func TestNodeThatLeavesIsUnreachableAtOnce(t *testing.T) {
	n, ds := startFive(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := ds["n4"].Leave(ctx); err != nil {
		t.Fatal(err)
	}
	// It still runs, so no probe of it fails: the word alone did it.
	for _, o := range others("n4") {
		await(t, ds[o], cluster.Unreachable, "n4")
	}
	n.stop("n4", ds["n4"])
	n.start("n4", 2)
	for _, o := range others("n4") {
		await(t, ds[o], cluster.Reachable, "n4")
	}
}

func TestStrangersAreNotListenedTo(t *testing.T) { // I1
	n := newNetwork(t)
	a, b := n.start("a", 1), n.start("b/%2F 1", 1)
	await(t, a, cluster.Reachable, "b/%2F 1")
	// The stranger knows a and b and talks to them; the record does not have it.
	stranger := n.start("stranger", 1)
	n.mu.Lock()
	delete(n.addrs, "stranger")
	members := map[ring.NodeID]string{"a": n.addrs["a"], "b/%2F 1": n.addrs["b/%2F 1"]}
	n.mu.Unlock()
	for _, d := range []*swim.Detector{a, b} {
		d.SetMembers(members)
	}
	await(t, stranger, cluster.Reachable, "a", "b/%2F 1")
	n.stop("stranger", stranger)
	n.stop("b/%2F 1", b)
	await(t, a, cluster.Unreachable, "b/%2F 1")
	if got := a.Health().Of("stranger"); got != cluster.Reachable {
		t.Errorf("a believes the stranger %v: it must believe nothing", got)
	}
	// A member that the record gives up is forgotten.
	a.SetMembers(map[ring.NodeID]string{"a": members["a"]})
	await(t, a, cluster.Reachable, "b/%2F 1")
}

func TestMemberThatNeverAnsweredIsGivenUp(t *testing.T) { // I2
	n := newNetwork(t)
	a := n.start("a", 1)
	n.mu.Lock()
	n.addrs["ghost"] = "127.0.0.1:1"
	n.mu.Unlock()
	n.tell()
	if !a.Health().Up("ghost") {
		t.Error("a new member is not trusted")
	}
	if seen := await(t, a, cluster.Unreachable, "ghost"); !slices.Contains(seen, cluster.Suspect) {
		t.Errorf("seen before: %v", seen)
	}
}

func TestOpenAndClose(t *testing.T) { // I6, with goleak in TestMain
	if _, err := swim.Open(swim.Options{Node: "a"}); !errors.Is(err, swim.ErrOptions) {
		t.Errorf("no listener: %v", err)
	}
	n := newNetwork(t)
	a := n.start("a", 1)
	watch := a.Watch(t.Context())
	<-watch
	for range 2 {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range watch {
	}
}

// The others hear that a node struggles, and that it does not any more; it is up
// all the while.
func TestStrugglingNodeIsSpared(t *testing.T) {
	_, ds := startFive(t)
	for _, reach := range []cluster.Reach{cluster.Struggling, cluster.Reachable} {
		if err := ds["n3"].SetStruggling(reach == cluster.Struggling); err != nil {
			t.Fatal(err)
		}
		for _, o := range others("n3") {
			await(t, ds[o], reach, "n3")
			if h := ds[o].Health(); !h.Up("n3") || h.Serves("n3") != (reach == cluster.Reachable) {
				t.Errorf("at %s n3 is %v, up %v, serves %v", o, h.Of("n3"), h.Up("n3"), h.Serves("n3"))
			}
		}
	}
}
