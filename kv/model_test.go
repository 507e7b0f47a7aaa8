package kv_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/replica"
)

var (
	firstSeed = flag.Uint64("kv.seed", 1, "first seed of the model of quorum requests")
	seeds     = flag.Int("kv.seeds", 3000, "number of seeds of the model of quorum requests")
)

// model is a run of requests at once over a world that fails in all the ways
// that it may, and what has to be true of their outcomes.
type model struct {
	*world
	n, r, w  int
	promises bool // strict, with r + w > n: reads see what was acknowledged
	keepsAll bool // siblings
	losses   bool // copies may lose data
	ages     bool // grace periods pass, and tombstones are reaped all the while
	least    int  // events

	all      []*request
	contexts []seenContext
	shown    []string       // by any read
	goneAt   map[string]int // when a read missed what an earlier one had shown
	ops      []*job         // reaps and exchanges under way
	left     int            // requests to begin
}

// job is a machine that no client waits for.
type job struct {
	replica.Machine
	x *kv.Exchange
}

type outcome int

const (
	running outcome = iota
	acked
	unknown
	notDone
)

// request is a put, a delete or a get.
type request struct {
	name         string
	write        *kv.Write
	read         *kv.Read
	del          bool
	expired      bool
	began, ended int // positions in the trace
	outcome      outcome
	covers       []string // what its context has seen
	blanket      bool     // a delete without a context
	none, match  bool     // conditions
	got          []string
}

func (r *request) machine() replica.Machine {
	if r.read != nil {
		return r.read
	}
	return r.write
}

func (r *request) isPut() bool { return r.write != nil && !r.del }

// seenContext is what a client has read.
type seenContext struct {
	object kv.Object
	texts  []string
}

func newModel(t fatal, seed uint64) *model {
	r := rand.New(rand.NewPCG(seed, 0))
	n := []int{1, 2, 3, 3, 3, 5}[r.IntN(6)]
	p := bucket.Defaults(n)
	m := &model{n: n, goneAt: map[string]int{}, left: 4 + r.IntN(14)}
	p.Sloppy = r.IntN(3) == 0
	m.w = 1 + r.IntN(n)
	m.r = 1 + r.IntN(n)
	if !p.Sloppy && m.r+m.w <= n {
		m.r = n + 1 - m.w
	}
	if r.IntN(3) == 0 {
		m.r, m.w = n/2+1, n/2+1
	}
	p.R, p.W, p.DW = bucket.Quorum(m.r), bucket.Quorum(m.w), []bucket.Quorum{bucket.None, bucket.One}[r.IntN(2)]
	p.NotFoundOK = r.IntN(2) == 0
	// A basic quorum answers for a majority: that has to meet every write.
	p.BasicQuorum = r.IntN(3) == 0 && (p.NotFoundOK || n/2+1+m.w > n)
	if r.IntN(4) == 0 {
		p.NodeConfirms = 1 + r.IntN(n)
	}
	if r.IntN(4) == 0 {
		p.PW, p.PR = bucket.Quorum(r.IntN(n+1)), bucket.Quorum(r.IntN(n+1))
	}
	switch r.IntN(6) {
	case 0:
		p.AllowMult = false
	case 1:
		p.AllowMult, p.LastWriteWins = false, true
	}
	m.keepsAll = p.Siblings()
	m.promises = !p.Sloppy && m.keepsAll
	m.losses = !p.Sloppy && m.r > 1 && m.w > 1 && r.IntN(3) == 0
	if m.ages = r.IntN(2) == 0; m.ages {
		m.left, m.least = 2+r.IntN(5), 100
	}
	m.world = newWorld(t, r, n, p)
	m.notef("seed %d: n=%d r=%d w=%d pr=%d pw=%d confirms=%d sloppy=%v notfound_ok=%v basic=%v allow_mult=%v lww=%v losses=%v ages=%v",
		seed, n, m.r, m.w, p.PR, p.PW, p.NodeConfirms, p.Sloppy, p.NotFoundOK, p.BasicQuorum, p.AllowMult, p.LastWriteWins, m.losses, m.ages)
	return m
}

// Acknowledged writes are not lost, siblings keep every concurrent write, what
// was not done never appears, reads do not go back, deletes do not come back,
// and all copies become equal: whatever the order of messages, however late.
func TestModel(t *testing.T) {
	t.Logf("seeds %d to %d", *firstSeed, *firstSeed+uint64(*seeds)-1)
	for i := range *seeds {
		newModel(t, *firstSeed+uint64(i)).run()
	}
}

