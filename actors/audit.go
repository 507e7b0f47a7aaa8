package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// AuditedCopy is what an audit found of one copy that this node holds, of a partition or as a fallback.
type AuditedCopy struct {
	ID store.ID
	// Running is what the store says the copy has, Counted what was read of it at the same moment.
	Running, Counted store.Summary
	// Damage is what can't be read; then Counted lacks some.
	Damage []*store.CorruptError
	// Undecodable are the keys of items that the kind can't decode, maxUndecodable at most.
	Undecodable [][]byte
}

const (
	maxUndecodable = 100
	auditSlice     = 1 << 20 // bytes that are read between two calls of await
)

// Audit reads all copies of this node that are wanted, and gives what it found of each to take. Of what a
// disk can damage it reads the disk. It slows down as await does, which gets the bytes about to be read, or
// just read. Writes go on; a copy that is gone meanwhile is left out. The error is that of take or await, or
// of a store.
func (h *Host) Audit(ctx context.Context, want func(store.ID) bool, await func(bytes uint64) error, take func(AuditedCopy) error) error {
	for _, e := range []store.Engine{h.opts.Engine, h.opts.Volatile} {
		if err := h.auditEngine(ctx, e, want, await, take); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	return nil
}

func (h *Host) auditEngine(ctx context.Context, e store.Engine, want func(store.ID) bool, await func(bytes uint64) error, take func(AuditedCopy) error) error {
	ids, err := e.Partitions()
	if err != nil {
		return err
	}
	ids = slices.DeleteFunc(ids, func(id store.ID) bool { return !want(id) })
	if len(ids) == 0 {
		return nil
	}
	var damage []*store.CorruptError
	if v, ok := e.(store.Verifier); ok {
		if damage, err = v.Verify(ctx, await); err != nil {
			return err
		}
	}
	for _, id := range ids {
		c, err := h.auditCopy(ctx, e, id, await)
		if errors.Is(err, store.ErrDropped) {
			continue
		}
		if err != nil {
			return err
		}
		for _, d := range damage {
			if d.ID == id {
				c.Damage = append(c.Damage, d)
			}
		}
		if err := take(c); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) auditCopy(ctx context.Context, e store.Engine, id store.ID, await func(bytes uint64) error) (AuditedCopy, error) {
	c := AuditedCopy{ID: id}
	part, err := e.Open(id)
	if err != nil {
		return c, err
	}
	snap := part.Snapshot()
	defer snap.Close()
	c.Running = snap.Summary()
	of := id
	if primary, ok := vnode.OfFallback(id); ok {
		of = primary
	}
	var checker vnode.ItemChecker
	if k := h.kinds[of.Kind]; k != nil {
		checker, _ = k.kind.(vnode.ItemChecker)
	}
	it := snap.Scan(nil, nil)
	defer it.Close()
	read := uint64(0)
	for it.Next() {
		item := it.Item()
		size := len(item.Key) + len(item.Value)
		c.Counted.Add(item.Hash(), size)
		if checker != nil && len(c.Undecodable) < maxUndecodable && checker.CheckItem(item.Key, item.Value) != nil {
			c.Undecodable = append(c.Undecodable, slices.Clone(item.Key))
		}
		if read += uint64(size); read >= auditSlice {
			if err := errors.Join(await(read), ctx.Err()); err != nil {
				return c, err
			}
			read = 0
		}
	}
	var damage *store.CorruptError
	if err := it.Err(); errors.As(err, &damage) {
		c.Damage = append(c.Damage, damage)
	} else if err != nil {
		return c, err
	}
	return c, nil
}
