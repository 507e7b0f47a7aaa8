package topology

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

// commandFormat is the version of the command encoding:
//
//	byte format, byte operation, proposer, sequence, term, fields of the operation, CRC-32C
const commandFormat = 1

// AppendBinary appends the command's encoding, which is the same for equal commands. ErrInvalid is
// returned for a command that has no operation or a field no record accepts.
func (c Command) AppendBinary(b []byte) ([]byte, error) {
	if c.Op == nil {
		return nil, fmt.Errorf("encode command %v: no operation: %w", c.ID, ErrInvalid)
	}
	w := &writer{b: b}
	w.byte(commandFormat)
	w.byte(byte(c.Op.opTag()))
	w.str(c.ID.Proposer)
	w.u64(c.ID.Seq)
	w.u64(c.Term)
	w.op(c.Op)
	out, err := w.finish(len(b))
	if err != nil {
		return nil, fmt.Errorf("encode %s %v: %w", OpName(c.Op), c.ID, err)
	}
	return out, nil
}

// MarshalBinary returns the command's encoding; see AppendBinary.
func (c Command) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

// DecodeCommand reads exactly one command. Other bytes are ErrDamaged, and those of another format
// version ErrFormat. The command keeps no reference to b.
func DecodeCommand(b []byte) (Command, error) {
	r, err := newReader("command", b, commandFormat, commandFormat)
	if err != nil {
		return Command{}, err
	}
	t := tag(r.byte())
	c := Command{ID: CommandID{Proposer: r.str(), Seq: r.u64()}, Term: r.u64()}
	c.Op = r.op(t)
	if err := r.end("command"); err != nil {
		return Command{}, err
	}
	return c, nil
}

func (w *writer) op(op Op) {
	switch op := op.(type) {
	case CreateCluster:
		w.b = append(w.b, op.ClusterID[:]...)
		w.int(op.RingSize)
		w.int(op.TargetN)
		w.int(op.NVal)
		w.kinds(op.Kinds)
		w.founder(op.Member)
	case StartNode:
		w.b = append(w.b, op.ClusterID[:]...)
		w.str(string(op.Node))
		w.u64(op.Nonce)
		w.str(op.Addr)
		w.kinds(op.Kinds)
	case Join:
		w.join(op)
	case StagePlan:
		w.u64(op.BasedOn)
		w.ring(op.Ring)
		w.str(op.Infeasible)
		w.str(op.Reason)
	case CommitPlan:
		w.u64(op.PlanVersion)
	case OpenTransfer:
		w.byte(byte(op.Type))
		w.str(op.Kind)
		w.partition(op.Partition)
		w.str(string(op.Target))
		w.u64(op.ExpectEpoch)
	case AbortTransfer:
		w.u64(op.Session)
		w.str(string(op.Reason))
	case RevertTransfer:
		w.u64(op.Session)
	case CommitTransfer:
		w.u64(op.Session)
	case BeginSeal:
		w.u64(op.Session)
		w.int(len(op.Past))
		for _, s := range op.Past {
			w.u64(s)
		}
	case StageReplace:
		w.str(string(op.Old))
		w.str(string(op.New))
	case StageForceReplace:
		w.str(string(op.Old))
		w.str(string(op.New))
	case StageShare:
		w.share(op)
	case MovePartition:
		w.partition(op.Partition)
		w.str(string(op.Target))
		w.str(string(op.ExpectOwner))
	case SetTransferLimit:
		w.str(string(op.Node))
		w.int(op.Limit)
	case SetTransferRate:
		w.str(string(op.Node))
		w.u64(op.Rate)
	case SwitchTransfers:
		w.str(string(op.Node))
		w.str(op.Kind)
		w.bool(op.Outbound)
		w.bool(op.Inbound)
		w.bool(op.On)
	case PutMetadata:
		w.str(op.Key)
		w.u64(op.Expect)
		w.bool(op.Value != nil)
		if op.Value != nil {
			w.blob(op.Value)
		}
	case AdvanceGrace:
		w.u64(op.From)
	case ClearPlan:
	default:
		w.named(op)
	}
}

// keeping writes operations about the copies of a partition.
func (w *writer) keeping(op Op) {
	switch op := op.(type) {
	case OpenHint:
		w.slot(op.Kind, op.Partition)
		w.str(string(op.Node))
		w.u64(op.Incarnation)
		w.u64(op.Grace)
	case CloseHint:
		w.slot(op.Kind, op.Partition)
		w.str(string(op.Node))
		w.u64(op.Opened)
		w.u64(op.Session)
		if op.Session != 0 {
			w.seal(&op.Sent)
			w.seal(&op.Taken)
		}
	case MarkIncomplete:
		w.str(op.Kind)
		w.str(string(op.Node))
		w.u64(op.Incarnation)
	case MarkDamaged:
		w.slot(op.Kind, op.Partition)
	case MarkWhole:
		w.slot(op.Kind, op.Partition)
		w.str(string(op.Owner))
		w.u64(op.Epoch)
		w.u64(op.Since)
		w.u64(op.Fence)
		w.u64(op.Session)
		w.seal(&op.Done)
	case OpenSession:
		w.byte(byte(op.Type))
		w.slot(op.Kind, op.Partition)
		w.str(string(op.Node))
		w.u64(op.Incarnation)
		w.u64(op.ExpectEpoch)
	}
}

