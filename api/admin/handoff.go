package admin

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Handoff is the answer to GET /v1/handoff: what bounds transfers, and what
// waits for one.
type Handoff struct {
	Record
	Nodes []NodeHandoff `json:"nodes"`
	// Pending partitions have to move, and no transfer moves them there.
	Pending []PendingTransfer `json:"pending"`
	// Unanswered members move data at rates that are not counted.
	Unanswered []Unanswered `json:"unanswered"`
}

// NodeHandoff is one member's part in the transfers.
type NodeHandoff struct {
	Node ring.NodeID `json:"node"`
	// Limit is how many transfers it sends at once, and how many it receives.
	Limit int `json:"limit"`
	// Rate is how many bytes a second it sends at most; 0 is no bound.
	Rate uint64 `json:"rate"`
	// OutboundOff and InboundOff are the kinds of which none is opened.
	OutboundOff []topology.Kind `json:"outbound_off"`
	InboundOff  []topology.Kind `json:"inbound_off"`
	// Sending and Receiving are transfers under way, Pending those that it will
	// send.
	Sending   int `json:"sending"`
	Receiving int `json:"receiving"`
	Pending   int `json:"pending"`
	// SendRate and ReceiveRate are in bytes per second, now.
	SendRate    float64 `json:"send_rate"`
	ReceiveRate float64 `json:"receive_rate"`
}

// PendingTransfer is a partition that has to move and waits.
type PendingTransfer struct {
	Kind      topology.Kind  `json:"kind"`
	Partition ring.Partition `json:"partition"`
	Source    ring.NodeID    `json:"source"`
	Target    ring.NodeID    `json:"target"`
	WaitsFor  string         `json:"waits_for"`
}

func handoffs(ctx context.Context, h *handler) (any, error) {
	state, record, err := h.newest(ctx)
	if err != nil {
		return nil, err
	}
	out := Handoff{Record: record, Nodes: []NodeHandoff{}, Pending: []PendingTransfer{}, Unanswered: []Unanswered{}}
	at := map[ring.NodeID]*NodeHandoff{}
	for _, m := range state.Members() {
		if m.Status == topology.Removed {
			continue
		}
		n := NodeHandoff{Node: m.Node, Limit: state.TransferLimit(m.Node), Rate: state.TransferRate(m.Node), OutboundOff: []topology.Kind{}, InboundOff: []topology.Kind{}}
		for _, k := range state.Kinds() {
			if !state.Sends(m.Node, k.Name) {
				n.OutboundOff = append(n.OutboundOff, k.Name)
			}
			if !state.Receives(m.Node, k.Name) {
				n.InboundOff = append(n.InboundOff, k.Name)
			}
		}
		at[m.Node] = &n
	}
	count := func(n ring.NodeID, f func(*NodeHandoff)) {
		if x := at[n]; x != nil {
			f(x)
		}
	}
	for _, t := range state.Transfers() {
		count(t.Source, func(n *NodeHandoff) { n.Sending++ })
		count(t.Target, func(n *NodeHandoff) { n.Receiving++ })
	}
	believed := h.Node.Health()
	for _, w := range cluster.Waits(state, cluster.Limits{Up: believed.Up}) {
		out.Pending = append(out.Pending, PendingTransfer{w.Kind, w.Partition, w.Source, w.Target, w.Why})
		count(w.Source, func(n *NodeHandoff) { n.Pending++ })
	}
	for _, p := range h.Node.Progress(ctx) {
		if p.Err != nil {
			out.Unanswered = append(out.Unanswered, Unanswered{p.Node, p.Err.Error()})
		}
		count(p.Node, func(n *NodeHandoff) {
			for _, s := range p.Sessions {
				if s.Outgoing {
					n.SendRate += s.ByteRate
				} else {
					n.ReceiveRate += s.ByteRate
				}
			}
			n.SendRate, n.ReceiveRate = math.Round(n.SendRate), math.Round(n.ReceiveRate)
		})
	}
	for _, m := range state.Members() {
		count(m.Node, func(n *NodeHandoff) { out.Nodes = append(out.Nodes, *n) })
	}
	return out, nil
}

// HandoffConfigRequest sets what is given, of one node or of all without one.
type HandoffConfigRequest struct {
	Node ring.NodeID `json:"node,omitempty"`
	// Limit is a number of transfers; 0 opens no more.
	Limit *int `json:"limit,omitempty"`
	// Rate is in bytes per second; 0 is no bound.
	Rate *uint64 `json:"rate,omitempty"`
}

func (r HandoffConfigRequest) operand() string { return string(r.Node) }

