package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/dee2748c/baton/kv"
)

// objectsPath begins the paths of objects: objectsPath/TYPE/BUCKET/KEY, each name
// escaped.
const objectsPath = "/v1/objects"

// serveObjects answers the paths beneath objectsPath.
func (h *handler) serveObjects(w http.ResponseWriter, r *http.Request, path string) {
	name, depth, err := parseName(path)
	operation := map[string]string{http.MethodPut: "put", http.MethodDelete: "delete"}[r.Method]
	if operation == "" {
		operation = "get"
		if depth < 3 {
			operation = "list"
		}
	}
	if err == nil {
		err = h.admit(w, r, depth)
	}
	if err == nil {
		err = h.serveName(w, r, name, depth)
	}
	if err != nil {
		e := toNamedError(operation, name, err)
		reply(w, e.status, e)
	}
}

// toNamedError is toError for a message that may begin with operation and name
// itself.
func toNamedError(operation string, name Name, err error) *Error {
	e := *toError(operation, name.String(), err)
	prefixes := []string{fmt.Sprintf("%s %s/%s: ", operation, name.Bucket, name.Key), fmt.Sprintf("%s %q/%q: ", operation, name.Bucket, name.Key)}
	for _, prefix := range prefixes {
		e.Message = strings.TrimPrefix(e.Message, prefix)
	}
	return &e
}

// admit holds a request for objects to the rules of changes.
func (h *handler) admit(w http.ResponseWriter, r *http.Request, depth int) error {
	allowed := []string{http.MethodGet, http.MethodHead}
	if depth == 3 {
		allowed = append(allowed, http.MethodPut, http.MethodDelete)
	}
	switch {
	case h.Store == nil:
		return ErrNotFound
	case !h.Changes:
		return ErrReadOnly
	case !slices.Contains(allowed, r.Method):
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return refuse(ErrMethod, "use %s", strings.Join(allowed, " or "))
	case r.Header.Get("Origin") != "":
		return refuse(ErrReadOnly, "web pages have no access to objects: use the command or send the request without an Origin")
	}
	return nil
}

func (h *handler) serveName(w http.ResponseWriter, r *http.Request, name Name, depth int) error {
	q, err := newQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	switch depth {
	case 1:
		return h.buckets(w, r, name, q)
	case 2:
		return h.list(w, r, name, q)
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.Timeout)
	defer cancel()
	switch r.Method {
	case http.MethodPut:
		return h.put(ctx, w, r, name, q)
	case http.MethodDelete:
		return h.delete(ctx, w, name, q)
	}
	return h.get(ctx, w, name, q)
}

// parseName takes a path beneath objectsPath apart: 1 name is a type, 2 are a
// bucket, 3 an object.
func parseName(path string) (name Name, depth int, err error) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	into := []*string{&name.Type, &name.Bucket, &name.Key}
	if len(parts) > len(into) {
		return name, 0, refuse(ErrRequest, "the path has %d names: escape the slashes in them as %%2F", len(parts))
	}
	for i, part := range parts {
		if *into[i], err = url.PathUnescape(part); err != nil || *into[i] == "" {
			return name, 0, refuse(ErrRequest, "the path %q has an empty or malformed name", path)
		}
	}
	return name, len(parts), nil
}

func (h *handler) get(ctx context.Context, w http.ResponseWriter, name Name, q *query) error {
	req := GetRequest{Name: name, Head: q.flag("head"), Options: q.readOptions()}
	if err := q.done(); err != nil {
		return err
	}
	o, err := h.Store.Get(ctx, req)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", strconv.Quote(o.ETag()))
	out := NewObject(o)
	switch {
	case req.Head:
		reply(w, http.StatusOK, out.Head())
		return nil
	case len(out.Contents) > 1:
		reply(w, http.StatusMultipleChoices, out)
		return nil
	}
	header, err := out.header()
	if err != nil {
		return err
	}
	head := w.Header()
	head.Set(HeaderObject, header)
	head.Set("Content-Type", mediaType(o.ContentType))
	head.Set("Content-Length", strconv.Itoa(len(o.Value)))
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "sandbox") // a value is nobody's page
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(o.Value)
	return nil
}

