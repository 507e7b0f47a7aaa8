package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
)

// maxAnswer bounds what a Client reads of an answer, in bytes.
const maxAnswer = 128 << 20

// idleConns is how many connections a Client keeps for requests to come, as many
// as a load generator has under way at once.
const idleConns = 256

// Client asks one node. Its errors are *Error: errors.Is matches the sentinels
// of packages admin, cluster and topology. It is safe for concurrent use.
type Client struct {
	base string
	http *http.Client
	// streams last as long as their contexts.
	streams *http.Client
}

// NewClient returns a client of the admin address: a URL, or host:port for
// plain HTTP. Close releases its idle connections. A request takes at most a
// little longer than DefaultTimeout.
func NewClient(addr string) (*Client, error) {
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	u, err := url.Parse(addr)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, &Error{
			Code: "bad_request", Operation: "admin address", Operand: addr, Message: "not a URL",
			Remedy: "give http://HOST:PORT with --admin or BATON_ADMIN", status: http.StatusBadRequest,
		}
	}
	// Values arrive as they were stored, whatever their encoding.
	transport := &http.Transport{ResponseHeaderTimeout: DefaultTimeout + 5*time.Second, MaxIdleConnsPerHost: idleConns, IdleConnTimeout: time.Minute, DisableCompression: true}
	return &Client{
		base:    strings.TrimSuffix(u.Scheme+"://"+u.Host+u.Path, "/"),
		http:    &http.Client{Transport: transport, Timeout: DefaultTimeout + time.Minute},
		streams: &http.Client{Transport: &http.Transport{IdleConnTimeout: time.Minute, DisableCompression: true}},
	}, nil
}

// Close releases idle connections.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.streams.CloseIdleConnections()
}

// Addr returns the URL that the client asks.
func (c *Client) Addr() string { return c.base }

// Status returns the cluster's status; it is answered by a node without a
// cluster too.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return get[Status](ctx, c, "/v1/status")
}

// Members returns all members, also Removed ones.
func (c *Client) Members(ctx context.Context) (Members, error) {
	return get[Members](ctx, c, "/v1/members")
}

// Ring returns who owns what.
func (c *Client) Ring(ctx context.Context) (Ring, error) { return get[Ring](ctx, c, "/v1/ring") }

// RingReady returns whether all members have applied the newest record.
func (c *Client) RingReady(ctx context.Context) (RingReady, error) {
	return get[RingReady](ctx, c, "/v1/ringready")
}

// Transfers returns the transfers under way.
func (c *Client) Transfers(ctx context.Context) (Transfers, error) {
	return get[Transfers](ctx, c, "/v1/transfers")
}

// Health returns the node's readiness and beliefs.
func (c *Client) Health(ctx context.Context) (Health, error) {
	return get[Health](ctx, c, "/v1/health")
}

// Config returns the settings in effect at the node.
func (c *Client) Config(ctx context.Context) ([]Setting, error) {
	return get[[]Setting](ctx, c, "/v1/config")
}

// Backup returns the record in binary form.
func (c *Client) Backup(ctx context.Context) (Backup, error) {
	return get[Backup](ctx, c, "/v1/record")
}

// StagedPlan returns the plan that is staged.
func (c *Client) StagedPlan(ctx context.Context) (Plan, error) { return get[Plan](ctx, c, "/v1/plan") }

// Plan computes and stages a plan, and returns it.
func (c *Client) Plan(ctx context.Context) (Plan, error) {
	return send[Plan](ctx, c, "/v1/plan", PlanRequest{})
}

// Commit commits the plan of that version.
func (c *Client) Commit(ctx context.Context, version uint64) (Done, error) {
	return send[Done](ctx, c, "/v1/commit", CommitRequest{version})
}

// Clear takes back what is staged for a node, or for all with no name.
func (c *Client) Clear(ctx context.Context, node ring.NodeID) (Done, error) {
	return send[Done](ctx, c, "/v1/clear", NodeRequest{node})
}

// Join asks the cluster at the addresses to admit the node.
func (c *Client) Join(ctx context.Context, addrs []string) (Done, error) {
	return send[Done](ctx, c, "/v1/join", JoinRequest{addrs})
}

// Leave stages a leave; no name means the asked node.
func (c *Client) Leave(ctx context.Context, node ring.NodeID) (Done, error) {
	return send[Done](ctx, c, "/v1/leave", NodeRequest{node})
}

// Replace stages that a joining node takes a member's place.
func (c *Client) Replace(ctx context.Context, from, to ring.NodeID) (Done, error) {
	return send[Done](ctx, c, "/v1/replace", ReplaceRequest{from, to})
}

// ForceRemove stages a removal without handoff.
func (c *Client) ForceRemove(ctx context.Context, node ring.NodeID) (Done, error) {
	return send[Done](ctx, c, "/v1/force-remove", NodeRequest{node})
}

// ForceReplace stages a replacement without handoff.
func (c *Client) ForceReplace(ctx context.Context, from, to ring.NodeID) (Done, error) {
	return send[Done](ctx, c, "/v1/force-replace", ReplaceRequest{from, to})
}

// Down declares a node's process gone; with force even one that answers.
func (c *Client) Down(ctx context.Context, node ring.NodeID, force bool) (Done, error) {
	return send[Done](ctx, c, "/v1/down", DownRequest{node, force})
}

