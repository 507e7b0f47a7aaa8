package topology_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// TestApply_transcripts runs the histories of testdata/transcripts: one command each, then what was decided. Run
// with -rewrite to record them anew.
func TestApply_transcripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		x := &transcript{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			x.d = d
			return x.run()
		})
	})
}

// A transcript is one history being told.
type transcript struct {
	t   *testing.T
	d   *datadriven.TestData
	s   topology.State
	seq uint64
}

func (x *transcript) run() string {
	switch x.d.Cmd {
	case "show":
		return show(x.s)
	case "brief":
		return brief(x.s)
	case "settle":
		return x.settle()
	}
	cmd := x.number(x.op())
	x.d.MaybeScanArgs(x.t, "seq", &cmd.ID.Seq)
	x.d.MaybeScanArgs(x.t, "proposer", &cmd.ID.Proposer)
	x.d.MaybeScanArgs(x.t, "term", &cmd.Term)
	next, out := applyChecked(x.t, x.s, cmd)
	x.s = next
	return tell(out)
}

func (x *transcript) number(op topology.Op) topology.Command {
	x.seq++
	cmd := topology.Command{ID: topology.CommandID{Proposer: "test", Seq: x.seq}, Op: op}
	cmd.Term, _ = x.s.Term()
	return cmd
}

// settle moves what is not where the ring wants it, one by one, between nodes that are alive.
func (x *transcript) settle() string {
	var b strings.Builder
	moved, left := 0, 0
	for _, k := range x.s.Kinds() {
		for p := range ring.Partition(x.s.RingSize()) {
			from, epoch := x.s.Owner(k.Name, p)
			source, _ := x.s.Member(from)
			target, _ := x.s.Member(x.s.Ring().Owner(p))
			switch {
			case source.Node == target.Node:
				continue
			case !source.Alive() || !target.Alive():
				left++
				continue
			}
			moved++
			x.move(topology.OpenTransfer{Type: topology.Swap, Kind: k.Name, Partition: p, Target: target.Node, ExpectEpoch: epoch}, source, target)
		}
	}
	fmt.Fprintf(&b, "moved %d, left %d\n", moved, left)
	return b.String()
}

func (x *transcript) move(open topology.OpenTransfer, source, target topology.Member) {
	next, out := applyChecked(x.t, x.s, x.number(open))
	x.s = next
	src := topology.Report{Session: out.Session, Node: source.Node, Incarnation: source.Incarnation}
	dst := topology.Report{Session: out.Session, Node: target.Node, Incarnation: target.Incarnation}
	for _, op := range []topology.Op{
		topology.SourceReady{Report: src},
		topology.TargetReady{Report: dst},
		topology.ReadyToSeal{Report: src},
		topology.SourceFrozen{Report: src},
		topology.TargetSealed{Report: dst},
		topology.TargetActivated{Report: dst},
		topology.SourceDrained{Report: src},
		topology.SourceCleaned{Report: src},
	} {
		if x.s, out = applyChecked(x.t, x.s, x.number(op)); out.Err != nil {
			x.t.Fatal(out.Err)
		}
	}
}

// applyChecked applies a command and checks the laws that hold for every one of them.
func applyChecked(t fataler, s topology.State, cmd topology.Command) (topology.State, topology.Outcome) {
	t.Helper()
	before := encode(t, s)
	wire, err := cmd.MarshalBinary()
	if err != nil {
		t.Fatalf("encode %v: %v", cmd, err)
	}
	cmd, err = topology.DecodeCommand(wire)
	if err != nil {
		t.Fatalf("decode %v: %v", cmd, err)
	}
	next, out := s.Apply(cmd)
	if !bytes.Equal(before, encode(t, s)) {
		t.Fatalf("I1: %s changed its input", topology.OpName(cmd.Op))
	}
	after := encode(t, next)
	decoded, err := topology.DecodeState(after)
	if err != nil {
		t.Fatalf("decode record after %s: %v", topology.OpName(cmd.Op), err)
	}
	if !bytes.Equal(after, encode(t, decoded)) {
		t.Fatalf("the record after %s decodes to another one", topology.OpName(cmd.Op))
	}
	again, repeated := next.Apply(cmd)
	if repeated.ID == out.ID && tell(repeated) != tell(out) || !bytes.Equal(after, encode(t, again)) {
		t.Fatalf("I2: %s repeated: %s, first: %s", topology.OpName(cmd.Op), tell(repeated), tell(out))
	}
	return decoded, out
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func encode(t fataler, s topology.State) []byte {
	t.Helper()
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatalf("encode record: %v", err)
	}
	return b
}

