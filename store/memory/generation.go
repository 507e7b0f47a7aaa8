package memory

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/tidwall/btree"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
)

// entry is one item. Its strings are the batch's own bytes, which nobody
// changes: a string takes two words where a slice takes three.
type entry struct {
	key, value string
	version    uint64
	hash       topology.ItemHash
}

func (e *entry) item() store.Item {
	return store.Item{Key: asBytes(e.key), Value: asBytes(e.value), Version: e.version}
}

func (e *entry) size() int { return len(e.key) + len(e.value) }

// asString and asBytes change the type of bytes that stay what they are.
func asString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
func asBytes(s string) []byte  { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// tree orders entries by their keys. It is read and copied by value.
type tree = btree.Map[string, *entry]

// generation is a handle to a generation and the generation itself.
type generation struct {
	closed *atomic.Bool // the engine's
	room   *room        // the engine's

	writer  sync.Mutex // held through a Write
	pending []*entry   // by writer: one per op of the running Write, nil for a delete

	mu      sync.RWMutex // after writer
	tree    *tree
	last    string // no key in tree is above it
	summary store.Summary
	dropped bool
}

var _ store.Partition = (*generation)(nil)

func newGeneration(closed *atomic.Bool, room *room) *generation {
	return &generation{closed: closed, room: room, tree: new(tree)}
}

// err returns why the generation can't be used. The caller holds mu.
func (g *generation) err() error {
	switch {
	case g.closed.Load():
		return store.ErrClosed
	case g.dropped:
		return store.ErrDropped
	default:
		return nil
	}
}

// drop releases the items. It waits for calls that are running; a nil
// generation is dropped already.
func (g *generation) drop() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.room.max > 0 && !g.dropped {
		g.room.take(-g.bytes())
	}
	g.dropped, g.tree, g.last = true, nil, ""
}

// Get implements store.Partition. It returns the slices that were put.
func (g *generation) Get(key []byte) (store.Item, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if err := g.err(); err != nil {
		return store.Item{}, fmt.Errorf("get: %w", err)
	}
	e, ok := g.tree.Get(asString(key))
	if !ok {
		return store.Item{}, store.ErrNotFound
	}
	return e.item(), nil
}

// Write implements store.Partition. It hashes outside the lock that readers take.
func (g *generation) Write(b *store.Batch) error {
	g.writer.Lock()
	defer g.writer.Unlock()
	ops := b.Ops()
	g.pending = g.pending[:0]
	for i := range ops {
		g.pending = append(g.pending, newEntry(&ops[i]))
	}
	defer clear(g.pending)

	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.err(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if g.room.max > 0 {
		reserved, err := g.reserve(ops)
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		before := g.bytes()
		defer func() { g.room.take(g.bytes() - before - reserved) }()
	}
	for i, e := range g.pending {
		if e == nil {
			g.remove(asString(ops[i].Key))
		} else {
			g.insert(e)
		}
	}
	return nil
}

func newEntry(op *store.Op) *entry {
	if op.Delete {
		return nil
	}
	return &entry{
		key: asString(op.Key), value: asString(op.Value), version: op.Version,
		hash: store.HashItem(op.Key, op.Version, op.Value),
	}
}

func (g *generation) insert(e *entry) {
	g.summary.Add(e.hash, e.size())
	if e.key > g.last {
		g.last = e.key
		g.tree.Load(e.key, e)
		return
	}
	if old, ok := g.tree.Set(e.key, e); ok {
		g.summary.Remove(old.hash, old.size())
	}
}

func (g *generation) remove(key string) {
	if old, ok := g.tree.Delete(key); ok {
		g.summary.Remove(old.hash, old.size())
	}
}

// Sync implements store.Partition. There is nothing to make durable.
func (g *generation) Sync() error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if err := g.err(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// Snapshot implements store.Partition.
func (g *generation) Snapshot() store.Snapshot {
	// Copying marks the tree itself, so readers must be kept out too.
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.err(); err != nil {
		return &snapshot{closed: g.closed, summary: g.summary, err: fmt.Errorf("snapshot: %w", err)}
	}
	return &snapshot{closed: g.closed, summary: g.summary, tree: g.tree.Copy()}
}

// Summary implements store.Partition.
func (g *generation) Summary() store.Summary {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.summary
}