func (w *writer) slot(kind Kind, p ring.Partition) {
	w.str(kind)
	w.partition(p)
}

// named writes operations about one node, and reports.
func (w *writer) named(op Op) {
	switch op := op.(type) {
	case StageLeave:
		w.str(string(op.Node))
	case Unstage:
		w.str(string(op.Node))
	case MarkExited:
		w.str(string(op.Node))
	case RemoveMember:
		w.str(string(op.Node))
	case StageForceRemove:
		w.str(string(op.Node))
	case MarkDown:
		w.str(string(op.Node))
	case BeginTerm:
		w.str(string(op.Node))
	case SourceReady:
		w.report(op.Report)
	case TargetReady:
		w.report(op.Report)
	case ReadyToSeal:
		w.report(op.Report)
	case SourceFrozen:
		w.report(op.Report)
		w.seal(&op.Seal)
	case TargetSealed:
		w.report(op.Report)
		w.seal(&op.Seal)
	case TargetActivated:
		w.report(op.Report)
		w.u64(op.Fenced)
	case SourceDrained:
		w.report(op.Report)
		w.u64(op.FreezeMicros)
		w.u64(op.Fenced)
	case SourceCleaned:
		w.report(op.Report)
	case SourceReleased:
		w.report(op.Report)
	case Refuse:
		w.report(op.Report)
		w.str(string(op.Reason))
	default:
		w.keeping(op)
	}
}

// founder writes the fields of a member that CreateCluster takes; Apply decides the others.
func (w *writer) founder(m Member) {
	w.str(string(m.Node))
	w.str(m.Addr)
	w.int(m.Weight)
	w.str(m.Location)
	w.u64(m.Nonce)
}

func (w *writer) join(op Join) {
	w.b = append(w.b, op.ClusterID[:]...)
	w.str(string(op.Node))
	w.str(op.Addr)
	w.u64(op.Nonce)
	w.kinds(op.Kinds)
	w.int(op.RingSize)
	w.int(op.Weight)
	w.str(op.Location)
}

func (w *writer) share(op StageShare) {
	w.str(string(op.Node))
	w.bool(op.Weight != nil)
	if op.Weight != nil {
		w.int(*op.Weight)
	}
	w.bool(op.Location != nil)
	if op.Location != nil {
		w.str(*op.Location)
	}
}

func (w *writer) partition(p ring.Partition) {
	if p >= ring.MaxSize {
		w.fail("partition %d", p)
	}
	w.u64(uint64(p))
}

func (w *writer) report(r Report) {
	w.u64(r.Session)
	w.str(string(r.Node))
	w.u64(r.Incarnation)
}

func (w *writer) ring(r *ring.Ring) {
	if r == nil {
		w.fail("no ring")
		return
	}
	b, err := r.AppendBinary(nil)
	if err != nil {
		w.fail("ring: %v", err)
		return
	}
	w.u64(uint64(len(b)))
	w.b = append(w.b, b...)
}

func (r *reader) op(t tag) Op {
	switch t {
	case tagCreateCluster:
		return CreateCluster{ClusterID: r.clusterID(), RingSize: r.int(), TargetN: r.int(), NVal: r.int(), Kinds: r.kinds(), Member: r.founder()}
	case tagStartNode:
		return StartNode{ClusterID: r.clusterID(), Node: r.node(), Nonce: r.u64(), Addr: r.str(), Kinds: r.kinds()}
	case tagJoin:
		return Join{
			ClusterID: r.clusterID(), Node: r.node(), Addr: r.str(), Nonce: r.u64(), Kinds: r.kinds(),
			RingSize: r.int(), Weight: r.int(), Location: r.str(),
		}
	case tagStagePlan:
		return StagePlan{BasedOn: r.u64(), Ring: r.ring(), Infeasible: r.text(), Reason: r.text()}
	case tagCommitPlan:
		return CommitPlan{PlanVersion: r.u64()}
	case tagOpenTransfer:
		return OpenTransfer{Type: TransferType(r.byte()), Kind: r.str(), Partition: r.partition(), Target: r.node(), ExpectEpoch: r.u64()}
	case tagAbortTransfer:
		return AbortTransfer{Session: r.u64(), Reason: Reason(r.str())}
	case tagBeginSeal:
		op := BeginSeal{Session: r.u64()}
		for n := r.count(); n > 0; n-- {
			op.Past = append(op.Past, r.u64())
		}
		return op
	case tagRevertTransfer:
		return RevertTransfer{Session: r.u64()}
	case tagCommitTransfer:
		return CommitTransfer{Session: r.u64()}
	case tagStageReplace:
		return StageReplace{Old: r.node(), New: r.node()}
	case tagStageForceReplace:
		return StageForceReplace{Old: r.node(), New: r.node()}
	case tagStageShare:
		return r.share()
	case tagMovePartition:
		return MovePartition{Partition: r.partition(), Target: r.node(), ExpectOwner: r.node()}
	case tagSetTransferLimit:
		return SetTransferLimit{Node: r.node(), Limit: r.int()}
	case tagSetTransferRate:
		return SetTransferRate{Node: r.node(), Rate: r.u64()}
	case tagSwitchTransfers:
		return SwitchTransfers{Node: r.node(), Kind: r.str(), Outbound: r.bool(), Inbound: r.bool(), On: r.bool()}
	case tagPutMetadata:
		return r.putMetadata()
	case tagAdvanceGrace:
		return AdvanceGrace{From: r.u64()}
	case tagOpenHint:
		return OpenHint{Kind: r.str(), Partition: r.partition(), Node: r.node(), Incarnation: r.u64(), Grace: r.u64()}
	case tagCloseHint:
		return r.closeHint()
	case tagMarkIncomplete:
		return MarkIncomplete{Kind: r.str(), Node: r.node(), Incarnation: r.u64()}
	case tagMarkDamaged:
		return MarkDamaged{Kind: r.str(), Partition: r.partition()}
	case tagMarkWhole:
		return MarkWhole{
			Kind: r.str(), Partition: r.partition(), Owner: r.node(), Epoch: r.u64(), Since: r.u64(), Fence: r.u64(),
			Session: r.u64(), Done: r.someSeal(),
		}
	case tagOpenSession:
		return OpenSession{
			Type: TransferType(r.byte()), Kind: r.str(), Partition: r.partition(), Node: r.node(), Incarnation: r.u64(), ExpectEpoch: r.u64(),
		}
	case tagClearPlan:
		return ClearPlan{}
	}
	return r.named(t)
}

