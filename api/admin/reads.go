package admin

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// newest returns the newest record, or when the majority can't be asked in time
// the one that this node has applied, and says so. A node without a cluster has
// none.
func (h *handler) newest(ctx context.Context) (topology.State, Record, error) {
	if h.Node.Phase() == PhaseUnjoined {
		return topology.State{}, Record{}, ErrUnjoined
	}
	ctx, cancel := context.WithTimeout(ctx, h.ReadWait)
	defer cancel()
	state, err := h.Node.Read(ctx)
	stale := ""
	if err != nil {
		state, stale = h.Node.View(), err.Error()
	}
	if state.Ring() == nil {
		return state, Record{}, ErrUnjoined // it has joined a moment ago, and applied nothing yet
	}
	return state, Record{ClusterID: state.ClusterID().String(), Version: state.Version(), Stale: stale}, nil
}

func status(ctx context.Context, h *handler) (any, error) {
	s := Status{Node: h.Node.Name(), Phase: h.Node.Phase(), Agreement: h.Node.Agreement(), Kinds: []string{}, Members: []Member{}, Staged: []Change{}, Alarms: []Alarm{}}
	s.Late = h.Node.Late()
	state, record, err := h.newest(ctx)
	if err != nil {
		return s, nil // a node without a cluster has a status too
	}
	s.Record = record
	s.Term, s.Coordinator = state.Term()
	s.RingSize, s.TargetN, s.NVal = state.RingSize(), state.TargetN(), state.NVal()
	for _, k := range state.Kinds() {
		s.Kinds = append(s.Kinds, k.Name)
	}
	s.Members = members(state, h.Node.Health(), false)
	s.Staged = staged(state)
	if p := state.Plan(); p != nil {
		s.PlanVersion = p.Version
	}
	s.Transfers, s.Settled = len(state.Transfers()), state.Settled()
	s.Alarms = alarms(h.Node)
	return s, nil
}

// alarms lists what an operator has to do something about.
func alarms(n Node) []Alarm {
	out := []Alarm{}
	view := n.View()
	for _, x := range n.StuckSeals() {
		t := view.Transfer(x.Transfer.Session)
		if t == nil || t.Stage != topology.StageSeal {
			continue
		}
		out = append(out, Alarm{
			Code: "seal_stuck", Since: x.Since,
			Text: fmt.Sprintf("nobody serves %s/%d: session %d from %s to %s does not get from its freeze to its flip: make the record's majority and both nodes reachable, or baton handoff cancel %d",
				t.Kind, t.Partition, t.Session, t.Source, t.Target, t.Session),
		})
	}
	for _, g := range n.HeldGuards() {
		if g.Leaked {
			out = append(out, Alarm{
				Code: "guard_leaked", Since: g.Closed,
				Text: fmt.Sprintf("%s: %q does not leave session %d, which is over: what has to come after it waits; restart the node if it does not end",
					g.Node, g.Name, g.Session),
			})
		}
	}
	return out
}

func memberList(ctx context.Context, h *handler) (any, error) {
	state, record, err := h.newest(ctx)
	if err != nil {
		return nil, err
	}
	return Members{record, members(state, h.Node.Health(), true)}, nil
}

// members lists the members in node order.
func members(state topology.State, health cluster.Health, removed bool) []Member {
	served := map[ring.NodeID]int{}
	total := 0
	for _, k := range state.Kinds() {
		for _, part := range state.Parts(k.Name) {
			served[part.Owner]++
			total++
		}
	}
	out := []Member{}
	for _, m := range state.Members() {
		if m.Status == topology.Removed && !removed {
			continue
		}
		v := Member{
			Node: m.Node, Addr: m.Addr, Status: m.Status.String(), Reach: health.Of(m.Node).String(),
			Share: percent(served[m.Node], total), Pending: percent(state.Ring().Count(m.Node), state.RingSize()),
			Weight: cmp.Or(m.Weight, 1), Location: m.Location, Incarnation: m.Incarnation,
		}
		if m.Resume != 0 {
			v.Resume = m.Resume.String()
		}
		out = append(out, v)
	}
	return out
}

// percent is part of all in percent, with two digits after the point.
func percent(part, all int) float64 {
	return math.Round(float64(part)*10_000/float64(max(all, 1))) / 100
}

