package baton

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff/history"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// Bounds of an audit.
const (
	// auditRate is what a node reads by default, in bytes per second.
	auditRate = 64 << 20
	// auditAgain is the pause before what may be under way is looked at again, auditLooks how often.
	auditAgain = 300 * time.Millisecond
	auditLooks = 20
	// auditStable is how many looks in a row must find the same difference.
	auditStable = 5
	// auditFails is how many looks in a row may get no answer from a copy.
	auditFails = 3
	// surveyWithin is how long the copies of one head have to answer, and auditHeads how many heads are
	// compared at once.
	surveyWithin = 5 * time.Second
	auditHeads   = 4
)

// auditLine is one line of a node's answer about what it holds; the last one has Done.
type auditLine struct {
	Copy     *admin.AuditCopy
	Findings []admin.Finding
	Done     bool
	Err      string
}

// Audit reads what all nodes hold and compares it: every copy with its running digest and the disk, every
// certificate with the one before and with the other side's, and the copies of every head with each other.
// It gives what it does and finds to take, one call at a time, and at last the summary. The error is that of
// take or ctx, or says that there is no cluster; what is wrong with the data is a finding.
func (n *Node) Audit(ctx context.Context, r admin.AuditRequest, take func(admin.AuditEvent) error) error {
	return (&administration{n}).audit(ctx, r, take)
}

func (o objects) Audit(ctx context.Context, r admin.AuditRequest, take func(admin.AuditEvent) error) error {
	return o.admin.audit(ctx, r, take)
}

// audit is an audit of the cluster under way.
type audit struct {
	*administration
	host    *actors.Host
	request admin.AuditRequest
	summary admin.AuditSummary

	mu   sync.Mutex
	take func(admin.AuditEvent) error
	err  error // of take
}

func (a *administration) audit(ctx context.Context, r admin.AuditRequest, take func(admin.AuditEvent) error) error {
	up, err := a.reached()
	if err != nil {
		return err
	}
	if up.host == nil {
		return fmt.Errorf("audit: %w", admin.ErrUnjoined)
	}
	x := &audit{administration: a, host: up.host, request: r, take: take}
	x.copies(ctx)
	x.histories(ctx)
	if r.Kind == "" || r.Kind == kv.KindName {
		x.heads(ctx)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	x.tell(admin.AuditEvent{Summary: &x.summary})
	return x.err
}

// tell passes an event on and counts it.
func (x *audit) tell(e admin.AuditEvent) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return
	}
	if c := e.Copy; c != nil {
		x.summary.Copies++
		x.summary.Items += c.Items
		x.summary.Bytes += c.Bytes
	}
	if e.Finding != nil {
		x.summary.Findings++
	}
	x.err = x.take(e)
}

func (x *audit) found(f admin.Finding) { x.tell(admin.AuditEvent{Finding: &f}) }

// copies has every node read what it holds.
func (x *audit) copies(ctx context.Context) {
	var all sync.WaitGroup
	for _, m := range x.View().Members() {
		if m.Status == topology.Removed {
			continue
		}
		all.Go(func() {
			line := func(l auditLine) error {
				if l.Copy != nil {
					x.tell(admin.AuditEvent{Copy: l.Copy})
				}
				for _, f := range l.Findings {
					x.found(f)
				}
				return ctx.Err()
			}
			var err error
			switch {
			case m.Node == x.n.self:
				err = x.auditOwn(ctx, x.request, line)
			case x.n.port == nil:
				err = fmt.Errorf("node %s: its transport carries no questions", m.Node)
			default:
				err = x.auditOther(ctx, m.Addr, line)
			}
			if err != nil && ctx.Err() == nil {
				x.found(admin.Finding{Problem: admin.FoundUnanswered, Node: m.Node, Message: err.Error(), Remedy: "start the node, or see what is wrong with it, and audit again"})
			}
		})
	}
	all.Wait()
}

// auditOwn reads what this node holds.
func (a *administration) auditOwn(ctx context.Context, r admin.AuditRequest, line func(auditLine) error) error {
	up, err := a.reached()
	if err != nil {
		return err
	}
	if up.host == nil {
		return admin.ErrUnjoined
	}
	rate := r.Rate
	if rate == 0 {
		rate = auditRate
	}
	reading := pace{rate: float64(rate)}
	want := func(id store.ID) bool {
		if of, ok := vnode.OfFallback(id); ok {
			id = of
		}
		return r.Wants(id.Kind, id.Partition)
	}
	await := func(bytes uint64) error { return reading.wait(ctx, bytes) }
	return up.host.Audit(ctx, want, await, func(c actors.AuditedCopy) error {
		return line(auditLine{
			Copy: &admin.AuditCopy{
				Node: a.n.self, Kind: c.ID.Kind, Partition: c.ID.Partition, Items: c.Counted.Items, Bytes: c.Counted.Bytes, Digest: c.Counted.Digest.String(),
			},
			Findings: findings(a.n.self, c),
		})
	})
}