func configureHandoff(ctx context.Context, h *handler, r HandoffConfigRequest) (any, error) {
	var ops []topology.Op
	if r.Limit != nil {
		ops = append(ops, topology.SetTransferLimit{Node: r.Node, Limit: *r.Limit})
	}
	if r.Rate != nil {
		ops = append(ops, topology.SetTransferRate{Node: r.Node, Rate: *r.Rate})
	}
	if len(ops) == 0 {
		return nil, refuse(ErrRequest, "nothing to change: give a limit, a rate or both")
	}
	done := Done{}
	for _, op := range ops {
		one, err := h.propose(ctx, op, "")
		if err != nil {
			return nil, err
		}
		one.Changed = one.Changed || done.Changed
		done = one
	}
	return done, nil
}

// HandoffSwitchRequest disables transfers or enables them again, out of a node
// or into it, of one kind or all, of one node or all.
type HandoffSwitchRequest struct {
	Node ring.NodeID   `json:"node,omitempty"`
	Kind topology.Kind `json:"kind,omitempty"`
	// Direction is inbound, outbound or both.
	Direction string `json:"direction"`
	On        bool   `json:"on"`
	// Cancel also aborts those under way; only when On is false.
	Cancel bool `json:"cancel,omitempty"`
}

func (r HandoffSwitchRequest) operand() string { return string(r.Node) }

// HandoffDone is the answer to what may abort several transfers.
type HandoffDone struct {
	Done
	// Cancelled sessions were aborted before ownership changed; for those in
	// TooLate it had changed already, and they go on.
	Cancelled []uint64 `json:"cancelled"`
	TooLate   []uint64 `json:"too_late"`
}

func switchHandoff(ctx context.Context, h *handler, r HandoffSwitchRequest) (any, error) {
	op := topology.SwitchTransfers{Node: r.Node, Kind: r.Kind, Outbound: r.Direction != "inbound", Inbound: r.Direction != "outbound", On: r.On}
	switch {
	case !slices.Contains([]string{"inbound", "outbound", "both"}, r.Direction):
		return nil, refuse(ErrRequest, "direction %q: say inbound, outbound or both", r.Direction)
	case r.On && r.Cancel:
		return nil, refuse(ErrRequest, "what is enabled is not cancelled: give one of both")
	}
	done, err := h.propose(ctx, op, "")
	if err != nil {
		return nil, err
	}
	out := HandoffDone{Done: done, Cancelled: []uint64{}, TooLate: []uint64{}}
	if !r.Cancel {
		return out, nil
	}
	err = h.cancel(ctx, &out, func(t *topology.Transfer) bool {
		return (r.Kind == "" || r.Kind == t.Kind) &&
			(op.Outbound && (r.Node == "" || r.Node == t.Source) || op.Inbound && (r.Node == "" || r.Node == t.Target))
	})
	return out, err
}

// HandoffCancelRequest names a session, or a partition with one kind or all.
type HandoffCancelRequest struct {
	Session   uint64          `json:"session,omitempty"`
	Partition *ring.Partition `json:"partition,omitempty"`
	Kind      topology.Kind   `json:"kind,omitempty"`
}

func (r HandoffCancelRequest) operand() string {
	if r.Partition != nil {
		return fmt.Sprintf("partition %d", *r.Partition)
	}
	return fmt.Sprintf("session %d", r.Session)
}

func cancelHandoff(ctx context.Context, h *handler, r HandoffCancelRequest) (any, error) {
	if (r.Session == 0) == (r.Partition == nil) {
		return nil, refuse(ErrRequest, "name a session or a partition")
	}
	out := HandoffDone{Cancelled: []uint64{}, TooLate: []uint64{}}
	if r.Session != 0 {
		done, err := h.propose(ctx, topology.AbortTransfer{Session: r.Session, Reason: topology.ReasonCancelled}, cancelledNote)
		if err != nil {
			return nil, err
		}
		out.Done, out.Cancelled = done, append(out.Cancelled, r.Session)
		return out, nil
	}
	err := h.cancel(ctx, &out, func(t *topology.Transfer) bool {
		return t.Partition == *r.Partition && (r.Kind == "" || r.Kind == t.Kind)
	})
	switch {
	case err != nil:
		return nil, err
	case len(out.Cancelled) > 0:
		return out, nil
	case len(out.TooLate) > 0:
		return nil, refuse(topology.ErrTooLate, "sessions %d are past their flip: baton handoff move takes the partition back", out.TooLate)
	}
	return nil, refuse(topology.ErrNoTransfer, "nothing moves it now: see baton transfers")
}

