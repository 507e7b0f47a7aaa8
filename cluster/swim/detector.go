package swim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Options configure a Detector. The defaults are for a local network: a failure
// is Suspect within about 2 s and Unreachable within about 6 s.
type Options struct {
	// Node is this node's name; required.
	Node ring.NodeID
	// Incarnation is this process's; what an earlier one of the same node says
	// of itself is not listened to.
	Incarnation uint64
	// Cluster keeps the gossip of clusters apart; required.
	Cluster topology.ClusterID
	// Listener yields the connections of peers; required. The detector closes it.
	Listener net.Listener
	// Dial connects to a member's address; required.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// ProbeEvery is the pause between two probes; default 500 ms.
	ProbeEvery time.Duration
	// AckWithin is how long a direct answer may take before others are asked to
	// probe; default 200 ms.
	AckWithin time.Duration
	// SuspectFor is how long a suspect may take to refute; default 2 s. It is up
	// to twice as long while few others suspect it.
	SuspectFor time.Duration
	// RejoinEvery is the longest pause between two calls to a member that does
	// not answer; default 5 s.
	RejoinEvery time.Duration
	// Logger takes changes; default slog.Default.
	Logger *slog.Logger
}

// ErrOptions is returned for options that lack something.
var ErrOptions = errors.New("incomplete options of the failure detector")

func (o *Options) fill() error {
	if o.Node == "" || o.Cluster.IsZero() || o.Listener == nil || o.Dial == nil {
		return fmt.Errorf("node %q of cluster %v: %w: Node, Cluster, Listener and Dial are required", o.Node, o.Cluster, ErrOptions)
	}
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&o.ProbeEvery, 500 * time.Millisecond},
		{&o.AckWithin, 200 * time.Millisecond},
		{&o.SuspectFor, 2 * time.Second},
		{&o.RejoinEvery, 5 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

// config is memberlist's.
func (o *Options) config(d *Detector) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name, c.Label, c.Transport, c.RequireNodeNames = name(o.Node), o.Cluster.String(), d.transport, true
	c.ProbeInterval, c.ProbeTimeout = o.ProbeEvery, o.AckWithin
	c.GossipInterval = min(100*time.Millisecond, o.ProbeEvery/2)
	c.SuspicionMult, c.SuspicionMaxTimeoutMult = max(1, int(o.SuspectFor/o.ProbeEvery)), 2
	// A node that had trouble itself waits longer before it suspects others, but not eight times.
	c.AwarenessMaxMultiplier = 2
	c.TCPTimeout = max(4*o.AckWithin, o.SuspectFor)
	c.EnableCompression = false // askStates reads the plain form
	c.Delegate, c.Alive, c.Events = (*meta)(d), d, d
	// What it has to say are details of its protocol; reach is logged here.
	c.Logger, c.LogOutput = slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug), nil
	return c
}

// maxCalls is how many members are called at once. The first that answers
// tells of the others.
const maxCalls = 4

// A Detector watches the members of the record. It implements cluster.Liveness
// and is safe for concurrent use.
type Detector struct {
	cluster.HealthBoard
	opts      Options
	transport *transport
	list      *memberlist.Memberlist
	cancel    context.CancelFunc
	work      sync.WaitGroup
	wake      chan struct{}
	closing   sync.Once
	struggles atomic.Bool // as this node says of itself

	mu      sync.Mutex
	members map[ring.NodeID]*watched
	lives   map[ring.NodeID]uint64 // the newest incarnation heard of
	calls   int
}

var _ cluster.Liveness = (*Detector)(nil)

// Open starts a detector that watches nobody yet. The error is ErrOptions, or
// memberlist's.
func Open(opts Options) (*Detector, error) {
	if err := opts.fill(); err != nil {
		return nil, err
	}
	d := &Detector{opts: opts, wake: make(chan struct{}, 1), lives: make(map[ring.NodeID]uint64)}
	d.transport = newTransport(opts.Listener, opts.Dial, d.routeTo)
	list, err := memberlist.Create(opts.config(d))
	if err != nil {
		_ = d.transport.Shutdown()
		return nil, fmt.Errorf("start the failure detector of %s: %w", opts.Node, err)
	}
	d.list = list
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	d.work.Go(func() { d.run(ctx) })
	return d, nil
}

// SetMembers makes members, with their addresses, the nodes that are watched.
// The node itself may be among them.
func (d *Detector) SetMembers(members map[ring.NodeID]string) {
	d.mu.Lock()
	d.members = update(d.members, members, d.opts.Node)
	maps.DeleteFunc(d.lives, func(node ring.NodeID, _ uint64) bool { return d.members[node] == nil })
	d.mu.Unlock()
	d.kick()
}

// SetStruggling tells the others whether this node keeps up with its requests:
// they hear of it like of any change. It blocks until the word is on its way, at
// most for Options.SuspectFor; an error says that it is still waiting to go.
func (d *Detector) SetStruggling(struggles bool) error {
	if d.struggles.Swap(struggles) == struggles {
		return nil
	}
	if err := d.list.UpdateNode(d.opts.SuspectFor); err != nil {
		return fmt.Errorf("tell the others that this node struggles (%v): %w", struggles, err)
	}
	return nil
}

