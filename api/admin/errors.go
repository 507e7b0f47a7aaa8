package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/vnode"
)

// Errors of the admin API itself.
var (
	// ErrRequest is returned for a request that cannot be right on any cluster.
	ErrRequest = errors.New("bad request")
	// ErrNotFound is returned for a path that the API does not have.
	ErrNotFound = errors.New("no such endpoint")
	// ErrMethod is returned for a method that the path does not take.
	ErrMethod = errors.New("method not allowed")
	// ErrMediaType is returned for a change whose body is not declared as JSON.
	ErrMediaType = errors.New("unsupported media type")
	// ErrTooLarge is returned for a body beyond the limit.
	ErrTooLarge = errors.New("request body too large")
	// ErrReadOnly is returned for a change on an address that serves reads only,
	// or one that a web page sent.
	ErrReadOnly = errors.New("changes are not accepted here")
	// ErrUnjoined is returned when the node has no cluster yet.
	ErrUnjoined = errors.New("node has not joined a cluster")
	// ErrJoined is returned by a join of a node that has a cluster.
	ErrJoined = errors.New("node already is in a cluster")
	// ErrNoRestore is returned when the store has not lost its record.
	ErrNoRestore = errors.New("record is not lost")
	// ErrNodeUp is returned when a node that answers is declared down.
	ErrNodeUp = errors.New("node answers")
	// ErrInternal is returned for what has no code of its own.
	ErrInternal = errors.New("internal error")
	// ErrProperty is returned for a property that can't be what it was to be.
	ErrProperty = errors.New("unusable property")
	// ErrHook is returned for a hook that is not there, or refused a write.
	ErrHook = errors.New("refused by a hook")
	// ErrNotOwner is returned for a partition that the asked node does not own.
	ErrNotOwner = errors.New("partition of another node")
	// ErrBackup is returned for a backup that can't be made now, or there.
	ErrBackup = errors.New("backup not made")
	// ErrIncomplete is returned by a Client for a stream that was cut off.
	ErrIncomplete = errors.New("answer incomplete")
	// ErrUnreachable is returned by a Client when nothing answers.
	ErrUnreachable = errors.New("admin address unreachable")
)

// Error is an error as the API writes it, and as a Client returns it: errors.Is
// matches the sentinel of its code on both sides.
type Error struct {
	// Code is stable and in snake case.
	Code string `json:"code"`
	// Operation and Operand name what was asked.
	Operation string `json:"operation"`
	Operand   string `json:"operand,omitempty"`
	// Message says what is wrong, Remedy what to do.
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
	// Counts are how many copies did what a request asked for, where that is why
	// it failed.
	Counts []Count `json:"counts,omitempty"`

	status int
}

// Count is how many copies, durable copies, primaries or nodes there were, and
// how many were asked for.
type Count struct {
	Name string `json:"name"`
	Got  int    `json:"got"`
	Want int    `json:"want"`
}

// countsOf returns what an error says about copies.
func countsOf(err error) (all []Count) {
	q, ok := errors.AsType[*kv.QuorumError](err)
	if !ok {
		return nil
	}
	for _, c := range []struct {
		name string
		kv.Count
	}{{"copies", q.Copies}, {"durable", q.Durable}, {"primaries", q.Primaries}, {"nodes", q.Nodes}} {
		if c.Want > 0 {
			all = append(all, Count{c.name, c.Got, c.Want})
		}
	}
	return all
}

// Error returns operation, operand, message and remedy in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Operation)
	if e.Operand != "" {
		b.WriteString(" " + e.Operand)
	}
	b.WriteString(": " + e.Message)
	if e.Remedy != "" {
		b.WriteString(": " + e.Remedy)
	}
	return b.String()
}

// Unwrap returns the sentinel of the code.
func (e *Error) Unwrap() error {
	for _, k := range known {
		if k.code == e.Code {
			return k.err
		}
	}
	return ErrInternal
}