func (x *transcript) str(key, def string) string {
	x.d.MaybeScanArgs(x.t, key, &def)
	return def
}

func (x *transcript) num(key string, def uint64) uint64 {
	x.d.MaybeScanArgs(x.t, key, &def)
	return def
}

func (x *transcript) node(key string) ring.NodeID { return ring.NodeID(x.str(key, "")) }

func (x *transcript) list(key string) []string {
	for _, a := range x.d.CmdArgs {
		if a.Key == key {
			return a.Vals
		}
	}
	return nil
}

// kinds reads names followed by ! for volatile and + for activate.
func (x *transcript) kinds() []topology.KindSpec {
	names := x.list("kinds")
	if names == nil {
		return x.s.Kinds()
	}
	var out []topology.KindSpec
	for _, n := range names {
		out = append(out, topology.KindSpec{
			Name: strings.TrimRight(n, "!+"), Volatile: strings.Contains(n, "!"), Activate: strings.Contains(n, "+"),
		})
	}
	return out
}

func (x *transcript) cluster() (id topology.ClusterID) {
	copy(id[:], x.str("cluster", "c"))
	return id
}

func (x *transcript) op() topology.Op {
	switch x.d.Cmd {
	case "create":
		return topology.CreateCluster{
			ClusterID: x.cluster(), RingSize: int(x.num("size", 8)), TargetN: int(x.num("target-n", 2)), NVal: int(x.num("n", 2)),
			Kinds: x.kinds(), Member: topology.Member{Node: x.node("node"), Addr: x.str("addr", "addr"), Nonce: x.num("nonce", 1)},
		}
	case "start":
		m, _ := x.s.Member(x.node("node"))
		return topology.StartNode{ClusterID: x.cluster(), Node: x.node("node"), Nonce: x.num("nonce", m.Nonce), Addr: x.str("addr", "addr"), Kinds: x.kinds()}
	case "join":
		return topology.Join{
			ClusterID: x.cluster(), Node: x.node("node"), Addr: x.str("addr", "addr"), Nonce: x.num("nonce", 1),
			Kinds: x.kinds(), RingSize: int(x.num("size", 0)),
		}
	case "stage-leave":
		return topology.StageLeave{Node: x.node("node")}
	case "stage-replace":
		return topology.StageReplace{Old: x.node("node"), New: x.node("with")}
	case "stage-force-remove":
		return topology.StageForceRemove{Node: x.node("node")}
	case "stage-force-replace":
		return topology.StageForceReplace{Old: x.node("node"), New: x.node("with")}
	case "stage-share":
		op := topology.StageShare{Node: x.node("node")}
		if w := int(x.num("weight", 0)); x.d.HasArg("weight") {
			op.Weight = &w
		}
		if l := strings.TrimPrefix(x.str("location", ""), "none"); x.d.HasArg("location") {
			op.Location = &l
		}
		return op
	case "unstage":
		return topology.Unstage{Node: x.node("node")}
	case "clear":
		return topology.ClearPlan{}
	case "plan":
		return topology.StagePlan{Ring: x.owners(), BasedOn: x.num("based-on", x.s.Membership())}
	case "commit":
		v := uint64(0)
		if p := x.s.Plan(); p != nil {
			v = p.Version
		}
		return topology.CommitPlan{PlanVersion: x.num("version", v)}
	case "exited":
		return topology.MarkExited{Node: x.node("node")}
	case "remove":
		return topology.RemoveMember{Node: x.node("node")}
	case "down":
		return topology.MarkDown{Node: x.node("node")}
	case "move":
		p := ring.Partition(x.num("p", 0))
		def := ""
		if int(p) < x.s.RingSize() {
			def = string(x.s.Ring().Owner(p))
		}
		return topology.MovePartition{Partition: p, Target: x.node("to"), ExpectOwner: ring.NodeID(x.str("from", def))}
	case "limit":
		return topology.SetTransferLimit{Node: x.node("node"), Limit: int(x.num("n", 0))}
	case "rate":
		return topology.SetTransferRate{Node: x.node("node"), Rate: x.num("n", 0)}
	case "switch":
		d := x.str("direction", "both")
		return topology.SwitchTransfers{Node: x.node("node"), Kind: x.str("kind", ""), Outbound: d != "inbound", Inbound: d != "outbound", On: x.str("to", "off") == "on"}
	case "begin-term":
		return topology.BeginTerm{Node: x.node("node")}
	}
	return x.keepingOp()
}

