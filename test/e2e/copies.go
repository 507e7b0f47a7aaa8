package e2e

import (
	"fmt"
	"maps"
	"path/filepath"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
)

// StoreDir is where the node keeps its partitions, with the pebble engine.
func (n *Node) StoreDir() string { return filepath.Join(n.DataDir, "store") }

// EqualCopies stops all nodes, looks into their stores, and fails the test unless each of the n
// partitions behind a head holds the same of it. It returns how many keys there are.
func (c *Cluster) EqualCopies(n int) (keys int) {
	c.t.Helper()
	var state topology.State
	engines := map[ring.NodeID]*pebble.Engine{}
	for _, node := range c.Nodes() {
		if node.Process() == nil || !node.Process().Alive() {
			continue
		}
		state = node.Record()
		break
	}
	for _, node := range c.Nodes() {
		if m, ok := state.Member(node.Name); !ok || m.Status == topology.Removed {
			continue
		}
		node.Terminate()
		e, err := pebble.Open(node.StoreDir(), pebble.Options{CacheSize: 4 << 20})
		if err != nil {
			c.t.Fatalf("the store of %s: %v", node.Name, err)
		}
		defer e.Close()
		engines[node.Name] = e
	}
	owners := state.Owners(kv.KindName).Owners()
	for head := range owners {
		var first map[string]kv.Digest
		for i := range n {
			p := (head + i) % len(owners)
			got, err := states(engines[owners[p]], ring.Partition(p), ring.Partition(head))
			switch {
			case err != nil:
				c.t.Errorf("partition %d of %s: %v", p, owners[p], err)
			case i == 0:
				first = got
				keys += len(got)
			case !maps.Equal(first, got):
				c.t.Errorf("head %d: partition %d of %s differs from that of %s:%s", head, p, owners[p], owners[head], differences(first, got))
			}
		}
	}
	return keys
}

// states returns the digests of what a partition holds of a head, by store keys.
func states(e *pebble.Engine, p, head ring.Partition) (map[string]kv.Digest, error) {
	part, err := e.Open(store.ID{Kind: kv.KindName, Partition: p})
	if err != nil {
		return nil, err
	}
	s := part.Snapshot()
	defer s.Close()
	from, to := kv.HeadRange(head)
	it := s.Scan(from, to)
	defer it.Close()
	out := map[string]kv.Digest{}
	for it.Next() {
		out[string(it.Item().Key)] = kv.DigestOf(it.Item().Value)
	}
	return out, it.Err()
}

func differences(a, b map[string]kv.Digest) (text string) {
	for k := range a {
		if _, ok := b[k]; !ok {
			text += " the latter lacks " + named(k)
		} else if a[k] != b[k] {
			text += " not the same " + named(k)
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			text += " the former lacks " + named(k)
		}
	}
	return text
}

func named(storeKey string) string {
	_, bucketType, bucket, key, err := kv.DecodeKey([]byte(storeKey))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s/%s/%s;", bucketType, bucket, key)
}
