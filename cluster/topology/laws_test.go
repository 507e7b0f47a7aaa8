package topology_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

var lawKinds = []topology.KindSpec{{Name: "kv"}, {Name: "queue", Volatile: true, Activate: true}, {Name: "single", Activate: true}}

var lawNodes = []ring.NodeID{"a", "b", "c", "d"}

// TestApply_laws drives random histories: mostly what a live cluster would do next, some of it
// repeated, late, by the wrong node or with the wrong numbers.
func TestApply_laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, seals: map[uint64]*sealed{}}
		w.apply(topology.CreateCluster{
			ClusterID: topology.ClusterID{1}, RingSize: 8, TargetN: 2, NVal: 2, Kinds: lawKinds, Member: topology.Member{Node: "a", Nonce: 1},
		})
		for _, n := range lawNodes[1:] {
			w.apply(topology.Join{Node: n, Nonce: 1, Kinds: lawKinds})
		}
		w.apply(w.drawPlan())
		w.apply(topology.CommitPlan{PlanVersion: w.s.Version()})
		for range rapid.IntRange(60, 120).Draw(t, "steps") {
			w.apply(w.draw())
		}
		w.replay()
	})
}

// A world is a history and what an observer of it knows.
type world struct {
	t       *rapid.T
	s       topology.State
	history []topology.Command
	seals   map[uint64]*sealed
}

// sealed is what an observer saw reported in a session, and by which processes.
type sealed struct {
	frozen, sealed       *topology.Seal
	frozenInc, sealedInc uint64
}

func (w *world) apply(op topology.Op) {
	cmd := topology.Command{ID: topology.CommandID{Proposer: "p", Seq: uint64(len(w.history) + 1)}, Op: op}
	cmd.Term, _ = w.s.Term()
	if rapid.IntRange(0, 30).Draw(w.t, "stale term") == 0 {
		cmd.Term--
	}
	if n := len(w.history); n > 0 && rapid.IntRange(0, 20).Draw(w.t, "repeat") == 0 {
		cmd = w.history[max(0, n-1-rapid.IntRange(0, 5).Draw(w.t, "back"))]
		_, out := w.s.Apply(cmd)
		if out.Changed() && out.Version > w.s.Version() {
			w.t.Fatalf("I2: repeated %s took effect again", topology.OpName(cmd.Op))
		}
		return
	}
	before := w.s
	next, out := applyChecked(w.t, before, cmd)
	w.history = append(w.history, cmd)
	w.s = next
	w.note(op, out)
	w.check(before, op, out)
}

// note keeps what was accepted of seals.
func (w *world) note(op topology.Op, out topology.Outcome) {
	if !out.Changed() || out.Session == 0 {
		return
	}
	x := w.seals[out.Session]
	if x == nil {
		x = &sealed{}
		w.seals[out.Session] = x
	}
	switch op := op.(type) {
	case topology.SourceFrozen:
		x.frozen, x.frozenInc = &op.Seal, op.Incarnation
	case topology.TargetSealed:
		x.sealed, x.sealedInc = &op.Seal, op.Incarnation
	case topology.CommitTransfer:
		if x.frozen != nil {
			w.t.Fatalf("I6: session %d is committed by the target's seal, and the source has reported its own", op.Session)
		}
		x.frozen, x.frozenInc = x.sealed, w.s.Transfer(op.Session).SourceIncarnation // the target's word stands for both
	}
}

func (w *world) check(before topology.State, op topology.Op, out topology.Outcome) {
	t, after := w.t, w.s
	_, joins := op.(topology.Join)
	if out.Err != nil && !joins && after.Version() != before.Version() {
		t.Fatalf("I3: refused %s changed the record", topology.OpName(op))
	}
	want := before.Version()
	if out.Changed() || joins && out.Err != nil && after.Version() != want {
		want++
	}
	if after.Version() != want || out.Version != want {
		t.Fatalf("I4: version %d (outcome %d) after %d, changed %t", after.Version(), out.Version, before.Version(), out.Changed())
	}
	if after.LastSession() < before.LastSession() || after.LastSession() > before.LastSession()+1 {
		t.Fatalf("I4: session %d after %d", after.LastSession(), before.LastSession())
	}
	for _, k := range after.Kinds() {
		for p := range ring.Partition(after.RingSize()) {
			w.checkPart(before, op, k, p)
		}
	}
	w.checkSlots()
	w.checkNeighbours(before, op)
	w.checkMembers()
	w.checkKept(before, op, out)
	if rep, ok := op.(interface{ Reporter() topology.Report }); ok && out.Changed() {
		if m, _ := before.Member(rep.Reporter().Node); m.Incarnation != rep.Reporter().Incarnation || m.Status == topology.Down {
			t.Fatalf("I10: %s@%d is %s but %s was taken from @%d", m.Node, m.Incarnation, m.Status, topology.OpName(op), rep.Reporter().Incarnation)
		}
	}
	for _, m := range before.Members() {
		if n, ok := after.Member(m.Node); !ok || n.Incarnation < m.Incarnation {
			t.Fatalf("I4: member %s@%d became @%d", m.Node, m.Incarnation, n.Incarnation)
		}
	}
}