// findings says what is wrong with a copy.
func findings(node ring.NodeID, c actors.AuditedCopy) (all []admin.Finding) {
	repair := fmt.Sprintf("baton repair %d, at node %s: the other copies have what is lost", c.ID.Partition, node)
	renew := fmt.Sprintf("stop node %s, remove its store and start it again: the other copies bring its data back", node)
	add := func(problem string, from, to []byte, remedy, format string, args ...any) {
		all = append(all, admin.Finding{
			Problem: problem, Node: node, Kind: c.ID.Kind, Partition: c.ID.Partition, From: admin.Text(from), To: admin.Text(to),
			Message: fmt.Sprintf(format, args...), Remedy: remedy,
		})
	}
	if c.ID.Kind != kv.KindName {
		repair = renew
	}
	for _, d := range c.Damage {
		add(admin.FoundDamaged, d.From, d.To, repair, "items can't be read: %v", d.Err)
	}
	for _, key := range c.Undecodable {
		add(admin.FoundUndecodable, key, store.After(key), repair, "an item can't be decoded")
	}
	if len(c.Damage) == 0 && c.Counted != c.Running {
		add(admin.FoundDigest, nil, nil, renew, "%d items of %d bytes with digest %s were read, they should be %d of %d bytes with digest %s",
			c.Counted.Items, c.Counted.Bytes, c.Counted.Digest, c.Running.Items, c.Running.Bytes, c.Running.Digest)
	}
	return all
}

