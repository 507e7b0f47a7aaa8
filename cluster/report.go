package cluster

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Sizes estimates what one partition of a kind holds; ok is false when nobody knows.
type Sizes func(kind topology.Kind, p ring.Partition) (items, bytes uint64, ok bool)

// A PlanReport is what an operator should know of the staged plan before it is committed.
type PlanReport struct {
	// Version is the plan's: what CommitPlan names.
	Version uint64
	Changes []topology.StagedChange
	Members []MemberReport
	// Transfers are the moves that follow the commit, by sender and receiver.
	Transfers []Flow
	// Forced are the partitions that change owners at the commit itself, without their data.
	Forced   []Flow
	Warnings []Warning
	// Infeasible and Reason are the claim's texts: what the members cannot give, one fact a line,
	// and why there are more moves than the shares enforce.
	Infeasible string
	Reason     string
}

// A MemberReport is a member before and after the commit.
type MemberReport struct {
	Node          ring.NodeID
	Before, After MemberShare
}

// A MemberShare is a member's part in the ring.
type MemberShare struct {
	Status topology.Status
	// Partitions is the number of them that the committed ring gives to the member, and Percent
	// their part of the ring.
	Partitions int
	Percent    float64
	topology.Share
}

// A Flow is what goes from one node to another. Its partitions are counted once, however many kinds.
type Flow struct {
	From, To   ring.NodeID
	Partitions []ring.Partition
	// Items and Bytes are the sums of the known sizes, of all kinds; Unknown counts the pairs of
	// kind and partition whose size nobody knows.
	Items, Bytes uint64
	Unknown      int
}

// Danger names what a warning is about.
type Danger string

// The dangers.
const (
	// DangerNodes: replicas of one key will share a node.
	DangerNodes Danger = "nodes"
	// DangerLocations: replicas of one key will share a location.
	DangerLocations Danger = "locations"
	// DangerLoss: the last copies of some keys are given up.
	DangerLoss Danger = "loss"
	// DangerUnrepaired: only copies remain that lack data lost before, but for what was repaired
	// since.
	DangerUnrepaired Danger = "unrepaired"
	// DangerHints: copies are given up that a removed member keeps for others, as a fallback.
	DangerHints Danger = "hints"
	// DangerWaits: a member leaves only when it has handed back what it keeps for others.
	DangerWaits Danger = "waits"
)

// A Warning is one thing that the commit brings about and that nobody may want.
type Warning struct {
	Danger Danger
	// Kind is set for dangers to data.
	Kind topology.Kind
	// Partitions are the heads of the preference lists concerned.
	Partitions []ring.Partition
	Text       string
}

// Report says what the commit of the staged plan would do, as a pure function of the record: it commits
// the plan to a copy of the record and compares. Sizes is optional; without it all sizes are unknown.
// The errors are those of CommitPlan: topology.ErrNothingPlanned, and topology.ErrPlanChanged when
// the record has left the plan behind.
func Report(s topology.State, sizes ...Sizes) (*PlanReport, error) {
	plan := s.Plan()
	if plan == nil {
		return nil, fmt.Errorf("report: %w: stage a plan first", topology.ErrNothingPlanned)
	}
	commit := topology.Command{
		ID: topology.CommandID{Proposer: "\x00report", Seq: 1},
		Op: topology.CommitPlan{PlanVersion: plan.Version},
	}
	after, out := s.Apply(commit)
	if out.Err != nil {
		return nil, fmt.Errorf("report: %w", out.Err)
	}
	r := &PlanReport{Version: plan.Version, Changes: plan.Changes, Infeasible: plan.Infeasible, Reason: plan.Reason}
	for _, m := range s.Members() {
		if m.Status != topology.Removed {
			n, _ := after.Member(m.Node)
			r.Members = append(r.Members, MemberReport{Node: m.Node, Before: shareOf(s, m), After: shareOf(after, n)})
		}
	}
	size := func(topology.Kind, ring.Partition) (uint64, uint64, bool) { return 0, 0, false }
	if len(sizes) > 0 {
		size = sizes[0]
	}
	r.flows(s, after, size)
	r.Warnings = append(append(replicas(after), losses(s, after)...), hints(s, after)...)
	return r, nil
}

func shareOf(s topology.State, m topology.Member) MemberShare {
	n := s.Ring().Count(m.Node)
	return MemberShare{
		Status: m.Status, Partitions: n, Percent: 100 * float64(n) / float64(s.RingSize()),
		Share: topology.Share{Weight: m.Weight, Location: m.Location},
	}
}

// flows sums up who gives what to whom: by a transfer what is not where the new ring wants it, by
// force what has another owner at once.
func (r *PlanReport) flows(s, after topology.State, size Sizes) {
	moved, forced := flows{}, flows{}
	for _, k := range s.Kinds() {
		for p, x := range after.Parts(k.Name) {
			items, bytes, ok := size(k.Name, p)
			if given(after, x) {
				forced.add(x.Reassigned.From, x.Owner, p, items, bytes, ok)
			}
			if to := after.Ring().Owner(p); x.Owner != to {
				moved.add(x.Owner, to, p, items, bytes, ok)
			}
		}
	}
	r.Transfers, r.Forced = moved.list(), forced.list()
}