func (m *model) run() {
	for events := 0; m.left > 0 || m.busy() || events < m.least; events++ {
		if events > 5000 {
			m.failf("no end")
		}
		m.event()
		m.finished()
	}
	m.quiet()
	m.converged()
	m.reaped()
}

func (m *model) busy() bool {
	return slices.ContainsFunc(m.all, func(r *request) bool { return r.outcome == running })
}

// event lets one thing happen.
func (m *model) event() {
	defer m.goOn()
	if m.ages && m.chance(30) {
		m.age()
		return
	}
	switch x := m.rand.IntN(100); {
	case len(m.flights) > 0 && x < 60:
		how := answers
		if m.chance(25) {
			how = ending(m.rand.IntN(endings))
		}
		m.end(m.rand.IntN(len(m.flights)), how)
	case m.left > 0 && x < 72:
		m.left--
		m.begin()
	case x < 76 && len(m.merges) > 0:
		m.redeliver(m.merges[m.rand.IntN(len(m.merges))])
	case x < 79 && len(m.late) > 0:
		i := m.rand.IntN(len(m.late))
		send := m.late[i]
		m.late = slices.Delete(m.late, i, i+1)
		m.redeliver(send)
	case x < 85:
		m.apply()
	case x < 88:
		m.change(func(v *recordVersion) { v.grace++ })
		m.notef("  period %d", m.latest().grace)
	case x < 90:
		m.down[m.rand.IntN(m.n)] = m.props.Sloppy && m.chance(30)
	case x < 92:
		for e := range m.spares {
			m.handBack(e)
			break
		}
	case x < 94:
		m.beginReap()
	case x < 96 && m.n > 1:
		i := m.rand.IntN(m.n)
		exchange := m.newExchange(i, (i+1+m.rand.IntN(m.n-1))%m.n)
		m.ops = append(m.ops, &job{exchange, exchange})
		m.slice(exchange, node(i))
	case x < 97:
		s := m.copies[m.rand.IntN(m.n)]
		m.notef("  %s restarts", s.at.Node)
		m.restart(s)
	case x < 98 && len(m.all) > 0:
		r := m.all[m.rand.IntN(len(m.all))]
		m.notef("  the time of %s is up", r.name)
		r.expired = true
		m.expire(r.machine())
	case x < 99 && m.losses && !m.broken():
		if m.chance(50) {
			m.lose(m.rand.IntN(m.n))
		} else {
			m.damage(m.rand.IntN(m.n))
		}
	case m.chance(50):
		m.mend()
	default:
		for i, s := range m.copies {
			if s.copied.Incomplete {
				m.makeWhole(i)
			}
		}
	}
}

// age is an event of the life of tombstones.
func (m *model) age() {
	switch m.rand.IntN(8) {
	case 0, 1:
		for range 1 + m.rand.IntN(3) {
			m.change(func(v *recordVersion) { v.grace++ })
		}
		m.notef("  period %d", m.latest().grace)
	case 2, 3:
		m.apply()
	case 4:
		for _, n := range m.nodes {
			if m.chance(80) {
				m.applied[n] = len(m.record) - 1
			}
		}
		m.notef("  applied %v", m.applied)
	case 5:
		m.beginReap()
	case 6:
		if i := m.rand.IntN(m.n); m.props.Sloppy && m.chance(50) {
			m.down[i] = !m.down[i]
			m.notef("  down: %v", m.down)
		}
		m.beginReap()
	default:
		if len(m.merges) > 0 {
			m.redeliver(m.merges[m.rand.IntN(len(m.merges))])
		}
	}
}

// apply has a node apply more of the record.
func (m *model) apply() {
	n := m.nodes[m.rand.IntN(len(m.nodes))]
	m.applied[n] += m.rand.IntN(len(m.record) - m.applied[n])
	if m.chance(50) {
		m.applied[n] = len(m.record) - 1
	}
	m.notef("  %s has applied %d, period %d", n, m.applied[n], m.view(n).grace)
}

func (m *model) beginReap() {
	if r := m.reap(); r != nil {
		m.ops = append(m.ops, &job{Machine: r})
	}
}

// goOn begins the next slices of exchanges, and forgets what is done.
func (m *model) goOn() {
	m.ops = slices.DeleteFunc(m.ops, func(j *job) bool {
		if j.Done() && j.x != nil && j.x.More() && j.x.Err() == nil {
			m.slice(j.x, node(0))
			return false
		}
		return j.Done()
	})
}

func (m *model) redeliver(s replica.Send) {
	m.notef("  op %d at %v late", s.Body[0], s.To)
	m.deliver(s)
}

