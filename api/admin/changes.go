package admin

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// endpoints is the API: doc.go lists it for people.
func endpoints() map[string]map[string]endpoint {
	get := func(about string, serve func(context.Context, *handler) (any, error)) map[string]endpoint {
		return map[string]endpoint{http.MethodGet: {about: about, serve: func(ctx context.Context, h *handler, _ request) (any, error) { return serve(ctx, h) }}}
	}
	only := func(e endpoint) map[string]endpoint { return map[string]endpoint{http.MethodPost: e} }
	restore := post("give a store that lost its record the one that this node applied, or the one in the body", restoreRecord)
	restore.limit = MaxRestore
	all := map[string]map[string]endpoint{
		"/livez":             get("the process serves requests", livez),
		"/readyz":            get("200 when the node should get requests, else 503 with the reasons", readyz),
		"/v1":                get("this list", index),
		"/v1/status":         get("cluster, agreement, members, what is staged", status),
		"/v1/members":        get("members with status, share, weight and location", memberList),
		"/v1/ring":           get("owners by partition and kind, and what is on its way", ringOwners),
		"/v1/ringready":      get("whether every member has applied the newest record", ringReady),
		"/v1/plan":           get("the staged plan: what a commit would do", plan),
		"/v1/transfers":      get("transfers under way with their progress", transfers),
		"/v1/health":         get("readiness, agreement and who seems to answer", health),
		"/v1/certificates":   certificatesEndpoint,
		"/v1/config":         get("the settings in effect", config),
		"/v1/record":         get("the record in binary form, for a restore", backup),
		"/v1/join":           only(post("ask the cluster at the addresses for admission of this node", join)),
		"/v1/leave":          only(post("stage that a node leaves", leave)),
		"/v1/replace":        only(post("stage that a joining node takes a member's place", replace)),
		"/v1/force-remove":   only(post("stage that a node is removed without handoff", forceRemove)),
		"/v1/force-replace":  only(post("stage that a joining node takes a lost member's place without handoff", forceReplace)),
		"/v1/down":           only(post("declare that a node's process is gone", down)),
		"/v1/share":          only(post("stage another weight or location of a node", share)),
		"/v1/commit":         only(post("commit the plan of a version", commit)),
		"/v1/clear":          only(post("take back what is staged, for one node or all", clearPlan)),
		"/v1/move":           only(post("move one partition to a node", move)),
		"/v1/transfer-limit": only(post("limit the transfers in and out of one node or all", transferLimit)),
		"/v1/handoff":        get("what bounds transfers, node by node, and what waits for one", handoffs),
		"/v1/handoff-config": only(post("set the limit and rate of transfers of one node or all", configureHandoff)),
		"/v1/handoff-switch": only(post("disable or enable transfers, and cancel those under way", switchHandoff)),
		"/v1/handoff-cancel": only(post("cancel the transfer of a session or a partition", cancelHandoff)),
		"/v1/restore":        only(restore),
	}
	all["/v1/plan"][http.MethodPost] = post("compute a plan of everything staged, and stage it", makePlan)
	for _, path := range []string{"/v1/config", "/v1/record"} {
		e := all[path][http.MethodGet]
		e.private = true
		all[path][http.MethodGet] = e
	}
	return all
}

// propose proposes one operation of the operator.
func (h *handler) propose(ctx context.Context, op topology.Op, note string) (Done, error) {
	if h.Node.Phase() == PhaseUnjoined {
		return Done{}, ErrUnjoined
	}
	outcomes, err := h.Node.Propose(ctx, op)
	if err != nil {
		return Done{}, err
	}
	out := outcomes[0]
	if out.Err != nil {
		return Done{}, out.Err
	}
	return Done{Changed: out.Changed(), Version: out.Version, Note: note}, nil
}

// done answers a change that was made; the version is the newest that can be
// read, for the outcome does not tell its own.
func (h *handler) done(ctx context.Context, note string) Done {
	_, record, _ := h.newest(ctx) // it was made, whether or not the record can be read now
	return Done{Changed: true, Version: record.Version, Note: note}
}

const staging = "staged: nothing moves before baton cluster plan and baton cluster commit"

// NodeRequest names a node; empty means the asked one.
type NodeRequest struct {
	Node ring.NodeID `json:"node"`
}

func (r NodeRequest) operand() string { return string(r.Node) }

func leave(ctx context.Context, h *handler, r NodeRequest) (any, error) {
	if r.Node == "" {
		r.Node = h.Node.Name()
	}
	return h.propose(ctx, topology.StageLeave{Node: r.Node}, staging)
}

func forceRemove(ctx context.Context, h *handler, r NodeRequest) (any, error) {
	if r.Node == "" {
		return nil, refuse(ErrRequest, "no node: name the node to remove")
	}
	return h.propose(ctx, topology.StageForceRemove{Node: r.Node}, staging)
}

// clearPlan takes back what is staged for one node, or with no node everything.
func clearPlan(ctx context.Context, h *handler, r NodeRequest) (any, error) {
	if r.Node == "" {
		return h.propose(ctx, topology.ClearPlan{}, "")
	}
	return h.propose(ctx, topology.Unstage{Node: r.Node}, "")
}

// ReplaceRequest names a member and the joining node that takes its place.
type ReplaceRequest struct {
	Old ring.NodeID `json:"old"`
	New ring.NodeID `json:"new"`
}

func (r ReplaceRequest) operand() string { return fmt.Sprintf("%s with %s", r.Old, r.New) }

func (r ReplaceRequest) check() error {
	if r.Old == "" || r.New == "" {
		return refuse(ErrRequest, "name both nodes, old and new")
	}
	return nil
}

