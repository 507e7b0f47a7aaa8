package admin

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff/history"
)

// NodeHistory is one member's answer about its transfers that have ended.
type NodeHistory struct {
	Node ring.NodeID
	// Entries may be there twice; what can't be read of them is Damage, a sentence each.
	Entries []history.Entry
	Damage  []string
	// Whole says that nothing was ever removed from the history.
	Whole bool
	Late  LateFrames
	// Err is why the member did not answer; the other fields are zero then.
	Err error
}

// LateFrames counts what came too late to a node since its start.
type LateFrames struct {
	// Fenced frames were turned away: of another life of a node, of a session that is over, or below a fence.
	Fenced uint64 `json:"fenced_total"`
	// AppliedAfterClose frames were not, though their session was over: always 0.
	AppliedAfterClose uint64 `json:"applied_after_close"`
}

// Certificates is the answer to GET /v1/certificates: how transfers ended, in the order of their sessions.
type Certificates struct {
	Record
	Certificates []Certificate `json:"certificates"`
	// Late is what came too late to each node that answered.
	Late []NodeLate `json:"late"`
	// Damaged histories can't be read whole; Unanswered nodes did not give theirs.
	Damaged    []NodeDamage `json:"damaged"`
	Unanswered []Unanswered `json:"unanswered"`
}

// NodeLate is what came too late to a node.
type NodeLate struct {
	Node ring.NodeID `json:"node"`
	LateFrames
}

// NodeDamage is a part of a node's history that can't be read.
type NodeDamage struct {
	Node ring.NodeID `json:"node"`
	Text string      `json:"text"`
}

// Certificate is a transfer that has ended.
type Certificate struct {
	Session uint64 `json:"session"`
	// Type is swap, merge or repair.
	Type      string         `json:"type"`
	Kind      topology.Kind  `json:"kind"`
	Partition ring.Partition `json:"partition"`
	Source    ring.NodeID    `json:"source"`
	Target    ring.NodeID    `json:"target"`
	// Failed says why the transfer was given up: then there are no figures. Empty: it was completed.
	Failed string `json:"failed,omitempty"`
	// Number is the place in the chain of the partition, from 1; Hash is the certificate's own, Previous that
	// of the one before.
	Number       uint64 `json:"number,omitempty"`
	Hash         string `json:"hash,omitempty"`
	Previous     string `json:"previous,omitempty"`
	EpochBefore  uint64 `json:"epoch_before"`
	EpochAfter   uint64 `json:"epoch_after,omitempty"`
	Items        uint64 `json:"items"`
	Bytes        uint64 `json:"bytes"`
	SourceDigest string `json:"source_digest,omitempty"`
	TargetDigest string `json:"target_digest,omitempty"`
	// FreezeMicros is the time without acknowledgements in microseconds, 0 if it is not known.
	FreezeMicros uint64 `json:"freeze_us"`
	SourceFenced uint64 `json:"source_fenced"`
	TargetFenced uint64 `json:"target_fenced"`
	// Opened and Ended are by the clock of a node that has the entry.
	Opened time.Time `json:"opened,omitzero"`
	Ended  time.Time `json:"ended,omitzero"`
	// In says who has it: nodes, and "record" for the last of its partition.
	In []string `json:"in"`
}

// inRecord is who has the last certificate of each partition.
const inRecord = "record"

func shownCertificate(e history.Entry) Certificate {
	v := Certificate{
		Session: e.Session, Type: e.Type.String(), Kind: e.Kind, Partition: e.Partition, Source: e.Source, Target: e.Target,
		Failed: string(e.Reason), EpochBefore: e.EpochBefore, Opened: e.Opened, Ended: e.Ended,
	}
	if e.Failed() {
		return v
	}
	v.Number, v.Hash, v.Previous = e.Number, e.Hash().String(), e.Previous.String()
	v.EpochAfter, v.Items, v.Bytes = e.EpochAfter, e.Items, e.Bytes
	v.SourceDigest, v.TargetDigest = e.SourceDigest.String(), e.TargetDigest.String()
	v.FreezeMicros, v.SourceFenced, v.TargetFenced = e.FreezeMicros, e.SourceFenced, e.TargetFenced
	return v
}

