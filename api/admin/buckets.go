package admin

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/dee2748c/baton/kv/bucket"
)

// Properties are the properties of a bucket by their names.
type Properties map[string]json.RawMessage

// BucketProperties is the answer to GET /v1/bucket, and to a change of it.
type BucketProperties struct {
	Type       Text       `json:"type"`
	Bucket     Text       `json:"bucket"`
	Properties Properties `json:"props"`
}

// BucketType is one bucket type.
type BucketType struct {
	Name string `json:"name"`
	// Active types can be used; others were created only.
	Active     bool       `json:"active"`
	Properties Properties `json:"props"`
	// Problem says why the type can't be used; empty when it can.
	Problem string `json:"problem,omitempty"`
}

// BucketRequest is the body of changes of a bucket's properties.
type BucketRequest struct {
	Type   Text `json:"type,omitempty"` // empty is the default type
	Bucket Text `json:"bucket"`
	// Properties to set; a null takes back what was said.
	Properties json.RawMessage `json:"props,omitempty"`
}

func (r BucketRequest) operand() string {
	return Name{Type: string(r.Type), Bucket: string(r.Bucket)}.String()
}

// TypeRequest is the body of changes of a bucket type.
type TypeRequest struct {
	Name       string          `json:"name"`
	Properties json.RawMessage `json:"props,omitempty"`
}

func (r TypeRequest) operand() string { return r.Name }

// storeEndpoints are those of a node with a Store.
func storeEndpoints() map[string]map[string]endpoint {
	get := func(about string, serve func(context.Context, *handler, request) (any, error)) map[string]endpoint {
		return map[string]endpoint{http.MethodGet: {about: about, private: true, serve: serve}}
	}
	only := func(e endpoint) map[string]endpoint { return map[string]endpoint{http.MethodPost: e} }
	slow := func(e endpoint) map[string]endpoint {
		e.slow = true
		return only(e)
	}
	return map[string]map[string]endpoint{
		"/v1/entropy":              get("anti-entropy of this node", entropy),
		"/v1/repair":               slow(post("compare a partition of this node with every other copy now", repair)),
		"/v1/hints":                get("data that fallbacks keep for others", hints),
		"/v1/backup":               slow(post("write a backup of this node to a directory of its machine", backupData)),
		"/v1/bucket":               get("the properties of the bucket ?type=T&bucket=B", bucketProperties),
		"/v1/bucket-set":           only(post("set properties of a bucket", setBucket)),
		"/v1/bucket-reset":         only(post("take back what was said about a bucket beside its type", resetBucket)),
		"/v1/bucket-types":         get("the bucket types", bucketTypes),
		"/v1/bucket-type-create":   only(post("create a bucket type", changeType(Store.CreateType))),
		"/v1/bucket-type-activate": only(post("activate a bucket type", activateType)),
		"/v1/bucket-type-update":   only(post("set properties of an active bucket type", changeType(Store.UpdateType))),
	}
}

func bucketProperties(_ context.Context, h *handler, r request) (any, error) {
	t, b := r.query.text("type"), r.query.text("bucket")
	if err := r.query.done(); err != nil {
		return nil, err
	}
	*r.operand = Name{Type: t, Bucket: b}.String()
	if b == "" {
		return nil, refuse(ErrRequest, "name the bucket: ?bucket=B")
	}
	return h.properties(t, b)
}

func (h *handler) properties(bucketType, name string) (any, error) {
	p, err := h.Store.Properties(bucketType, name)
	if err != nil {
		return nil, err
	}
	named, err := byName(p)
	return BucketProperties{Text(bucketType), Text(name), named}, err
}

func byName(p bucket.Properties) (named Properties, err error) {
	b, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(b, &named)
	}
	return named, err
}

// bucketChanges are properties to set, none if there are none.
func bucketChanges(raw json.RawMessage) (bucket.Changes, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	return bucket.DecodeChanges(raw)
}

func setBucket(ctx context.Context, h *handler, r BucketRequest) (any, error) {
	c, err := bucketChanges(r.Properties)
	if err != nil {
		return nil, err
	}
	if r.Bucket == "" {
		return nil, refuse(ErrRequest, "name the bucket")
	}
	if err := h.Store.SetProperties(ctx, string(r.Type), string(r.Bucket), c); err != nil {
		return nil, err
	}
	return h.properties(string(r.Type), string(r.Bucket))
}