// keepingOp reads operations about metadata, hints and what copies lack.
func (x *transcript) keepingOp() topology.Op {
	kind, p, node := x.str("kind", "kv"), ring.Partition(x.num("p", 0)), x.node("node")
	m, _ := x.s.Member(node)
	switch x.d.Cmd {
	case "put":
		_, version := x.s.Metadata(x.str("key", ""))
		op := topology.PutMetadata{Key: x.str("key", ""), Expect: x.num("expect", version)}
		if n := x.num("bytes", 0); n > 0 {
			op.Key = strings.Repeat(op.Key, int(n))
		}
		if x.d.HasArg("value") {
			op.Value = []byte(strings.TrimPrefix(x.str("value", ""), "none"))
		}
		return op
	case "open-hint":
		return topology.OpenHint{Kind: kind, Partition: p, Node: node, Incarnation: x.num("inc", m.Incarnation), Grace: x.num("grace", x.s.Grace())}
	case "close-hint":
		op := topology.CloseHint{Kind: kind, Partition: p, Node: node, Opened: x.num("opened", 0)}
		for _, h := range x.s.Hints(kind, p) {
			if h.Node == node && !x.d.HasArg("opened") {
				op.Opened = h.Opened
			}
		}
		if op.Session = x.num("session", 0); op.Session != 0 {
			op.Sent = topology.Seal{LastSeq: 1, Items: 2, Bytes: 30}
			op.Taken = op.Sent
			op.Taken.Items -= x.num("missing", 0)
		}
		return op
	case "open-session":
		types := map[string]topology.TransferType{"merge": topology.Merge, "repair": topology.Repair, "swap": topology.Swap}
		return topology.OpenSession{
			Type: types[x.str("type", "")], Kind: kind, Partition: p, Node: node, Incarnation: x.num("inc", m.Incarnation),
			ExpectEpoch: x.num("epoch", x.s.Part(kind, p).Epoch),
		}
	case "advance-grace":
		return topology.AdvanceGrace{From: x.num("from", x.s.Grace())}
	case "incomplete":
		return topology.MarkIncomplete{Kind: kind, Node: node, Incarnation: x.num("inc", m.Incarnation)}
	case "damaged":
		return topology.MarkDamaged{Kind: kind, Partition: p}
	case "whole":
		part := x.s.Part(kind, p)
		return topology.MarkWhole{
			Kind: kind, Partition: p, Owner: ring.NodeID(x.str("node", string(part.Owner))),
			Epoch: x.num("epoch", part.Epoch), Since: x.num("since", part.Since), Fence: x.num("fence", x.s.Fence()),
			Session: x.num("session", part.LastSession), Done: topology.Seal{Items: 2},
		}
	}
	return x.transferOp()
}

func (x *transcript) owners() *ring.Ring {
	var owners []ring.NodeID
	for _, n := range x.list("owners") {
		owners = append(owners, ring.NodeID(n))
	}
	r, err := ring.New(owners)
	if err != nil {
		x.t.Fatal(err)
	}
	return r
}

