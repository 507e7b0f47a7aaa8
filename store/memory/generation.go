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
	fresh      bool // not in the tree yet
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

// maxFresh is how many entries may wait to be ordered: it bounds how long a
// snapshot takes, to some milliseconds.
const maxFresh = 1 << 14

// generation is a handle to a generation and the generation itself.
type generation struct {
	closed *atomic.Bool // the engine's
	room   *room        // the engine's

	writer sync.Mutex          // held through a Write
	hashes []topology.ItemHash // by writer: one per op of the running Write

	mu      sync.RWMutex // after writer
	items   index
	tree    *tree    // of all items that are not fresh
	fresh   []*entry // those to be ordered, and what was removed of them
	last    string   // no key in tree is above it
	summary store.Summary
	dropped bool
}

var _ store.Partition = (*generation)(nil)

func newGeneration(closed *atomic.Bool, room *room) *generation {
	return &generation{closed: closed, room: room, items: newIndex(), tree: new(tree)}
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
	g.dropped, g.items, g.tree, g.fresh, g.last = true, index{}, nil, nil, ""
}

// Get implements store.Partition. It returns the slices that were put.
func (g *generation) Get(key []byte) (store.Item, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if err := g.err(); err != nil {
		return store.Item{}, fmt.Errorf("get: %w", err)
	}
	e := g.items.get(g.items.hash(asString(key)), asString(key))
	if e == nil {
		return store.Item{}, store.ErrNotFound
	}
	return e.item(), nil
}

// Write implements store.Partition. It hashes outside the lock that readers take.
func (g *generation) Write(b *store.Batch) error {
	g.writer.Lock()
	defer g.writer.Unlock()
	ops := b.Ops()
	g.hashes = g.hashes[:0]
	for i := range ops {
		var h topology.ItemHash
		if op := &ops[i]; !op.Delete {
			h = store.HashItem(op.Key, op.Version, op.Value)
		}
		g.hashes = append(g.hashes, h)
	}

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
	for i := range ops {
		if op := &ops[i]; op.Delete {
			g.remove(asString(op.Key))
		} else {
			g.put(op, g.hashes[i])
		}
	}
	return nil
}

func (g *generation) put(op *store.Op, hash topology.ItemHash) {
	next := entry{key: asString(op.Key), value: asString(op.Value), version: op.Version, hash: hash}
	g.summary.Add(hash, next.size())
	at := g.items.hash(next.key)
	e := g.items.get(at, next.key)
	if e != nil {
		g.summary.Remove(e.hash, e.size())
	}
	if e != nil && e.fresh { // no snapshot has it
		next.fresh = true
		*e = next
		return
	}
	isNew := e == nil
	e = new(entry)
	*e = next
	g.items.set(at, e)
	switch {
	case isNew && e.key > g.last:
		g.last = e.key
		g.tree.Load(e.key, e)
	case isNew && len(g.fresh) < maxFresh:
		e.fresh = true
		g.fresh = append(g.fresh, e)
	default:
		g.tree.Set(e.key, e)
	}
}

func (g *generation) remove(key string) {
	at := g.items.hash(key)
	e := g.items.get(at, key)
	if e == nil {
		return
	}
	g.items.remove(at, key)
	g.summary.Remove(e.hash, e.size())
	if e.fresh {
		*e = entry{}
	} else {
		g.tree.Delete(key)
	}
}

// order puts into the tree what is not in it yet.
func (g *generation) order() {
	for _, e := range g.fresh {
		if e.fresh {
			e.fresh = false
			g.tree.Set(e.key, e)
		}
	}
	g.fresh = nil
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
	g.order()
	return &snapshot{closed: g.closed, summary: g.summary, tree: g.tree.Copy()}
}

// Summary implements store.Partition.
func (g *generation) Summary() store.Summary {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.summary
}
