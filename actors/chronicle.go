package actors

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff/history"
)

// chronicler writes down how transfers ended, what comes together with one sync.
type chronicler struct {
	ctx  context.Context
	log  *slog.Logger
	to   *history.Log
	wake chan struct{} // holds one: at least one wake after the last add

	mu    sync.Mutex
	queue []history.Entry
	then  []func() // once the queue was written
}

// chroniclePause is how long entries wait that could not be written.
const chroniclePause = time.Second

func newChronicler(ctx context.Context, to *history.Log, log *slog.Logger) *chronicler {
	return &chronicler{ctx: ctx, to: to, log: log, wake: make(chan struct{}, 1)}
}

// add queues an entry. then, which may be nil, is called when it is durable, or could not be made so: a
// history that can't be written holds up no transfer. It must not block.
func (c *chronicler) add(e history.Entry, then func()) {
	c.mu.Lock()
	c.queue = append(c.queue, e)
	if then != nil {
		c.then = append(c.then, then)
	}
	c.mu.Unlock()
	token(c.wake)
}

func (c *chronicler) take() (queue []history.Entry, then []func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	queue, then = c.queue, c.then
	c.queue, c.then = nil, nil
	return queue, then
}

// run writes until the host stops, and then what is left.
func (c *chronicler) run() {
	var failed []history.Entry
	for {
		queue, then := c.take()
		if queue = append(failed, queue...); len(queue) > 0 {
			if failed = nil; !c.write(queue) {
				failed = queue
			}
		}
		for _, f := range then {
			f()
		}
		var again <-chan time.Time
		if len(failed) > 0 {
			again = time.After(chroniclePause)
		}
		select {
		case <-c.wake:
		case <-again:
		case <-c.ctx.Done():
			if queue, _ := c.take(); len(queue) > 0 {
				c.write(queue)
			}
			return
		}
	}
}

func (c *chronicler) write(queue []history.Entry) bool {
	err := c.to.Append(queue...)
	if err != nil {
		c.log.Error("ends of transfers not written down", "transfers", len(queue), "err", err)
	}
	return err == nil
}

// History returns how the transfers that this node took part in have ended, the oldest first, and what of it
// can't be read. It reads the log from the disk. An entry may be there twice.
func (h *Host) History() ([]history.Entry, []history.Damage, error) { return h.opts.History.All() }

// catchUp writes down the certificates of the record that an earlier process did not, or that were lost.
func (h *Host) catchUp(s topology.State) {
	var missing []history.Entry
	for _, k := range s.Kinds() {
		for p, x := range s.Parts(k.Name) {
			c := x.Certificate
			if c != nil && (c.Source == h.opts.Self.Node || c.Target == h.opts.Self.Node) && c.Session > h.opts.History.Last(k.Name, p) {
				missing = append(missing, history.Entry{Certificate: *c, Node: h.opts.Self.Node, Ended: time.Now()})
			}
		}
	}
	if len(missing) > 0 {
		h.chronicler.write(missing)
	}
}

// HistoryWhole reports whether nothing was ever removed from the history of this node.
func (h *Host) HistoryWhole() bool { return h.opts.History.Whole() }

// seen is a transfer that a vnode takes part in, and since when.
type seen struct {
	topology.Transfer
	opened time.Time
	fenced uint64 // frames that the vnode had turned away by then
}

// chronicle notes what a newer record says of the vnode's transfers.
func (a *vnodeActor) chronicle(x topology.Part) {
	a.recorded = x
	self := a.host.opts.Self.Node
	if c := x.Certificate; c != nil && (c.Source == self || c.Target == self) {
		a.note(history.Entry{Certificate: *c}, nil)
	}
	now := x.Transfer
	if t := a.present; t != nil && (now == nil || now.Session != t.Session) {
		e := history.Entry{Reason: t.Reason, Certificate: topology.Certificate{
			Session: t.Session, Type: t.Type, Kind: t.Kind, Partition: t.Partition, Source: t.Source, Target: t.Target, EpochBefore: t.Epoch,
		}}
		if x.LastSession == t.Session && x.LastReason != "" {
			e.Reason = x.LastReason
		}
		if e.Reason == "" {
			e.Reason = topology.ReasonOwnerChanged // and what became of it was not seen here
		}
		a.note(e, nil)
		a.present = nil
	}
	switch {
	case now == nil || now.Source != self && now.Target != self:
	case a.present == nil:
		a.present = &seen{*now, time.Now(), a.late().fenced.Load()}
	default:
		a.present.Transfer = *now
	}
}

// note has an entry written, unless one of its session was: then is called in either case.
func (a *vnodeActor) note(e history.Entry, then func()) {
	if e.Session <= a.noted {
		if then != nil {
			then()
		}
		return
	}
	a.noted = e.Session
	e.Node, e.Ended = a.host.opts.Self.Node, time.Now()
	if t := a.present; t != nil && t.Session == e.Session {
		e.Opened = t.opened
	}
	a.host.chronicler.add(e, then)
}

// cleaned reports that the data of a session is deleted, when its certificate is written down.
func (a *vnodeActor) cleaned(session uint64, deleted func()) {
	if c := a.recorded.Closing(); c != nil && c.Session == session {
		a.note(history.Entry{Certificate: *c}, deleted)
		return
	}
	deleted()
}

// fencedSince is how many frames the vnode has turned away since a session was opened.
func (a *vnodeActor) fencedSince(session uint64) uint64 {
	if t := a.present; t != nil && t.Session == session {
		return a.late().fenced.Load() - t.fenced
	}
	return 0
}

func (a *vnodeActor) late() *late { return a.kind.lateOf(a.id.Partition) }

// lateOf returns the counters of a partition, of another one's if there is no such.
func (e *kindEntry) lateOf(p ring.Partition) *late { return &e.lates[int(p)%len(e.lates)] }
