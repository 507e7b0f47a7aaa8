package baton

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dee2748c/baton/cluster/topology"
)

// The files of a data directory.
const (
	lockFile     = "LOCK"      // held while a process uses the directory
	identityFile = "node.json" // who the node is
	recordDir    = "record"    // the node's part of the replicated record
	storeDir     = "store"     // partitions
	historyDir   = "history"   // how transfers ended
)

var (
	// ErrIdentity says that a data directory belongs to another node.
	ErrIdentity = errors.New("data directory belongs to another node")
	// ErrRecordLost says that a member's part of the record is gone from its data
	// directory: it has forgotten what it promised the other voters.
	ErrRecordLost = errors.New("the node's part of the record is gone")
	// ErrDirInUse says that another process uses a data directory.
	ErrDirInUse = errors.New("data directory in use")
)

// identity is what a node keeps beside its data: as who it became a member. It
// is written before the node asks for anything, so that a crash in between
// repeats the same attempt. A node that has lost it must join as a new one.
type identity struct {
	Node  string
	Nonce uint64
	// ClusterID is zero until the node knows which cluster it is a member of.
	ClusterID topology.ClusterID
	// Founder: the node creates the cluster of that id, and has not done so yet.
	Founder bool `json:",omitempty"`
	// Gathers: the node commits the first members of an unattended cluster, and
	// has not done so yet.
	Gathers bool `json:",omitempty"`
	// Lineage is drawn anew for each beginning of the node's data: with an empty
	// directory, from a backup, or from a record that was set back. What the node
	// writes bears it, so that no write has the name of one that was forgotten.
	Lineage uint32 `json:",omitempty"`
	// Store names the store that the node last began to serve with.
	Store [16]byte `json:",omitzero"`
}

// loadIdentity reads the identity of a data directory; ok is false when there
// is none.
func loadIdentity(dir string) (id identity, ok bool, err error) {
	b, err := os.ReadFile(filepath.Join(dir, identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return identity{}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &id)
	}
	if err != nil {
		return identity{}, false, fmt.Errorf("read identity of %s: %w", dir, err)
	}
	return id, true, nil
}

// save writes the identity so that a crash leaves the old one or the new one.
func (id identity) save(dir string) error {
	b, err := json.Marshal(id)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, identityFile+".*")
	if err != nil {
		return fmt.Errorf("save identity: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, identityFile))
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("save identity in %s: %w", dir, err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