// begin begins a request.
func (m *model) begin() {
	r := &request{name: fmt.Sprint("v", len(m.all)), began: len(m.trace)}
	set := m.set(node(m.rand.IntN(m.n)))
	var seen *seenContext
	if len(m.contexts) > 0 && m.chance(50) {
		seen = &m.contexts[m.rand.IntN(len(m.contexts))]
	}
	var err error
	x := m.rand.IntN(10)
	if m.ages && len(m.all) > 0 {
		x = 4 + m.rand.IntN(3) // deletes are what it is about
	}
	switch {
	case x < 4:
		put := kv.Put{Object: kv.Object{Bucket: "b", Key: "k", Value: []byte(r.name), Modified: time.UnixMilli(int64(1 + m.rand.IntN(50)))}}
		if seen != nil {
			put.Object.Context, r.covers = seen.object.Context, seen.texts
			if m.chance(30) && len(seen.texts) > 0 {
				r.match, put.IfNotModified = true, true
			} else if m.chance(10) && len(seen.texts) > 0 {
				r.match, put.IfMatch = true, seen.object.ETag()
			}
		} else if m.chance(20) {
			r.none, put.IfNoneMatch = true, true
		}
		r.write, err = kv.NewWrite(set, put, &m.props)
	case x < 6:
		del := kv.Delete{Bucket: "b", Key: "k", Modified: time.UnixMilli(int64(1 + m.rand.IntN(50)))}
		r.del, r.blanket = true, true
		if seen != nil && seen.object.Context != "" {
			del.Context, r.covers, r.blanket = seen.object.Context, seen.texts, false
		}
		r.write, err = kv.NewRemove(set, del, &m.props)
	default:
		r.read, err = kv.NewRead(set, kv.Get{Bucket: "b", Key: "k", Tombstones: true}, &m.props, time.Time{})
	}
	if err != nil {
		m.t.Fatal(err)
	}
	what := "get"
	if r.del {
		what = "delete"
	} else if r.isPut() {
		what = "put"
	}
	m.notef("%s: %s by %s, period %d, covers %v if none %v, if match %v", r.name, what, set.Self, set.Grace, r.covers, r.none, r.match)
	m.all = append(m.all, r)
	m.step(r.machine(), replica.Event{Type: replica.Begin})
}

// finished takes the outcomes of machines that have become ready.
func (m *model) finished() {
	for _, r := range m.all {
		if r.outcome != running || !r.machine().Ready() {
			continue
		}
		m.finish(r)
	}
}

func (m *model) finish(r *request) {
	r.ended = len(m.trace)
	var err error
	switch {
	case r.read != nil:
		var o kv.Object
		o, err = r.read.Object()
		r.outcome = acked
		if errors.Is(err, kv.ErrNotDone) {
			r.outcome = notDone
		} else if err != nil && !errors.Is(err, kv.ErrNotFound) {
			m.failf("%s: %v", r.name, err)
		} else {
			r.got = live(o, err)
		}
		m.notef("%s: %v %v", r.name, r.got, err)
		if r.outcome == acked {
			m.check(r)
			m.contexts = append(m.contexts, seenContext{o, r.got})
		}
		return
	case r.del:
		_, err = r.write.Deleted()
	default:
		var written kv.Written
		if written, err = r.write.Written(); written.Context != "" {
			m.contexts = append(m.contexts, seenContext{kv.Object{Context: written.Context}, []string{r.name}})
		}
	}
	switch {
	case err == nil:
		r.outcome = acked
	case errors.Is(err, kv.ErrUnknown):
		r.outcome = unknown
	default:
		r.outcome = notDone
	}
	m.notef("%s: %v", r.name, err)
	if r.outcome == acked {
		m.condition(r)
	}
}

// live returns the values of an object without its tombstones.
func live(o kv.Object, err error) (texts []string) {
	if err != nil {
		return nil
	}
	for _, c := range o.Contents() {
		if !c.Deleted {
			texts = append(texts, string(c.Value))
		}
	}
	slices.Sort(texts)
	return texts
}

// quiet lets all that is under way come to its end, and what is late arrive.
func (m *model) quiet() {
	m.notef("quiet")
	defer func() { m.calm = true }()
	for len(m.flights) > 0 {
		how := answers
		if m.chance(20) {
			how = ending(m.rand.IntN(endings))
		}
		m.end(m.rand.IntN(len(m.flights)), how)
		m.finished()
	}
	for _, r := range m.all {
		if !r.expired && !r.machine().Done() {
			m.failf("%s is not done and waits for nothing", r.name)
		}
	}
	for _, s := range m.late {
		if m.chance(50) {
			m.redeliver(s)
		}
	}
	clear(m.down)
	m.applyAll()
	for len(m.spares) > 0 {
		for e := range m.spares {
			m.handBack(e)
			break
		}
		m.applyAll()
	}
}

