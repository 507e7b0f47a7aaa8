package e2e

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Observer reads the record of all live nodes all the time and holds it to invariant I2. Its methods
// are safe for concurrent use.
type Observer struct {
	c        *Cluster
	cancel   context.CancelFunc
	done     chan struct{}
	mu       sync.Mutex
	newest   uint64 // of what was read linearizably
	record   topology.State
	pictures map[uint64]picture
	// views is the newest version that each process has shown as its own, stale or not.
	views                map[*Process]uint64
	reads, stale, failed int
	hints                map[topology.Hint]bool // all that were seen open
	wrong                []string
}

// picture is what must be the same of one version at all nodes.
type picture struct {
	by    ring.NodeID
	parts map[place]holding
}

type place struct {
	kind topology.Kind
	p    ring.Partition
}

type holding struct {
	owner ring.NodeID
	epoch uint64
}

func observe(c *Cluster) *Observer {
	ctx, cancel := context.WithCancel(context.Background())
	o := &Observer{c: c, cancel: cancel, done: make(chan struct{}), pictures: map[uint64]picture{}, views: map[*Process]uint64{}, hints: map[topology.Hint]bool{}}
	go o.run(ctx)
	return o
}

// run asks each node that answers, over and over; a slow answer of one does not hold up the others.
func (o *Observer) run(ctx context.Context) {
	defer close(o.done)
	var asking sync.WaitGroup
	defer asking.Wait()
	busy := map[*Node]chan struct{}{}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, n := range o.c.Nodes() {
			if b := busy[n]; b != nil {
				select {
				case <-b:
				default:
					continue
				}
			}
			if l := n.running(); l != nil {
				free := make(chan struct{})
				busy[n] = free
				asking.Go(func() {
					defer close(free)
					o.ask(ctx, n, l)
				})
			}
		}
	}
}

func (o *Observer) ask(ctx context.Context, n *Node, l *life) {
	ctx, cancel := context.WithTimeout(ctx, Stuck)
	defer cancel()
	o.mu.Lock()
	before := o.newest
	seen := o.views[l.process]
	o.mu.Unlock()
	b, err := l.admin.Backup(ctx)
	var s topology.State
	if err == nil {
		s, err = topology.DecodeState(b.State)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.failed++ // nodes without a cluster, and those that just died
		return
	}
	o.reads++
	o.compare(n.Name, s)
	if b.Stale != "" {
		o.stale++
		if s.Version() < seen {
			o.complain("%s showed version %d of its own view after %d", n.Name, s.Version(), seen)
		}
		o.views[l.process] = max(o.views[l.process], s.Version())
		return
	}
	if s.Version() < before {
		o.complain("%s read version %d although %d had been read before", n.Name, s.Version(), before)
	}
	o.newest = max(o.newest, s.Version())
}

// compare holds a record to what was seen before.
func (o *Observer) compare(by ring.NodeID, s topology.State) {
	if old, ok := o.pictures[s.Version()]; ok {
		for at, h := range holdings(s) {
			if old.parts[at] != h {
				o.complain("version %d: %s shows %s %d of %s at epoch %d, %s %+v", s.Version(), by, at.kind, at.p, h.owner, h.epoch, old.by, old.parts[at])
			}
		}
		return
	}
	o.pictures[s.Version()] = picture{by, holdings(s)}
	for h := range s.AllHints() {
		o.hints[h] = true
	}
	older, newer := o.record, s
	if older.Version() > newer.Version() {
		older, newer = newer, older
	}
	for _, k := range older.Kinds() {
		for p, a := range older.Parts(k.Name) {
			b := newer.Part(k.Name, p)
			if b.Epoch < a.Epoch || b.Epoch == a.Epoch && b.Owner != a.Owner {
				o.complain("%s %d is of %s at epoch %d in version %d, and of %s at epoch %d in version %d",
					k.Name, p, a.Owner, a.Epoch, older.Version(), b.Owner, b.Epoch, newer.Version())
			}
		}
	}
	o.record = newer
}

func holdings(s topology.State) map[place]holding {
	out := map[place]holding{}
	for _, k := range s.Kinds() {
		for p, part := range s.Parts(k.Name) {
			out[place{k.Name, p}] = holding{part.Owner, part.Epoch}
		}
	}
	return out
}

// transfers is how many there have been: their sessions are numbered.
func transfers(s topology.State) (last uint64) {
	for _, k := range s.Kinds() {
		for _, part := range s.Parts(k.Name) {
			last = max(last, uint64(part.LastSession))
		}
	}
	return last
}

func (o *Observer) complain(format string, args ...any) {
	if len(o.wrong) < 20 {
		o.wrong = append(o.wrong, fmt.Sprintf(format, args...))
	}
}

// Newest returns the newest record that was seen.
func (o *Observer) Newest() topology.State {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.record
}

// AwaitVersion waits until a record of at least the version was seen, or one that ok accepts.
func (o *Observer) AwaitVersion(version uint64, ok func(topology.State) bool) {
	o.c.t.Helper()
	o.c.Await(fmt.Sprintf("version %d", version), func() error {
		if s := o.Newest(); s.Version() < version && !ok(s) {
			return fmt.Errorf("seen version %d", s.Version())
		}
		return nil
	})
}

// stop ends the reading and reports what was wrong.
func (o *Observer) stop() {
	o.cancel()
	<-o.done
	o.c.t.Logf("observer: %d reads (%d stale) of %d versions, %d without an answer", o.reads, o.stale, len(o.pictures), o.failed)
	o.c.t.Logf("observer: %d transfers, %d hints seen", transfers(o.record), len(o.hints))
	for _, w := range o.wrong {
		o.c.t.Errorf("observer: %s", w)
	}
	if o.reads == 0 {
		o.c.t.Logf("observer: no record was ever seen")
	}
}