func (w *world) checkPart(before topology.State, op topology.Op, k topology.KindSpec, p ring.Partition) {
	t, x, y := w.t, before.Part(k.Name, p), w.s.Part(k.Name, p)
	if y.Owner == "" {
		t.Fatalf("I5: %s/%d has no owner", k.Name, p)
	}
	checkCertificate(t, x, y)
	if before.RingSize() == 0 || x.Owner == y.Owner && x.Epoch == y.Epoch {
		return
	}
	_, commit := op.(topology.CommitPlan)
	if commit && w.removed(x.Owner) && (x.Transfer == nil || y.Transfer == nil) {
		w.checkReassigned(before, k, p)
		return
	}
	if x.Owner == y.Owner || y.Epoch != x.Epoch+1 || x.Transfer == nil || y.Transfer == nil {
		t.Fatalf("I5: %s/%d went from %s epoch %d to %s epoch %d", k.Name, p, x.Owner, x.Epoch, y.Owner, y.Epoch)
	}
	switch tr := x.Transfer; tr.Stage {
	case topology.StageSeal:
		w.checkFlip(k, tr, y)
	case topology.StageDrain:
		forced := commit && w.removed(tr.Target)
		if tr.Activated || y.Owner != tr.Source || !k.Activate && !forced || y.Transfer.Stage != topology.StageAbort {
			t.Fatalf("I7: %s/%d reverted: activated %t to %s", k.Name, p, tr.Activated, y.Owner)
		}
	default:
		t.Fatalf("I5: %s/%d changed its owner in %s", k.Name, p, tr.Stage)
	}
}

// checkCertificate holds a new certificate to its chain (I14).
func checkCertificate(t *rapid.T, x, y topology.Part) {
	c := y.Certificate
	if c == x.Certificate || c != nil && x.Certificate != nil && *c == *x.Certificate {
		return
	}
	if c == nil || x.Transfer == nil || c.Session != x.Transfer.Session || y.Transfer != nil {
		t.Fatalf("I14: certificate %+v of the transfer %+v", c, x.Transfer)
	}
	if err := errors.Join(c.Check(), c.Follows(x.Certificate)); err != nil {
		t.Fatalf("I14: session %d: %v", c.Session, err)
	}
	if closing := x.Closing(); closing != nil && *closing != *c {
		t.Fatalf("I14: %+v was announced, %+v was kept", closing, c)
	}
}

func (w *world) removed(node ring.NodeID) bool {
	m, _ := w.s.Member(node)
	return m.Status == topology.Removed
}

// checkReassigned holds an owner change without a transfer to what was staged.
func (w *world) checkReassigned(before topology.State, k topology.KindSpec, p ring.Partition) {
	x, y := before.Part(k.Name, p), w.s.Part(k.Name, p)
	m, _ := before.Member(x.Owner)
	want := topology.Reassignment{Version: w.s.Version(), From: x.Owner}
	if !m.Departs.Forced() || y.Owner != w.s.Ring().Owner(p) || y.Epoch != x.Epoch+1 || y.Reassigned == nil || *y.Reassigned != want || y.Transfer != nil {
		w.t.Fatalf("I11: %s/%d of %s, staged to %s, became %+v", k.Name, p, x.Owner, m.Departs, y)
	}
}

