package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// A fleet is a record of many members that change at random.
type fleet struct {
	rnd  *rand.Rand
	r    *Record
	next int // members that ever joined
}

func (f *fleet) member(ok func(topology.Member) bool) (topology.Member, bool) {
	var fit []topology.Member
	for _, m := range f.r.State.Members() {
		if ok(m) {
			fit = append(fit, m)
		}
	}
	if len(fit) == 0 {
		return topology.Member{}, false
	}
	return fit[f.rnd.IntN(len(fit))], true
}

func valid(m topology.Member) bool { return m.Status == topology.Valid && m.Departs == 0 }

func (f *fleet) join() ring.NodeID {
	f.next++
	id := ring.NodeID(fmt.Sprintf("node-%04d", f.next))
	f.r.Must(topology.Join{
		Node: id, Addr: string(id), Nonce: uint64(f.next), Kinds: fleetKinds, Weight: 1 + f.rnd.IntN(2), Location: fmt.Sprintf("rack-%02d", f.next%40),
	})
	return id
}

// change stages one change of membership and returns its name.
func (f *fleet) change() string {
	for {
		m, _ := f.member(valid)
		switch f.rnd.IntN(8) {
		case 0, 1:
			f.join()
			return "join"
		case 2:
			f.r.Must(topology.StageLeave{Node: m.Node})
			return "leave"
		case 3:
			f.r.Must(topology.StageReplace{Old: m.Node, New: f.join()})
			return "replace"
		case 4:
			weight := 1 + f.rnd.IntN(4)
			f.r.Must(topology.StageShare{Node: m.Node, Weight: &weight})
			return "weight"
		case 5:
			location := fmt.Sprintf("rack-%02d", f.rnd.IntN(40))
			f.r.Must(topology.StageShare{Node: m.Node, Location: &location})
			return "location"
		case 6:
			f.r.Must(topology.MarkDown{Node: m.Node})
			return "down"
		case 7:
			down, ok := f.member(func(m topology.Member) bool { return m.Status == topology.Down })
			switch {
			case !ok:
				continue
			case f.rnd.IntN(3) == 0:
				f.r.Must(topology.StartNode{ClusterID: f.r.State.ClusterID(), Node: down.Node, Nonce: down.Nonce, Kinds: fleetKinds})
				return "start"
			case f.rnd.IntN(2) == 0:
				f.r.Must(topology.StageForceReplace{Old: down.Node, New: f.join()})
				return "force-replace"
			}
			f.r.Must(topology.StageForceRemove{Node: down.Node})
			return "force-remove"
		}
	}
}

var fleetKinds = []topology.KindSpec{{Name: "kv"}}

