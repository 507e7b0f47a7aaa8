package raft

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
)

var (
	// ErrHasRecord is returned by Bootstrap on a server that already has a log: its record goes on.
	ErrHasRecord = errors.New("server already has a record")
	// ErrDamaged is returned for a directory whose log or snapshot cannot be read back.
	ErrDamaged = errors.New("damaged raft directory")
	// ErrForeign is returned for a directory that another server wrote.
	ErrForeign = errors.New("raft directory of another server")
)

// A DirError says what is wrong with a server's directory and what to do. It wraps ErrDamaged,
// ErrForeign or an error of the file system.
type DirError struct {
	Path   string // the file or directory
	Err    error
	WayOut string
}

// Error returns path, reason and way out.
func (e *DirError) Error() string {
	return fmt.Sprintf("open raft directory: %s: %v: %s", e.Path, e.Err, e.WayOut)
}

// Unwrap returns the reason.
func (e *DirError) Unwrap() error { return e.Err }

// An UnavailableError says why nothing was read or applied. It matches cluster.ErrUnavailable.
type UnavailableError struct {
	Op   string
	Node ring.NodeID
	// Missing are the voters that do not answer, as "node/nonce at address".
	Missing []string
	// Err is what the last attempt met.
	Err error
}

// Error names the operation, the voters that do not answer and the last reason.
func (e *UnavailableError) Error() string {
	text := fmt.Sprintf("%s at %s: %v: ", e.Op, e.Node, cluster.ErrUnavailable)
	if len(e.Missing) > 0 {
		text += fmt.Sprintf("no answer from the voters %s, start them or heal the network: ", strings.Join(e.Missing, ", "))
	}
	return text + e.Err.Error()
}

// Unwrap returns cluster.ErrUnavailable and the last reason.
func (e *UnavailableError) Unwrap() []error { return []error{cluster.ErrUnavailable, e.Err} }

// errNotLeader: this server could not append the entry, and did not.
var errNotLeader = fmt.Errorf("not the leader: %w", cluster.ErrUnavailable)