// CertificatesRequest says which certificates are asked for; the zero value: of all transfers that were
// completed.
type CertificatesRequest struct {
	Kind topology.Kind
	// Partition, if not nil, is the only one.
	Partition *ring.Partition
	// Session, if not 0, is the only one.
	Session uint64
	// Failed transfers too.
	Failed bool
}

func (r CertificatesRequest) wants(e history.Entry) bool {
	return (r.Kind == "" || e.Kind == r.Kind) && (r.Partition == nil || e.Partition == *r.Partition) &&
		(r.Session == 0 || e.Session == r.Session) && (r.Failed || r.Session != 0 || !e.Failed())
}

func (r CertificatesRequest) query() url.Values {
	q := url.Values{}
	if r.Kind != "" {
		q.Set("kind", r.Kind)
	}
	if r.Partition != nil {
		q.Set("partition", strconv.FormatUint(uint64(*r.Partition), 10))
	}
	if r.Session != 0 {
		q.Set("session", strconv.FormatUint(r.Session, 10))
	}
	setIf(q, "failed", r.Failed)
	return q
}

func certificatesRequest(q *query) (r CertificatesRequest, err error) {
	r.Kind, r.Failed = q.text("kind"), q.flag("failed")
	if s := q.text("partition"); s != "" {
		p, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			q.bad("partition", "give its number")
		}
		partition := ring.Partition(p)
		r.Partition = &partition
	}
	if s := q.text("session"); s != "" {
		if r.Session, err = strconv.ParseUint(s, 10, 64); err != nil {
			q.bad("session", "give its number")
		}
	}
	return r, q.done()
}

// certificates merges what the members and the record have.
func certificates(ctx context.Context, h *handler, req request) (any, error) {
	want, err := certificatesRequest(req.query)
	if err != nil {
		return nil, err
	}
	state, record, err := h.newest(ctx)
	if err != nil {
		return nil, err
	}
	out := Certificates{Record: record, Certificates: []Certificate{}, Late: []NodeLate{}, Damaged: []NodeDamage{}, Unanswered: []Unanswered{}}
	type ended struct {
		session uint64
		hash    topology.CertificateHash
		failed  bool
	}
	found := map[ended]*Certificate{}
	add := func(e history.Entry, in string) {
		if !want.wants(e) {
			return
		}
		id := ended{session: e.Session, failed: e.Failed()}
		if !id.failed {
			id.hash = e.Hash()
		}
		v := found[id]
		if v == nil {
			shown := shownCertificate(e)
			v = &shown
			found[id] = v
		}
		if v.Opened.IsZero() {
			v.Opened = e.Opened
		}
		if v.Ended.IsZero() {
			v.Ended = e.Ended
		}
		if !slices.Contains(v.In, in) {
			v.In = append(v.In, in)
		}
	}
	for _, n := range h.Node.History(ctx) {
		if n.Err != nil {
			out.Unanswered = append(out.Unanswered, Unanswered{n.Node, n.Err.Error()})
			continue
		}
		out.Late = append(out.Late, NodeLate{n.Node, n.Late})
		for _, d := range n.Damage {
			out.Damaged = append(out.Damaged, NodeDamage{n.Node, d})
		}
		for _, e := range n.Entries {
			add(e, string(n.Node))
		}
	}
	for _, k := range state.Kinds() {
		for _, x := range state.Parts(k.Name) {
			if x.Certificate != nil {
				add(history.Entry{Certificate: *x.Certificate}, inRecord)
			}
		}
	}
	for _, v := range found {
		out.Certificates = append(out.Certificates, *v)
	}
	slices.SortFunc(out.Certificates, func(a, b Certificate) int {
		return cmp.Or(cmp.Compare(a.Session, b.Session), cmp.Compare(a.Hash, b.Hash), cmp.Compare(a.Failed, b.Failed))
	})
	return out, nil
}

// certificatesEndpoint is for operators: it asks all members.
var certificatesEndpoint = map[string]endpoint{http.MethodGet: {
	about: "how transfers ended: their certificates ?kind=K&partition=P&session=S&failed=true", private: true, serve: certificates,
}}

// Certificates returns how transfers ended, from all nodes and the record.
func (c *Client) Certificates(ctx context.Context, r CertificatesRequest) (Certificates, error) {
	return answer[Certificates](ctx, c, call{method: http.MethodGet, path: withQuery("/v1/certificates", r.query()), operation: "certificates"})
}
