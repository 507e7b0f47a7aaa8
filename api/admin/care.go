package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Care is what keeps the copies of a node whole.
type Care interface {
	// Entropy says how far the node's copies are compared with the others.
	Entropy() (Entropy, error)
	// Kept returns what this node's fallbacks keep for others, by kind and partition.
	Kept() []Kept
	// Repair compares a partition of the node with every other copy now, and
	// returns when what it lacked is there. The error matches ErrNotOwner when
	// another node owns it.
	Repair(ctx context.Context, p ring.Partition) (Repair, error)
	// Audit audits the whole cluster and gives what it finds to take, one call at a time; see AuditEvent.
	Audit(ctx context.Context, r AuditRequest, take func(AuditEvent) error) error
	// Backup writes a backup of the node to a directory on its machine.
	Backup(ctx context.Context, dir string) (DataBackup, error)
}

// Entropy is the answer to GET /v1/entropy: anti-entropy of the asked node.
type Entropy struct {
	Node ring.NodeID `json:"node"`
	// Rounds over all partitions were made, the last of which ended at LastRound.
	Rounds    uint64    `json:"rounds"`
	LastRound time.Time `json:"last_round,omitzero"`
	// Exchanges came to their end, Failed did not.
	Exchanges uint64 `json:"exchanges"`
	Failed    uint64 `json:"failed"`
	// Repaired states were taken over, with so many Bytes.
	Repaired uint64 `json:"repaired"`
	Bytes    uint64 `json:"bytes"`
	// Reaped tombstones and Expired objects were removed.
	Reaped  uint64 `json:"reaped"`
	Expired uint64 `json:"expired"`
	// Partitions are those that the node owns.
	Partitions []EntropyPartition `json:"partitions"`
}

// EntropyPartition is one partition of an Entropy.
type EntropyPartition struct {
	Partition ring.Partition `json:"partition"`
	Keys      uint64         `json:"keys"`
	// IncompleteSince is the version of the record since which data is missing
	// that was acknowledged; 0 if none is.
	IncompleteSince uint64 `json:"incomplete_since,omitempty"`
	// Waiting tombstones are not old enough to be removed.
	Waiting int `json:"waiting"`
	// Last are the latest exchanges, Running is the one under way.
	Last    []Exchange `json:"last"`
	Running *Exchange  `json:"running,omitempty"`
}

// Exchange is a comparison of a partition with another copy.
type Exchange struct {
	// Head is the partition that the keys hash to, Copies how many copies they
	// have, With the partition compared with, which Node serves.
	Head   ring.Partition `json:"head"`
	Copies int            `json:"copies"`
	With   ring.Partition `json:"with"`
	Node   ring.NodeID    `json:"node"`
	Began  time.Time      `json:"began"`
	Ended  time.Time      `json:"ended,omitzero"`
	Keys   uint64         `json:"keys"`
	// Differing states were found; Taken by this copy, and Given to the other.
	Differing uint64 `json:"differing"`
	Taken     uint64 `json:"taken"`
	Given     uint64 `json:"given"`
	Bytes     uint64 `json:"bytes"`
	Error     string `json:"error,omitempty"`
}

// Repair is the answer to POST /v1/repair.
type Repair struct {
	Partition ring.Partition `json:"partition"`
	Exchanges []Exchange     `json:"exchanges"`
	// Single: there are keys with one copy, which nobody can bring back.
	Single bool `json:"single"`
}

// DataBackup is the answer to POST /v1/backup.
type DataBackup struct {
	Node      ring.NodeID `json:"node"`
	Directory string      `json:"directory"`
	ClusterID string      `json:"cluster_id"`
	// RecordVersion is that of the record in it.
	RecordVersion uint64 `json:"record_version"`
	Partitions    int    `json:"partitions"`
	Items         uint64 `json:"items"`
	Files         int    `json:"files"`
	Bytes         int64  `json:"bytes"`
}

// Hints is the answer to GET /v1/hints: data that fallbacks keep for others.
type Hints struct {
	Record
	Hints []Hint `json:"hints"`
}