// Share stages another weight or location.
func (c *Client) Share(ctx context.Context, r ShareRequest) (Done, error) {
	return send[Done](ctx, c, "/v1/share", r)
}

// Move moves one partition.
func (c *Client) Move(ctx context.Context, r MoveRequest) (Done, error) {
	return send[Done](ctx, c, "/v1/move", r)
}

// TransferLimit sets the limit of a node, or of all with no name.
func (c *Client) TransferLimit(ctx context.Context, node ring.NodeID, limit int) (Done, error) {
	return send[Done](ctx, c, "/v1/transfer-limit", LimitRequest{node, &limit})
}

// Handoff returns what bounds transfers, and what waits for one.
func (c *Client) Handoff(ctx context.Context) (Handoff, error) {
	return get[Handoff](ctx, c, "/v1/handoff")
}

// ConfigureHandoff sets limit and rate.
func (c *Client) ConfigureHandoff(ctx context.Context, r HandoffConfigRequest) (Done, error) {
	return send[Done](ctx, c, "/v1/handoff-config", r)
}

// SwitchHandoff disables transfers, or enables them.
func (c *Client) SwitchHandoff(ctx context.Context, r HandoffSwitchRequest) (HandoffDone, error) {
	return send[HandoffDone](ctx, c, "/v1/handoff-switch", r)
}

// CancelHandoff aborts transfers. It fails with topology.ErrTooLate when the
// ownership has changed already.
func (c *Client) CancelHandoff(ctx context.Context, r HandoffCancelRequest) (HandoffDone, error) {
	return send[HandoffDone](ctx, c, "/v1/handoff-cancel", r)
}

// Restore gives a store that lost its record the one in its binary form, or
// with nil the one that the asked node has applied.
func (c *Client) Restore(ctx context.Context, state []byte) (Done, error) {
	return send[Done](ctx, c, "/v1/restore", RestoreRequest{state})
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	return answer[T](ctx, c, call{method: http.MethodGet, path: path, operation: operation(path)})
}

func send[T any](ctx context.Context, c *Client, path string, body any) (T, error) {
	b, err := json.Marshal(body)
	if err != nil {
		var none T
		return none, toError(operation(path), "", refuse(ErrRequest, "%v", err))
	}
	header := http.Header{"Content-Type": {"application/json"}}
	return answer[T](ctx, c, call{method: http.MethodPost, path: path, operation: operation(path), body: b, header: header})
}

func operation(path string) string { return strings.TrimPrefix(path, "/v1/") }

// call is one request of a Client.
type call struct {
	method, path string
	// operation and operand name it in errors.
	operation, operand string
	header             http.Header
	body               []byte
	// stream: the answer takes as long as it takes.
	stream bool
}

// do makes one request. Nothing is retried: the caller knows whether it may. The
// body of the answer has to be closed.
func (c *Client) do(ctx context.Context, x call) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, x.method, c.base+x.path, bytes.NewReader(x.body))
	if err != nil {
		return nil, toError(x.operation, c.base, refuse(ErrRequest, "%v", err))
	}
	for k, v := range x.header {
		req.Header[k] = v
	}
	client := c.http
	if x.stream {
		client = c.streams
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, c.lost(ctx, x, err)
	}
	if resp.StatusCode < http.StatusBadRequest {
		return resp, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, c.lost(ctx, x, err)
	}
	e := &Error{status: resp.StatusCode}
	if err := json.Unmarshal(body, e); err != nil || e.Code == "" {
		return nil, c.strange(x.operation, resp.Status)
	}
	return nil, e
}

// answer makes a request whose answer is one JSON value.
func answer[T any](ctx context.Context, c *Client, x call) (T, error) {
	var result T
	resp, err := c.do(ctx, x)
	if err != nil {
		return result, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return result, c.lost(ctx, x, err)
	}
	if err := json.Unmarshal(body, &result); err != nil {
		return result, c.strange(x.operation, err.Error())
	}
	return result, nil
}

// strange says that something else than a node answered.
func (c *Client) strange(operation, what string) *Error {
	return &Error{
		Code: "internal", Operation: operation, Operand: c.base, Message: "the answer is not a Baton node's (" + what + ")",
		Remedy: "name a node's admin address with --admin or BATON_ADMIN", status: http.StatusBadGateway,
	}
}

// lost says why there is no answer. A change may have been made unless nothing
// listens at all.
func (c *Client) lost(ctx context.Context, x call, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("%s at %s: %w", x.operation, c.base, cause)
	}
	e := &Error{
		Code: "unreachable", Operation: x.operation, Operand: c.base, status: http.StatusServiceUnavailable,
		Message: "can't reach the admin address: " + root(err).Error(),
		Remedy:  "is the node running? Name another address with --admin URL or BATON_ADMIN",
	}
	if x.method == http.MethodGet || notConnected(err) {
		return e
	}
	e.Code, e.status = "unknown_outcome", http.StatusGatewayTimeout
	e.Message = "the answer was lost: " + root(err).Error()
	e.Remedy = "it may have been done: look at baton cluster status, then repeat it"
	if x.method != http.MethodPost {
		e.Code, e.Operand, e.Remedy = "unknown_write", x.operand, "it may have been done: read the object, then decide"
	}
	return e
}

// notConnected reports whether the request never left.
func notConnected(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// root returns the cause that url.Error wraps: the address is in the operand.
func root(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
