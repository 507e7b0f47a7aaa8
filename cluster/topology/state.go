package topology

import (
	"cmp"
	"iter"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// A State is the replicated record at one version: an immutable value that is cheap to copy and safe
// for concurrent use. The zero State is the empty record, before CreateCluster. Slices and pointers
// that its methods return are shared unless they say otherwise, and must not be modified.
type State struct {
	r *record
}

// A record is what a State points to. No field of a published record is ever written to.
type record struct {
	clusterID  ClusterID
	version    uint64
	membership uint64 // version of the last change a plan depends on
	session    uint64 // newest session issued
	term       uint64
	leader     ring.NodeID // who holds the term
	applied    uint64      // commands recorded, for the order of proposers

	targetN, nval int
	limit         int // transfers at once that a member sends, and receives
	rate          uint64
	noOutbound    KindSet // of members to come
	noInbound     KindSet

	ring      *ring.Ring
	plan      *Plan
	kinds     []KindSpec
	parts     []parts // one vector for each kind
	members   []Member
	joins     []JoinDecision
	transfers []*Transfer // in session order
	proposers []*proposer // in name order

	metadata        sorted[metadata]
	metadataBytes   int    // what MaxMetadata bounds
	metadataVersion uint64 // version of the last change of an entry
	hints           sorted[Hint]
	grace           uint64

	fence uint64 // version at which a copy was last given up
}

var emptyRecord record

func (s State) rec() *record {
	if s.r == nil {
		return &emptyRecord
	}
	return s.r
}

// ClusterID returns the id of the cluster, or the zero id of an empty record.
func (s State) ClusterID() ClusterID { return s.rec().clusterID }

// Renamed returns the state as that of another cluster, for a restore from a backup: its nodes and those
// of the cluster that the backup is of refuse each other.
func (s State) Renamed(id ClusterID) State {
	r := *s.rec()
	r.clusterID = id
	return State{&r}
}

// Version returns the number of changes made so far (the ring version): it grows by one with each
// command that changes the record, and stays with one that does not.
func (s State) Version() uint64 { return s.rec().version }

// Membership returns the version of the last change that a plan depends on: members that join,
// leave, go or change their share. A plan is based on it.
func (s State) Membership() uint64 { return s.rec().membership }

// Term returns the newest coordinator term and the node that it was issued to.
func (s State) Term() (uint64, ring.NodeID) { return s.rec().term, s.rec().leader }

// LastSession returns the newest session issued.
func (s State) LastSession() uint64 { return s.rec().session }

// Fence returns the version at which copies were last given up with the member that owned them, 0 if none
// ever was. Who asks by an older record may count on them: no vnode that has applied it serves that (F16).
func (s State) Fence() uint64 { return s.rec().fence }

// Ring returns the committed ring, where partitions are bound for, or nil on an empty record. Who
// serves a partition now is its Part's Owner.
func (s State) Ring() *ring.Ring { return s.rec().ring }

// RingSize returns the number of partitions, or 0 on an empty record.
func (s State) RingSize() int {
	if r := s.rec().ring; r != nil {
		return r.Size()
	}
	return 0
}

// TargetN returns the number of consecutive partitions a plan keeps on distinct nodes.
func (s State) TargetN() int { return s.rec().targetN }

// NVal returns the default number of replicas.
func (s State) NVal() int { return s.rec().nval }

// TransferLimit returns how many transfers a node sends at once at most, and how many it receives.
func (s State) TransferLimit(node ring.NodeID) int {
	if m, ok := s.Member(node); ok && m.Limit != nil {
		return *m.Limit
	}
	return s.rec().limit
}

// TransferRate returns how many bytes a second a node sends in transfers at most; 0 is no bound.
func (s State) TransferRate(node ring.NodeID) uint64 {
	if m, ok := s.Member(node); ok && m.Rate != nil {
		return *m.Rate
	}
	return s.rec().rate
}

// Sends reports whether transfers of a kind out of a node may be opened, as operators have switched it.
func (s State) Sends(node ring.NodeID, kind Kind) bool {
	m, ok := s.Member(node)
	return ok && !m.NoOutbound.has(s.rec().kindIndex(kind))
}

// Receives is Sends for transfers into a node.
func (s State) Receives(node ring.NodeID, kind Kind) bool {
	m, ok := s.Member(node)
	return ok && !m.NoInbound.has(s.rec().kindIndex(kind))
}

// Plan returns the staged plan, or nil.
func (s State) Plan() *Plan { return s.rec().plan }

// Kinds returns the vnode kinds in the order of their creation.
func (s State) Kinds() []KindSpec { return s.rec().kinds }

// Kind returns the spec of the named kind.
func (s State) Kind(kind Kind) (KindSpec, bool) {
	if i := s.rec().kindIndex(kind); i >= 0 {
		return s.r.kinds[i], true
	}
	return KindSpec{}, false
}

// Members returns all members in node order, also Removed ones.
func (s State) Members() []Member { return s.rec().members }

// Member returns the member of that name. It costs O(log members) and does not allocate.
func (s State) Member(node ring.NodeID) (Member, bool) {
	if i, ok := s.rec().memberIndex(node); ok {
		return s.r.members[i], true
	}
	return Member{}, false
}

// JoinDecision returns the decision on the attempt of a node to join that carried the nonce; ok is
// false while none is recorded. The last few attempts of a node are remembered.
func (s State) JoinDecision(node ring.NodeID, nonce uint64) (d JoinDecision, ok bool) {
	r := s.rec()
	if i := r.joinIndex(node, nonce); i >= 0 {
		return r.joins[i], true
	}
	if m, known := s.Member(node); known && m.Nonce == nonce && m.Status != Removed {
		return JoinDecision{Node: node, Nonce: nonce, Code: CodeApplied, Version: r.version}, true
	}
	return JoinDecision{}, false
}

// Part returns the ownership of a partition of a kind, in O(1). It is the zero Part when there is no
// such kind or partition.
func (s State) Part(kind Kind, p ring.Partition) Part {
	x := s.rec().part(kind, p)
	if x == nil {
		return Part{}
	}
	return s.r.view(x)
}

// Owner returns the node that serves a partition of a kind and its epoch, in O(1) and without
// allocation; the empty name when there is no such kind or partition.
func (s State) Owner(kind Kind, p ring.Partition) (ring.NodeID, uint64) {
	x := s.rec().part(kind, p)
	if x == nil {
		return "", 0
	}
	return x.owner, x.epoch
}

// Parts returns all partitions of a kind in order.
func (s State) Parts(kind Kind) iter.Seq2[ring.Partition, Part] {
	return func(yield func(ring.Partition, Part) bool) {
		r := s.rec()
		i := r.kindIndex(kind)
		if i < 0 {
			return
		}
		for p := range r.parts[i].size {
			if !yield(ring.Partition(p), r.view(r.parts[i].at(ring.Partition(p)))) {
				return
			}
		}
	}
}

// Transfers returns the active transfers in session order.
func (s State) Transfers() []*Transfer { return s.rec().transfers }

// Transfer returns the active transfer of a session, or nil.
func (s State) Transfer(session uint64) *Transfer {
	if i, ok := s.rec().transferIndex(session); ok {
		return s.r.transfers[i]
	}
	return nil
}

func (r *record) view(x *part) Part {
	v := Part{Owner: x.owner, Epoch: x.epoch, LastSession: x.last, Certificate: x.cert, Reassigned: x.given, Incomplete: x.incomplete != 0, Since: x.incomplete, Lost: x.lost, Hinted: x.hinted}
	if x.failure != nil {
		v.Attempts, v.LastReason = x.failure.attempts, x.failure.reason
	}
	if x.active != 0 {
		if i, ok := r.transferIndex(x.active); ok {
			v.Transfer = r.transfers[i]
		}
	}
	return v
}

func (r *record) part(kind Kind, p ring.Partition) *part {
	i := r.kindIndex(kind)
	if i < 0 || int(p) >= r.parts[i].size {
		return nil
	}
	return r.parts[i].at(p)
}

func (r *record) kindIndex(kind Kind) int {
	for i := range r.kinds {
		if r.kinds[i].Name == kind {
			return i
		}
	}
	return -1
}

func (r *record) memberIndex(node ring.NodeID) (int, bool) {
	return slices.BinarySearchFunc(r.members, node, func(m Member, n ring.NodeID) int { return cmp.Compare(m.Node, n) })
}

func (r *record) joinIndex(node ring.NodeID, nonce uint64) int {
	return slices.IndexFunc(r.joins, func(d JoinDecision) bool { return d.Node == node && d.Nonce == nonce })
}

func (r *record) transferIndex(session uint64) (int, bool) {
	return slices.BinarySearchFunc(r.transfers, session, func(t *Transfer, s uint64) int { return cmp.Compare(t.Session, s) })
}