func resetBucket(ctx context.Context, h *handler, r BucketRequest) (any, error) {
	switch {
	case r.Bucket == "":
		return nil, refuse(ErrRequest, "name the bucket")
	case len(r.Properties) > 0:
		return nil, refuse(ErrRequest, "a reset takes no properties")
	}
	if err := h.Store.ResetProperties(ctx, string(r.Type), string(r.Bucket)); err != nil {
		return nil, err
	}
	return h.properties(string(r.Type), string(r.Bucket))
}

func bucketTypes(_ context.Context, h *handler, r request) (any, error) {
	if err := r.query.done(); err != nil {
		return nil, err
	}
	types, err := h.Store.Types()
	if err != nil {
		return nil, err
	}
	out := []BucketType{}
	for _, t := range types {
		named, err := byName(t.Properties)
		if err != nil {
			return nil, err
		}
		v := BucketType{Name: t.Name, Active: t.Active, Properties: named}
		if t.Err != nil {
			v.Problem = t.Err.Error()
		}
		out = append(out, v)
	}
	return out, nil
}

// changeType is an endpoint that creates or updates a type.
func changeType(change func(Store, context.Context, string, bucket.Changes) error) func(context.Context, *handler, TypeRequest) (any, error) {
	return func(ctx context.Context, h *handler, r TypeRequest) (any, error) {
		c, err := bucketChanges(r.Properties)
		if err != nil {
			return nil, err
		}
		if err := change(h.Store, ctx, r.Name, c); err != nil {
			return nil, err
		}
		return h.bucketType(r.Name)
	}
}

func activateType(ctx context.Context, h *handler, r TypeRequest) (any, error) {
	if len(r.Properties) > 0 {
		return nil, refuse(ErrRequest, "an activation takes no properties")
	}
	if err := h.Store.ActivateType(ctx, r.Name); err != nil {
		return nil, err
	}
	return h.bucketType(r.Name)
}

func (h *handler) bucketType(name string) (any, error) {
	types, err := h.Store.Types()
	if err != nil {
		return nil, err
	}
	for _, t := range types {
		if t.Name == name {
			named, err := byName(t.Properties)
			return BucketType{Name: t.Name, Active: t.Active, Properties: named}, err
		}
	}
	return nil, bucket.ErrNoType
}

// BucketProperties returns what is said about a bucket.
func (c *Client) BucketProperties(ctx context.Context, bucketType, name string) (BucketProperties, error) {
	q := map[string][]string{"type": {bucketType}, "bucket": {name}}
	return answer[BucketProperties](ctx, c, call{
		method: http.MethodGet, path: withQuery("/v1/bucket", q), operation: "bucket", operand: Name{Type: bucketType, Bucket: name}.String(),
	})
}

// SetBucket sets properties of a bucket, and returns all of them.
func (c *Client) SetBucket(ctx context.Context, r BucketRequest) (BucketProperties, error) {
	return send[BucketProperties](ctx, c, "/v1/bucket-set", r)
}

// ResetBucket takes back what was said about a bucket beside its type.
func (c *Client) ResetBucket(ctx context.Context, bucketType, name string) (BucketProperties, error) {
	return send[BucketProperties](ctx, c, "/v1/bucket-reset", BucketRequest{Type: Text(bucketType), Bucket: Text(name)})
}

// BucketTypes returns all types, in the order of their names.
func (c *Client) BucketTypes(ctx context.Context) ([]BucketType, error) {
	return get[[]BucketType](ctx, c, "/v1/bucket-types")
}

// CreateType creates a bucket type, ActivateType lets it be used, and UpdateType
// sets properties of an active one.
func (c *Client) CreateType(ctx context.Context, r TypeRequest) (BucketType, error) {
	return send[BucketType](ctx, c, "/v1/bucket-type-create", r)
}

// ActivateType: see CreateType.
func (c *Client) ActivateType(ctx context.Context, name string) (BucketType, error) {
	return send[BucketType](ctx, c, "/v1/bucket-type-activate", TypeRequest{Name: name})
}

// UpdateType: see CreateType.
func (c *Client) UpdateType(ctx context.Context, r TypeRequest) (BucketType, error) {
	return send[BucketType](ctx, c, "/v1/bucket-type-update", r)
}