// Is reports that a request which was refused for want of room or time was not
// done, whatever else its code says: nobody has to know the causes to know that.
func (e *Error) Is(target error) bool {
	return target == kv.ErrNotDone && (e.Code == "no_space" || e.Code == "overloaded")
}

// Status returns the HTTP status: 4xx except 409 for a request that has to be
// changed, 409 for a refusal by the cluster's state, 5xx for what was not done
// or may have been.
func (e *Error) Status() int { return e.status }

// known gives every error that may reach a client its code and status. The
// first match counts.
var known = []struct {
	err    error
	code   string
	status int
	remedy string
}{
	{kv.ErrUnknown, "unknown_write", http.StatusGatewayTimeout, "it may have been done: read the object, then decide"}, // before its causes
	{vnode.ErrOverloaded, "overloaded", http.StatusServiceUnavailable, "nothing was done: ask again later, and less often"},
	{messages.ErrNoSpace, "no_space", http.StatusInsufficientStorage, "nothing was done: delete objects, or let a node join"},
	{kv.ErrNotDone, "not_done", http.StatusServiceUnavailable, "nothing was written: ask again when more copies answer, or ask for fewer"},
	{kv.ErrStaleGrace, "stale_copy", http.StatusServiceUnavailable, "ask again"},
	{ErrRequest, "bad_request", http.StatusBadRequest, ""},
	{ErrNotFound, "not_found", http.StatusNotFound, "the endpoints are listed at /v1"},
	{ErrMethod, "method_not_allowed", http.StatusMethodNotAllowed, ""},
	{ErrMediaType, "unsupported_media_type", http.StatusUnsupportedMediaType, "send Content-Type: application/json"},
	{ErrTooLarge, "too_large", http.StatusRequestEntityTooLarge, ""},
	{ErrReadOnly, "read_only", http.StatusForbidden, "send changes to the node's admin address"},
	{ErrUnjoined, "unjoined", http.StatusConflict, "join it first: baton cluster join ADDR"},
	{ErrJoined, "already_joined", http.StatusConflict, "a node has one cluster: start it with an empty data directory to join another"},
	{ErrNodeUp, "node_up", http.StatusConflict, "stop its process first, or force it"},
	{ErrNoRestore, "no_restore", http.StatusConflict, "nothing has to be restored"},

	{ErrJobTimeout, "job_timeout", http.StatusGatewayTimeout, "give it more time: \"timeout\" in the job, in milliseconds"},
	{ErrNoJob, "no_job", http.StatusNotFound, "ask the node that coordinates it: baton job list"},
	{mapreduce.ErrUnknownFunction, "unknown_function", http.StatusBadRequest, "register it on every node, or name another one"},
	{mapreduce.ErrLanguage, "language", http.StatusForbidden, "start the nodes with it allowed: baton start --javascript"},
	{pipe.ErrCancelled, "job_cancelled", http.StatusConflict, ""},
	{ErrJob, "job_failed", http.StatusInternalServerError, ""},
	{kv.ErrNotFound, "object_not_found", http.StatusNotFound, ""},
	{kv.ErrExists, "object_exists", http.StatusPreconditionFailed, ""},
	{kv.ErrModified, "object_modified", http.StatusPreconditionFailed, "get it and decide anew"},
	{kv.ErrTooLarge, "object_too_large", http.StatusRequestEntityTooLarge, ""},
	{kv.ErrEmptyName, "empty_name", http.StatusBadRequest, "give a bucket and a key"},
	{kv.ErrBadRequest, "bad_object", http.StatusBadRequest, ""},
	{kv.ErrContext, "bad_context", http.StatusBadRequest, "get the object and use the context that comes with it"},
	{kv.ErrSiblings, "too_many_siblings", http.StatusConflict, "get it, and write one value with its context"},
	{kv.ErrCoverage, "coverage", http.StatusServiceUnavailable, "ask again when the nodes that are missing answer"},
	{kv.ErrContinuation, "bad_continuation", http.StatusBadRequest, "give the one that came with the page, and the same query"},
	{kv.ErrListings, "too_many_listings", http.StatusServiceUnavailable, "ask again when some of the listings under way have ended"},
	{kv.ErrCorrupt, "object_corrupt", http.StatusInternalServerError, ""},
	{kv.ErrFormat, "object_format", http.StatusInternalServerError, "read it with the version that wrote it, or a newer one"},
	{ErrNotOwner, "other_owner", http.StatusConflict, "ask its owner: see baton cluster ring"},
	{ErrBackup, "backup", http.StatusConflict, ""},
	{ErrProperty, "bad_property", http.StatusBadRequest, "see baton bucket props for names and values"},
	{ErrHook, "hook", http.StatusConflict, ""},
	{bucket.ErrNoType, "no_bucket_type", http.StatusNotFound, "create it: baton bucket-type create"},
	{bucket.ErrNotActive, "bucket_type_not_active", http.StatusConflict, "activate it: baton bucket-type activate"},
	{bucket.ErrActive, "bucket_type_active", http.StatusConflict, "update it: baton bucket-type update"},
	{bucket.ErrReserved, "reserved_name", http.StatusBadRequest, "take another name"},
	{bucket.ErrName, "unusable_name", http.StatusBadRequest, ""},
	{bucket.ErrSyntax, "bad_properties", http.StatusBadRequest, "give a JSON object of names and values"},
	{bucket.ErrEntry, "unreadable_entry", http.StatusInternalServerError, "ask a node of the newest version"},
	{ErrIncomplete, "incomplete", http.StatusBadGateway, "ask again"},

	{topology.ErrInvalid, "invalid", http.StatusBadRequest, ""},
	{topology.ErrUnknownKind, "unknown_kind", http.StatusBadRequest, ""},
	{topology.ErrUnknownPartition, "unknown_partition", http.StatusBadRequest, ""},
	{topology.ErrForgotten, "forgotten", http.StatusServiceUnavailable, "look at the status whether it was done"},
	{topology.ErrStaleTerm, "stale_term", http.StatusConflict, "try again"},
	{topology.ErrNoCluster, "no_cluster", http.StatusConflict, ""},
	{topology.ErrClusterExists, "cluster_exists", http.StatusConflict, ""},
	{topology.ErrClusterMismatch, "cluster_mismatch", http.StatusConflict, ""},
	{topology.ErrRingSize, "ring_size", http.StatusConflict, ""},
	{topology.ErrMissingKind, "missing_kind", http.StatusConflict, ""},
	{topology.ErrNotMember, "not_member", http.StatusConflict, ""},
	{topology.ErrNameTaken, "name_taken", http.StatusConflict, ""},
	{topology.ErrMemberStatus, "member_status", http.StatusConflict, ""},
	{topology.ErrStillOwns, "still_owns", http.StatusConflict, ""},
	{topology.ErrAlreadyLeaving, "already_leaving", http.StatusConflict, ""},
	{topology.ErrAlreadyReplacement, "already_replacement", http.StatusConflict, ""},
	{topology.ErrInvalidReplacement, "invalid_replacement", http.StatusConflict, ""},
	{topology.ErrLastMember, "last_member", http.StatusConflict, ""},
	{topology.ErrNothingPlanned, "nothing_planned", http.StatusConflict, "make a plan first: baton cluster plan"},
	{topology.ErrPlanChanged, "plan_changed", http.StatusConflict, ""},
	{topology.ErrTransferInProgress, "transfer_in_progress", http.StatusConflict, ""},
	{topology.ErrNoTransfer, "no_transfer", http.StatusConflict, ""},
	{topology.ErrNotOwner, "not_owner", http.StatusConflict, ""},
	{topology.ErrNotParticipant, "not_participant", http.StatusConflict, ""},
	{topology.ErrStale, "stale", http.StatusConflict, ""},
	{topology.ErrMetadataChanged, "metadata_changed", http.StatusConflict, "look at it as it is now, and decide anew"},
	{topology.ErrRecordFull, "record_full", http.StatusConflict, ""},
	{topology.ErrStaleGrace, "stale_grace", http.StatusConflict, "try again"},
	{topology.ErrStage, "stage", http.StatusConflict, ""},
	{topology.ErrTooLate, "too_late", http.StatusConflict, ""},
	{topology.ErrDamaged, "damaged", http.StatusBadRequest, "give a file that baton cluster backup wrote"},
	{topology.ErrFormat, "format", http.StatusBadRequest, "read it with the version that wrote it, or a newer one"},
	{ring.ErrOptions, "claim", http.StatusConflict, ""},

	{cluster.ErrUnknown, "unknown_outcome", http.StatusGatewayTimeout, "it may have been done: look at baton cluster status, then repeat it"},
	{cluster.ErrUnavailable, "unavailable", http.StatusServiceUnavailable, "nothing was changed: a majority of the cluster's voters, or the Consul server, must be reachable"},
	{cluster.ErrTopologyLost, "topology_lost", http.StatusConflict, "bring the record back: baton cluster restore"},
	{cluster.ErrClosed, "closed", http.StatusServiceUnavailable, "the node is stopping: ask another one"},
	{cluster.ErrBatch, "too_many_commands", http.StatusBadRequest, ""},
	{context.DeadlineExceeded, "timeout", http.StatusGatewayTimeout, "a change may have been done: look at baton cluster status, then repeat it"},
	{ErrInternal, "internal", http.StatusInternalServerError, ""},
	{ErrUnreachable, "unreachable", http.StatusServiceUnavailable, ""},
}