// TestFleet lets a thousand members change two hundred times, and with -long two thousand times. After
// every change the laws of the claim must hold for the plan, and after its commit every partition must
// come to rest.
func TestFleet(t *testing.T) {
	members, size, changes := 1000, 4096, 200
	if testing.Short() {
		members, size = 200, 1024
	}
	if *longFlag {
		changes = 2000
	}
	seed := uint64(1)
	if *seedFlag != 0 {
		seed = *seedFlag
	}
	f := &fleet{rnd: rand.New(rand.NewPCG(seed, 4)), r: &Record{}, next: 1}
	begun := time.Now()
	f.r.Must(topology.CreateCluster{
		ClusterID: topology.ClusterID{1}, RingSize: size, TargetN: 3, NVal: 3, Kinds: fleetKinds,
		Member: topology.Member{Node: "node-0001", Addr: "node-0001", Nonce: 1, Location: "rack-01"},
	})
	for f.next < members {
		f.join()
	}
	f.r.Commit()
	if !f.r.Settle() {
		t.Fatalf("seed %d: the founding ring does not come to rest", seed)
	}
	t.Logf("seed %d: %d members, %d partitions, founded in %v", seed, members, size, time.Since(begun).Round(time.Millisecond))
	done, moves, stated, slowest := map[string]int{}, 0, 0, time.Duration(0)
	begun = time.Now()
	for i := range changes {
		what := f.change()
		done[what]++
		start := time.Now()
		result, err := cluster.Plan(f.r.State)
		slowest = max(slowest, time.Since(start))
		if err == nil {
			err = f.laws(result)
		}
		if err == nil {
			f.r.Commit()
			f.r.Settle()
			err = f.rest()
		}
		if err != nil {
			rerun(t, seed, fmt.Errorf("change %d, %s: %w", i, what, err))
		}
		moves += len(result.Moves)
		stated += len(result.Infeasible)
	}
	t.Logf("seed %d: %d changes %v; %d moves, %d statements of what is infeasible, slowest plan %v, all in %v",
		seed, changes, done, moves, stated, slowest.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
}

// laws holds a plan to what Claim promises.
func (f *fleet) laws(result *ring.ClaimResult) error {
	s := f.r.State
	again, err := cluster.Plan(s)
	if err != nil || !again.Ring.Equal(result.Ring) {
		return fmt.Errorf("the same record gives two plans: %w", err)
	}
	stated := map[ring.Constraint]bool{}
	for _, i := range result.Infeasible {
		stated[i.Constraint] = true
	}
	location := func(n ring.NodeID) string { m, _ := s.Member(n); return m.NextShare().Location }
	start, only := s.Substituted()
	switch {
	case len(result.Moves) != len(s.Ring().Diff(result.Ring)):
		return fmt.Errorf("%d moves, the rings differ in %d", len(result.Moves), len(s.Ring().Diff(result.Ring)))
	case only && !result.Ring.Equal(start):
		return fmt.Errorf("a replacement gets other partitions than those of whom it replaces")
	case only:
		return nil // it stands where the old one stood, whatever its share
	case len(result.Ring.Repeats(3, nil)) > 0 && !stated[ring.ConstraintNodes]:
		return fmt.Errorf("windows repeat a node and nothing is said")
	case len(result.Ring.Repeats(3, location)) > 0 && !stated[ring.ConstraintLocations]:
		return fmt.Errorf("windows repeat a location and nothing is said")
	case 10*len(result.Moves) > 11*result.Bound && result.Reason == "":
		return fmt.Errorf("%d moves over a bound of %d and no reason", len(result.Moves), result.Bound)
	}
	return f.balance(start, result.Ring, stated[ring.ConstraintBalance])
}

// balance holds every member to its share, rounded down or up; one that is down keeps what it has and
// the others share the rest.
func (f *fleet) balance(start, planned *ring.Ring, excused bool) error {
	weights, rest := 0, planned.Size()
	for _, m := range f.r.State.Members() {
		switch {
		case !m.Claims():
			if planned.Count(m.Node) > 0 {
				return fmt.Errorf("%s, which is %s, is given %d partitions", m.Node, m.Status, planned.Count(m.Node))
			}
		case m.Status == topology.Down:
			rest -= start.Count(m.Node)
		default:
			weights += max(m.NextShare().Weight, 1)
		}
	}
	for _, m := range f.r.State.Members() {
		if !m.Claims() || excused {
			continue
		}
		has, share := planned.Count(m.Node), float64(rest)*float64(max(m.NextShare().Weight, 1))/float64(weights)
		if m.Status == topology.Down {
			share = float64(start.Count(m.Node))
		}
		if float64(has) <= share-1 || float64(has) >= share+1 {
			return fmt.Errorf("%s, which is %s, is given %d partitions, its share is %.2f", m.Node, m.Status, has, share)
		}
	}
	return nil
}

// rest holds a committed ring to be reached but for what is owned by members that are down.
func (f *fleet) rest() error {
	s := f.r.State
	for _, spec := range s.Kinds() {
		for p, x := range s.Parts(spec.Name) {
			owner, _ := s.Member(x.Owner)
			target, _ := s.Member(s.Ring().Owner(p))
			if owner.Node != target.Node && owner.Status != topology.Down && target.Status != topology.Down {
				return fmt.Errorf("%s/%d stays with %s, which is %s, and not with %s, which is %s", spec.Name, p, owner.Node, owner.Status, target.Node, target.Status)
			}
		}
	}
	for _, m := range s.Members() {
		if m.Status == topology.Exiting || m.Status == topology.Leaving && !s.Busy(m.Node) {
			return fmt.Errorf("%s is %s still", m.Node, m.Status)
		}
	}
	return nil
}
