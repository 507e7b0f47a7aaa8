package admin

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/dee2748c/baton/kv"
)

// indexPath begins the paths of index queries: indexPath/TYPE/BUCKET/INDEX.
const indexPath = "/v1/index"

// IndexEntry is one line of the answer to an index query.
type IndexEntry struct {
	Term Text `json:"term,omitempty"` // empty unless it was asked for
	Key  Text `json:"key"`
}

// IndexRequest is an index query, and whether its answer has the terms.
type IndexRequest struct {
	kv.IndexQuery
	Terms bool
}

// serveIndex answers the paths beneath indexPath.
func (h *handler) serveIndex(w http.ResponseWriter, r *http.Request, path string) {
	name, depth, err := parseName(path)
	operand := Name{Type: name.Type, Bucket: name.Bucket}.String() + " " + name.Key
	if err == nil && depth != 3 {
		err = refuse(ErrRequest, "name a type, a bucket and an index: %s/TYPE/BUCKET/INDEX", indexPath)
	}
	if err == nil {
		err = h.admit(w, r, 2)
	}
	var req IndexRequest
	if err == nil {
		req, err = indexRequest(r.URL.RawQuery)
	}
	if err != nil {
		e := toError("index", operand, err)
		reply(w, e.status, e)
		return
	}
	req.Type, req.Bucket, req.Index = name.Type, name.Bucket, name.Key
	h.index(w, r, operand, req)
}

func indexRequest(raw string) (IndexRequest, error) {
	q, err := newQuery(raw)
	if err != nil {
		return IndexRequest{}, err
	}
	r := IndexRequest{Terms: q.flag("terms")}
	r.From, r.To, r.Exact, r.Regex = q.text("from"), q.text("to"), q.flag("exact"), q.text("regex")
	r.Sorted, r.Continuation = q.flag("sorted"), q.text("continuation")
	if limit := q.text("limit"); limit != "" {
		if r.Limit, err = strconv.Atoi(limit); err != nil || r.Limit < 1 {
			q.bad("limit", "give a number from 1")
		}
	}
	return r, q.done()
}

func (h *handler) index(w http.ResponseWriter, r *http.Request, operand string, req IndexRequest) {
	s := newStream(w)
	line := func(e kv.IndexEntry) error {
		l := IndexEntry{Key: Text(e.Key)}
		if req.Terms {
			l.Term = Text(e.Term)
		}
		return s.line(l)
	}
	if req.Limit > 0 {
		entries, continuation, err := h.Store.IndexPage(r.Context(), req.IndexQuery)
		for _, e := range entries {
			if line(e) != nil {
				return
			}
		}
		s.end("index", operand, continuation, err)
		return
	}
	for e, err := range h.Store.Index(r.Context(), req.IndexQuery) {
		if err != nil {
			s.end("index", operand, "", err)
			return
		}
		if line(e) != nil {
			return
		}
	}
	s.end("index", operand, "", nil)
}

// Index gives each entry that a query finds to take, until that is false. With a
// limit the end has the continuation of the next page, if there is more. With an
// error something is missing.
func (c *Client) Index(ctx context.Context, r IndexRequest, take func(IndexEntry) bool) (End, error) {
	q := url.Values{}
	for name, text := range map[string]string{"from": r.From, "to": r.To, "regex": r.Regex, "continuation": r.Continuation} {
		if text != "" {
			q.Set(name, text)
		}
	}
	setIf(q, "exact", r.Exact)
	setIf(q, "sorted", r.Sorted)
	setIf(q, "terms", r.Terms)
	if r.Limit > 0 {
		q.Set("limit", strconv.Itoa(r.Limit))
	}
	name := Name{Type: r.Type, Bucket: r.Bucket}
	if r.Bucket == "" {
		return End{}, toError("index", name.String(), kv.ErrEmptyName)
	}
	path := indexPath + "/" + escape(cmp.Or(r.Type, kv.DefaultType)) + "/" + escape(r.Bucket) + "/" + escape(cmp.Or(r.Index, kv.BucketIndex))
	return lines(ctx, c, call{method: http.MethodGet, path: withQuery(path, q), operation: "index", operand: name.String() + " " + r.Index}, take)
}