// given reports whether the very last change of the record gave the partition to its owner by force.
func given(s topology.State, x topology.Part) bool {
	return x.Reassigned != nil && x.Reassigned.Version == s.Version()
}

// flows holds one Flow for each pair of nodes.
type flows map[[2]ring.NodeID]*Flow

func (f flows) add(from, to ring.NodeID, p ring.Partition, items, bytes uint64, known bool) {
	x := f[[2]ring.NodeID{from, to}]
	if x == nil {
		x = &Flow{From: from, To: to}
		f[[2]ring.NodeID{from, to}] = x
	}
	x.Partitions = append(x.Partitions, p)
	if known {
		x.Items += items
		x.Bytes += bytes
	} else {
		x.Unknown++
	}
}

func (f flows) list() []Flow {
	var out []Flow
	for _, x := range f {
		slices.Sort(x.Partitions)
		x.Partitions = slices.Compact(x.Partitions)
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b Flow) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	return out
}

// replicas warns of preference lists whose replicas share a node or a location.
func replicas(after topology.State) []Warning {
	var out []Warning
	r, n := after.Ring(), after.NVal()
	if shared := r.Repeats(n, nil); len(shared) > 0 {
		out = append(out, Warning{Danger: DangerNodes, Partitions: shared, Text: fmt.Sprintf(
			"%d of %d preference lists have two of their %d replicas on one node", len(shared), r.Size(), n)})
	}
	location := func(node ring.NodeID) string {
		m, _ := after.Member(node)
		return m.Location
	}
	if !slices.ContainsFunc(r.Nodes(), func(node ring.NodeID) bool { return location(node) != "" }) {
		return out
	}
	if shared := r.Repeats(n, location); len(shared) > 0 {
		out = append(out, Warning{Danger: DangerLocations, Partitions: shared, Text: fmt.Sprintf(
			"%d of %d preference lists have two of their %d replicas in one location", len(shared), r.Size(), n)})
	}
	return out
}

// losses warns of data whose last copies the commit gives up.
func losses(s, after topology.State) []Warning {
	var out []Warning
	for _, k := range s.Kinds() {
		n := s.NVal()
		if k.Activate {
			n = 1 // there is a single copy
		}
		lost, doubt := endangered(s, after, k.Name, n)
		if len(lost) > 0 {
			out = append(out, Warning{Danger: DangerLoss, Kind: k.Name, Partitions: lost, Text: fmt.Sprintf(
				"all copies (%d) of %d of %d partitions of kind %s will be lost", n, len(lost), s.RingSize(), k.Name)})
		}
		if len(doubt) > 0 {
			out = append(out, Warning{Danger: DangerUnrepaired, Kind: k.Name, Partitions: doubt, Text: fmt.Sprintf(
				"of %d of %d partitions of kind %s only copies remain that lack what was lost before: what was not repaired since will be lost", len(doubt), s.RingSize(), k.Name)})
		}
	}
	return out
}

// hints warns of what departing members keep for others.
func hints(s, after topology.State) []Warning {
	var out []Warning
	for _, m := range s.Members() {
		kept := map[topology.Kind][]ring.Partition{}
		for _, h := range s.HintsOf(m.Node) {
			kept[h.Kind] = append(kept[h.Kind], h.Partition)
		}
		next, _ := after.Member(m.Node)
		for _, k := range s.Kinds() {
			w := Warning{Kind: k.Name, Partitions: kept[k.Name]}
			switch {
			case len(w.Partitions) == 0:
				continue
			case next.Status == topology.Removed:
				w.Danger, w.Text = DangerHints, fmt.Sprintf(
					"%s keeps data of %d partitions of kind %s for their owners: it will be lost", m.Node, len(w.Partitions), k.Name)
			case next.Status == topology.Leaving || next.Resume == topology.Leaving:
				w.Danger, w.Text = DangerWaits, fmt.Sprintf(
					"%s keeps data of %d partitions of kind %s for their owners: it leaves when it has handed it back", m.Node, len(w.Partitions), k.Name)
			default:
				continue
			}
			out = append(out, w)
		}
	}
	return out
}

// endangered returns the heads of the preference lists of which the commit gives up a copy and leaves
// none, and those of which it leaves none that is whole.
func endangered(s, after topology.State, kind topology.Kind, n int) (lost, doubt []ring.Partition) {
	q := s.RingSize()
	for head := range ring.Partition(q) {
		gone, lacking := 0, 0
		for i := range n {
			p := head.Next(i, q)
			switch {
			case given(after, after.Part(kind, p)):
				gone++
			case s.Part(kind, p).Incomplete:
				lacking++
			}
		}
		switch {
		case gone == n:
			lost = append(lost, head)
		case gone > 0 && gone+lacking == n:
			doubt = append(doubt, head)
		}
	}
	return lost, doubt
}
