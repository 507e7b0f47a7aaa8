package baton

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/port"
	"github.com/dee2748c/baton/handoff/session"
)

// Nodes ask each other over HTTP on the cluster port for what only they know:
// how far their transfers are, how big their partitions, and before there is a
// cluster, who they are. Nothing is changed this way.
//
//	GET /progress  progressReply
//	GET /sizes     sizesReply
//	GET /history   historyReply
//	GET /audit     an auditLine a line
//	GET /hello     hello

// askWithin bounds the questions to all members; maxReply is the size of an
// answer, in bytes.
const (
	askWithin = 3 * time.Second
	maxReply  = 64 << 20
)

type progressReply struct {
	Version  uint64
	Sessions []admin.Progress
	Guards   []admin.Guard
}

type sizesReply struct {
	Parts []admin.PartSize
	Rate  float64
}

// status serves the questions of other nodes.
func (a *administration) status() http.Handler {
	mux := http.NewServeMux()
	answer := func(path string, f func() (any, error)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			m, err := f()
			if err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(m)
		})
	}
	answer("/progress", func() (any, error) { return a.progress() })
	answer("/sizes", func() (any, error) { return a.sizes() })
	answer("/history", func() (any, error) { return a.history() })
	answer("/hello", func() (any, error) { return a.n.hello(), nil })
	mux.HandleFunc("GET /audit", a.serveAudit)
	return mux
}

func (a *administration) progress() (progressReply, error) {
	r, err := a.reached()
	if err != nil || r.host == nil {
		return progressReply{}, err
	}
	out := progressReply{Version: r.host.View().Version(), Guards: heldGuards(r.host)}
	for _, p := range r.host.Transfers() {
		out.Sessions = append(out.Sessions, admin.Progress{
			Session: p.Session, Outgoing: p.Outgoing, Attempt: p.Attempt, Items: p.Items, Bytes: p.Bytes,
			TotalItems: p.TotalItems, TotalBytes: p.TotalBytes, Started: p.Started, Updated: p.Updated,
			ItemRate: p.ItemRate, ByteRate: p.ByteRate, Stall: p.Stall.String(),
		})
	}
	return out, nil
}

func (a *administration) sizes() (sizesReply, error) {
	r, err := a.reached()
	if err != nil || r.host == nil {
		return sizesReply{}, err
	}
	sizes, err := r.host.Sizes()
	if err != nil {
		return sizesReply{}, err
	}
	out := sizesReply{Rate: r.host.TransferRate()}
	for _, s := range sizes {
		out.Parts = append(out.Parts, admin.PartSize{Kind: s.ID.Kind, Partition: s.ID.Partition, Items: s.Items, Bytes: s.Bytes})
	}
	return out, nil
}

// heldGuards says who on this node has not left a session that is over.
func heldGuards(h *actors.Host) []admin.Guard {
	var out []admin.Guard
	for _, g := range h.HeldGuards(0) {
		out = append(out, admin.Guard{
			Node: h.Self().Node, Session: g.Session, Name: g.Name, Entered: g.Entered, Closed: g.Closed,
			Leaked: time.Since(g.Closed) >= session.LeakLimit,
		})
	}
	return out
}

// get asks the node at an address.
func (n *Node) get(ctx context.Context, addr, path string, reply any) error {
	return n.askNode(ctx, addr, path, func(body io.Reader) error {
		return json.NewDecoder(io.LimitReader(body, maxReply)).Decode(reply)
	})
}

// askNode asks the node at an address, and has read take the answer.
func (n *Node) askNode(ctx context.Context, addr, path string, read func(io.Reader) error) error {
	t := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return n.port.Dial(ctx, addr, port.Status) },
		DisableKeepAlives: true,
	}
	defer t.CloseIdleConnections()
	// The name in the URL is not resolved: the port is dialed by its address.
	url := "http://" + hex.EncodeToString([]byte(n.self)) + ".node" + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("ask %s for %s: %w", addr, path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("ask %s for %s: status %d: %s", addr, path, resp.StatusCode, text)
	}
	if err := read(resp.Body); err != nil {
		return fmt.Errorf("answer of %s for %s: %w", addr, path, err)
	}
	return nil
}
