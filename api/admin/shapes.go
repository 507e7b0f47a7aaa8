package admin

import (
	"net/http"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Record says which record an answer was made from.
type Record struct {
	ClusterID string `json:"cluster_id"`
	// Version is the record's version.
	Version uint64 `json:"version"`
	// Stale says why the answer is from what the asked node has applied, which
	// may be older than what was agreed; empty when it is the newest.
	Stale string `json:"stale,omitempty"`
}

// Status is the answer to GET /v1/status.
type Status struct {
	Record
	// Node answered, and stands in the phase.
	Node  ring.NodeID `json:"node"`
	Phase Phase       `json:"phase"`
	// Agreement is the store of the record.
	Agreement Agreement `json:"agreement"`
	// Coordinator moves partitions in the term.
	Coordinator ring.NodeID `json:"coordinator,omitempty"`
	Term        uint64      `json:"term"`
	RingSize    int         `json:"ring_size"`
	TargetN     int         `json:"target_n"`
	NVal        int         `json:"n_val"`
	Kinds       []string    `json:"kinds"`
	// Members are those that are not Removed.
	Members []Member `json:"members"`
	// Staged is what waits for a plan and a commit.
	Staged []Change `json:"staged"`
	// PlanVersion is that of the staged plan, 0 without one.
	PlanVersion uint64 `json:"plan_version,omitempty"`
	// Transfers are under way; Settled: none is, and none is needed.
	Transfers int  `json:"transfers"`
	Settled   bool `json:"settled"`
	// Alarms are what the asked node knows that an operator has to act on.
	Alarms []Alarm `json:"alarms"`
	// Late is what came too late to the asked node since its start.
	Late LateFrames `json:"late"`
}

// Alarm is one thing that does not get better by itself.
type Alarm struct {
	// Code is seal_stuck or guard_leaked.
	Code  string    `json:"code"`
	Since time.Time `json:"since"`
	Text  string    `json:"text"`
}

// Members is the answer to GET /v1/members.
type Members struct {
	Record
	Members []Member `json:"members"`
}

// Member is a node as the record knows it, and as the asked node sees it.
type Member struct {
	Node   ring.NodeID `json:"node"`
	Addr   string      `json:"addr"`
	Status string      `json:"status"`
	// Resume is the status that a down member returns to.
	Resume string `json:"resume,omitempty"`
	// Reach is what the detector of the asked node believes.
	Reach string `json:"reach"`
	// Share and Pending are percentages of the ring: served now, over all kinds,
	// and bound for it by the committed ring.
	Share       float64 `json:"share"`
	Pending     float64 `json:"pending"`
	Weight      int     `json:"weight"`
	Location    string  `json:"location,omitempty"`
	Incarnation uint64  `json:"incarnation"`
}

// Change is one staged change of the membership.
type Change struct {
	// Action is join, leave, replace, force-remove, force-replace or share.
	Action string      `json:"action"`
	Node   ring.NodeID `json:"node"`
	// With is the new node of a replacement.
	With ring.NodeID `json:"with,omitempty"`
	// Weight and Location are what the node will have, for join and share.
	Weight   int    `json:"weight,omitempty"`
	Location string `json:"location,omitempty"`
}

// Ring is the answer to GET /v1/ring: owners by partition.
type Ring struct {
	Record
	// Committed is where partitions are bound for.
	Committed []ring.NodeID `json:"committed"`
	// Kinds is who serves them now.
	Kinds []KindOwners `json:"kinds"`
	// Moves are the partitions that are not where the committed ring wants them.
	Moves []Move `json:"moves"`
	// Unreachable nodes, as the asked node believes.
	Unreachable []ring.NodeID `json:"unreachable"`
}

// KindOwners is who serves the partitions of one kind.
type KindOwners struct {
	Kind   topology.Kind `json:"kind"`
	Owners []ring.NodeID `json:"owners"`
}

// Move is one partition on its way, with the kinds that have not arrived.
type Move struct {
	Partition ring.Partition `json:"partition"`
	// Index is the partition's place in the key space, in decimal.
	Index   string          `json:"index"`
	From    ring.NodeID     `json:"from"`
	To      ring.NodeID     `json:"to"`
	Waiting []topology.Kind `json:"waiting"`
}

// RingReady is the answer to GET /v1/ringready.
type RingReady struct {
	Record
	Ready bool `json:"ready"`
	// Reasons say why not.
	Reasons []string `json:"reasons"`
	// Nodes are the members that were asked.
	Nodes []NodeVersion `json:"nodes"`
}

// NodeVersion is how far one member has applied the record.
type NodeVersion struct {
	Node    ring.NodeID `json:"node"`
	Version uint64      `json:"version"`
	Error   string      `json:"error,omitempty"`
}

// Plan is the answer to GET and POST /v1/plan: what a commit would do.
type Plan struct {
	Record
	// PlanVersion is what a commit names.
	PlanVersion uint64   `json:"plan_version"`
	Changes     []Change `json:"changes"`
	// Members is the membership before and after.
	Members []PlanMember `json:"members"`
	// Transfers are between pairs of nodes, each partition counted once.
	Transfers []PlanTransfer `json:"transfers"`
	// Forced partitions change their owner without a transfer.
	Forced []PlanTransfer `json:"forced"`
	// Count and Bytes add up Transfers.
	Count int    `json:"count"`
	Bytes uint64 `json:"bytes"`
	// Estimate is how long the transfers may take.
	Estimate Estimate `json:"estimate"`
	// Unsized nodes did not say what they keep: bytes are too low.
	Unsized  []Unanswered `json:"unsized"`
	Warnings []Warning    `json:"warnings"`
	// Infeasible is what the members cannot give, a sentence each.
	Infeasible []string `json:"infeasible"`
	// Reason says why more partitions move than the shares alone would take.
	Reason string `json:"reason,omitempty"`
}

// PlanMember is one member before and after a commit; shares are percentages.
type PlanMember struct {
	Node         ring.NodeID `json:"node"`
	StatusBefore string      `json:"status_before"`
	StatusAfter  string      `json:"status_after"`
	ShareBefore  float64     `json:"share_before"`
	ShareAfter   float64     `json:"share_after"`
	// Weight and Location are those after the commit.
	Weight   int    `json:"weight"`
	Location string `json:"location,omitempty"`
}

// PlanTransfer is what goes from one node to another.
type PlanTransfer struct {
	From       ring.NodeID      `json:"from"`
	To         ring.NodeID      `json:"to"`
	Count      int              `json:"count"`
	Partitions []ring.Partition `json:"partitions"`
	Items      uint64           `json:"items"`
	Bytes      uint64           `json:"bytes"`
	// Unknown counts the parts whose size nobody knows: Bytes lacks them.
	Unknown int `json:"unknown,omitempty"`
}

// Warning is one thing that a commit brings about and that nobody may want.
type Warning struct {
	// Danger is nodes, locations, loss, unrepaired, hints or waits.
	Danger string `json:"danger"`
	// Kind is set for dangers to data.
	Kind       topology.Kind    `json:"kind,omitempty"`
	Partitions []ring.Partition `json:"partitions"`
	Text       string           `json:"text"`
}

// Estimate is a duration with what it was made from.
type Estimate struct {
	Seconds float64 `json:"seconds"`
	// Rate is in bytes per second and node.
	Rate float64 `json:"rate"`
	// Measured: the rate is that of the cluster's latest transfers, not assumed.
	Measured bool `json:"measured"`
}

// Unanswered is a member that did not answer the asked node.
type Unanswered struct {
	Node  ring.NodeID `json:"node"`
	Error string      `json:"error"`
}

// Transfers is the answer to GET /v1/transfers.
type Transfers struct {
	Record
	// Waiting is how many partitions still have to leave each node, all kinds.
	Waiting []Waiting `json:"waiting"`
	// Active transfers, in session order.
	Active []Transfer `json:"active"`
	// Failed are partitions whose last transfer was aborted.
	Failed []FailedTransfer `json:"failed"`
	// Limits are the transfers that each member takes part in at once.
	Limits []Limit `json:"limits"`
	// Guards are held past the end of their sessions, on any member.
	Guards []Guard `json:"guards"`
	// Unanswered members make progress that is not shown.
	Unanswered []Unanswered `json:"unanswered"`
}

// Waiting is a node that serves partitions which the committed ring gives to
// others.
type Waiting struct {
	Node       ring.NodeID `json:"node"`
	Partitions int         `json:"partitions"`
}

// Transfer is one active transfer.
type Transfer struct {
	Session   uint64         `json:"session"`
	Type      string         `json:"type"`
	Kind      topology.Kind  `json:"kind"`
	Partition ring.Partition `json:"partition"`
	Source    ring.NodeID    `json:"source"`
	Target    ring.NodeID    `json:"target"`
	Stage     string         `json:"stage"`
	Reason    string         `json:"reason,omitempty"`
	// Attempt is the number of the stream under the session, from 1; 0 before the
	// first. The figures are those of the side that told most.
	Attempt    int    `json:"attempt"`
	Items      uint64 `json:"items"`
	Bytes      uint64 `json:"bytes"`
	TotalItems uint64 `json:"total_items,omitempty"`
	TotalBytes uint64 `json:"total_bytes,omitempty"`
	// ItemRate and ByteRate are per second, in the latest seconds.
	ItemRate float64 `json:"item_rate"`
	ByteRate float64 `json:"byte_rate"`
	// Percent is how much of the copy is made, ETA how many seconds the rest takes
	// at the present rate; absent when nobody knows.
	Percent *float64 `json:"percent,omitempty"`
	ETA     *float64 `json:"eta,omitempty"`
	// WaitsFor says what it waits for; empty while it moves.
	WaitsFor string     `json:"waits_for,omitempty"`
	Started  *time.Time `json:"started,omitempty"`
	Updated  *time.Time `json:"updated,omitempty"`
}

// FailedTransfer is a partition whose last transfer was aborted.
type FailedTransfer struct {
	Kind      topology.Kind  `json:"kind"`
	Partition ring.Partition `json:"partition"`
	Source    ring.NodeID    `json:"source"`
	Target    ring.NodeID    `json:"target"`
	Attempts  uint64         `json:"attempts"`
	Reason    string         `json:"reason"`
}

// Limit is a node's limit on transfers in and out.
type Limit struct {
	Node  ring.NodeID `json:"node"`
	Limit int         `json:"limit"`
}

// Health is the answer to GET /v1/health.
type Health struct {
	Node  ring.NodeID `json:"node"`
	Phase Phase       `json:"phase"`
	Readiness
	Agreement Agreement `json:"agreement"`
	Reach     []Reach   `json:"reach"`
}

// Reach is what the asked node's detector believes of a member.
type Reach struct {
	Node  ring.NodeID `json:"node"`
	Reach string      `json:"reach"`
}

// Readiness is the answer to GET /readyz: 200 when ready, else 503.
type Readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons"`
}

func (r Readiness) httpStatus() int {
	if r.Ready {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// httpStatus of a health is always that it was told.
func (Health) httpStatus() int { return http.StatusOK }

// Backup is the answer to GET /v1/record: the record's binary form, for a
// restore.
type Backup struct {
	Record
	State []byte `json:"state"`
}

// Done is the answer to a change.
type Done struct {
	// Changed is false when everything already was as asked.
	Changed bool `json:"changed"`
	// Version is the record's version after it.
	Version uint64 `json:"version"`
	// Note says what is left to do.
	Note string `json:"note,omitempty"`
}