func replace(ctx context.Context, h *handler, r ReplaceRequest) (any, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return h.propose(ctx, topology.StageReplace{Old: r.Old, New: r.New}, staging)
}

func forceReplace(ctx context.Context, h *handler, r ReplaceRequest) (any, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return h.propose(ctx, topology.StageForceReplace{Old: r.Old, New: r.New}, staging)
}

// DownRequest declares a node down; Force does so even when it seems to answer.
type DownRequest struct {
	Node  ring.NodeID `json:"node"`
	Force bool        `json:"force"`
}

func (r DownRequest) operand() string { return string(r.Node) }

func down(ctx context.Context, h *handler, r DownRequest) (any, error) {
	if r.Node == "" {
		return nil, refuse(ErrRequest, "no node: name the node that is down")
	}
	if _, known := h.Node.View().Member(r.Node); known && !r.Force && h.Node.Health().Up(r.Node) {
		return nil, refuse(ErrNodeUp, "%s still sees it: stop its process first and wait until it is unreachable, or force it", h.Node.Name())
	}
	return h.propose(ctx, topology.MarkDown{Node: r.Node}, "")
}

// ShareRequest gives a node another weight, location, or both.
type ShareRequest struct {
	Node     ring.NodeID `json:"node"`
	Weight   *int        `json:"weight,omitempty"`
	Location *string     `json:"location,omitempty"`
}

func (r ShareRequest) operand() string { return string(r.Node) }

func share(ctx context.Context, h *handler, r ShareRequest) (any, error) {
	switch {
	case r.Node == "":
		return nil, refuse(ErrRequest, "no node: name the node")
	case r.Weight == nil && r.Location == nil:
		return nil, refuse(ErrRequest, "nothing to change: give a weight, a location or both")
	}
	return h.propose(ctx, topology.StageShare{Node: r.Node, Weight: r.Weight, Location: r.Location}, staging)
}

// CommitRequest names the plan that was reviewed.
type CommitRequest struct {
	PlanVersion uint64 `json:"plan_version"`
}

func (r CommitRequest) operand() string { return fmt.Sprintf("plan %d", r.PlanVersion) }

func commit(ctx context.Context, h *handler, r CommitRequest) (any, error) {
	switch {
	case h.Node.Phase() == PhaseUnjoined:
		return nil, ErrUnjoined
	case r.PlanVersion == 0:
		return nil, refuse(ErrRequest, "no plan_version: name the plan that was reviewed")
	}
	if err := h.Node.Commit(ctx, r.PlanVersion); err != nil {
		return nil, err
	}
	return h.done(ctx, "committed: follow it with baton transfers --watch"), nil
}

// JoinRequest names addresses of the cluster to join.
type JoinRequest struct {
	Addrs []string `json:"addrs"`
}

func (r JoinRequest) operand() string { return strings.Join(r.Addrs, ",") }

func join(ctx context.Context, h *handler, r JoinRequest) (any, error) {
	if len(r.Addrs) == 0 {
		return nil, refuse(ErrRequest, "no addresses: name the cluster address of a member")
	}
	if err := h.Node.Join(ctx, r.Addrs); err != nil {
		return nil, err
	}
	return h.done(ctx, staging), nil
}

// MoveRequest names a partition and where to. From is where the sender believes
// it is bound for now; empty means wherever.
type MoveRequest struct {
	Partition ring.Partition `json:"partition"`
	To        ring.NodeID    `json:"to"`
	From      ring.NodeID    `json:"from,omitempty"`
}

func (r MoveRequest) operand() string { return fmt.Sprintf("%d to %s", r.Partition, r.To) }

func move(ctx context.Context, h *handler, r MoveRequest) (any, error) {
	if r.To == "" {
		return nil, refuse(ErrRequest, "no target: name the node to move it to")
	}
	if r.From == "" {
		state, err := h.Node.Read(ctx)
		if err != nil {
			return nil, err
		}
		if int(r.Partition) < state.RingSize() {
			r.From = state.Ring().Owner(r.Partition)
		}
	}
	return h.propose(ctx, topology.MovePartition{Partition: r.Partition, Target: r.To, ExpectOwner: r.From}, "")
}

// LimitRequest sets the limit of one node, or of all without one.
type LimitRequest struct {
	Node  ring.NodeID `json:"node,omitempty"`
	Limit *int        `json:"limit"`
}

func (r LimitRequest) operand() string { return string(r.Node) }

func transferLimit(ctx context.Context, h *handler, r LimitRequest) (any, error) {
	if r.Limit == nil {
		return nil, refuse(ErrRequest, "no limit: give a number of transfers")
	}
	return h.propose(ctx, topology.SetTransferLimit{Node: r.Node, Limit: *r.Limit}, "")
}

// RestoreRequest carries a record from a backup; without one, what the asked
// node has applied is restored.
type RestoreRequest struct {
	State []byte `json:"state,omitempty"`
}

func (r RestoreRequest) operand() string { return "" }

func restoreRecord(ctx context.Context, h *handler, r RestoreRequest) (any, error) {
	state := h.Node.View()
	if len(r.State) > 0 {
		var err error
		if state, err = topology.DecodeState(r.State); err != nil {
			return nil, err
		}
	}
	own := h.Node.Cluster()
	switch {
	case state.Ring() == nil:
		return nil, ErrUnjoined
	case !own.IsZero() && state.ClusterID() != own:
		return nil, refuse(topology.ErrClusterMismatch, "the record is of cluster %s, this node of %s: give a record of its own cluster", state.ClusterID(), own)
	}
	if err := h.Node.Restore(ctx, state); err != nil {
		return nil, err
	}
	return Done{Changed: true, Version: state.Version()}, nil
}

// PlanRequest asks for a plan; it has no fields.
type PlanRequest struct{}

func (PlanRequest) operand() string { return "" }