func (r *reader) closeHint() Op {
	op := CloseHint{Kind: r.str(), Partition: r.partition(), Node: r.node(), Opened: r.u64(), Session: r.u64()}
	if op.Session != 0 {
		op.Sent, op.Taken = r.someSeal(), r.someSeal()
	}
	return op
}

// someSeal reads a seal that has to be there.
func (r *reader) someSeal() Seal {
	s := r.seal()
	if s == nil {
		r.fail("no seal")
		return Seal{}
	}
	return *s
}

func (r *reader) named(t tag) Op {
	switch t {
	case tagStageLeave:
		return StageLeave{r.node()}
	case tagUnstage:
		return Unstage{r.node()}
	case tagMarkExited:
		return MarkExited{r.node()}
	case tagRemoveMember:
		return RemoveMember{r.node()}
	case tagStageForceRemove:
		return StageForceRemove{r.node()}
	case tagMarkDown:
		return MarkDown{r.node()}
	case tagBeginTerm:
		return BeginTerm{r.node()}
	case tagSourceReady:
		return SourceReady{r.report()}
	case tagTargetReady:
		return TargetReady{r.report()}
	case tagReadyToSeal:
		return ReadyToSeal{r.report()}
	case tagSourceFrozen:
		return SourceFrozen{r.report(), r.mustSeal()}
	case tagTargetSealed:
		return TargetSealed{r.report(), r.mustSeal()}
	case tagTargetActivated:
		return TargetActivated{r.report(), r.u64()}
	case tagSourceDrained:
		return SourceDrained{r.report(), r.u64(), r.u64()}
	case tagSourceCleaned:
		return SourceCleaned{r.report()}
	case tagSourceReleased:
		return SourceReleased{r.report()}
	case tagRefuse:
		return Refuse{r.report(), Reason(r.str())}
	}
	r.fail("operation %d", t)
	return nil
}

func (r *reader) clusterID() (id ClusterID) {
	copy(id[:], r.bytes(len(id)))
	return id
}

func (r *reader) node() ring.NodeID { return ring.NodeID(r.str()) }

func (r *reader) founder() Member {
	return Member{Node: r.node(), Addr: r.str(), Weight: r.int(), Location: r.str(), Nonce: r.u64()}
}

func (r *reader) share() StageShare {
	op := StageShare{Node: r.node()}
	if r.bool() {
		v := r.int()
		op.Weight = &v
	}
	if r.bool() {
		v := r.str()
		op.Location = &v
	}
	return op
}

func (r *reader) putMetadata() PutMetadata {
	op := PutMetadata{Key: r.text(), Expect: r.u64()}
	if r.bool() {
		op.Value = r.blob()
	}
	return op
}

func (r *reader) report() Report {
	return Report{Session: r.u64(), Node: r.node(), Incarnation: r.u64()}
}

func (r *reader) mustSeal() Seal {
	if s := r.seal(); s != nil {
		return *s
	}
	r.fail("no seal")
	return Seal{}
}

func (r *reader) partition() ring.Partition {
	p := r.u64()
	if p >= ring.MaxSize {
		r.fail("partition %d", p)
		return 0
	}
	return ring.Partition(p)
}

func (r *reader) ring() *ring.Ring {
	b := r.bytes(r.int())
	if r.err != nil {
		return nil
	}
	v, err := ring.Decode(b)
	if err != nil {
		r.fail("%v", err)
		return nil
	}
	return v
}
