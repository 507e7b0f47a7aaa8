package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// AuditRequest says what is audited; the zero value: everything.
type AuditRequest struct {
	Kind topology.Kind
	// Partition, if not nil, is the only one.
	Partition *ring.Partition
	// Rate bounds what each node reads, in bytes per second; 0: the node's default.
	Rate uint64
}

// Wants reports whether a partition of a kind is audited.
func (r AuditRequest) Wants(kind topology.Kind, p ring.Partition) bool {
	return (r.Kind == "" || r.Kind == kind) && (r.Partition == nil || *r.Partition == p)
}

// Query returns the request as parameters of a URL.
func (r AuditRequest) Query() url.Values {
	q := CertificatesRequest{Kind: r.Kind, Partition: r.Partition}.query()
	if r.Rate > 0 {
		q.Set("rate", strconv.FormatUint(r.Rate, 10))
	}
	return q
}

// ParseAudit reads what Query returns. The error is ErrRequest.
func ParseAudit(raw string) (r AuditRequest, err error) {
	q, err := newQuery(raw)
	if err != nil {
		return r, err
	}
	if s := q.text("rate"); s != "" {
		if r.Rate, err = strconv.ParseUint(s, 10, 64); err != nil || r.Rate == 0 {
			q.bad("rate", "give bytes per second, from 1")
		}
	}
	which, err := certificatesRequest(q)
	r.Kind, r.Partition = which.Kind, which.Partition
	return r, err
}

// AuditEvent is one line of an audit: one of its fields is set. The last one is the summary.
type AuditEvent struct {
	Copy    *AuditCopy    `json:"copy,omitempty"`
	Finding *Finding      `json:"finding,omitempty"`
	Summary *AuditSummary `json:"summary,omitempty"`
}

// AuditCopy is a copy of a partition whose items were read and counted.
type AuditCopy struct {
	Node ring.NodeID `json:"node"`
	// Kind ends in ~fallback for what the node keeps for another.
	Kind      topology.Kind  `json:"kind"`
	Partition ring.Partition `json:"partition"`
	Items     uint64         `json:"items"`
	Bytes     uint64         `json:"bytes"`
	Digest    string         `json:"digest"`
}

// What an audit finds wrong.
const (
	FoundDamaged     = "damaged"     // items can't be read from the disk
	FoundUndecodable = "undecodable" // items are read, and are not what the kind writes
	FoundDigest      = "digest"      // the items are not those that the running digest was made of
	FoundCertificate = "certificate" // the certificates do not fit together
	FoundHistory     = "history"     // the log of a node can't be read
	FoundCopies      = "copies"      // copies of the same keys differ
	FoundIncomplete  = "incomplete"  // a copy lacks acknowledged data, by the record
	FoundLate        = "late"        // something was applied after its session
	FoundUnanswered  = "unanswered"  // a node was not audited
)

// Finding is one thing that is wrong, and the way out.
type Finding struct {
	// Problem is one of the constants.
	Problem   string         `json:"problem"`
	Node      ring.NodeID    `json:"node,omitempty"`
	Kind      topology.Kind  `json:"kind,omitempty"`
	Partition ring.Partition `json:"partition"`
	// From and To are the range of store keys, From <= key < To; an empty To is the end.
	From Text `json:"from,omitempty"`
	To   Text `json:"to,omitempty"`
	// Message says what was found, Remedy what to do.
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
}

// AuditSummary is the last event of an audit.
type AuditSummary struct {
	Copies       int    `json:"copies"`
	Items        uint64 `json:"items"`
	Bytes        uint64 `json:"bytes"`
	Certificates int    `json:"certificates"`
	// Heads are the key ranges whose copies were compared; Changing ones were written to all the time, and
	// Skipped ones have a copy that did not answer.
	Heads    int `json:"heads"`
	Changing int `json:"changing"`
	Skipped  int `json:"skipped"`
	Findings int `json:"findings"`
}

const auditPath = "/v1/audit"

// serveAudit streams an audit of the cluster.
func (h *handler) serveAudit(w http.ResponseWriter, r *http.Request) {
	err := h.admit(w, r, 1)
	var req AuditRequest
	if err == nil {
		req, err = ParseAudit(r.URL.RawQuery)
	}
	if err != nil {
		e := toError("audit", "", err)
		reply(w, e.status, e)
		return
	}
	s := newStream(w)
	err = h.Store.Audit(r.Context(), req, func(e AuditEvent) error {
		if err := s.line(e); err != nil {
			return err
		}
		return s.flush() // whoever waits sees how far it is
	})
	s.end("audit", "", "", err)
}

// Audit has the whole cluster audited, however long that takes, and gives what happens to take. The error
// says that the audit did not come to its end.
func (c *Client) Audit(ctx context.Context, r AuditRequest, take func(AuditEvent)) error {
	_, err := lines(ctx, c, call{method: http.MethodGet, path: withQuery(auditPath, r.Query()), operation: "audit"}, func(e AuditEvent) bool {
		take(e)
		return true
	})
	return err
}