func (x *transcript) transferOp() topology.Op {
	rep := topology.Report{Session: x.num("session", x.s.LastSession()), Node: x.node("by")}
	m, _ := x.s.Member(rep.Node)
	rep.Incarnation = x.num("inc", m.Incarnation)
	seal := topology.Seal{LastSeq: x.num("last", 9), Items: x.num("items", 4), Bytes: x.num("bytes", 40)}
	seal.Digest = seal.Digest.Add(topology.ItemHash{Lo: x.num("digest", 255)})
	reason := topology.Reason(x.str("reason", "cancelled"))
	switch x.d.Cmd {
	case "open":
		p := ring.Partition(x.num("p", 0))
		kind := x.str("kind", "kv")
		return topology.OpenTransfer{
			Type: topology.TransferType(x.num("type", 1)), Kind: kind, Partition: p, Target: x.node("to"),
			ExpectEpoch: x.num("epoch", x.s.Part(kind, p).Epoch),
		}
	case "source-ready":
		return topology.SourceReady{Report: rep}
	case "target-ready":
		return topology.TargetReady{Report: rep}
	case "ready-to-seal":
		return topology.ReadyToSeal{Report: rep}
	case "source-frozen":
		return topology.SourceFrozen{Report: rep, Seal: seal}
	case "target-sealed":
		return topology.TargetSealed{Report: rep, Seal: seal}
	case "target-activated":
		return topology.TargetActivated{Report: rep, Fenced: x.num("fenced", 0)}
	case "source-drained":
		return topology.SourceDrained{Report: rep, FreezeMicros: x.num("micros", 0), Fenced: x.num("fenced", 0)}
	case "source-cleaned":
		return topology.SourceCleaned{Report: rep}
	case "source-released":
		return topology.SourceReleased{Report: rep}
	case "refuse":
		return topology.Refuse{Report: rep, Reason: reason}
	case "abort":
		return topology.AbortTransfer{Session: rep.Session, Reason: reason}
	case "begin-seal":
		op := topology.BeginSeal{Session: rep.Session}
		if past := x.num("past", 0); past > 0 {
			op.Past = []uint64{past}
		}
		return op
	case "revert":
		return topology.RevertTransfer{Session: rep.Session}
	case "commit-transfer":
		return topology.CommitTransfer{Session: rep.Session}
	}
	x.t.Fatalf("%s: unknown operation %s", x.d.Pos, x.d.Cmd)
	return nil
}

// tell prints an outcome on one line.
func tell(o topology.Outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "v%d ", o.Version)
	if o.Err != nil {
		fmt.Fprintf(&b, "refused: %v", o.Err)
	} else {
		fmt.Fprint(&b, o.Code)
	}
	for _, f := range []struct {
		name string
		v    uint64
	}{{"session", o.Session}, {"epoch", o.Epoch}, {"incarnation", o.Incarnation}, {"term", o.Term}} {
		if f.v != 0 {
			fmt.Fprintf(&b, " %s=%d", f.name, f.v)
		}
	}
	if o.Session != 0 {
		fmt.Fprintf(&b, " stage=%s", o.Stage)
	}
	return b.String() + "\n"
}

