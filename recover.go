package baton

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/dee2748c/baton/cluster/raft"
	"github.com/dee2748c/baton/cluster/ring"
)

// RecoverOptions says which node goes on alone.
type RecoverOptions struct {
	// DataDir is the stopped node's; required.
	DataDir string
	// Logger gets what happens; optional.
	Logger *slog.Logger
}

// Recover makes a stopped node the only voter of the record that it has, for an
// operator whose majority of voters is gone for ever. Start the node afterwards,
// declare the others down, and force-remove or force-replace them. What only the
// lost majority knew is lost. If members of it come back as they were there are
// two records: start them with empty directories only.
func Recover(o RecoverOptions) (err error) {
	if o.DataDir == "" {
		return &OptionError{"DataDir", o.DataDir, "name the directory of the stopped node"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	id, ok, err := loadIdentity(o.DataDir)
	if err == nil && (!ok || id.ClusterID.IsZero()) {
		err = fmt.Errorf("%w: it is of no member of a cluster", ErrIdentity)
	}
	if err != nil {
		return fmt.Errorf("recover from %s: %w", o.DataDir, err)
	}
	lock, err := lockDir(o.DataDir)
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	// The record may have forgotten lives of the node, in which it wrote.
	id.Lineage = newLineage()
	if err := id.save(o.DataDir); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	return raft.Recover(raft.Options{
		Node: ring.NodeID(id.Node), Nonce: id.Nonce, Logger: o.Logger,
		Dir: filepath.Join(o.DataDir, recordDir),
	})
}