// checkFlip holds a flip to F11 with the observer's own notes.
func (w *world) checkFlip(k topology.KindSpec, tr *topology.Transfer, y topology.Part) {
	t, n := w.t, w.seals[tr.Session]
	if n != nil && n.frozen == nil && w.removed(tr.Source) {
		n.frozen, n.frozenInc = n.sealed, w.incarnation(tr.Source) // the target's word stands for both
	}
	if n == nil || n.frozen == nil || n.sealed == nil || *n.frozen != *n.sealed {
		t.Fatalf("I6: session %d flipped without equal seals: %+v", tr.Session, n)
	}
	if y.Owner != tr.Target || y.Transfer.Session != tr.Session || y.Transfer.Stage != topology.StageDrain {
		t.Fatalf("I6: session %d flipped to %s in %s", tr.Session, y.Owner, y.Transfer.Stage)
	}
	source, _ := w.s.Member(tr.Source)
	target, _ := w.s.Member(tr.Target)
	if k.Volatile && (source.Incarnation != n.frozenInc || target.Incarnation != n.sealedInc) {
		t.Fatalf("I6: session %d of a volatile kind flipped after a restart", tr.Session)
	}
}

func (w *world) incarnation(node ring.NodeID) uint64 {
	m, _ := w.s.Member(node)
	return m.Incarnation
}

// checkMembers holds I11, and what is staged to what can be.
func (w *world) checkMembers() {
	term, leader := w.s.Term()
	for _, m := range w.s.Members() {
		with, _ := w.s.Member(m.With)
		if m.With != "" && with.Status != topology.Joining && with.Resume != topology.Joining {
			w.t.Fatalf("%s is to be replaced by %s, which is %s", m.Node, m.With, with.Status)
		}
		if m.Status != topology.Removed {
			continue
		}
		if m.Departs != 0 || m.Share != nil || m.Limit != nil || leader == m.Node && term > 0 {
			w.t.Fatalf("I11: removed member %+v, leader %s", m, leader)
		}
		n := w.s.Ring().Count(m.Node)
		for _, k := range w.s.Kinds() {
			n += w.s.Owners(k.Name).Count(m.Node)
		}
		if n > 0 {
			w.t.Fatalf("I11: %s is removed and has %d partitions", m.Node, n)
		}
	}
}

// checkNeighbours holds each transfer that came to StageSeal to K7.
func (w *world) checkNeighbours(before topology.State, op topology.Op) {
	for _, tr := range w.s.Transfers() {
		was := before.Transfer(tr.Session)
		if tr.Waits && tr.Stage != topology.StageFold {
			w.t.Fatalf("session %d waits in %s", tr.Session, tr.Stage)
		}
		if tr.Stage != topology.StageSeal || was.Stage == tr.Stage {
			continue
		}
		seal, _ := op.(topology.BeginSeal)
		for _, n := range w.s.Neighbours(tr) {
			apart := min((tr.Partition-n.Partition)%8, (n.Partition-tr.Partition)%8)
			if !slices.Contains(seal.Past, n.Session) || n.Kind != tr.Kind || apart > 1 {
				w.t.Fatalf("I12: session %d of %d went to seal beside %d of %d in %s by %s", tr.Session, tr.Partition, n.Session, n.Partition, n.Stage, topology.OpName(op))
			}
		}
	}
}

func (w *world) checkSlots() {
	slots := map[string]uint64{}
	last := uint64(0)
	for _, tr := range w.s.Transfers() {
		slot := fmt.Sprintf("%s/%d", tr.Kind, tr.Partition)
		x := w.s.Part(tr.Kind, tr.Partition)
		if slots[slot] != 0 || tr.Session <= last || x.Transfer != tr || x.LastSession != tr.Session {
			w.t.Fatalf("I8: session %d in %s beside %d", tr.Session, slot, slots[slot])
		}
		slots[slot], last = tr.Session, tr.Session
		owner := tr.Source
		if tr.Type != topology.Swap && tr.Stage != topology.StageFold {
			w.t.Fatalf("I8: %s %d in %s", tr.Type, tr.Session, tr.Stage)
		}
		if tr.Type != topology.Swap || tr.Stage == topology.StageDrain || tr.Stage == topology.StageClean {
			owner = tr.Target
		}
		if x.Owner != owner {
			w.t.Fatalf("I5: %s is owned by %s in %s of %s to %s", slot, x.Owner, tr.Stage, tr.Source, tr.Target)
		}
	}
}

// replay applies the history once more, and through a snapshot in its middle.
func (w *world) replay() {
	var s topology.State
	cut := rapid.IntRange(0, len(w.history)).Draw(w.t, "snapshot at")
	for i, cmd := range w.history {
		if i == cut {
			d, err := topology.DecodeState(encode(w.t, s))
			if err != nil {
				w.t.Fatalf("snapshot: %v", err)
			}
			s = d
		}
		s, _ = s.Apply(cmd)
	}
	if !bytes.Equal(encode(w.t, s), encode(w.t, w.s)) {
		w.t.Fatalf("I9: the same history gave another record")
	}
}

