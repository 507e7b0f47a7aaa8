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

// asString and asBytes change the type of bytes that stay what they are.
func asString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
func asBytes(s string) []byte  { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// tree orders the items by their keys. It is read and copied by value.
type tree = btree.Map[string, valued]

// valued is what the tree has of an item beside its key.
type valued struct {
	value   string
	version uint64
}

// maxFresh is how many records may wait to be ordered: it bounds how long a
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
	fresh   []uint32 // the records that are, and those removed of them
	last    string   // no key in tree is above it
	summary store.Summary
	dropped bool
}

// prepared is how many records one Prepare orders.
const prepared = 64

var (
	_ store.Partition = (*generation)(nil)
	_ store.Preparer  = (*generation)(nil)
)

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
	r := g.items.get(g.items.tag(asString(key)), asString(key))
	if r == nil {
		return store.Item{}, store.ErrNotFound
	}
	return r.item(), nil
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
	if g.items.used+len(ops) > maxRecords {
		return fmt.Errorf("write, %d items: %w", g.items.used, store.ErrDiskFull)
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
	key, value := asString(op.Key), asString(op.Value)
	g.summary.Add(hash, len(key)+len(value))
	r, number := g.items.put(g.items.tag(key), key)
	if r.state != recordFree {
		g.summary.Remove(r.hash, r.size())
	}
	r.key, r.value, r.version, r.hash = key, value, op.Version, hash
	switch {
	case r.state == recordFresh: // no snapshot has it
	case r.state == recordFree && len(g.fresh) < maxFresh:
		r.state = recordFresh
		g.fresh = append(g.fresh, number)
	default:
		g.keepOrdered(r)
	}
}

// keepOrdered puts a record into the tree.
func (g *generation) keepOrdered(r *record) {
	r.state = recordOrdered
	if r.key > g.last {
		g.last = r.key
		g.tree.Load(r.key, valued{r.value, r.version})
		return
	}
	g.tree.Set(r.key, valued{r.value, r.version})
}

func (g *generation) remove(key string) {
	r, number := g.items.remove(g.items.tag(key), key)
	if r == nil {
		return
	}
	g.summary.Remove(r.hash, r.size())
	if r.state == recordFresh {
		*r = record{state: recordRemoved}
		return
	}
	g.tree.Delete(key)
	g.items.release(number)
}

// order puts up to n of what is not in the tree yet into it.
func (g *generation) order(n int) {
	n = min(n, len(g.fresh))
	for _, number := range g.fresh[:n] {
		switch r := g.items.record(number); r.state {
		case recordFresh:
			g.keepOrdered(r)
		case recordRemoved:
			g.items.release(number)
		}
	}
	if g.fresh = g.fresh[n:]; len(g.fresh) == 0 {
		g.fresh = nil
	}
}

// Prepare implements store.Preparer.
func (g *generation) Prepare() (more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err() != nil {
		return false
	}
	g.order(prepared)
	return len(g.fresh) >= prepared
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
	g.order(len(g.fresh))
	return &snapshot{closed: g.closed, summary: g.summary, tree: g.tree.Copy()}
}

// Summary implements store.Partition.
func (g *generation) Summary() store.Summary {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.summary
}
