package baton

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/port"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/swim"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/store"
)

// ErrUnknownOutcome says that a command was sent and its answer did not come in
// time: it may have been done.
var ErrUnknownOutcome = actors.ErrUnknownOutcome

// ErrAddrInUse says that another process listens at the node's address.
var ErrAddrInUse = port.ErrAddrInUse

// Node is one running node. Safe for concurrent use.
type Node struct {
	opts Options
	self ring.NodeID
	life string // tells this process's proposals from those of other lives

	lock     *os.File
	id       identity
	resumed  bool       // the identity is of an earlier life
	port     *port.Port // nil with a transport of one's own
	servers  servers
	record   agreement
	proposer *cluster.Proposer
	detector *swim.Detector // nil where the store has its own, or none is needed
	host     *actors.Host
	store    store.Engine // of what is durable
	entropy  *entropy
	jobs     *mapreduce.Registry
	queries  *mapreduce.Queries
	book     jobBook
	catalogs catalogs
	listings chan struct{} // one for each that is at work
	reads    sync.Pool     // of *kv.Read that nobody has any more
	writes   sync.Pool     // of *kv.Write

	// up is what the admin API may use by now; it is served before the node is
	// a member.
	up    atomic.Pointer[reached]
	phase atomic.Pointer[admin.Phase]
	joins chan joinRequest

	ctx   context.Context // ends when the node stops
	stop  context.CancelFunc
	tasks sync.WaitGroup
	once  sync.Once

	done   chan struct{} // closed when the node has ended
	ended  error         // why it ended by itself
	closed error         // of Stop
}

// reached is how far a node has come on its way into a cluster.
type reached struct {
	record   agreement
	proposer *cluster.Proposer
	host     *actors.Host     // nil before the node takes part
	live     cluster.Liveness // nil where there is none, as the host
}

func (n *Node) setPhase(p admin.Phase) { n.phase.Store(&p) }

// Record returns the shared record that the node was started on, nil with
// another Store; further nodes of this process join through it.
func (n *Node) Record() *memory.Log { return n.opts.Record }

// Name returns the node's name.
func (n *Node) Name() string { return n.opts.Name }

// Addr returns where other nodes reach this one.
func (n *Node) Addr() string { return n.host.Self().Addr }

// AdminAddr returns where the admin API listens, empty if nowhere.
func (n *Node) AdminAddr() string { return n.servers.addr(adminServer) }

// HTTPAddr returns where reads and health are served, empty if nowhere.
func (n *Node) HTTPAddr() string { return n.servers.addr(httpServer) }

// Cluster returns the id of the node's cluster.
func (n *Node) Cluster() topology.ClusterID { return n.View().ClusterID() }

// View returns the record as this node has applied it.
func (n *Node) View() *actors.View { return n.host.View() }

// Done is closed when the node has ended: it was stopped, has left the cluster,
// was removed from it, or was fenced. Err says which.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err returns why the node ended by itself: ErrRemoved or ErrFenced, or nil when
// it was stopped or had left. Before Done is closed it is nil.
func (n *Node) Err() error {
	select {
	case <-n.done:
		return n.ended
	default:
		return nil
	}
}

// Stop ends the node and returns when all its goroutines have ended: it gives
// away the lead, finishes what it holds, and stops. It stays a member, which
// owns what it owns: others find it unreachable. To give its partitions away
// first, Leave.
func (n *Node) Stop(ctx context.Context) error {
	n.once.Do(func() {
		n.setPhase(admin.PhaseStopping)
		n.entropy.saveAll(ctx)
		n.stop()
		n.tasks.Wait()
		if err := n.record.HandOver(ctx); err != nil {
			n.opts.Logger.Info("leadership not handed over", "err", err)
		}
		err := n.host.Stop(ctx)
		n.farewell(ctx)
		n.close(err)
	})
	return n.closed
}

// farewellWithin is how long a node that stops tries to tell the others, which
// find out by themselves if it fails: they may all be stopping.
const farewellWithin = time.Second

func (n *Node) farewell(ctx context.Context) {
	if n.detector == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, farewellWithin)
	defer cancel()
	if err := n.detector.Leave(ctx); err != nil {
		n.opts.Logger.Info("the others were not told of the stop", "err", err)
	}
}

// Kill ends the node as a crash of its process would, for tests: nothing more is
// sent or agreed, and what was not durable is lost. It returns when all
// goroutines have ended.
func (n *Node) Kill() {
	n.once.Do(func() {
		if m, ok := n.record.(memoryRecord); ok {
			m.Cut()
		}
		n.stop()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		err := n.host.Stop(ctx)
		n.tasks.Wait()
		n.close(err)
	})
}

// close releases what a node without a host still has.
func (n *Node) close(err error) {
	errs := []error{err, n.servers.close()}
	if n.detector != nil {
		errs = append(errs, n.detector.Close())
	}
	if n.record != nil {
		errs = append(errs, n.record.Close())
	}
	if n.port != nil {
		errs = append(errs, n.port.Close())
	}
	if n.lock != nil {
		errs = append(errs, n.lock.Close())
	}
	n.closed = errors.Join(errs...)
	close(n.done)
}

// Command sends a command to the vnode of a kind that serves the key and returns
// its answer. See ErrUnknownOutcome.
func (n *Node) Command(ctx context.Context, kind, key string, body []byte) ([]byte, error) {
	h := ring.HashKey([]byte(kind), []byte(key))
	return n.host.Request(ctx, kind, h.Partition(n.View().RingSize()), body)
}