// draw returns an operation: more often than not one that moves the record on.
func (w *world) draw() topology.Op {
	t := w.t
	node := rapid.SampledFrom(lawNodes).Draw(t, "node")
	m, _ := w.s.Member(node)
	switch rapid.IntRange(0, 60).Draw(t, "op") {
	case 0:
		return topology.Join{Node: node, Nonce: rapid.Uint64Range(1, 4).Draw(t, "nonce"), Kinds: lawKinds}
	case 1:
		return topology.StartNode{ClusterID: topology.ClusterID{1}, Node: node, Nonce: m.Nonce, Kinds: lawKinds}
	case 2:
		return topology.StageLeave{Node: node}
	case 3:
		return rapid.SampledFrom([]topology.Op{topology.Unstage{Node: node}, topology.ClearPlan{}, topology.MarkExited{Node: node}}).Draw(t, "undo")
	case 21, 22, 23:
		return w.drawKept(node)
	case 19, 20:
		return w.drawStaging(node)
	case 4, 5:
		return w.drawPlan()
	case 6, 7:
		if p := w.s.Plan(); p != nil {
			return topology.CommitPlan{PlanVersion: p.Version}
		}
		return topology.CommitPlan{}
	case 8:
		return topology.MarkDown{Node: node}
	case 9:
		return topology.RemoveMember{Node: node}
	case 10:
		return topology.BeginTerm{Node: node}
	case 11, 12, 13, 14, 15, 16, 17, 18:
		k := rapid.SampledFrom(lawKinds).Draw(t, "kind")
		p := ring.Partition(rapid.IntRange(0, 1).Draw(t, "partition"))
		return topology.OpenTransfer{Type: topology.Swap, Kind: k.Name, Partition: p, Target: node, ExpectEpoch: w.s.Part(k.Name, p).Epoch}
	}
	return w.drawReport()
}

// drawKept changes metadata, hints and what copies lack.
func (w *world) drawKept(node ring.NodeID) topology.Op {
	t, p := w.t, ring.Partition(rapid.IntRange(0, 2).Draw(w.t, "p"))
	m, _ := w.s.Member(node)
	x := w.s.Part("kv", p)
	key := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "key")
	_, version := w.s.Metadata(key)
	grace := w.s.Grace() - min(w.s.Grace(), rapid.Uint64Range(0, 2).Draw(t, "behind"))
	ops := []topology.Op{
		topology.PutMetadata{Key: key, Value: rapid.SampledFrom([][]byte{nil, {}, {1}}).Draw(t, "value"), Expect: version},
		topology.OpenHint{Kind: "kv", Partition: p, Node: node, Incarnation: m.Incarnation, Grace: grace},
		topology.OpenHint{Kind: "kv", Partition: p, Node: node, Incarnation: m.Incarnation, Grace: w.s.Grace()},
		topology.AdvanceGrace{From: w.s.Grace()},
		topology.MarkIncomplete{Node: node, Incarnation: m.Incarnation, Kind: "kv"},
		topology.MarkWhole{Kind: "kv", Partition: p, Owner: x.Owner, Epoch: x.Epoch, Since: x.Since, Fence: w.s.Fence(), Session: x.LastSession},
		topology.OpenSession{Type: topology.Merge, Kind: "kv", Partition: p, Node: node, Incarnation: m.Incarnation, ExpectEpoch: x.Epoch},
		topology.OpenSession{Type: topology.Repair, Kind: "kv", Partition: p, Node: node, Incarnation: m.Incarnation, ExpectEpoch: x.Epoch},
	}
	if t := x.Transfer; t != nil && t.Type != topology.Swap {
		ops = append(ops, topology.Refuse{Report: topology.Report{Session: t.Session, Node: node, Incarnation: m.Incarnation}, Reason: "as drawn"})
	}
	for h := range w.s.AllHints() {
		ops = append(ops, topology.CloseHint{Kind: h.Kind, Partition: h.Partition, Node: h.Node, Opened: h.Opened})
		if t := w.s.Part(h.Kind, h.Partition).Transfer; t != nil && t.Type == topology.Merge {
			ops = append(ops, topology.CloseHint{Kind: h.Kind, Partition: h.Partition, Node: h.Node, Opened: h.Opened, Session: t.Session})
		}
		y := w.s.Part(h.Kind, h.Partition)
		ops = append(ops, topology.OpenSession{
			Type: topology.Merge, Kind: h.Kind, Partition: h.Partition, Node: h.Node, Incarnation: w.incarnation(h.Node), ExpectEpoch: y.Epoch,
		})
	}
	return rapid.SampledFrom(ops).Draw(t, "kept")
}

