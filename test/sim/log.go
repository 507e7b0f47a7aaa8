package sim

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Times of the simulated log.
const (
	beat        = 50 * time.Millisecond // between a leader's messages to those that lag
	electionMin = 150 * time.Millisecond
	electionMax = 300 * time.Millisecond
	lease       = 500 * time.Millisecond // after which a leader that reaches no majority leads no more
)

// An entry is one proposal in the log; an empty one begins a term.
type entry struct {
	term  uint64
	batch string
}

// A peer is one node's part of the simulated log. Entry i is at log[i-1].
type peer struct {
	n *Node

	term    uint64
	leader  ring.NodeID // of the term, as far as this node knows
	log     []entry
	synced  uint64 // entries that this node's disk has
	commit  uint64
	applied uint64

	// Of a leader, by the node's number.
	next, match []uint64
	waiting     map[uint64]asked
	alone       time.Duration // since when it reaches no majority
}

// asked is who waits for the outcomes of an entry.
type asked struct {
	from ring.NodeID
	id   uint64
}

// Messages between peers.
type (
	appendMsg struct {
		term, prev, prevTerm, commit uint64
		entries                      []entry
	}
	ackMsg struct {
		server      uint64 // the sender's nonce: a wiped node is another server
		term, match uint64
		ok          bool
	}
	// proposeMsg asks the leader to append a proposal; answerMsg answers it.
	proposeMsg struct {
		id    uint64
		batch string
	}
	answerMsg struct {
		id       uint64
		outcomes []topology.Outcome
		refused  bool // by a node that does not lead; nothing was appended
		leader   ring.NodeID
	}
)

func newPeer(n *Node) *peer {
	return &peer{n: n, waiting: map[uint64]asked{}}
}

// load takes a record of the disk in.
func (r *peer) load(key string, data []byte) {
	switch key {
	case "term":
		r.term = binary.BigEndian.Uint64(data)
	case "entry":
		i := binary.BigEndian.Uint64(data)
		r.log = append(r.log[:i-1], entry{binary.BigEndian.Uint64(data[8:]), string(data[16:])})
		r.synced = uint64(len(r.log))
	}
}

func (r *peer) leads() bool { return r.leader == r.n.ID }

func (r *peer) last() (term, index uint64) {
	return r.termAt(uint64(len(r.log))), uint64(len(r.log))
}

func (r *peer) termAt(i uint64) uint64 {
	if i == 0 {
		return 0
	}
	return r.log[i-1].term
}

// adopt enters a term, durably.
func (r *peer) adopt(term uint64, leader ring.NodeID) {
	if term > r.term {
		r.term = term
		r.n.wal.Put("term", binary.BigEndian.AppendUint64(nil, term))
		clear(r.waiting)
	}
	was := r.leads()
	r.leader = leader
	if was != r.leads() {
		r.n.changed()
	}
}

// lead begins the term that the node was elected for.
func (r *peer) lead() {
	count := len(r.n.c.Nodes)
	r.next, r.match = make([]uint64, count), make([]uint64, count)
	for i := range r.next {
		r.next[i] = uint64(len(r.log)) + 1
	}
	r.append(entry{term: r.term})
	r.alone = 0
	r.beat(r.term)
}

// beat sends what is not acknowledged, as long as the node leads in the term.
func (r *peer) beat(term uint64) {
	if !r.leads() || r.term != term {
		return
	}
	if c := r.n.c; len(c.reached(r.n)) >= c.majority() {
		r.alone = 0
	} else if r.alone += beat; r.alone >= lease {
		c.W.Note("%s leads term %d no more", r.n.ID, term)
		r.adopt(term, "")
		return
	}
	r.fit()
	for i, m := range r.match {
		r.next[i] = m + 1
	}
	r.spread()
	r.n.after(beat, func() { r.beat(term) })
}

// fit makes room for nodes that came later.
func (r *peer) fit() {
	for len(r.next) < len(r.n.c.Nodes) {
		r.next, r.match = append(r.next, 1), append(r.match, 0)
	}
}

// append puts an entry in the leader's log and on its way.
func (r *peer) append(e entry) uint64 {
	r.put(e)
	r.sync(r.term, nil)
	r.spread()
	return uint64(len(r.log))
}

// put appends one entry to the log and the journal.
func (r *peer) put(e entry) {
	r.log = append(r.log, e)
	data := binary.BigEndian.AppendUint64(nil, uint64(len(r.log)))
	data = binary.BigEndian.AppendUint64(data, e.term)
	r.n.wal.Put("entry", append(data, e.batch...))
}

