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

// identity is what a node with a durable engine keeps beside its data: as who
// it became a member. A node that has lost it must join as a new one.
type identity struct {
	ClusterID topology.ClusterID
	Node      string
	Nonce     uint64
}

const identityFile = "node.json"

// ErrIdentity says that a data directory belongs to another node.
var ErrIdentity = errors.New("data directory belongs to another node")

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