func tellChanges(changes []topology.StagedChange) string {
	var out []string
	for _, c := range changes {
		s := fmt.Sprintf("%s %s", c.Action, c.Node)
		if c.With != "" {
			s += fmt.Sprintf(" with %s", c.With)
		}
		if c.Weight != 0 || c.Location != "" {
			s += fmt.Sprintf(" weight=%d location=%q", c.Weight, c.Location)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// brief prints the members, what is staged, and who owns what.
func brief(s topology.State) string {
	var b strings.Builder
	showMembers(&b, s)
	for _, k := range s.Kinds() {
		fmt.Fprintf(&b, "  %s:", k.Name)
		for p, x := range s.Parts(k.Name) {
			fmt.Fprintf(&b, " %s", x.Owner)
			if to := s.Ring().Owner(p); to != x.Owner {
				fmt.Fprintf(&b, ">%s", to)
			}
			if x.Reassigned != nil {
				fmt.Fprintf(&b, "(-%s)", x.Reassigned.From)
			}
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// show prints what is not as it was at the creation.
func show(s topology.State) string {
	var b strings.Builder
	showMembers(&b, s)
	showParts(&b, s)
	showKept(&b, s)
	return b.String()
}

func showKept(b *strings.Builder, s topology.State) {
	if s.Grace() > 0 {
		fmt.Fprintf(b, "  grace %d\n", s.Grace())
	}
	for h := range s.AllHints() {
		fmt.Fprintf(b, "  hint %s/%d kept by %s since version %d\n", h.Kind, h.Partition, h.Node, h.Opened)
	}
	for key, value := range s.MetadataWith("") {
		_, version := s.Metadata(key)
		fmt.Fprintf(b, "  metadata %s of version %d: %q\n", key, version, value)
	}
}

func showMembers(b *strings.Builder, s topology.State) {
	term, leader := s.Term()
	fmt.Fprintf(b, "version %d, members of %d, term %d of %q, last session %d\n", s.Version(), s.Membership(), term, leader, s.LastSession())
	for _, m := range s.Members() {
		fmt.Fprintf(b, "  %s@%d %s %s nonce=%d", m.Node, m.Incarnation, m.Status, m.Addr, m.Nonce)
		if m.Weight != 0 || m.Location != "" {
			fmt.Fprintf(b, " weight=%d location=%q", m.Weight, m.Location)
		}
		if m.Limit != nil {
			fmt.Fprintf(b, " limit=%d", *m.Limit)
		}
		if m.Rate != nil {
			fmt.Fprintf(b, " rate=%d", *m.Rate)
		}
		if m.NoOutbound|m.NoInbound != 0 {
			fmt.Fprintf(b, " off=%b,%b", m.NoOutbound, m.NoInbound)
		}
		fmt.Fprintln(b)
	}
	if p := s.Plan(); p != nil {
		fmt.Fprintf(b, "  plan %d on %d: %s\n", p.Version, p.BasedOn, tellChanges(p.Changes))
	}
	if staged := s.Staged(); len(staged) > 0 {
		fmt.Fprintf(b, "  staged: %s\n", tellChanges(staged))
	}
}

func showParts(b *strings.Builder, s topology.State) {
	for _, k := range s.Kinds() {
		for p, x := range s.Parts(k.Name) {
			if x.LastSession == 0 && x.Owner == s.Ring().Owner(p) && x.Reassigned == nil && !x.Incomplete {
				continue
			}
			fmt.Fprintf(b, "  %s/%d owner %s epoch %d bound for %s last session %d", k.Name, p, x.Owner, x.Epoch, s.Ring().Owner(p), x.LastSession)
			if x.Attempts > 0 {
				fmt.Fprintf(b, ", failed %d times (%s)", x.Attempts, x.LastReason)
			}
			if x.Reassigned != nil {
				fmt.Fprintf(b, ", without the copy of %s since version %d", x.Reassigned.From, x.Reassigned.Version)
			}
			if x.Incomplete {
				fmt.Fprintf(b, ", incomplete since version %d", x.Since)
			}
			if x.Hinted != 0 {
				fmt.Fprintf(b, ", a hint counts until period %d", x.Hinted)
			}
			fmt.Fprintln(b)
			if c := x.Certificate; c != nil {
				fmt.Fprintf(b, "    certificate %d: session %d %s to %s epoch %d to %d, %d items, %d bytes, seq %d, %s = %s, frozen %d us, fenced %d/%d\n",
					c.Number, c.Session, c.Source, c.Target, c.EpochBefore, c.EpochAfter, c.Items, c.Bytes, c.LastSeq, c.SourceDigest, c.TargetDigest, c.FreezeMicros, c.SourceFenced, c.TargetFenced)
				if c.Number > 1 {
					fmt.Fprintf(b, "      after %s\n", c.Previous)
				}
			}
		}
	}
	for _, t := range s.Transfers() {
		fmt.Fprintf(b, "  transfer %d %s %s/%d %s@%d to %s@%d in %s epoch %d", t.Session, t.Type, t.Kind, t.Partition,
			t.Source, t.SourceIncarnation, t.Target, t.TargetIncarnation, t.Stage, t.Epoch)
		fmt.Fprintf(b, " ready=%t/%t sealed=%t/%t activated=%t drained=%t %s\n", t.SourceReady, t.TargetReady, t.Frozen != nil, t.Sealed != nil, t.Activated, t.SourceDrained, t.Reason)
	}
}