// sync makes the log durable and then acknowledges it in the term.
func (r *peer) sync(term uint64, then func()) {
	upTo := uint64(len(r.log))
	r.n.sync(r.n.wal, func() {
		if r.term != term {
			return // the entries may have been replaced
		}
		r.synced = max(r.synced, upTo)
		if r.leads() {
			r.advance()
		}
		if then != nil {
			then()
		}
	})
}

// spread sends to every node what it has not been sent.
func (r *peer) spread() {
	r.fit()
	for i, n := range r.n.c.Nodes {
		if n == r.n {
			continue
		}
		from := r.next[i]
		r.n.send(n.ID, appendMsg{
			term: r.term, prev: from - 1, prevTerm: r.termAt(from - 1), commit: r.commit, entries: slices.Clone(r.log[from-1:]),
		})
		r.next[i] = uint64(len(r.log)) + 1
	}
}

// advance commits what a majority of the voters has on disk, of the leader's own term.
func (r *peer) advance() {
	r.fit()
	at := []uint64{}
	for i, n := range r.n.c.Nodes {
		switch {
		case n == r.n && n.voter:
			at = append(at, r.synced)
		case n.voter:
			at = append(at, r.match[i])
		}
	}
	slices.Sort(at)
	upTo := at[(len(at)-1)/2]
	if upTo <= r.commit || r.termAt(upTo) != r.term {
		return
	}
	for r.commit < upTo && r.n.up {
		if r.n.c.hooks.commit(r.n, r.commit+1, false) {
			return
		}
		r.commit++
		r.apply()
		if r.n.up && r.n.c.hooks.commit(r.n, r.commit, true) {
			return
		}
	}
	if r.n.up {
		r.spread() // tells the commit
	}
}

func (r *peer) receive(from ring.NodeID, msg any) {
	switch m := msg.(type) {
	case appendMsg:
		r.follow(from, m)
	case ackMsg:
		r.acked(from, m)
	case proposeMsg:
		r.propose(from, m)
	}
}

// follow takes entries of a leader in.
func (r *peer) follow(from ring.NodeID, m appendMsg) {
	if m.term < r.term {
		r.n.send(from, ackMsg{server: r.n.nonce, term: r.term})
		return
	}
	r.adopt(m.term, from)
	r.n.heard = r.n.c.W.now
	if m.prev > uint64(len(r.log)) || r.termAt(m.prev) != m.prevTerm {
		r.n.send(from, ackMsg{server: r.n.nonce, term: r.term, match: min(m.prev, uint64(len(r.log))+1) - 1})
		return
	}
	for i, e := range m.entries {
		at := m.prev + uint64(i) + 1
		if at <= uint64(len(r.log)) {
			if r.log[at-1].term == e.term {
				continue
			}
			if at <= r.applied {
				r.n.c.W.Failf("S1 %s replaces entry %d, which it has applied", r.n.ID, at)
				return
			}
			r.log = r.log[:at-1]
			r.synced = min(r.synced, at-1)
		}
		r.put(e)
	}
	match := m.prev + uint64(len(m.entries))
	r.commit = max(r.commit, min(m.commit, match))
	r.apply()
	if r.synced >= match {
		r.n.send(from, ackMsg{server: r.n.nonce, term: r.term, match: match, ok: true})
		return
	}
	r.sync(r.term, func() { r.n.send(from, ackMsg{server: r.n.nonce, term: m.term, match: match, ok: true}) })
}

func (r *peer) acked(from ring.NodeID, m ackMsg) {
	i := r.n.c.number(from)
	switch {
	case m.term > r.term:
		r.adopt(m.term, "")
	case !r.leads() || m.term < r.term || m.server != r.n.c.Nodes[i].nonce:
	case m.ok:
		r.fit()
		r.match[i] = max(r.match[i], m.match)
		r.advance()
	default:
		r.fit()
		r.next[i] = max(r.match[i], min(r.next[i]-1, m.match)) + 1
	}
}

func (r *peer) propose(from ring.NodeID, m proposeMsg) {
	if !r.leads() {
		r.n.send(from, answerMsg{id: m.id, refused: true, leader: r.leader})
		return
	}
	at := r.append(entry{r.term, m.batch})
	r.waiting[at] = asked{from, m.id}
}

