package actors

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// damages has what is damaged cut out of the store, one after the other. A range
// is given up only when the record says that its partition is incomplete:
// until then reads of it fail, from then on what is missing is not taken for a
// delete, and repair from the replicas brings it back.
type damages struct {
	host   *Host
	engine store.Exciser

	mu      sync.Mutex
	queue   []*store.CorruptError
	mending []store.ID    // of which something is being given up
	wake    chan struct{} // holds one: at least one wake after the last report
}

// maxDamages is how many reports wait at most. Whatever is dropped will be met again.
const maxDamages = 1000

// Mending reports whether damaged items of a partition are being given up: the
// record says that it is incomplete, and its vnode does not know yet what it
// lacks. A repair that began now would find nothing to repair.
func (h *Host) Mending(id store.ID) bool {
	return slices.ContainsFunc(h.damaged, func(d *damages) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return slices.Contains(d.mending, id)
	})
}

func newDamages(h *Host, x store.Exciser) *damages {
	return &damages{host: h, engine: x, wake: make(chan struct{}, 1)}
}

// undecoded gives up what the store can read and a vnode can't decode: the vnode
// removes it when it hears that it is given up.
type undecoded struct{}

// OnDamage does nothing: vnodes tell of what they meet.
func (undecoded) OnDamage(func(*store.CorruptError)) {}

// Excise announces the range.
func (undecoded) Excise(damage *store.CorruptError, announce func([]store.Excised) error) error {
	return announce([]store.Excised{{ID: damage.ID, From: damage.From, To: damage.To}})
}

// undecoded has the keys given up that a vnode met and could not decode.
func (h *Host) undecoded(id store.ID, keys [][]byte) {
	for _, key := range keys {
		h.damaged[0].add(&store.CorruptError{ID: id, From: key, To: append(slices.Clone(key), 0), Err: store.ErrCorrupt})
	}
}

// add notes damage that is not noted yet.
func (d *damages) add(damage *store.CorruptError) {
	d.mu.Lock()
	known := len(d.queue) >= maxDamages || damage.ID.Kind != "" && slices.ContainsFunc(d.queue, func(q *store.CorruptError) bool {
		return q.ID == damage.ID && string(q.From) == string(damage.From)
	})
	if !known {
		d.queue = append(d.queue, damage)
	}
	d.mu.Unlock()
	token(d.wake)
}

// next returns the oldest damage, which stays noted until done.
func (d *damages) next() *store.CorruptError {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		return nil
	}
	return d.queue[0]
}

func (d *damages) done() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = d.queue[1:]
}

func (d *damages) run() {
	for {
		damage := d.next()
		if damage == nil {
			select {
			case <-d.wake:
				continue
			case <-d.host.ctx.Done():
				return
			}
		}
		d.excise(damage)
		d.done()
		if d.host.ctx.Err() != nil {
			return
		}
	}
}

func (d *damages) excise(damage *store.CorruptError) {
	var lost []store.Excised
	err := d.engine.Excise(damage, func(l []store.Excised) error {
		lost = append(lost, l...)
		d.mu.Lock()
		for _, x := range l {
			d.mending = append(d.mending, x.ID)
		}
		d.mu.Unlock()
		return d.host.markDamaged(l)
	})
	// Some of it may be gone even if the rest could not be cut out.
	for _, l := range lost {
		d.host.log.Error("damaged items given up, to be repaired from the replicas", "partition", l.ID.String(), "from", l.From, "to", l.To)
		if to := d.host.keeper(l.ID); to != nil {
			d.host.system.Root.Send(to.pid, info{vnode.Excised{From: l.From, To: l.To}})
		}
	}
	d.mu.Lock()
	d.mending = nil
	d.mu.Unlock()
	if err != nil && d.host.ctx.Err() == nil {
		d.host.log.Error("damage not cut out of the store", "err", err)
	}
}

// markDamaged returns when the record that this node has applied says that the
// partitions of what is lost are incomplete.
func (h *Host) markDamaged(lost []store.Excised) error {
	var ops []topology.Op
	for _, l := range lost {
		of, _ := ofVnode(l.ID)
		op := topology.MarkDamaged{Kind: of.Kind, Partition: of.Partition}
		if e := h.kinds[op.Kind]; e != nil && !slices.Contains(ops, topology.Op(op)) {
			ops = append(ops, op)
		}
	}
	version := uint64(0)
	for len(ops) > 0 {
		outcomes, err := h.proposer.record.Propose(h.ctx, 0, ops...)
		if err == nil {
			for _, o := range outcomes {
				version = max(version, o.Version)
				err = errors.Join(err, o.Err)
			}
			if err != nil {
				return err
			}
			break
		}
		select {
		case <-time.After(proposePause):
		case <-h.ctx.Done():
			return err
		}
	}
	for v := h.View(); v.Version() < version; v = h.View() {
		select {
		case <-v.Changed():
		case <-h.ctx.Done():
			return h.ctx.Err()
		}
	}
	return nil
}

// ofVnode returns the vnode whose data a store has; fallback says that it is what
// a fallback keeps for it.
func ofVnode(id store.ID) (of store.ID, fallback bool) {
	if of, fallback = vnode.OfFallback(id); fallback {
		return of, true
	}
	return id, false
}

// keeper returns the actor of a store of this node, nil if there is none.
func (h *Host) keeper(id store.ID) *inbox {
	of, fallback := ofVnode(id)
	if fallback {
		return h.fallback(of)
	}
	return h.vnode(of)
}