// mediaType returns t if it may stand in a header.
func mediaType(t string) string {
	if _, _, err := mime.ParseMediaType(t); err != nil {
		return "application/octet-stream"
	}
	return t
}

func (h *handler) put(ctx context.Context, w http.ResponseWriter, r *http.Request, name Name, q *query) error {
	header := r.Header.Get(HeaderObject)
	described, err := decodeHeader(header)
	if err != nil {
		return err
	}
	if header == "" {
		described.Contents[0].ContentType = Text(r.Header.Get("Content-Type"))
	}
	req := PutRequest{IfNoneMatch: q.flag("if_none_match"), IfMatch: q.text("if_match"), IfNotModified: q.flag("if_not_modified"), KeepModified: q.flag("keep_modified"), Options: q.writeOptions()}
	if err := q.done(); err != nil {
		return err
	}
	if req.Object, err = described.KV(); err != nil {
		return err
	}
	req.Object.Type, req.Object.Bucket, req.Object.Key = name.Type, name.Bucket, name.Key
	req.Object.Value, err = io.ReadAll(http.MaxBytesReader(w, r.Body, kv.MaxValueBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return refuse(kv.ErrTooLarge, "a value has at most %d bytes", kv.MaxValueBytes)
	}
	if err != nil {
		return refuse(ErrRequest, "the body ended early: %v", err)
	}
	written, err := h.Store.Put(ctx, req)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, Written{Context: []byte(written.Context), Siblings: written.Siblings})
	return nil
}

func (h *handler) delete(ctx context.Context, w http.ResponseWriter, name Name, q *query) error {
	req := DeleteRequest{Name: name, Context: kv.Context(q.bytes("context")), Options: q.writeOptions()}
	if err := q.done(); err != nil {
		return err
	}
	deleted, err := h.Store.Delete(ctx, req)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, Deleted{Existed: deleted.Existed, Siblings: deleted.Siblings})
	return nil
}

// list streams the keys of a bucket, or its objects.
func (h *handler) list(w http.ResponseWriter, r *http.Request, name Name, q *query) error {
	req := ListRequest{Type: name.Type, Bucket: name.Bucket, KeysOnly: !q.flag("values")}
	if err := q.done(); err != nil {
		return err
	}
	s := newStream(w)
	for o, err := range h.Store.List(r.Context(), req) {
		if err != nil {
			s.end("list", name.String(), "", err)
			return nil
		}
		line := Object{Key: Text(o.Key)}
		if !req.KeysOnly {
			line = NewObject(o)
		}
		if s.line(line) != nil {
			return nil // the client is gone, and what it asked for with it
		}
	}
	s.end("list", name.String(), "", nil)
	return nil
}

// buckets streams the buckets of a type.
func (h *handler) buckets(w http.ResponseWriter, r *http.Request, name Name, q *query) error {
	if err := q.done(); err != nil {
		return err
	}
	s := newStream(w)
	for b, err := range h.Store.Buckets(r.Context(), name.Type) {
		if err != nil {
			s.end("list", name.Type, "", err)
			return nil
		}
		if s.line(Object{Bucket: Text(b)}) != nil {
			return nil
		}
	}
	s.end("list", name.Type, "", nil)
	return nil
}

// Written is the answer to a put.
type Written struct {
	// Context stands for the object as it is now; empty when there are siblings,
	// which have to be read first.
	Context []byte `json:"context,omitempty"`
	// Siblings is how many values the object has now.
	Siblings int `json:"siblings"`
}

// Deleted is the answer to a delete.
type Deleted struct {
	// Existed says that there was a value.
	Existed bool `json:"existed"`
	// Siblings is how many values are left, since the context had not seen them.
	Siblings int `json:"siblings"`
}