func ringOwners(ctx context.Context, h *handler) (any, error) {
	state, record, err := h.newest(ctx)
	if err != nil {
		return nil, err
	}
	out := Ring{Record: record, Committed: state.Ring().Owners(), Moves: moves(state), Unreachable: []ring.NodeID{}}
	for _, k := range state.Kinds() {
		out.Kinds = append(out.Kinds, KindOwners{k.Name, state.Owners(k.Name).Owners()})
	}
	health := h.Node.Health()
	for _, m := range state.Members() {
		if m.Status != topology.Removed && !health.Up(m.Node) {
			out.Unreachable = append(out.Unreachable, m.Node)
		}
	}
	return out, nil
}

// moves lists the partitions that some kind serves elsewhere than committed.
func moves(state topology.State) []Move {
	type way struct {
		p    ring.Partition
		from ring.NodeID
	}
	waiting := map[way][]topology.Kind{}
	for _, k := range state.Kinds() {
		for p, part := range state.Parts(k.Name) {
			if part.Owner != state.Ring().Owner(p) {
				w := way{p, part.Owner}
				waiting[w] = append(waiting[w], k.Name)
			}
		}
	}
	out := []Move{}
	for w, kinds := range waiting {
		out = append(out, Move{w.p, w.p.Index(state.RingSize()).String(), w.from, state.Ring().Owner(w.p), kinds})
	}
	slices.SortFunc(out, func(a, b Move) int { return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.From, b.From)) })
	return out
}

// ringReady asks every member how far it is: ready means that all of them have
// applied the newest record.
func ringReady(ctx context.Context, h *handler) (any, error) {
	state, record, err := h.newest(ctx)
	if err != nil {
		return nil, err
	}
	out := RingReady{Record: record, Reasons: []string{}, Nodes: []NodeVersion{}}
	if record.Stale != "" {
		out.Reasons = append(out.Reasons, "the newest record can't be read: "+record.Stale)
	}
	for _, m := range state.Members() {
		if m.Status == topology.Down {
			out.Reasons = append(out.Reasons, fmt.Sprintf("%s is down", m.Node))
		}
	}
	for _, n := range h.Node.Progress(ctx) {
		v := NodeVersion{Node: n.Node, Version: n.Version}
		m, _ := state.Member(n.Node)
		switch {
		case m.Status == topology.Down:
			v.Error = "down"
		case n.Err != nil:
			v.Error = n.Err.Error()
			out.Reasons = append(out.Reasons, fmt.Sprintf("%s does not answer: %v", n.Node, n.Err))
		case n.Version < state.Version():
			out.Reasons = append(out.Reasons, fmt.Sprintf("%s has applied version %d of %d", n.Node, n.Version, state.Version()))
		}
		out.Nodes = append(out.Nodes, v)
	}
	out.Ready = len(out.Reasons) == 0
	return out, nil
}

