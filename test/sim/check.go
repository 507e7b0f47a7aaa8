package sim

import (
	"hash/fnv"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// A checker sees everything at once and holds it to what must be true at every step.
type checker struct {
	c        *Cluster
	newest   topology.State    // that anybody applied
	entries  []entry           // applied by anybody, by index
	views    map[uint64]uint64 // version to the hash of its owners
	server   map[slot]*Node    // who serves
	epochs   map[slot]uint64
	session  uint64
	commands int  // in the entries
	deposed  int  // commands refused because their term had passed
	forced   bool // a member was removed by force: its process may not know

	acked   map[slot]uint64          // highest epoch of an acknowledgement
	lost    map[slot]int             // how often a copy that does not last may have been lost
	frozen  map[uint64]store.Summary // by session: what the source held when it froze, counted anew
	dead    map[end]bool
	endings map[uint64]Ending
}

// A slot is one partition of one kind.
type slot struct{ kind, p int }

// An end is that of a session on one process: nothing of it may happen there any more.
type end struct {
	node    *Node
	life    int
	session uint64
}

func newChecker(c *Cluster) *checker {
	return &checker{
		c: c, newest: c.base, views: map[uint64]uint64{}, server: map[slot]*Node{}, epochs: map[slot]uint64{},
		acked: map[slot]uint64{}, lost: map[slot]int{}, frozen: map[uint64]store.Summary{}, dead: map[end]bool{}, endings: map[uint64]Ending{},
	}
}

// applied is told of each entry that a node applies.
func (k *checker) applied(n *Node, index uint64, e entry, cmds []topology.Command, out []topology.Outcome, before topology.State) {
	w := k.c.W
	fresh := index == uint64(len(k.entries))+1
	switch {
	case fresh:
		k.entries = append(k.entries, e)
		k.newest = n.State
		k.commands += len(cmds)
		k.terms(cmds, out, before)
		w.Note("entry %d of term %d is committed at version %d", index, e.term, n.State.Version())
	case k.entries[index-1] != e:
		w.Failf("S1 %s applies another entry %d than another node", n.ID, index)
	}
	s := n.State
	if s.Version() == before.Version() {
		return
	}
	if s.LastSession() < before.LastSession() || s.Version() < before.Version() {
		w.Failf("S3 version %d session %d after %d and %d", s.Version(), s.LastSession(), before.Version(), before.LastSession())
	}
	k.view(s)
	if fresh {
		k.record(s, before)
	}
}

// terms checks who did what only a coordinator may do.
func (k *checker) terms(cmds []topology.Command, out []topology.Outcome, before topology.State) {
	term, _ := before.Term()
	for i, c := range cmds {
		switch c.Op.(type) {
		case topology.BeginTerm:
			term = max(term, out[i].Term)
		case topology.StagePlan, topology.OpenTransfer, topology.BeginSeal, topology.CommitTransfer, topology.AbortTransfer, topology.RevertTransfer, topology.MarkExited:
			switch {
			case c.Term == term || out[i].Version <= before.Version() && out[i].Err == nil: // or a repetition
			case out[i].Code == topology.CodeStaleTerm:
				k.deposed++
			case out[i].Changed():
				k.c.W.Failf("S8 %s of term %d took effect in term %d", topology.OpName(c.Op), c.Term, term)
			}
		}
	}
}

// view compares what nodes see at one version.
func (k *checker) view(s topology.State) {
	h := fnv.New64a()
	var b [8]byte
	for kind, spec := range k.c.kinds {
		for p, x := range s.Parts(spec.Name) {
			b = [8]byte{byte(kind), byte(p), byte(p >> 8), byte(x.Epoch), byte(x.Epoch >> 8), byte(x.LastSession), byte(x.LastSession >> 8)}
			_, _ = h.Write(b[:]) // never fails
			_, _ = h.Write([]byte(x.Owner))
		}
	}
	if seen, ok := k.views[s.Version()]; ok && seen != h.Sum64() {
		k.c.W.Failf("S2 two nodes see different owners at version %d", s.Version())
	}
	k.views[s.Version()] = h.Sum64()
}

// record checks a record that nobody had before.
func (k *checker) record(s, before topology.State) {
	w := k.c.W
	for _, m := range s.Members() {
		if was, _ := before.Member(m.Node); was.Departs.Forced() && m.Status == topology.Removed {
			k.forced = true
		}
	}
	for kind, spec := range k.c.kinds {
		for p, x := range s.Parts(spec.Name) {
			at := slot{kind, int(p)}
			if x.Owner == "" || x.Epoch < k.epochs[at] {
				w.Failf("S3 %s/%d is owned by %q at epoch %d after %d", spec.Name, p, x.Owner, x.Epoch, k.epochs[at])
			}
			k.epochs[at] = x.Epoch
		}
	}
	for _, t := range before.Transfers() {
		now := s.Transfer(t.Session)
		if target := k.c.Node(t.Target); t.Stage == topology.StageDrain && !t.Activated && (now == nil || now.Activated) && (!target.up || target.incarnation != t.TargetIncarnation) {
			k.lost[slot{k.c.kindIndex(t.Kind), int(t.Partition)}]++ // it had activated the copy, if it does not last
		}
		if now != nil {
			continue
		}
		if c := s.Part(t.Kind, t.Partition).Certificate; c != nil && c.Session == t.Session {
			k.c.Counts.Handoffs++
			k.endings[t.Session] = Ending{Over: true, Committed: true}
		} else {
			k.c.Counts.Aborted++
			k.endings[t.Session] = Ending{Over: true, Reason: t.Reason}
		}
		delete(k.frozen, t.Session)
	}
	active := s.Transfers()
	for i, t := range active {
		if t.Session > k.session {
			w.Note("session %d moves %s/%d from %s to %s", t.Session, t.Kind, t.Partition, t.Source, t.Target)
			k.session = t.Session
		}
		for _, u := range active[:i] {
			if s.Near(t, u) && freezes(t) && freezes(u) {
				w.Failf("S5 sessions %d and %d freeze %s/%d and %s/%d at once", u.Session, t.Session, u.Kind, u.Partition, t.Kind, t.Partition)
			}
		}
	}
}

// freezes reports whether nobody may serve the partition of a transfer.
func freezes(t *topology.Transfer) bool {
	return t.Stage == topology.StageSeal || t.Stage == topology.StageDrain
}

// serving is told of each step of a vnode.
func (k *checker) serving(x *partition) {
	switch x.life.State().(type) {
	case vnode.Owner, vnode.Folding:
	default:
		if k.server[x.at] == x.n {
			delete(k.server, x.at)
		}
		return
	}
	if other := k.server[x.at]; other != nil && other != x.n && !k.forced {
		k.c.W.Failf("S4 %s and %s both serve %v", other.ID, x.n.ID, x.id)
	}
	k.server[x.at] = x.n
	if t := x.n.shown.Part(x.spec.Name, x.id.Partition).Transfer; t != nil && !x.spec.Volatile && t.Source == x.n.ID && t.Stage == topology.StageSeal && t.Frozen != nil {
		k.c.W.Failf("S7 %s serves %v, and its seal of session %d is in the record", x.n.ID, x.id, t.Session)
	}
}

// stopped is told of a process that ended.
func (k *checker) stopped(n *Node) {
	for at, server := range k.server {
		if server == n {
			delete(k.server, at)
		}
	}
	for kind, spec := range k.c.kinds {
		if !spec.Volatile {
			continue
		}
		for p, x := range k.newest.Parts(spec.Name) {
			if k.only(n, x) {
				k.lost[slot{kind, int(p)}]++
			}
		}
	}
}

// only reports whether a node that ends had the only copy of a partition that does not last.
func (k *checker) only(n *Node, x topology.Part) bool {
	t := x.Transfer
	if t == nil || t.Stage != topology.StageDrain || t.Activated {
		return x.Owner == n.ID
	}
	source, target := k.c.Node(t.Source), k.c.Node(t.Target)
	switch n {
	case source:
		return !target.up || target.incarnation != t.TargetIncarnation
	case target:
		return !source.up || source.incarnation != t.SourceIncarnation
	}
	return false
}

// served reports whether every partition is served by its owner in the record, where that runs.
func (k *checker) served(s topology.State) bool {
	for kind, spec := range k.c.kinds {
		for p := range s.RingSize() {
			owner, _ := s.Owner(spec.Name, ring.Partition(p))
			if n := k.c.Node(owner); n != nil && n.up && k.server[slot{kind, p}] != n {
				return false
			}
		}
	}
	return true
}
