package topology

import (
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// A change is one command being applied: a private copy of the record that becomes the next one
// unless the command is refused.
type change struct {
	record
	cmd  Command
	out  Outcome
	aged bool // see age
}

// Apply returns the record after the command, and what was decided. It is a pure function of the
// record and the command: the same history gives the same record and the same outcomes everywhere.
//
// A command id that was applied before gets its recorded outcome and changes nothing. A refused
// command changes nothing but the record of outcomes; a refused Join also leaves its decision.
// Apply costs O(members + active transfers), not O(partitions), but for CreateCluster, the staging
// of plans and removals.
func (s State) Apply(cmd Command) (State, Outcome) {
	old := s.rec()
	if err := validID(cmd); err != "" {
		return s, refusal(old, cmd.ID, CodeInvalid, "command %v: %s", cmd.ID, err)
	}
	if o, ok := old.recall(cmd.ID); ok {
		return s, o
	}
	c := change{record: *old, cmd: cmd, out: Outcome{ID: cmd.ID, Code: CodeUnchanged}}
	c.version++
	switch {
	case c.clusterID.IsZero() && cmd.Op.opTag() != tagCreateCluster:
		c.refuse(CodeNoCluster, "create a cluster or join one first")
	case needsTerm(cmd.Op) && cmd.Term != c.term:
		c.refuse(CodeStaleTerm, "the command carries term %d, the current one is %d of %q: read the record and decide again", cmd.Term, c.term, c.leader)
	default:
		cmd.Op.apply(&c)
	}
	if !c.out.Changed() && !c.keepsDecision() {
		c.record = *old
	}
	c.out.Version = c.version
	c.remember(c.out)
	return State{&c.record}, c.out
}

// keepsDecision reports whether the refused command leaves a new join decision behind.
func (c *change) keepsDecision() bool {
	op, ok := c.cmd.Op.(Join)
	if !ok {
		return false
	}
	i := c.joinIndex(op.Node, op.Nonce)
	return i >= 0 && c.joins[i].Version == c.version
}

func validID(cmd Command) string {
	switch {
	case cmd.ID.Proposer == "" || len(cmd.ID.Proposer) > MaxProposer:
		return fmt.Sprintf("the proposer's name must have 1 to %d bytes", MaxProposer)
	case cmd.ID.Seq == 0:
		return "sequence numbers begin at 1"
	case cmd.Op == nil:
		return "has no operation"
	}
	return ""
}

// needsTerm reports whether only the current coordinator term may do it (F13).
func needsTerm(op Op) bool {
	switch op.(type) {
	case StagePlan, OpenTransfer, BeginSeal, CommitTransfer, AbortTransfer, RevertTransfer, MarkExited:
		return true
	}
	return false
}

// refusal returns the outcome of a command that was refused.
func refusal(r *record, id CommandID, code Code, format string, args ...any) Outcome {
	return Outcome{ID: id, Code: code, Version: r.version, Err: &Error{Code: code, Text: fmt.Sprintf(format, args...)}}
}

// refuse decides against the command. The text tells what stands in the way and what to do.
func (c *change) refuse(code Code, format string, args ...any) {
	text := fmt.Sprintf("%s %s: %v: %s", OpName(c.cmd.Op), c.cmd.Op.operand(), sentinels[code], fmt.Sprintf(format, args...))
	c.out.Code = code
	c.out.Err = &Error{Code: code, Text: text[:min(len(text), maxText)]}
}

// maxText bounds the recorded text of a refusal, in bytes; operands may come from anywhere.
const maxText = 1024

// applied marks the command as one that changed the record.
func (c *change) applied() { c.out.Code = CodeApplied }

// replan marks the membership as changed: plans made before are void.
func (c *change) replan() { c.membership = c.version }

func (c *change) member(node ring.NodeID) (Member, bool) {
	if i, ok := c.memberIndex(node); ok {
		return c.members[i], true
	}
	return Member{}, false
}

// putMember adds or replaces a member.
func (c *change) putMember(m Member) {
	i, known := c.memberIndex(m.Node)
	if known {
		c.members = slices.Clone(c.members)
		c.members[i] = m
	} else {
		c.members = slices.Insert(slices.Clip(c.members), i, m)
	}
	c.applied()
}

// putPart replaces the part of one partition.
func (c *change) putPart(kind int, p ring.Partition, x part) {
	c.parts = slices.Clone(c.parts)
	c.parts[kind] = c.parts[kind].set(p, x)
	c.applied()
}

// putTransfer adds or replaces an active transfer.
func (c *change) putTransfer(t Transfer) {
	i, known := c.transferIndex(t.Session)
	if known {
		c.transfers = slices.Clone(c.transfers)
		c.transfers[i] = &t
	} else {
		c.transfers = append(slices.Clip(c.transfers), &t)
	}
	c.concerns(t)
	c.applied()
}

// dropTransfer removes an active transfer.
func (c *change) dropTransfer(session uint64) {
	if i, ok := c.transferIndex(session); ok {
		c.transfers = slices.Delete(slices.Clone(c.transfers), i, i+1)
	}
	c.applied()
}

// concerns fills the outcome's fields about a transfer.
func (c *change) concerns(t Transfer) {
	c.out.Session, c.out.Stage = t.Session, t.Stage
	if x := c.part(t.Kind, t.Partition); x != nil {
		c.out.Epoch = x.epoch
	}
}