func transfers(ctx context.Context, h *handler) (any, error) {
	state, record, err := h.newest(ctx)
	if err != nil {
		return nil, err
	}
	out := Transfers{Record: record, Waiting: []Waiting{}, Active: []Transfer{}, Failed: []FailedTransfer{}, Limits: limits(state), Guards: []Guard{}, Unanswered: []Unanswered{}}
	looks := map[uint64]look{}
	for _, n := range h.Node.Progress(ctx) {
		if n.Err != nil {
			out.Unanswered = append(out.Unanswered, Unanswered{n.Node, n.Err.Error()})
		}
		for _, p := range n.Sessions {
			k := looks[p.Session]
			if p.Outgoing {
				k.source = p
			} else {
				k.target = p
			}
			looks[p.Session] = k
		}
		for _, g := range n.Guards {
			k := looks[g.Session]
			k.guards = append(k.guards, g)
			looks[g.Session] = k
			out.Guards = append(out.Guards, g)
		}
	}
	believed := h.Node.Health()
	for _, t := range state.Transfers() {
		k := looks[t.Session]
		k.believed, k.state = believed, state
		out.Active = append(out.Active, k.active(t))
	}
	waiting := map[ring.NodeID]int{}
	for _, k := range state.Kinds() {
		for p, part := range state.Parts(k.Name) {
			target := state.Ring().Owner(p)
			if part.Owner == target {
				continue
			}
			waiting[part.Owner]++
			if part.Attempts > 0 {
				out.Failed = append(out.Failed, FailedTransfer{k.Name, p, part.Owner, target, part.Attempts, string(part.LastReason)})
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(waiting)) {
		out.Waiting = append(out.Waiting, Waiting{n, waiting[n]})
	}
	return out, nil
}

// further reports whether one side's report tells more than another's: the
// source knows the totals, else the one that has more.
func (p Progress) further(o Progress) bool {
	return cmp.Or(cmp.Compare(p.TotalBytes, o.TotalBytes), cmp.Compare(p.Bytes, o.Bytes), p.Updated.Compare(o.Updated)) > 0
}

func (k look) active(t *topology.Transfer) Transfer {
	v := Transfer{
		Session: t.Session, Type: t.Type.String(), Kind: t.Kind, Partition: t.Partition,
		Source: t.Source, Target: t.Target, Stage: t.Stage.String(), Reason: string(t.Reason), WaitsFor: k.waits(t),
	}
	p := k.target
	if k.source.further(p) {
		p = k.source
	}
	v.Attempt, v.Items, v.Bytes, v.TotalItems, v.TotalBytes = p.Attempt, p.Items, p.Bytes, p.TotalItems, p.TotalBytes
	v.ItemRate, v.ByteRate = math.Round(p.ItemRate), math.Round(p.ByteRate)
	if percent, ok := p.percent(); ok {
		v.Percent = &percent
	}
	if t.Stage == topology.StageDrain || t.Stage == topology.StageClean {
		v.Percent = new(100.0)
	} else if eta, ok := p.eta(); ok {
		v.ETA = &eta
	}
	if !p.Started.IsZero() {
		v.Started, v.Updated = &p.Started, &p.Updated
	}
	return v
}

func health(_ context.Context, h *handler) (any, error) {
	out := Health{Node: h.Node.Name(), Phase: h.Node.Phase(), Readiness: readiness(h.Node), Agreement: h.Node.Agreement(), Reach: []Reach{}}
	believed := h.Node.Health()
	for _, m := range h.Node.View().Members() {
		if m.Status != topology.Removed {
			out.Reach = append(out.Reach, Reach{m.Node, believed.Of(m.Node).String()})
		}
	}
	return out, nil
}

func readiness(n Node) Readiness {
	r := Readiness{Reasons: n.Ready()}
	if r.Reasons == nil {
		r.Reasons = []string{}
	}
	r.Ready = len(r.Reasons) == 0
	return r
}

func readyz(_ context.Context, h *handler) (any, error) { return readiness(h.Node), nil }

// livez answers as long as the process serves requests at all.
func livez(context.Context, *handler) (any, error) {
	return struct {
		Live bool `json:"live"`
	}{true}, nil
}

func config(_ context.Context, h *handler) (any, error) { return h.Node.Config(), nil }

func backup(ctx context.Context, h *handler) (any, error) {
	state, record, err := h.newest(ctx)
	if err != nil {
		return nil, err
	}
	b, err := state.MarshalBinary()
	return Backup{record, b}, err
}

// index lists the endpoints of this address.
func index(_ context.Context, h *handler) (any, error) {
	out := map[string]string{}
	for path, methods := range h.endpoints {
		for method, e := range methods {
			if !e.private || h.Changes {
				out[strings.Join([]string{method, path}, " ")] = e.about
			}
		}
	}
	return out, nil
}

// staged lists what waits for a plan and its commit.
func staged(state topology.State) []Change {
	return changes(state.Staged())
}

func changes(staged []topology.StagedChange) []Change {
	out := []Change{}
	for _, c := range staged {
		v := Change{Action: c.Action.String(), Node: c.Node, With: c.With}
		if c.Action == topology.ActionJoin || c.Action == topology.ActionShare {
			v.Weight, v.Location = cmp.Or(c.Weight, 1), c.Location
		}
		out = append(out, v)
	}
	return out
}

// limits lists the transfer limits of the members.
func limits(state topology.State) []Limit {
	out := []Limit{}
	for _, m := range state.Members() {
		if m.Status != topology.Removed {
			out = append(out, Limit{m.Node, state.TransferLimit(m.Node)})
		}
	}
	return out
}