// converged exchanges until all copies are equal, and looks at what they hold.
func (m *model) converged() {
	m.repaired()
	for range 3 {
		for i := range m.n {
			for j := range i {
				if err := m.exchange(i, j); err != nil {
					m.failf("exchange: %v", err)
				}
			}
		}
	}
	for i := range m.copies {
		m.copies[i].copied.Incomplete = false
		if string(m.stored(i)) != string(m.stored(0)) {
			m.failf("copies %s and a differ after exchanges", node(i))
		}
	}
	m.final("the last read")
}

// repaired has what is damaged found, given up and brought back.
func (m *model) repaired() {
	for i, s := range m.copies {
		if m.damaged(i) {
			m.meet(i)
		}
		for len(s.damaged) > 0 {
			m.mend()
		}
	}
	m.applyAll()
	for i, s := range m.copies {
		if m.makeWhole(i); m.damaged(i) || s.copied.Incomplete {
			m.failf("%s is not repaired", node(i))
		}
	}
}

// meet has a copy find its damage: a read does, which repairs what differs from
// the others, and so does who counts the hash tree.
func (m *model) meet(i int) {
	read, err := kv.NewRead(m.set(node(0)), kv.Get{Bucket: "b", Key: "k"}, &m.props, time.Time{})
	if err != nil {
		m.t.Fatal(err)
	}
	m.step(read, replica.Event{Type: replica.Begin})
	for len(m.flights) > 0 {
		m.end(0, answers)
	}
	if _, err := read.Object(); err == nil && len(m.copies[i].damaged) == 0 {
		m.failf("a read did not tell a damaged copy")
	}
	m.restart(m.copies[i])
	if err := m.exchange(i, (i+1)%m.n); err != nil {
		m.notef("  %v", err)
	}
	if len(m.copies[i].damaged) == 0 {
		m.failf("who counts a hash tree does not meet damage")
	}
}

// final reads all copies and holds what is there against all that happened.
func (m *model) final(name string) {
	p := m.props
	p.Sloppy, p.R, p.NotFoundOK, p.PR, p.NodeConfirms = false, bucket.All, true, 0, 0
	read, err := kv.NewRead(m.set(node(0)), kv.Get{Bucket: "b", Key: "k"}, &p, time.Time{})
	if err != nil {
		m.t.Fatal(err)
	}
	m.step(read, replica.Event{Type: replica.Begin})
	for len(m.flights) > 0 {
		m.end(0, answers)
	}
	o, err := read.Object()
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		m.failf("%s: %v", name, err)
	}
	got, end := live(o, err), len(m.trace)+1
	m.notef("%s: %v", name, got)
	if !m.keepsAll && len(got) > 1 {
		m.failf("%s: %v in a bucket without siblings", name, got)
	}
	for _, v := range m.all {
		if !v.isPut() {
			continue
		}
		shows := slices.Contains(got, v.name)
		switch {
		case v.outcome == notDone && (shows || slices.Contains(m.shown, v.name)):
			m.failf("%s was not done and is there", v.name)
		case shows && m.keepsAll && m.covered(v, end):
			m.failf("%s is there again", v.name)
		case !shows && m.keepsAll && v.outcome == acked && !m.mayCover(v, end):
			m.failf("%s was acknowledged and is lost", v.name)
		}
		if _, gone := m.goneAt[v.name]; gone && shows {
			m.failf("%s is there again, a read had missed it", v.name)
		}
	}
}

// reaped lets the tombstones be reaped and all that was ever sent arrive again.
func (m *model) reaped() {
	for range 4 {
		m.change(func(v *recordVersion) { v.grace++ })
	}
	m.applyAll()
	if r := m.reap(); r != nil {
		for len(m.flights) > 0 {
			m.end(0, answers)
		}
		if n, err := r.Result(); n != 1 || err != nil {
			m.failf("%d tombstones reaped, %v", n, err)
		}
		for i := range m.copies {
			if m.stored(i) != nil {
				m.failf("the tombstone is still at %s", node(i))
			}
		}
	}
	for _, s := range m.merges {
		if !s.To.Fallback {
			m.redeliver(s)
		}
	}
	m.final("after everything late")
}