// toError gives an error the form that a client gets.
func toError(operation, operand string, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if p, ok := errors.AsType[*bucket.PropertyError](err); ok {
		err = fmt.Errorf("%w: %s %s: %s", ErrProperty, p.Name, p.Value, p.Remedy)
	}
	e := &Error{Code: "internal", Operation: operation, Operand: operand, Message: err.Error(), Counts: countsOf(err), status: http.StatusInternalServerError}
	for _, k := range known {
		if errors.Is(err, k.err) {
			e.Code, e.Remedy, e.status = k.code, k.remedy, k.status
			e.split(err, k.err)
			break
		}
	}
	return e
}

// StatusOf returns the HTTP status that an error has on the wire: how much of it
// is the caller's, the cluster's or the node's; see Error.Status.
func StatusOf(err error) int { return toError("", "", err).status }

// ownRemedy are sentinels whose errors name what is refused before them, and say
// what to do after them.
var ownRemedy = []error{bucket.ErrNoType, bucket.ErrNotActive, bucket.ErrActive, bucket.ErrReserved, bucket.ErrName}

// split divides the text of a refusal, "<sentinel>: <fact>: <remedy>", where the
// fact may be missing; its remedy wins over the table's. Other texts stay whole:
// nobody knows what their parts are.
func (e *Error) split(err, sentinel error) {
	if refusal, ok := errors.AsType[*topology.Error](err); ok {
		_, rest, _ := strings.Cut(refusal.Text, sentinel.Error()) // before it, the operation
		e.Message = sentinel.Error() + rest
	}
	if slices.Contains(ownRemedy, sentinel) {
		_, rest, _ := strings.Cut(e.Message, sentinel.Error())
		e.Message = sentinel.Error() + rest
	}
	rest, ok := strings.CutPrefix(e.Message, sentinel.Error()+": ")
	if !ok {
		return
	}
	e.Message, e.Remedy = sentinel.Error(), rest
	if i := strings.LastIndex(rest, ": "); i >= 0 {
		e.Message += ": " + rest[:i]
		e.Remedy = rest[i+2:]
	}
}

// refuse makes an error of the API itself: sentinel, then what to do.
func refuse(sentinel error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", sentinel, fmt.Sprintf(format, args...))
}

// CodeOf returns the code that an error has on the wire.
func CodeOf(err error) string { return toError("", "", err).Code }
