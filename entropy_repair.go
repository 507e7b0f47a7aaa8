package baton

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/store"
)

// RepairPartition compares a partition that this node owns with every other copy
// of what it keeps, repairs both, and returns when that is done. It fails when
// another copy can't be reached; what was repaired stays. A partition that the
// node does not own is ErrNotOwner.
func (n *Node) RepairPartition(ctx context.Context, p ring.Partition) (RepairReport, error) {
	if owner, _ := n.View().Owner(kv.KindName, p); owner != n.self {
		return RepairReport{Partition: p}, fmt.Errorf("repair partition %d: it is owned by %q: ask that node: %w", p, owner, ErrNotOwner)
	}
	r, err := n.entropy.repair(ctx, p)
	if err != nil {
		return r, fmt.Errorf("repair partition %d: %w", p, err)
	}
	return r, nil
}

// ErrNotOwner says that this node does not own the partition.
var ErrNotOwner = errors.New("partition of another node")

var errMending = errors.New("damaged items are being cut out of its store")

// makeWhole repairs a copy that lacks acknowledged data.
func (e *entropy) makeWhole(ctx context.Context, p ring.Partition) error {
	_, err := e.repair(ctx, p)
	return err
}

// repair compares a partition with all other copies of what it keeps. Then the
// record may say that it is whole, if it did not lose more meanwhile.
func (e *entropy) repair(ctx context.Context, p ring.Partition) (RepairReport, error) {
	n := e.node
	r := RepairReport{Partition: p, Single: slices.Contains(kv.CopyCounts(n.catalog()), 1)}
	if n.host.Mending(store.ID{Kind: kv.KindName, Partition: p}) {
		return r, errMending // only then is known what it lacks
	}
	release, err := e.claim(ctx, p)
	if err != nil {
		return r, err
	}
	defer release()
	before := n.View().Part(kv.KindName, p)
	if !before.Incomplete {
		r.Exchanges, err = e.compare(ctx, p, true, 0)
		return r, err
	}
	self := n.host.Self()
	out, err := n.ask(ctx, topology.OpenSession{
		Type: topology.Repair, Kind: kv.KindName, Partition: p, Node: n.self, Incarnation: self.Incarnation, ExpectEpoch: before.Epoch,
	})
	if err != nil {
		return r, err
	}
	if err := e.rebuild(ctx, before, out, &r); err != nil {
		return r, errors.Join(err, e.giveUp(ctx, topology.Refuse{
			Report: topology.Report{Session: out.Session, Node: n.self, Incarnation: self.Incarnation}, Reason: topology.ReasonOf(err),
		}))
	}
	n.opts.Logger.Info("copy is whole again", "partition", p, "session", out.Session)
	return r, e.save(ctx, p)
}

// rebuild repairs a copy under a session that was opened, and closes it.
func (e *entropy) rebuild(ctx context.Context, before topology.Part, opened topology.Outcome, r *RepairReport) error {
	n, p := e.node, r.Partition
	if err := n.viewed(ctx, "repair partition", opened.Version); err != nil {
		return err
	}
	fence, err := e.fence(ctx, p)
	if err != nil {
		return err
	}
	if r.Exchanges, err = e.compare(ctx, p, true, opened.Session); err != nil {
		return err
	}
	done := topology.Seal{LastSeq: uint64(len(r.Exchanges))}
	for _, x := range r.Exchanges {
		done.Items += x.Result.Repaired[0]
		done.Bytes += x.Result.Bytes
	}
	out, err := n.ask(ctx, topology.MarkWhole{
		Kind: kv.KindName, Partition: p, Owner: n.self, Epoch: before.Epoch, Since: before.Since,
		Fence: fence, Session: opened.Session, Done: done,
	})
	if err != nil {
		return err
	}
	return n.viewed(ctx, "mark partition whole", out.Version)
}

// giveUp frees the partition's slot. A session that is over is no error, nor that
// the node stops: its next life ends the session.
func (e *entropy) giveUp(ctx context.Context, op topology.Refuse) error {
	_, err := e.node.ask(ctx, op)
	if errors.Is(err, topology.ErrNoTransfer) || ctx.Err() != nil {
		return nil
	}
	return err
}

// fence has every copy that shares a key with the partition's refuse who still
// counts on a copy that was given up (F16), and returns the fence: a write that
// they took before is there for the repair, and none comes after it.
func (e *entropy) fence(ctx context.Context, p ring.Partition) (uint64, error) {
	view, size := e.node.View(), e.node.View().RingSize()
	if view.Fence() == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, sliceWithin)
	defer cancel()
	reach := min(slices.Max(kv.CopyCounts(e.node.catalog())), size)
	for i := 1 - reach; i < reach; i++ {
		q := p.Next(i, size)
		if q == p {
			continue
		}
		if err := e.node.host.Fence(ctx, kv.KindName, q); err != nil {
			return 0, fmt.Errorf("fence for partition %d: %w", p, err)
		}
	}
	return view.Fence(), nil
}