// Leave tells the others that this node stops, so that they need not find out.
// It blocks until the word has been passed on, at most until ctx ends. Only
// Close is useful after it.
func (d *Detector) Leave(ctx context.Context) error {
	timeout := d.opts.SuspectFor
	if end, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(end), time.Millisecond)
	}
	if err := d.list.Leave(timeout); err != nil {
		return fmt.Errorf("leave the failure detectors of the others: %w", err)
	}
	return nil
}

// Close ends the detector; its watches are closed. What memberlist has under
// way ends by itself within one probe. It is idempotent.
func (d *Detector) Close() error {
	var err error
	d.closing.Do(func() {
		d.cancel()
		// The transport goes first: whatever waits for the network is freed.
		err = d.list.Shutdown()
		d.work.Wait()
		d.HealthBoard.Close()
	})
	return err
}

// run publishes what memberlist believes, and calls those that it does not know.
func (d *Detector) run(ctx context.Context) {
	poll := time.NewTicker(d.opts.ProbeEvery / 2)
	defer poll.Stop()
	for {
		states, err := d.states()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			d.opts.Logger.Warn("failure detector: no states", "node", d.opts.Node, "err", err)
		default:
			d.look(states, time.Now())
		}
		select {
		case <-poll.C:
		case <-d.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (d *Detector) states() (map[string]state, error) {
	c, err := d.transport.own()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(d.opts.SuspectFor))
	return askStates(c, d.opts.Cluster.String())
}

// look makes a health of states and starts the calls that are due.
func (d *Detector) look(states map[string]state, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	reach := make(map[ring.NodeID]cluster.Reach, len(d.members))
	for node, w := range d.members {
		state, known := states[name(node)]
		old := w.reach
		w.assess(state, known, now, d.opts.SuspectFor, 3*d.opts.SuspectFor)
		if w.reach != old {
			d.opts.Logger.Info("failure detector", "at", d.opts.Node, "node", node, "is", w.reach, "was", old)
		}
		reach[node] = w.reach
		if w.due(known, now) && d.calls < maxCalls {
			d.calls++
			w.calling = true
			d.work.Go(func() { d.call(node, w) })
		}
	}
	d.Publish(cluster.NewHealth(reach))
}

// call exchanges states with one member, which makes it known here, and makes
// it refute if it is believed dead.
func (d *Detector) call(node ring.NodeID, w *watched) {
	_, err := d.list.Join([]string{name(node) + "/" + nowhere.String()})
	d.mu.Lock()
	w.called(time.Now(), d.opts.RejoinEvery)
	d.calls--
	d.mu.Unlock()
	if err != nil {
		d.opts.Logger.Debug("failure detector: no answer", "at", d.opts.Node, "node", node, "err", err)
		return
	}
	d.kick()
}

// kick wakes run up.
func (d *Detector) kick() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// routeTo says where the record has a member.
func (d *Detector) routeTo(peer string) (route, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.members[node(peer)]
	if w == nil {
		return route{}, false
	}
	return w.route, true
}

// NotifyAlive is memberlist's question whether to believe that a node lives: no
// for names that the record does not have, and for earlier lives.
func (d *Detector) NotifyAlive(peer *memberlist.Node) error {
	n := node(peer.Name)
	if n == d.opts.Node {
		return nil
	}
	life, _, ok := cutMeta(peer.Meta)
	if !ok {
		return fmt.Errorf("%s: no incarnation in %x", n, peer.Meta)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.members[n] == nil:
		return fmt.Errorf("%s is no member", n)
	case life < d.lives[n]:
		return fmt.Errorf("%s: incarnation %d, and %d was heard of", n, life, d.lives[n])
	}
	d.lives[n] = life
	return nil
}

// NotifyJoin, NotifyLeave and NotifyUpdate wake the detector up.
func (d *Detector) NotifyJoin(*memberlist.Node) { d.kick() }

// NotifyLeave wakes the detector up.
func (d *Detector) NotifyLeave(*memberlist.Node) { d.kick() }

// NotifyUpdate wakes the detector up.
func (d *Detector) NotifyUpdate(*memberlist.Node) { d.kick() }

// name is what memberlist calls a node: it gives slashes a meaning.
func name(n ring.NodeID) string { return url.PathEscape(string(n)) }

func node(name string) ring.NodeID {
	s, err := url.PathUnescape(name)
	if err != nil {
		return "" // no member's name
	}
	return ring.NodeID(s)
}

// meta is the part of memberlist's Delegate that is used: what this node tells of
// itself.
type meta Detector

func (m *meta) NodeMeta(int) []byte           { return appendMeta(nil, m.opts.Incarnation, m.struggles.Load()) }
func (*meta) NotifyMsg([]byte)                {}
func (*meta) GetBroadcasts(_, _ int) [][]byte { return nil }
func (*meta) LocalState(bool) []byte          { return nil }
func (*meta) MergeRemoteState([]byte, bool)   {}