// serveAudit answers another node with what this one holds, line by line.
func (a *administration) serveAudit(w http.ResponseWriter, r *http.Request) {
	req, err := admin.ParseAudit(r.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	control := http.NewResponseController(w)
	_, _ = control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	line := func(l auditLine) error { return errors.Join(out.Encode(l), control.Flush()) }
	last := auditLine{Done: true}
	if err := a.auditOwn(r.Context(), req, line); err != nil {
		last.Err = err.Error()
	}
	_ = line(last)
}

// auditOther asks the node at an address what it holds.
func (x *audit) auditOther(ctx context.Context, addr string, line func(auditLine) error) error {
	path := "/audit"
	if q := x.request.Query().Encode(); q != "" {
		path += "?" + q
	}
	return x.n.askNode(ctx, addr, path, func(body io.Reader) error {
		d := json.NewDecoder(body)
		for {
			var l auditLine
			if err := d.Decode(&l); err != nil {
				return fmt.Errorf("the answer ends early: %w", err)
			}
			if l.Done && l.Err != "" {
				return errors.New(l.Err)
			}
			if err := line(l); err != nil || l.Done {
				return err
			}
		}
	})
}

// histories verifies the certificates. What looks wrong is looked at again, since transfers may be ending.
func (x *audit) histories(ctx context.Context) {
	var problems []history.Problem
	var nodes []admin.NodeHistory
	for look := range auditLooks {
		if look > 0 && !sleep(ctx, auditAgain) {
			return
		}
		state := x.host.View().State
		nodes = x.History(ctx)
		var logs []history.NodeLog
		for _, n := range nodes {
			if n.Err == nil {
				logs = append(logs, history.NodeLog{Node: n.Node, Entries: n.Entries, Whole: n.Whole && len(n.Damage) == 0})
			}
		}
		x.summary.Certificates, problems = history.Verify(state, logs)
		problems = slices.DeleteFunc(problems, func(p history.Problem) bool { return !x.request.Wants(p.Kind, p.Partition) })
		if len(problems) == 0 {
			break
		}
	}
	for _, p := range problems {
		x.found(admin.Finding{
			Problem: admin.FoundCertificate, Node: p.Node, Kind: p.Kind, Partition: p.Partition, Message: p.Text,
			Remedy: "see baton handoff certificates for the partition: a history was changed or lost; the data is judged by the other checks",
		})
	}
	for _, n := range nodes {
		for _, d := range n.Damage {
			x.found(admin.Finding{Problem: admin.FoundHistory, Node: n.Node, Message: d, Remedy: "keep the file for an inquiry and remove it: the node writes on in a new one"})
		}
		if n.Late.AppliedAfterClose > 0 {
			x.found(admin.Finding{
				Problem: admin.FoundLate, Node: n.Node, Message: fmt.Sprintf("%d frames were applied after their session", n.Late.AppliedAfterClose),
				Remedy: "report it: it is an error of this program",
			})
		}
		if n.Err != nil {
			x.found(admin.Finding{Problem: admin.FoundUnanswered, Node: n.Node, Message: "its history: " + n.Err.Error(), Remedy: "start the node, and audit again"})
		}
	}
}

// sleep reports whether a pause was over before ctx was.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// heads compares the copies of all keys.
func (x *audit) heads(ctx context.Context) {
	view := x.host.View()
	for p, part := range view.Parts(kv.KindName) {
		if part.Incomplete && x.request.Wants(kv.KindName, p) {
			x.found(admin.Finding{
				Problem: admin.FoundIncomplete, Node: part.Owner, Kind: kv.KindName, Partition: p,
				Message: fmt.Sprintf("the copy lacks acknowledged data since record version %d", part.Since),
				Remedy:  fmt.Sprintf("the node repairs it; baton repair %d, at node %s, says what is in the way", p, part.Owner),
			})
		}
	}
	catalog, size := x.n.catalog(), view.RingSize()
	var wg sync.WaitGroup
	free := make(chan struct{}, auditHeads)
	for _, n := range kv.CopyCounts(catalog) {
		n = min(n, size)
		for head := range ring.Partition(size) {
			if n < 2 || !x.wantsHead(head, n, size) {
				continue
			}
			select {
			case free <- struct{}{}:
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				break
			}
			wg.Go(func() {
				x.head(ctx, head, n, kv.CopiesSignature(catalog))
				<-free
			})
		}
	}
	wg.Wait()
}

// wantsHead reports whether a copy of a head is to be audited.
func (x *audit) wantsHead(head ring.Partition, n, size int) bool {
	for i := range n {
		if x.request.Wants(kv.KindName, head.Next(i, size)) {
			return true
		}
	}
	return false
}

// head compares the copies of one head. While they are written to they may differ: then it looks again until
// they are equal, or differ in the same way for some time.
func (x *audit) head(ctx context.Context, head ring.Partition, n int, copies uint64) {
	var before []kv.Root
	same, failed := 0, 0
	for look := 0; look < auditLooks && failed < auditFails; {
		roots, err := x.survey(ctx, head, n, copies)
		counting := slices.ContainsFunc(roots, func(r kv.Root) bool { return r.Counting })
		equal := !slices.ContainsFunc(roots, func(r kv.Root) bool { return r.Keys != roots[0].Keys || r.Sum != roots[0].Sum })
		switch {
		case ctx.Err() != nil:
			return
		case counting && err == nil:
			continue // each question counts some more
		case err == nil && equal:
			x.count(func(s *admin.AuditSummary) { s.Heads++ })
			return
		case err == nil && slices.Equal(roots, before):
			same++
		default:
			same = 0
		}
		if same >= auditStable {
			x.count(func(s *admin.AuditSummary) { s.Heads++ })
			x.found(differing(head, roots))
			return
		}
		before = roots
		if failed++; err == nil {
			failed = 0
		}
		look++
		if !sleep(ctx, auditAgain) {
			return
		}
	}
	x.count(func(s *admin.AuditSummary) {
		if failed > 0 {
			s.Skipped++
		} else {
			s.Changing++
		}
	})
}

func (x *audit) count(f func(*admin.AuditSummary)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f(&x.summary)
}

// survey asks the copies of a head once. The error is the first of a copy.
func (x *audit) survey(ctx context.Context, head ring.Partition, n int, copies uint64) ([]kv.Root, error) {
	ctx, cancel := context.WithTimeout(ctx, surveyWithin)
	defer cancel()
	set := x.host.Replicas(kv.KindName, head, n)
	for _, c := range set.Copies {
		if !c.Up {
			return nil, fmt.Errorf("%s does not seem to answer", c.Node)
		}
	}
	m := kv.NewSurvey(set, n, copies)
	err := x.host.Run(ctx, kv.KindName, m)
	for _, r := range m.Roots() {
		if err == nil {
			err = r.Err
		}
	}
	return m.Roots(), err
}

func differing(head ring.Partition, roots []kv.Root) admin.Finding {
	text := fmt.Sprintf("the copies of the keys of head %d differ:", head)
	for _, r := range roots {
		text += fmt.Sprintf(" partition %d of %s has %d keys with sum %016x;", r.Partition, r.Node, r.Keys, r.Sum)
	}
	from, to := kv.HeadRange(head)
	return admin.Finding{
		Problem: admin.FoundCopies, Node: roots[0].Node, Kind: kv.KindName, Partition: head, From: admin.Text(from), To: admin.Text(to),
		Message: text[:len(text)-1], Remedy: fmt.Sprintf("baton repair %d, at node %s", roots[0].Partition, roots[0].Node),
	}
}