const cancelledNote = "cancelled: it is opened again after a pause of at least 30 s; to keep it, disable handoff or move the partition back"

// cancel aborts the transfers that which picks and that can be aborted. With an
// error, some may have been.
func (h *handler) cancel(ctx context.Context, out *HandoffDone, which func(*topology.Transfer) bool) error {
	state, err := h.Node.Read(ctx)
	if err != nil {
		return err
	}
	var ops []topology.Op
	for _, t := range state.Transfers() {
		if which(t) && t.Stage != topology.StageAbort {
			ops = append(ops, topology.AbortTransfer{Session: t.Session, Reason: topology.ReasonCancelled})
		}
	}
	for some := range slices.Chunk(ops, topology.Window) {
		outcomes, err := h.Node.Propose(ctx, some...)
		if err != nil {
			return err
		}
		for i, o := range outcomes {
			session := some[i].(topology.AbortTransfer).Session
			switch {
			case o.Err == nil: // aborted now or a moment ago
				out.Cancelled = append(out.Cancelled, session)
				out.Changed, out.Version, out.Note = true, o.Version, cancelledNote
			case o.Code == topology.CodeTooLate:
				out.TooLate = append(out.TooLate, session)
			case o.Code != topology.CodeNoTransfer: // it ended by itself
				return o.Err
			}
		}
	}
	return nil
}

// A look is what is known of one transfer beside the record.
type look struct {
	source, target Progress // zero when that side did not answer
	guards         []Guard  // that are held past the end of the session
	believed       cluster.Health
	state          topology.State
}

// waits says what a transfer waits for; empty while it moves.
func (k look) waits(t *topology.Transfer) string {
	for _, n := range []ring.NodeID{t.Source, t.Target} {
		if !k.believed.Up(n) {
			return fmt.Sprintf("%s does not answer", n)
		}
	}
	for _, g := range k.guards {
		return fmt.Sprintf("%s to end its %q", g.Node, g.Name)
	}
	switch t.Stage {
	case topology.StagePrepare:
		if !t.TargetReady {
			return fmt.Sprintf("%s to make room", t.Target)
		}
		return fmt.Sprintf("%s to begin", t.Source)
	case topology.StageFold:
		return k.fold(t)
	case topology.StageSeal:
		if t.Frozen == nil {
			return fmt.Sprintf("%s to freeze and send the last changes", t.Source)
		}
		return fmt.Sprintf("%s to confirm the copy", t.Target)
	case topology.StageDrain:
		if !t.Activated {
			return fmt.Sprintf("%s to serve its copy", t.Target)
		}
		return fmt.Sprintf("%s to end what it had begun", t.Source)
	case topology.StageClean:
		return fmt.Sprintf("%s to delete its copy", t.Source)
	}
	return fmt.Sprintf("%s to take up its work", t.Source)
}

// fold says what a copy under way waits for.
func (k look) fold(t *topology.Transfer) string {
	switch t.Type {
	case topology.Merge:
		return fmt.Sprintf("%s to take what %s kept for it", t.Target, t.Source)
	case topology.Repair:
		return fmt.Sprintf("%s to compare its copy with the others", t.Source)
	}
	if t.Waits {
		for _, n := range k.state.Neighbours(t) {
			return fmt.Sprintf("its neighbour %s/%d, session %d, in %s", n.Kind, n.Partition, n.Session, n.Stage)
		}
		return "the coordinator"
	}
	switch {
	case k.source.Stall == "window full" && k.target.Stall == "disk":
		return fmt.Sprintf("disk of %s", t.Target)
	case k.source.Stall == "window full":
		return fmt.Sprintf("network, or %s", t.Target)
	case k.source.Stall == "rate limit":
		return fmt.Sprintf("rate limit of %s", t.Source)
	case k.source.Stall == "vnode":
		return fmt.Sprintf("vnode of %s", t.Source)
	case k.source.Stall == "admission":
		return fmt.Sprintf("%s to admit it", t.Target)
	}
	return k.source.Stall
}

// percent is how much of the snapshot arrived; ok is false when nobody knows.
func (p Progress) percent() (v float64, ok bool) {
	if p.TotalItems == 0 {
		return 0, false
	}
	return math.Round(1000*min(1, float64(p.Items)/float64(p.TotalItems))) / 10, true
}

// eta is how many seconds the rest of the snapshot takes at the present rate.
func (p Progress) eta() (v float64, ok bool) {
	if p.TotalItems <= p.Items || p.ItemRate <= 0 {
		return 0, false
	}
	return math.Round(10*float64(p.TotalItems-p.Items)/p.ItemRate) / 10, true
}
