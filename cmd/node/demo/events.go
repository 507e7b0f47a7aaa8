package demo

import "time"

// Event is something that a demo tells while it runs. The last event of a demo
// that ran to its end is a Summary.
type Event interface{ name() string }

// Output is told the events of a demo, one at a time, in order.
type Output interface {
	Show(Event) error
}

type (
	// Started says what runs.
	Started struct {
		Nodes  []NodeAt `json:"nodes"`
		Ring   int      `json:"ring"`
		Engine string   `json:"engine"`
		Seed   uint64   `json:"seed"`
		Input  string   `json:"input"`
		Files  int      `json:"files"`
		Bytes  int64    `json:"bytes"`
	}

	// NodeAt is a node and its address.
	NodeAt struct {
		Node string `json:"node"`
		Addr string `json:"addr"`
	}

	// Loading is the progress of storing the input.
	Loading struct {
		Files   int           `json:"files"`  // stored so far
		Inputs  int           `json:"inputs"` // objects stored so far
		Bytes   int64         `json:"bytes"`  // stored so far
		Of      int64         `json:"of"`     // bytes in all
		Elapsed time.Duration `json:"-"`
	}

	// Joining says that a node has joined and that its plan is committed.
	Joining struct {
		Node   string `json:"node"`
		Addr   string `json:"addr"`
		Inputs int    `json:"inputs"` // done when it asked to join
	}

	// Owning is who owns how many partitions of the ring.
	Owning struct {
		Version uint64  `json:"version"` // of the record
		Shares  []Share `json:"shares"`  // in node order
		Settled bool    `json:"settled"` // every partition is where it shall be
	}

	// Share is one node's part of the ring.
	Share struct {
		Node       string `json:"node"`
		Partitions int    `json:"partitions"`
	}

	// Moving is the progress of all transfers: how many have been opened so far
	// and how many of these have flipped or ended.
	Moving struct {
		Opened  int `json:"opened"`
		Flipped int `json:"flipped"`
		Ended   int `json:"ended"`
	}

	// Moved is one transfer that ended with its certificate.
	Moved struct {
		Session   uint64 `json:"session"`
		Kind      string `json:"kind"`
		Partition uint32 `json:"partition"`
		From      string `json:"from"`
		To        string `json:"to"`
		Items     uint64 `json:"items"`
		Bytes     uint64 `json:"bytes"`
		Digest    string `json:"digest"`
		Match     bool   `json:"match"` // both sides computed this digest
		DuringJob bool   `json:"during_job"`
	}

	// Transfers is what all transfers came to.
	Transfers struct {
		Ended     int `json:"ended"`
		Matching  int `json:"matching"`  // both sides computed one digest
		Differing int `json:"differing"` // they did not
		Empty     int `json:"empty"`     // there was nothing to move
	}

	// Mapping is the progress of the job.
	Mapping struct {
		Done int `json:"done"` // inputs
		Of   int `json:"of"`   // inputs in all
	}

	// Phase is what one phase of the job took in and gave out.
	Phase struct {
		Phase string `json:"phase"`
		In    uint64 `json:"in"`
		Out   uint64 `json:"out"`
	}

	// Recounting is the progress of the recount.
	Recounting struct {
		Bytes int64 `json:"bytes"`
		Of    int64 `json:"of"`
	}

	// Frequent are the most frequent words.
	Frequent struct {
		Words []WordCount `json:"words"`
	}

	// Differing says what the job and the recount disagree about.
	Differing struct {
		Words int          `json:"words"` // how many differ
		First []Difference `json:"first"`
	}

	// Summary is the result.
	Summary struct {
		Exact        bool   `json:"exact"`
		Words        uint64 `json:"words"`
		Distinct     int    `json:"distinct"`
		Inputs       int    `json:"inputs"`        // stored objects
		Files        int    `json:"files"`         // of the input
		Skipped      int    `json:"skipped"`       // binary files
		Bytes        int64  `json:"bytes"`         // of the input
		Moved        int    `json:"moved"`         // flips, between the job's first and last input, of partitions that held bytes
		Archived     uint64 `json:"archived"`      // workers
		HandoffBytes uint64 `json:"handoff_bytes"` // of all transfers
		ElapsedMS    int64  `json:"elapsed_ms"`
		JobMS        int64  `json:"job_ms"`
	}
)

func (Started) name() string    { return "started" }
func (Loading) name() string    { return "loading" }
func (Joining) name() string    { return "joining" }
func (Owning) name() string     { return "owning" }
func (Moving) name() string     { return "moving" }
func (Moved) name() string      { return "moved" }
func (Transfers) name() string  { return "transfers" }
func (Mapping) name() string    { return "mapping" }
func (Phase) name() string      { return "phase" }
func (Recounting) name() string { return "recounting" }
func (Frequent) name() string   { return "frequent" }
func (Differing) name() string  { return "differing" }
func (Summary) name() string    { return "summary" }