// apply applies what is committed.
func (r *peer) apply() {
	if r.applied == r.commit {
		return
	}
	for r.applied < r.commit {
		e := r.log[r.applied]
		r.applied++
		before := r.n.State
		cmds, err := r.n.c.decoded(e)
		if err != nil {
			r.n.c.W.Failf("entry %d at %s: %v", r.applied, r.n.ID, err)
			return
		}
		var out []topology.Outcome
		r.n.State, out = cluster.ApplyBatch(before, cmds)
		r.n.c.check.applied(r.n, r.applied, e, cmds, out, before)
		if w, ok := r.waiting[r.applied]; ok && r.leads() && e.term == r.term {
			delete(r.waiting, r.applied)
			r.n.send(w.from, answerMsg{id: w.id, outcomes: out})
		}
	}
	r.n.changed()
}

// decoded returns the commands of an entry, which nobody changes: the nodes share what the first one of them
// decoded.
func (c *Cluster) decoded(e entry) ([]topology.Command, error) {
	if cmds, ok := c.commands[e.batch]; ok {
		return cmds, nil
	}
	cmds, err := cluster.DecodeBatch([]byte(e.batch))
	if len(c.commands) > 100 {
		clear(c.commands)
	}
	c.commands[e.batch] = cmds
	return cmds, err
}

// elections looks for a term without a leader that reaches a majority, waits for as long as followers
// would, and then elects.
func (c *Cluster) elections() {
	if c.W.err != nil {
		return
	}
	if !c.led() {
		if c.leaderless == 0 {
			c.leaderless = c.W.now + c.W.Between(electionMin, electionMax)
		}
		if c.W.now >= c.leaderless {
			c.leaderless = 0
			c.elect()
		}
	} else {
		c.leaderless = 0
	}
	c.W.After(beat/2, c.elections)
}

// led reports whether the leader of the newest term is up and reaches a majority.
func (c *Cluster) led() bool {
	var newest *Node
	for _, n := range c.Nodes {
		if n.up && n.rep.leads() && (newest == nil || n.rep.term > newest.rep.term) {
			newest = n
		}
	}
	return newest != nil && !newest.paused && c.mayLead(newest) && len(c.reached(newest)) >= c.majority()
}

// mayLead reports whether the record allows a voter to lead. Those that it has removed go on voting: the
// set of voters never changes here.
func (c *Cluster) mayLead(n *Node) bool {
	m, ok := c.Newest().Member(n.ID)
	return ok && m.Status != topology.Removed && m.Status != topology.Down
}

func (c *Cluster) majority() int {
	voters := 0
	for _, n := range c.Nodes {
		if n.voter {
			voters++
		}
	}
	return voters/2 + 1
}

// reached returns the voters that run and that n can talk to, itself among them if it is one.
func (c *Cluster) reached(n *Node) []*Node {
	var out []*Node
	for _, v := range c.Nodes {
		if v.voter && v.up && !v.paused && (v == n || c.Net.Reach(n.ID, v.ID)) {
			out = append(out, v)
		}
	}
	return out
}

// elect makes a voter leader that a majority would vote for: voters that it reaches and whose logs are not
// newer than its own.
func (c *Cluster) elect() {
	var fit []*Node
	for _, n := range c.Nodes {
		if n.voter && n.up && !n.paused && c.mayLead(n) && len(c.votes(n)) >= c.majority() {
			fit = append(fit, n)
		}
	}
	if len(fit) == 0 {
		return
	}
	n := fit[c.W.rnd.IntN(len(fit))]
	term := uint64(0)
	for _, v := range c.Nodes {
		term = max(term, v.rep.term)
	}
	c.W.Note("%s leads term %d", n.ID, term+1)
	for _, v := range c.votes(n) {
		v.rep.adopt(term+1, "")
		v.wal.SyncNow()
		v.rep.synced = uint64(len(v.rep.log))
	}
	n.rep.adopt(term+1, n.ID)
	n.rep.lead()
}

// votes returns the voters that would vote for n.
func (c *Cluster) votes(n *Node) []*Node {
	return slices.DeleteFunc(c.reached(n), func(v *Node) bool { return v.rep.newer(n.rep) })
}

// newer reports whether this log is newer than the other one.
func (r *peer) newer(o *peer) bool {
	t1, i1 := r.last()
	t2, i2 := o.last()
	return t1 > t2 || t1 == t2 && i1 > i2
}
