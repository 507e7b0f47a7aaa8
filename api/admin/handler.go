package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Bounds of one request.
const (
	// MaxBody is the longest body of a request in bytes, MaxRestore that of a
	// restore, which carries a whole record.
	MaxBody    = 64 << 10
	MaxRestore = 64 << 20
	// DefaultTimeout bounds a request, DefaultReadWait the part of a read that
	// waits for the record's majority.
	DefaultTimeout  = 30 * time.Second
	DefaultReadWait = 2 * time.Second
)

// Options configures a handler.
type Options struct {
	// Node is what the handler speaks for; required.
	Node Node
	// Store holds the objects; nil where the API serves none.
	Store Store
	// Jobs runs jobs; nil where the API runs none.
	Jobs Jobs
	// Changes: serve what changes the cluster too, and what only an operator
	// should see. Set it on the admin address alone.
	Changes bool
	// Timeout bounds a request; default DefaultTimeout.
	Timeout time.Duration
	// ReadWait is how long a read waits for the newest record before it answers
	// from what this node has applied, and says so; default DefaultReadWait.
	ReadWait time.Duration
	// Logger gets a line for each change; default: nothing is logged.
	Logger *slog.Logger
}

// NewHandler returns the API of a node. It owns the paths /livez, /readyz, /v1
// and all beneath it. It starts no goroutine and is safe for concurrent use.
func NewHandler(o Options) http.Handler {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.ReadWait == 0 {
		o.ReadWait = DefaultReadWait
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	all := endpoints()
	if o.Store != nil {
		maps.Copy(all, storeEndpoints())
	}
	if o.Jobs != nil {
		maps.Copy(all, jobEndpoints())
	}
	return &handler{Options: o, endpoints: all}
}

// NewServer returns a server with the time-outs that an address open to a
// network needs; h is the handler, or a mux that it is part of.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    1 << 20, // what belongs to an object beside its value is in a header
	}
}

type handler struct {
	Options
	endpoints map[string]map[string]endpoint // by path, by method
}

// endpoint answers one path and method.
type endpoint struct {
	// about is one line for the list of endpoints.
	about string
	// private endpoints are served with Options.Changes only.
	private bool
	// slow endpoints take as long as they take, while the client waits.
	slow bool
	// limit of the body in bytes; 0 means MaxBody.
	limit int64
	serve func(context.Context, *handler, request) (any, error)
}

// request is what an endpoint gets of the HTTP request.
type request struct {
	// operand is what the body is about, for the error and the log.
	operand *string
	query   *query // of a private GET
	body    []byte
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path, ok := strings.CutPrefix(r.URL.EscapedPath(), objectsPath+"/"); ok {
		h.serveObjects(w, r, path)
		return
	}
	if path, ok := strings.CutPrefix(r.URL.EscapedPath(), indexPath+"/"); ok {
		h.serveIndex(w, r, path)
		return
	}
	if r.URL.Path == jobsPath && r.Method == http.MethodPost && h.Jobs != nil {
		h.serveJob(w, r)
		return
	}
	if r.URL.Path == auditPath {
		h.serveAudit(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.Timeout)
	defer cancel()
	operand := ""
	operation := strings.Trim(strings.TrimPrefix(r.URL.Path, "/v1"), "/")
	result, err := h.answer(ctx, w, r, request{operand: &operand})
	if r.Method == http.MethodPost {
		h.Logger.Info("admin request", "operation", operation, "operand", operand, "from", r.RemoteAddr, "err", err)
	}
	if err != nil {
		e := toError(operation, operand, err)
		reply(w, e.status, e)
		return
	}
	status := http.StatusOK
	if s, ok := result.(interface{ httpStatus() int }); ok {
		status = s.httpStatus()
	}
	reply(w, status, result)
}

// answer finds the endpoint, holds the request to the rules, and serves it.
func (h *handler) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, req request) (any, error) {
	methods, ok := h.endpoints[r.URL.Path]
	if !ok {
		return nil, ErrNotFound
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	e, ok := methods[method]
	if !ok {
		allowed := slices.Sorted(maps.Keys(methods))
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return nil, refuse(ErrMethod, "use %s", strings.Join(allowed, " or "))
	}
	if e.private && !h.Changes {
		return nil, ErrReadOnly
	}
	if e.private {
		var err error
		if req.query, err = newQuery(r.URL.RawQuery); err != nil {
			return nil, err
		}
	}
	if method == http.MethodPost {
		if err := h.read(w, r, e, &req); err != nil {
			return nil, err
		}
	}
	if e.slow {
		ctx = r.Context()
		control := http.NewResponseController(w) // a recorder of tests has no deadlines
		_, _ = control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})
	}
	return e.serve(ctx, h, req)
}

// read takes the body of a change. No page in a browser can send one: it can't
// declare JSON without being asked first, which is never allowed, and what it
// sends to its own origin carries the origin.
func (h *handler) read(w http.ResponseWriter, r *http.Request, e endpoint, req *request) error {
	if r.Header.Get("Origin") != "" {
		return refuse(ErrReadOnly, "web pages can't change a cluster: use the command or send the request without an Origin")
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return ErrMediaType
	}
	limit := e.limit
	if limit == 0 {
		limit = MaxBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return refuse(ErrTooLarge, "send at most %d bytes", limit)
	}
	if err != nil {
		return refuse(ErrRequest, "the body ended early: %v", err)
	}
	req.body = body
	return nil
}

// reply writes a result. An error of the connection has nobody to be told to.
func reply(w http.ResponseWriter, status int, result any) {
	body, err := json.Marshal(result)
	if err != nil {
		status = http.StatusInternalServerError
		body = fmt.Appendf(nil, `{"code":"internal","operation":"encode","message":%q}`, err)
	}
	h := w.Header()
	if e, ok := result.(*Error); ok && (e.Code == "overloaded" || e.Code == "too_many_listings") {
		h.Set("Retry-After", "1")
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// post is an endpoint that takes a body of one shape.
func post[Body operander](about string, serve func(context.Context, *handler, Body) (any, error)) endpoint {
	return endpoint{about: about, private: true, serve: func(ctx context.Context, h *handler, req request) (any, error) {
		var body Body
		if err := decode(req.body, &body); err != nil {
			return nil, err
		}
		*req.operand = body.operand()
		return serve(ctx, h, body)
	}}
}

// operander is a body that can name what it is about.
type operander interface{ operand() string }

// decode reads exactly one JSON object of known fields; no body at all is the
// zero value.
func decode(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return refuse(ErrRequest, "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse(ErrRequest, "send one JSON object and nothing after it")
	}
	return nil
}