// checkKept holds hints, grace and what copies lack to what may change them.
func (w *world) checkKept(before topology.State, op topology.Op, out topology.Outcome) {
	open := map[topology.Hint]bool{}
	for h := range w.s.AllHints() {
		open[h] = true
		if w.removed(h.Node) {
			w.t.Fatalf("I13: hint %+v of a removed member", h)
		}
	}
	mark, _ := op.(topology.MarkIncomplete)
	for h := range before.AllHints() {
		shut, closes := op.(topology.CloseHint)
		lost := w.removed(h.Node) || mark.Node == h.Node
		if closes = closes && shut.Opened == h.Opened; !open[h] && !closes && (!lost || w.s.Part(h.Kind, h.Partition).Since != out.Version) {
			w.t.Fatalf("I13: hint %+v is gone by %s, the owner has %+v", h, topology.OpName(op), w.s.Part(h.Kind, h.Partition))
		}
	}
	_, advances := op.(topology.AdvanceGrace)
	switch lost, grew := out.Version > before.Version() && w.lostAt(out.Version), w.s.Grace()-before.Grace(); {
	case lost && grew == 2, !lost && advances && grew <= 1, !lost && grew == 0:
	default:
		w.t.Fatalf("I4: grace %d after %d by %s, data was lost %v", w.s.Grace(), before.Grace(), topology.OpName(op), lost)
	}
	if f := w.s.Fence(); f != before.Fence() && f != out.Version {
		w.t.Fatalf("I4: fence %d after %d by %s at %d", f, before.Fence(), topology.OpName(op), out.Version)
	}
	for _, k := range before.Kinds() {
		for p, x := range before.Parts(k.Name) {
			y := w.s.Part(k.Name, p)
			whole, repaired := op.(topology.MarkWhole)
			switch {
			case y.Incomplete != (y.Since > 0) || y.Since > w.s.Version():
				w.t.Fatalf("I13: %s/%d %+v", k.Name, p, y)
			case x.Incomplete && !y.Incomplete && !(repaired && whole.Since == x.Since && whole.Epoch == x.Epoch && whole.Fence >= before.Fence() && x.Transfer.Type == topology.Repair && whole.Session == x.Transfer.Session):
				w.t.Fatalf("I13: %s/%d became whole by %s", k.Name, p, topology.OpName(op))
			case y.Reassigned != nil && y.Reassigned.Version == out.Version && out.Changed() && (!y.Incomplete || w.s.Fence() != out.Version):
				w.t.Fatalf("I13: %s/%d was given by force, fence %d: %+v", k.Name, p, w.s.Fence(), y)
			}
		}
	}
}

// drawStaging stages something that the first members did not bring with them.
func (w *world) drawStaging(node ring.NodeID) topology.Op {
	t, with := w.t, rapid.SampledFrom(lawNodes).Draw(w.t, "with")
	weight, location := rapid.IntRange(0, 2).Draw(t, "weight"), rapid.SampledFrom([]string{"", "r"}).Draw(t, "location")
	p := ring.Partition(rapid.IntRange(0, 8).Draw(t, "move"))
	return rapid.SampledFrom([]topology.Op{
		topology.StageReplace{Old: node, New: with},
		topology.StageForceRemove{Node: node},
		topology.StageForceRemove{Node: node},
		topology.StageForceReplace{Old: node, New: with},
		topology.StageShare{Node: node, Weight: &weight, Location: &location},
		topology.StageShare{Node: node, Weight: &weight},
		topology.MovePartition{Partition: p, Target: with, ExpectOwner: w.s.Ring().Owner(p % 8)},
		topology.SetTransferLimit{Node: node, Limit: weight},
		topology.SetTransferLimit{Limit: weight},
		topology.SetTransferRate{Node: node, Rate: uint64(weight) * topology.MinTransferRate},
		topology.SwitchTransfers{Node: node, Outbound: weight < 2, Inbound: true, On: weight%2 == 0},
	}).Draw(t, "staging")
}