// Hint is one partition that a fallback keeps data of, until its owner has it.
type Hint struct {
	Kind      topology.Kind  `json:"kind"`
	Partition ring.Partition `json:"partition"`
	// Node keeps the data, Owner is to get it.
	Node  ring.NodeID `json:"node"`
	Owner ring.NodeID `json:"owner"`
	// Opened is the version of the record since which it does.
	Opened uint64 `json:"opened"`
	// Kept is what is left of it, if Node is the one that was asked.
	Kept *Kept `json:"kept,omitempty"`
}

// Kept is what a fallback of the asked node keeps.
type Kept struct {
	Kind      topology.Kind  `json:"kind"`
	Partition ring.Partition `json:"partition"`
	Items     uint64         `json:"items"`
	Bytes     uint64         `json:"bytes"`
	// State is the fallback's: serving, returning and so on.
	State string `json:"state"`
	// Error is what went wrong last, empty if nothing did.
	Error string `json:"error,omitempty"`
}

// RepairRequest is the body of POST /v1/repair.
type RepairRequest struct {
	Partition ring.Partition `json:"partition"`
}

func (r RepairRequest) operand() string { b, _ := json.Marshal(r.Partition); return string(b) }

// BackupRequest is the body of POST /v1/backup.
type BackupRequest struct {
	Directory string `json:"directory"`
}

func (r BackupRequest) operand() string { return r.Directory }

func entropy(_ context.Context, h *handler, _ request) (any, error) { return h.Store.Entropy() }

func repair(ctx context.Context, h *handler, r RepairRequest) (any, error) {
	return h.Store.Repair(ctx, r.Partition)
}

func backupData(ctx context.Context, h *handler, r BackupRequest) (any, error) {
	if r.Directory == "" {
		return nil, refuse(ErrRequest, "name a directory on the node's machine")
	}
	return h.Store.Backup(ctx, r.Directory)
}

func hints(ctx context.Context, h *handler, _ request) (any, error) {
	state, record, err := h.newest(ctx)
	if err != nil {
		return nil, err
	}
	out := Hints{Record: record, Hints: []Hint{}}
	kept := h.Store.Kept()
	for x := range state.AllHints() {
		hint := Hint{Kind: x.Kind, Partition: x.Partition, Node: x.Node, Owner: state.Owners(x.Kind).Owner(x.Partition), Opened: x.Opened}
		if i := slices.IndexFunc(kept, func(k Kept) bool { return k.Kind == x.Kind && k.Partition == x.Partition }); i >= 0 && x.Node == h.Node.Name() {
			hint.Kept = &kept[i]
		}
		out.Hints = append(out.Hints, hint)
	}
	return out, nil
}

// Entropy returns how far the asked node's copies are compared.
func (c *Client) Entropy(ctx context.Context) (Entropy, error) {
	return get[Entropy](ctx, c, "/v1/entropy")
}

// Hints returns what fallbacks keep for others.
func (c *Client) Hints(ctx context.Context) (Hints, error) { return get[Hints](ctx, c, "/v1/hints") }

// Repair repairs a partition of the asked node, however long that takes.
func (c *Client) Repair(ctx context.Context, p ring.Partition) (Repair, error) {
	return patient[Repair](ctx, c, "/v1/repair", RepairRequest{p})
}

// BackupData writes a backup of the asked node to a directory on its machine,
// however long that takes.
func (c *Client) BackupData(ctx context.Context, dir string) (DataBackup, error) {
	return patient[DataBackup](ctx, c, "/v1/backup", BackupRequest{dir})
}

// patient is send for what takes long.
func patient[T any](ctx context.Context, c *Client, path string, body any) (T, error) {
	b, err := json.Marshal(body)
	if err != nil {
		var none T
		return none, toError(operation(path), "", refuse(ErrRequest, "%v", err))
	}
	return answer[T](ctx, c, call{
		method: http.MethodPost, path: path, operation: operation(path), body: b, header: http.Header{"Content-Type": {"application/json"}}, stream: true,
	})
}
