package topology

import (
	"encoding/hex"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

// A ClusterID names one cluster for ever. It is chosen at random when the cluster is created; nodes
// of different ids never exchange data.
type ClusterID [16]byte

// IsZero reports whether the id is unset.
func (c ClusterID) IsZero() bool { return c == ClusterID{} }

// String returns the id as 32 hexadecimal digits.
func (c ClusterID) String() string { return hex.EncodeToString(c[:]) }

// A Kind is the name of a vnode kind: "kv", "pipe", or a user's own.
type Kind = string

// A KindSpec says how partitions of one kind move.
type KindSpec struct {
	// Name is unique in the cluster.
	Name Kind
	// Volatile: the state dies with the process. A participant that restarts during a transfer
	// has lost what it sealed, so the flip is refused.
	Volatile bool
	// Activate: there is a single copy, so the new owner reports TargetActivated before its first
	// acknowledgement, and until then the flip may be reverted. Without it the new owner may
	// acknowledge from the flip on (its report then only ends the drain), and nothing is reverted.
	Activate bool
}

// A Status is where a member stands in its life.
//
//	Joining --commit--> Valid --leave or replace, commit--> Leaving --owns nothing--> Exiting --> Removed
//	Valid|Leaving|Joining --down--> Down --start--> the status before;  Joining --unstage--> Removed
//	Valid|Leaving|Exiting|Down --force-remove or force-replace, commit--> Removed
type Status uint8

// The statuses of a member, in the order of its life.
const (
	Joining Status = iota + 1
	Valid
	Leaving
	Exiting
	Down
	Removed

	statusEnd
)

var statusNames = [statusEnd]string{"none", "joining", "valid", "leaving", "exiting", "down", "removed"}

// String returns the status in lower case.
func (s Status) String() string {
	if s < statusEnd {
		return statusNames[s]
	}
	return fmt.Sprintf("status %d", uint8(s))
}

// A Member is one node as the record knows it.
type Member struct {
	Node ring.NodeID
	// Addr is where the running incarnation listens.
	Addr string
	// Incarnation grows by one with each start; a higher one means the former process is gone.
	Incarnation uint64
	Status      Status
	// Resume is the status a Down member returns to when it starts; zero otherwise.
	Resume Status
	// Departs is how the member departs with the next committed plan, or 0: ActionLeave,
	// ActionReplace, ActionForceRemove or ActionForceReplace. With is the member that takes its
	// place, for replacements.
	Departs Action
	With    ring.NodeID
	// Share is the weight and location from the next committed plan on, or nil. It is shared and
	// read-only.
	Share *Share
	// Limit is the transfer limit set for this member alone, or nil. It is shared and read-only.
	Limit *int
	// Rate is the transfer rate set for this member alone, in bytes per second, or nil. It is shared and
	// read-only.
	Rate *uint64
	// NoOutbound and NoInbound are the kinds of which no transfer out of the member, or into it, is
	// opened.
	NoOutbound, NoInbound KindSet
	// Weight is the member's relative share of partitions; 0 counts as 1.
	Weight   int
	Location string
	// Nonce is the one the member joined with. It is kept beside the node's data and proves at the
	// next start that this is the same node and not another of its name.
	Nonce uint64
}

// Alive reports whether the member may own partitions and take part in transfers: it is Joining,
// Valid or Leaving. It says what was agreed, not whether the process answers.
func (m Member) Alive() bool {
	return m.Status == Joining || m.Status == Valid || m.Status == Leaving
}

// Claims reports whether the next plan gives the member partitions: it is Joining, Valid, or Down
// with one of these to return to, and no departure of it is staged.
func (m Member) Claims() bool {
	s := m.Status
	if s == Down {
		s = m.Resume
	}
	return (s == Joining || s == Valid) && m.Departs == 0
}

// NextShare returns the weight and location that the next plan counts with.
func (m Member) NextShare() Share {
	if m.Share != nil {
		return *m.Share
	}
	return Share{Weight: m.Weight, Location: m.Location}
}

// A JoinDecision is the answer to one attempt of a node to join. A joiner polls for it with the nonce
// of its attempt, at any member.
type JoinDecision struct {
	Node  ring.NodeID
	Nonce uint64
	// Code is CodeApplied for an accepted join, else the code of the refusal: CodeStale when a
	// newer attempt of the same node took its place.
	Code Code
	// Text explains a refusal.
	Text string
	// Version is the record's version at the decision.
	Version uint64
}

// Accepted reports whether the join was accepted.
func (d JoinDecision) Accepted() bool { return d.Code == CodeApplied }

// Err returns nil for an accepted join, else an *Error.
func (d JoinDecision) Err() error {
	if d.Accepted() {
		return nil
	}
	return &Error{Code: d.Code, Text: d.Text}
}
