package consul

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/dee2748c/baton/cluster"
)

// A client asks the server and says what its failures mean.
type client struct {
	*api.Client
	transport *http.Transport
	timeout   time.Duration
}

func newClient(o Options) (*client, error) {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: o.RequestTimeout}).DialContext,
		TLSHandshakeTimeout: o.RequestTimeout,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     time.Minute,
	}
	c, err := api.NewClient(&api.Config{
		Address: o.Address, Scheme: o.Scheme, Token: o.Token, Datacenter: o.Datacenter, Transport: transport,
		TLSConfig: api.TLSConfig{
			Address: o.TLS.ServerName, CAFile: o.TLS.CAFile, CertFile: o.TLS.CertFile, KeyFile: o.TLS.KeyFile,
			InsecureSkipVerify: o.TLS.InsecureSkipVerify,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("consul client for %s: %w", o.Address, err)
	}
	return &client{Client: c, transport: transport, timeout: o.RequestTimeout}, nil
}

// consistent returns the options of a linearizable read that the context bounds.
func consistent(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx)
}

func writing(ctx context.Context) *api.WriteOptions { return (&api.WriteOptions{}).WithContext(ctx) }

func get(key string) *api.KVTxnOp { return &api.KVTxnOp{Verb: api.KVGetOrEmpty, Key: key} }

// read returns the values of keys as they are together at one moment, nil for those that are absent,
// and the index at which each was last written.
func (c *client) read(ctx context.Context, ops api.KVTxnOps) (api.KVPairs, error) {
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ok, resp, _, err := c.KV().Txn(ops, consistent(bounded))
	if err == nil && !ok {
		err = fmt.Errorf("refused: %s", refusals(resp.Errors))
	}
	if err == nil && len(resp.Results) != len(ops) {
		err = denied(fmt.Errorf("%d of %d keys are readable", len(resp.Results), len(ops)))
	}
	if err != nil {
		return nil, readError(ctx, err)
	}
	return resp.Results, nil
}

// A conflict is the refusal of a whole Txn, with the reason of each operation that failed.
type conflict map[int]string

func (c conflict) Error() string { return fmt.Sprintf("refused: %v", map[int]string(c)) }

// write performs the operations together or not at all. The error is a conflict, cluster.ErrUnavailable
// (nothing was written), cluster.ErrUnknown, or the context's.
func (c *client) write(ctx context.Context, ops api.TxnOps) (api.TxnResults, error) {
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var resp api.TxnResponse
	_, err := c.Raw().Write("/v1/txn", ops, &resp, writing(bounded))
	if err == nil {
		return resp.Results, nil
	}
	var status api.StatusError
	if errors.As(err, &status) && status.Code == http.StatusConflict {
		if jsonErr := json.Unmarshal([]byte(status.Body), &resp); jsonErr != nil {
			return nil, fmt.Errorf("%w: the server's refusal: %w", cluster.ErrUnavailable, jsonErr)
		}
		failed := conflict{}
		for _, e := range resp.Errors {
			failed[e.OpIndex] = e.What
			if isDenial(e.What) {
				return nil, denied(errors.New(e.What))
			}
		}
		return nil, failed
	}
	return nil, writeError(ctx, err)
}

func refusals(errs api.TxnErrors) string {
	var all []string
	for _, e := range errs {
		all = append(all, e.What)
	}
	return strings.Join(all, "; ")
}

func isDenial(text string) bool {
	return strings.Contains(text, "Permission denied") || strings.Contains(text, "ACL not found")
}

func denied(err error) error { return fmt.Errorf("%w: %w: %w", cluster.ErrUnavailable, ErrDenied, err) }

// readError says what the failure of a request means that changes nothing.
func readError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrDenied):
		return err
	case isDenial(err.Error()):
		return denied(err)
	}
	return fmt.Errorf("%w: %w", cluster.ErrUnavailable, err)
}

// writeError says what the failure of a request means that may have changed something.
func writeError(ctx context.Context, err error) error {
	if certain(err) {
		return readError(context.WithoutCancel(ctx), err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", cluster.ErrUnknown, ctx.Err())
	}
	return fmt.Errorf("%w: %w", cluster.ErrUnknown, err)
}

// certain reports whether the failure says that nothing was written: the connection was never made, or
// the server refused the request, or it had no leader to hand it to.
func certain(err error) bool {
	if status := (api.StatusError{}); errors.As(err, &status) {
		return status.Code < http.StatusInternalServerError || isDenial(status.Body) || strings.HasSuffix(status.Body, "No cluster leader")
	}
	var op *net.OpError
	var untrusted *tls.CertificateVerificationError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &untrusted)
}