func (w *world) drawPlan() topology.Op {
	if r, only := w.s.Substituted(); only && rapid.IntRange(0, 9).Draw(w.t, "substitute") > 0 {
		return topology.StagePlan{Ring: r, BasedOn: w.s.Membership()}
	}
	owners := make([]ring.NodeID, 8)
	for i := range owners {
		owners[i] = rapid.SampledFrom(lawNodes).Draw(w.t, "owner")
		if m, ok := w.s.Member(owners[i]); !ok || !m.Claims() {
			owners[i] = w.claimant()
		}
	}
	r, err := ring.New(owners)
	if err != nil {
		w.t.Fatal(err)
	}
	return topology.StagePlan{Ring: r, BasedOn: w.s.Membership()}
}

// claimant returns any member that a plan may give partitions to.
func (w *world) claimant() ring.NodeID {
	for _, m := range w.s.Members() {
		if m.Claims() {
			return m.Node
		}
	}
	return "a"
}

// drawReport continues a transfer, or says something else about it.
func (w *world) drawReport() topology.Op {
	t, all := w.t, w.s.Transfers()
	if len(all) == 0 {
		return topology.BeginTerm{Node: "a"}
	}
	tr := rapid.SampledFrom(all).Draw(t, "transfer")
	by := func(node ring.NodeID) topology.Report {
		m, _ := w.s.Member(node)
		r := topology.Report{Session: tr.Session, Node: node, Incarnation: m.Incarnation}
		switch rapid.IntRange(0, 30).Draw(t, "noise") {
		case 0:
			r.Incarnation--
		case 1:
			r.Node = rapid.SampledFrom(lawNodes).Draw(t, "reporter")
		case 2:
			r.Session++
		}
		return r
	}
	seal := topology.Seal{LastSeq: 3, Items: 2, Bytes: 20, Digest: topology.Digest{15: 7}}
	if rapid.IntRange(0, 5).Draw(t, "odd seal") == 0 {
		seal.Items += rapid.Uint64Range(0, 1).Draw(t, "items")
		seal.LastSeq += rapid.Uint64Range(0, 1).Draw(t, "seq")
		seal.Digest[0] += rapid.Byte().Draw(t, "digest")
	}
	source, target := by(tr.Source), by(tr.Target)
	ops := []topology.Op{
		topology.SourceReady{Report: source},
		topology.TargetReady{Report: target},
		topology.ReadyToSeal{Report: source},
		topology.SourceFrozen{Report: source, Seal: seal},
		topology.TargetSealed{Report: target, Seal: seal},
		topology.TargetActivated{Report: target, Fenced: 1},
		topology.SourceDrained{Report: source, FreezeMicros: 5, Fenced: 2},
		topology.SourceCleaned{Report: source},
		topology.SourceReleased{Report: source},
	}
	fitting := map[topology.Stage][]topology.Op{
		topology.StagePrepare: ops[0:2], topology.StageFold: ops[2:3], topology.StageSeal: ops[3:5],
		topology.StageDrain: ops[5:7], topology.StageClean: ops[7:8], topology.StageAbort: ops[8:9],
	}
	switch rapid.IntRange(0, 19).Draw(t, "report") {
	case 19:
		m, _ := w.s.Member(rapid.SampledFrom([]ring.NodeID{tr.Source, tr.Target}).Draw(t, "restarts"))
		return topology.StartNode{ClusterID: topology.ClusterID{1}, Node: m.Node, Nonce: m.Nonce, Kinds: lawKinds}
	case 17, 18:
		if tr.Stage == topology.StageDrain {
			return topology.RevertTransfer{Session: tr.Session}
		}
	case 0:
		return rapid.SampledFrom(ops).Draw(t, "any report")
	case 2:
		if tr.Waits {
			return topology.BeginSeal{Session: tr.Session, Past: rapid.SliceOfN(rapid.Uint64Range(1, w.s.LastSession()), 0, 2).Draw(t, "past")}
		}
	case 1:
		return rapid.SampledFrom([]topology.Op{
			topology.Refuse{Report: source, Reason: topology.ReasonBusy},
			topology.Refuse{Report: target, Reason: topology.ReasonDiskFull},
			topology.AbortTransfer{Session: tr.Session, Reason: topology.ReasonCancelled},
			topology.RevertTransfer{Session: tr.Session},
			topology.CommitTransfer{Session: tr.Session},
		}).Draw(t, "stop")
	}
	return rapid.SampledFrom(fitting[tr.Stage]).Draw(t, "fitting report")
}

// lostAt reports whether a copy lost data at a version.
func (w *world) lostAt(version uint64) bool {
	for _, k := range w.s.Kinds() {
		for _, x := range w.s.Parts(k.Name) {
			if x.Lost == version {
				return true
			}
		}
	}
	return false
}
