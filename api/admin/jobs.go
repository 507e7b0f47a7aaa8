package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
)

// Jobs runs jobs for the API.
type Jobs interface {
	// RunJob starts the job that a text describes. It ends with ctx. The error is
	// ErrRequest for a text that describes none.
	RunJob(ctx context.Context, text []byte) (JobRun, error)
	// Jobs returns the jobs that the node coordinates and the latest that it has,
	// in the order in which they began.
	Jobs() []Job
	// CancelJob ends a job. It fails with ErrNoJob.
	CancelJob(id string) error
}

// JobRun is a job that was started.
type JobRun interface {
	// ID names it.
	ID() string
	// Job says how it stands; safe for concurrent use.
	Job() Job
	// Parts yields its result as it comes in; Err says then what ended it.
	Parts() iter.Seq[JobPart]
	Err() error
}

// Errors of jobs.
var (
	// ErrNoJob is returned for a job that the node does not know.
	ErrNoJob = errors.New("no such job")
	// ErrJob is returned for a job whose function failed; the message is the JSON of
	// a mapreduce.PhaseError.
	ErrJob = errors.New("job failed")
	// ErrJobTimeout is returned for a job that took longer than it may.
	ErrJobTimeout = errors.New("job timed out")
)

// Job is what a node knows of a job that it coordinates.
type Job struct {
	ID      string      `json:"id"`
	Name    string      `json:"name"`
	Node    ring.NodeID `json:"node"`
	State   string      `json:"state"` // running, complete, failed or cancelled
	Started time.Time   `json:"started"`
	Ended   *time.Time  `json:"ended,omitempty"`
	Error   string      `json:"error,omitempty"`
	Phases  []JobPhase  `json:"phases"`
}

// JobPhase is how far one step of a job is. Out and Partitions are known at the
// end.
type JobPhase struct {
	Name       string `json:"name"`
	In         uint64 `json:"in"`
	Bytes      uint64 `json:"bytes"`
	Out        uint64 `json:"out"`
	Partitions int    `json:"partitions"`
}

// JobList is what GET /v1/jobs answers.
type JobList struct {
	Jobs []Job `json:"jobs"`
}

// JobPart is a piece of a job's result.
type JobPart struct {
	Phase int             `json:"phase"`
	Data  json.RawMessage `json:"data"` // an array
}

// JobEvent is one line of a job that was submitted: one of its fields is set. The
// first one says how the job begins, and with watch further ones how far it is;
// the last one before the end says how it ended.
type JobEvent struct {
	Job  *Job     `json:"job,omitempty"`
	Part *JobPart `json:"part,omitempty"`
}

// CancelJobRequest names a job.
type CancelJobRequest struct {
	ID string `json:"id"`
}

func (r CancelJobRequest) operand() string { return r.ID }

// MaxJob is the longest text of a job in bytes.
const MaxJob = 16 << 20

const jobsPath = "/v1/jobs"

func jobEndpoints() map[string]map[string]endpoint {
	return map[string]map[string]endpoint{
		jobsPath: {
			http.MethodGet: {about: "the jobs that this node coordinates, and the latest that it has", private: true, serve: jobList},
			// Answered by serveJob; listed here.
			http.MethodPost: {about: "run the job in the body; ?watch=true tells how far it is", private: true},
		},
		"/v1/job-cancel": {http.MethodPost: post("end a job that this node coordinates", cancelJob)},
	}
}

func jobList(_ context.Context, h *handler, r request) (any, error) {
	if err := r.query.done(); err != nil {
		return nil, err
	}
	return JobList{Jobs: h.Jobs.Jobs()}, nil
}

func cancelJob(_ context.Context, h *handler, r CancelJobRequest) (any, error) {
	if err := h.Jobs.CancelJob(r.ID); err != nil {
		return nil, err
	}
	return JobList{Jobs: h.Jobs.Jobs()}, nil
}

// watchEvery is how often a watched job says how far it is.
const watchEvery = 250 * time.Millisecond

// serveJob runs a job and streams its result. The job ends when the client goes.
func (h *handler) serveJob(w http.ResponseWriter, r *http.Request) {
	watch, text, err := h.readJob(w, r)
	var run JobRun
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if err == nil {
		run, err = h.Jobs.RunJob(ctx, text)
	}
	if err != nil {
		e := toError("job", "", err)
		reply(w, e.status, e)
		return
	}
	h.Logger.Info("admin request", "operation", "job", "operand", run.ID(), "from", r.RemoteAddr)
	s := newStream(w)
	if err = h.streamJob(ctx, s, run, watch); err == nil {
		err = run.Err()
	}
	last := run.Job()
	if lineErr := s.line(JobEvent{Job: &last}); err == nil {
		err = lineErr
	}
	s.end("job", run.ID(), "", err)
}

// readJob holds the request to the rules of changes.
func (h *handler) readJob(w http.ResponseWriter, r *http.Request) (watch bool, text []byte, err error) {
	if !h.Changes {
		return false, nil, ErrReadOnly
	}
	q, err := newQuery(r.URL.RawQuery)
	if err != nil {
		return false, nil, err
	}
	watch = q.flag("watch")
	if err = q.done(); err != nil {
		return false, nil, err
	}
	var operand string
	req := request{operand: &operand}
	err = h.read(w, r, endpoint{limit: MaxJob}, &req)
	return watch, req.body, err
}

// streamJob writes what comes in, and how far the job is if that is wanted.
func (h *handler) streamJob(ctx context.Context, s *stream, run JobRun, watch bool) error {
	ctx, cancel := context.WithCancel(ctx)
	parts := make(chan JobPart)
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		defer close(parts)
		for p := range run.Parts() {
			select {
			case parts <- p:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() { <-taken }()
	defer cancel()
	var tick <-chan time.Time
	if watch {
		t := time.NewTicker(watchEvery)
		defer t.Stop()
		tick = t.C
	}
	begin := run.Job()
	if err := s.event(JobEvent{Job: &begin}); err != nil {
		return err
	}
	for {
		select {
		case <-tick:
			now := run.Job()
			if err := s.event(JobEvent{Job: &now}); err != nil {
				return err
			}
		case p, ok := <-parts:
			if !ok {
				return nil
			}
			if err := s.event(JobEvent{Part: &p}); err != nil {
				return err
			}
		}
	}
}

// event writes a line that whoever waits sees at once.
func (s *stream) event(e JobEvent) error {
	if err := s.line(e); err != nil {
		return err
	}
	return s.flush()
}

// SubmitJob runs the job that a text describes, and gives what happens to take.
// With watch it tells how far the job is. The error says that the job did not
// come to its end; it ends when ctx does.
func (c *Client) SubmitJob(ctx context.Context, text io.Reader, watch bool, take func(JobEvent)) error {
	body, err := io.ReadAll(text)
	if err != nil {
		return err
	}
	path := jobsPath
	if watch {
		path += "?watch=true"
	}
	x := call{method: http.MethodPost, path: path, operation: "job", body: body, header: http.Header{"Content-Type": {"application/json"}}}
	_, err = lines(ctx, c, x, func(e JobEvent) bool {
		take(e)
		return true
	})
	return err
}

// Jobs returns the jobs that the node coordinates and the latest that it has.
func (c *Client) Jobs(ctx context.Context) (JobList, error) { return get[JobList](ctx, c, jobsPath) }

// CancelJob ends a job that the node coordinates. It fails with ErrNoJob.
func (c *Client) CancelJob(ctx context.Context, id string) (JobList, error) {
	return send[JobList](ctx, c, "/v1/job-cancel", CancelJobRequest{ID: id})
}
