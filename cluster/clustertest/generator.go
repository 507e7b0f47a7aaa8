package clustertest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// A Generator makes a seeded random history of every operation of package topology, with repeated
// ids, forgotten ids, stale terms and operands that are refused. It chooses operands from the record
// that its own commands lead to, so a good part of them is accepted. It is a pure function of its
// seed and not safe for concurrent use.
type Generator struct {
	rnd   *rand.Rand
	state topology.State
	sent  []topology.Command
	seqs  map[string]uint64
	nonce uint64
	stats Statistics
}

// NewGenerator returns a generator that begins with an empty record.
func NewGenerator(seed uint64) *Generator {
	return &Generator{rnd: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), seqs: map[string]uint64{}}
}

// Tally counts the outcomes of one operation.
type Tally struct{ Applied, Unchanged, Refused int }

// Statistics is what a generator's commands came to. Repeated ids and ids that the record refuses to
// judge are counted there and not among the operations.
type Statistics struct {
	ByOp                map[string]Tally // by topology.OpName
	Repeated, Forgotten int
}

// Total sums all operations.
func (s Statistics) Total() Tally {
	var sum Tally
	for _, t := range s.ByOp {
		sum.Applied += t.Applied
		sum.Unchanged += t.Unchanged
		sum.Refused += t.Refused
	}
	return sum
}

// String tells the statistics on one line.
func (s Statistics) String() string {
	t := s.Total()
	return fmt.Sprintf("%d operations: %d applied, %d without change, %d refused, %d repeated ids, %d forgotten ids",
		len(s.ByOp), t.Applied, t.Unchanged, t.Refused, s.Repeated, s.Forgotten)
}

// State returns the record after all commands so far.
func (g *Generator) State() topology.State { return g.state }

// Statistics returns what the commands so far came to.
func (g *Generator) Statistics() Statistics { return g.stats }

// Next returns the next command, and the outcome that topology.State.Apply gives it.
func (g *Generator) Next() (topology.Command, topology.Outcome) {
	repeated := len(g.sent) > 0 && g.rnd.IntN(20) == 0
	var cmd topology.Command
	if repeated {
		// Mostly a recent one; some are so old that the record has forgotten them.
		back := 1 + g.rnd.IntN(min(len(g.sent), 60))
		if g.rnd.IntN(8) == 0 {
			back = 1 + g.rnd.IntN(len(g.sent))
		}
		cmd = g.sent[len(g.sent)-back]
	} else {
		cmd = g.fresh()
		g.sent = append(g.sent, cmd)
	}
	var out topology.Outcome
	g.state, out = g.state.Apply(cmd)
	g.count(cmd, out, repeated)
	return cmd, out
}

func (g *Generator) count(cmd topology.Command, out topology.Outcome, repeated bool) {
	switch {
	case out.Code == topology.CodeForgotten:
		g.stats.Forgotten++
		return
	case repeated:
		g.stats.Repeated++
		return
	}
	if g.stats.ByOp == nil {
		g.stats.ByOp = map[string]Tally{}
	}
	name := topology.OpName(cmd.Op)
	t := g.stats.ByOp[name]
	switch {
	case out.Err != nil:
		t.Refused++
	case out.Changed():
		t.Applied++
	default:
		t.Unchanged++
	}
	g.stats.ByOp[name] = t
}

// fresh returns a command that was not sent before.
func (g *Generator) fresh() topology.Command {
	cmd := topology.Command{ID: g.id(), Op: g.op()}
	cmd.Term, _ = g.state.Term()
	switch g.rnd.IntN(40) {
	case 0:
		cmd.Term--
	case 1:
		cmd.Term++
	}
	return cmd
}

// id numbers the command as one of many proposers does: a few are busy, many come and are forgotten.
func (g *Generator) id() topology.CommandID {
	name := fmt.Sprintf("busy-%d", g.rnd.IntN(12))
	if g.rnd.IntN(4) == 0 {
		name = fmt.Sprintf("life-%d", len(g.sent)/4+g.rnd.IntN(8))
	}
	switch g.rnd.IntN(400) {
	case 0:
		return topology.CommandID{Proposer: name} // no number: invalid
	case 1:
		return topology.CommandID{Proposer: fmt.Sprintf("late-%d", len(g.sent)), Seq: topology.Window + 1}
	case 2:
		return topology.CommandID{Proposer: strings.Repeat("x", topology.MaxProposer+1), Seq: 1}
	}
	g.seqs[name]++
	return topology.CommandID{Proposer: name, Seq: g.seqs[name]}
}

func (g *Generator) op() topology.Op {
	if g.state.Ring() == nil {
		return g.founding()
	}
	switch k := g.rnd.IntN(100); {
	case k < 14:
		return g.membership()
	case k < 24:
		return g.planning()
	case k < 32:
		return g.liveness()
	case k < 40:
		return g.coordinator()
	case k < 46:
		return g.invalid()
	case k < 56:
		return g.keeping()
	}
	return g.transfer()
}

// founding creates the cluster in the end.
func (g *Generator) founding() topology.Op {
	if g.rnd.IntN(4) > 0 {
		return g.invalid()
	}
	return create(g.node())
}

func (g *Generator) node() ring.NodeID { return ring.NodeID(fmt.Sprintf("n%d", 1+g.rnd.IntN(9))) }

// member returns a node of some member for which ok holds, or any node.
func (g *Generator) member(ok func(topology.Member) bool) ring.NodeID {
	var fit []ring.NodeID
	for _, m := range g.state.Members() {
		if ok(m) {
			fit = append(fit, m.Node)
		}
	}
	if len(fit) == 0 || g.rnd.IntN(12) == 0 {
		return g.node()
	}
	return pick(g.rnd, fit)
}

func is(status topology.Status) func(topology.Member) bool {
	return func(m topology.Member) bool { return m.Status == status }
}

func pick[T any](rnd *rand.Rand, from []T) T { return from[rnd.IntN(len(from))] }

// few reports whether a member more would be welcome.
func (g *Generator) few() bool {
	claims := 0
	for _, m := range g.state.Members() {
		if m.Claims() {
			claims++
		}
	}
	return claims < 4+g.rnd.IntN(4)
}

func (g *Generator) join() topology.Op {
	g.nonce++
	j := topology.Join{
		Node: g.newcomer(), Nonce: g.nonce, Kinds: kinds, Weight: g.rnd.IntN(4), Location: fmt.Sprintf("rack-%d", g.rnd.IntN(3)),
	}
	j.Addr = fmt.Sprintf("%s:%d", j.Node, g.rnd.IntN(3))
	switch g.rnd.IntN(12) {
	case 0:
		j.Nonce = 1 + g.rnd.Uint64N(g.nonce) // an earlier attempt, perhaps of another node
	case 1:
		j.ClusterID = topology.ClusterID{byte(g.rnd.IntN(3))}
	case 2:
		j.RingSize = 8 << g.rnd.IntN(3)
	case 3:
		j.Kinds = kinds[:1]
	}
	return j
}

// newcomer returns a name that is free, most of the time.
func (g *Generator) newcomer() ring.NodeID {
	var n ring.NodeID
	for range 6 {
		n = ring.NodeID(fmt.Sprintf("n%d", 1+g.rnd.IntN(9+len(g.state.Members())/2)))
		if m, known := g.state.Member(n); !known || m.Status == topology.Joining || m.Status == topology.Removed && !g.state.Busy(n) {
			break
		}
	}
	return n
}

// membership stages what changes who is a member, or how much each gets.
func (g *Generator) membership() topology.Op {
	claims := func(m topology.Member) bool { return m.Claims() }
	if g.few() && g.rnd.IntN(8) > 0 {
		return g.join()
	}
	switch g.rnd.IntN(14) {
	case 0, 1, 2:
		return topology.StageLeave{Node: g.member(claims)}
	case 3:
		return topology.StageReplace{Old: g.member(claims), New: g.member(is(topology.Joining))}
	case 4:
		return topology.StageForceReplace{Old: g.member(is(topology.Down)), New: g.member(is(topology.Joining))}
	case 5:
		return topology.StageForceRemove{Node: g.member(is(topology.Down))}
	case 6, 7:
		return g.share(g.member(claims))
	case 8, 9:
		return topology.Unstage{Node: g.member(func(m topology.Member) bool {
			return m.Departs != 0 || m.Share != nil || m.Status == topology.Joining
		})}
	case 10:
		if g.rnd.IntN(4) == 0 {
			return topology.ClearPlan{}
		}
	case 11, 12:
		return topology.RemoveMember{Node: g.member(is(topology.Exiting))}
	}
	return g.join()
}

func (g *Generator) share(node ring.NodeID) topology.Op {
	weight, location := g.rnd.IntN(5), fmt.Sprintf("rack-%d", g.rnd.IntN(3))
	op := topology.StageShare{Node: node}
	if g.rnd.IntN(4) > 0 {
		op.Weight = &weight
	}
	if g.rnd.IntN(2) > 0 {
		op.Location = &location
	}
	return op
}

// planning stages the plan that a leader would, or a random ring, and commits.
func (g *Generator) planning() topology.Op {
	if p := g.state.Plan(); p != nil && g.rnd.IntN(2) == 0 {
		return topology.CommitPlan{PlanVersion: p.Version - uint64(g.rnd.IntN(8)/7)}
	}
	if result, err := cluster.Plan(g.state); err == nil && g.rnd.IntN(4) > 0 {
		return cluster.PlanOp(g.state, result)
	}
	size := g.state.RingSize()
	if g.rnd.IntN(10) == 0 {
		size = 8
	}
	owners := make([]ring.NodeID, size)
	for i := range owners {
		owners[i] = g.member(func(m topology.Member) bool { return m.Claims() })
	}
	r, err := ring.New(owners)
	if err != nil {
		return topology.ClearPlan{}
	}
	return topology.StagePlan{Ring: r, BasedOn: g.state.Membership() - uint64(g.rnd.IntN(10)/9)}
}

// liveness starts nodes and declares them down.
func (g *Generator) liveness() topology.Op {
	if g.rnd.IntN(3) == 0 {
		return topology.MarkDown{Node: g.member(func(m topology.Member) bool { return m.Alive() })}
	}
	down := is(topology.Down)
	if g.rnd.IntN(3) == 0 {
		down = func(m topology.Member) bool { return m.Status != topology.Removed }
	}
	return g.start(g.member(down))
}

func (g *Generator) start(node ring.NodeID) topology.Op {
	m, _ := g.state.Member(node)
	s := topology.StartNode{ClusterID: g.state.ClusterID(), Node: node, Nonce: m.Nonce, Addr: m.Addr, Kinds: kinds}
	switch g.rnd.IntN(12) {
	case 0:
		s.Nonce++
	case 1:
		s.ClusterID[15]++
	case 2:
		s.Kinds = kinds[1:]
	case 3:
		s.Addr = fmt.Sprintf("%s:%d", node, g.rnd.IntN(9))
	}
	return s
}

// coordinator proposes what a leader's coordination would, or what an operator does to single transfers.
func (g *Generator) coordinator() topology.Op {
	switch g.rnd.IntN(12) {
	case 0:
		op := topology.SetTransferLimit{Limit: g.rnd.IntN(6)}
		if g.rnd.IntN(3) > 0 {
			op.Node = g.member(is(topology.Valid))
		}
		return op
	case 3:
		return topology.SwitchTransfers{Node: g.member(is(topology.Valid)), Outbound: true, Inbound: g.rnd.IntN(2) == 0, On: g.rnd.IntN(3) > 0}
	case 4:
		return topology.SetTransferRate{Node: g.node(), Rate: g.rnd.Uint64N(2) * topology.MinTransferRate}
	case 1, 2:
		p := ring.Partition(g.rnd.IntN(g.state.RingSize()))
		op := topology.MovePartition{Partition: p, Target: g.member(is(topology.Valid)), ExpectOwner: g.state.Ring().Owner(p)}
		if g.rnd.IntN(6) == 0 {
			op.ExpectOwner = g.node()
		}
		return op
	}
	if g.rnd.IntN(4) == 0 {
		return topology.BeginTerm{Node: g.member(func(m topology.Member) bool { return m.Alive() })}
	}
	if ops := cluster.Schedule(g.state, cluster.Limits{PerNode: 4}); len(ops) > 0 {
		return pick(g.rnd, ops)
	}
	return topology.MarkExited{Node: g.member(is(topology.Leaving))}
}

// invalid returns what is refused most of the time.
func (g *Generator) invalid() topology.Op {
	k := pick(g.rnd, append([]topology.KindSpec{{Name: "unknown"}}, kinds...))
	p := ring.Partition(g.rnd.IntN(20))
	switch g.rnd.IntN(5) {
	case 0:
		c, _ := create(g.node()).(topology.CreateCluster)
		c.RingSize += g.rnd.IntN(2)
		c.NVal -= g.rnd.IntN(2) * 2
		return c
	case 1:
		return topology.OpenTransfer{
			Type: topology.TransferType(1 + g.rnd.IntN(3)), Kind: k.Name, Partition: p, Target: g.node(), ExpectEpoch: g.rnd.Uint64N(4),
		}
	case 2:
		return topology.AbortTransfer{Session: g.rnd.Uint64N(g.state.LastSession() + 2), Reason: topology.ReasonCancelled}
	case 3:
		return pick(g.rnd, []topology.Op{
			topology.RevertTransfer{Session: g.rnd.Uint64N(g.state.LastSession() + 2)},
			topology.CommitTransfer{Session: g.rnd.Uint64N(g.state.LastSession() + 2)},
		})
	}
	return pick(g.rnd, g.reports(topology.Report{Session: g.rnd.Uint64N(g.state.LastSession() + 2), Node: g.node(), Incarnation: g.rnd.Uint64N(4)}))
}

// reports returns every report that a participant can make, with the seal that NextReport uses.
func (g *Generator) reports(rep topology.Report) []topology.Op {
	seal := topology.Seal{LastSeq: rep.Session, Items: uint64(g.rnd.IntN(2))}
	if t := g.state.Transfer(rep.Session); t != nil {
		seal.Items = uint64(t.Partition)
	}
	return []topology.Op{
		topology.SourceReady{Report: rep},
		topology.TargetReady{Report: rep},
		topology.ReadyToSeal{Report: rep},
		topology.SourceFrozen{Report: rep, Seal: seal},
		topology.TargetSealed{Report: rep, Seal: seal},
		topology.TargetActivated{Report: rep, Fenced: uint64(g.rnd.IntN(3))},
		topology.SourceDrained{Report: rep, FreezeMicros: uint64(g.rnd.IntN(999)), Fenced: uint64(g.rnd.IntN(3))},
		topology.SourceCleaned{Report: rep},
		topology.SourceReleased{Report: rep},
		topology.Refuse{Report: rep, Reason: topology.ReasonBusy},
	}
}

// transfer moves an active transfer on, or opens one.
func (g *Generator) transfer() topology.Op {
	all := g.state.Transfers()
	if len(all) == 0 || g.rnd.IntN(8) == 0 {
		return g.open()
	}
	t := pick(g.rnd, all)
	node := pick(g.rnd, []ring.NodeID{t.Source, t.Target})
	m, _ := g.state.Member(node)
	rep := topology.Report{Session: t.Session, Node: node, Incarnation: m.Incarnation}
	switch g.rnd.IntN(24) {
	case 0:
		rep.Incarnation--
		return pick(g.rnd, g.reports(rep))
	case 1:
		return pick(g.rnd, g.reports(rep))
	case 2:
		return topology.Refuse{Report: rep, Reason: topology.ReasonDiskFull}
	case 3:
		return topology.AbortTransfer{Session: t.Session, Reason: topology.ReasonCancelled}
	case 4, 5:
		if t.Stage == topology.StageDrain {
			return topology.RevertTransfer{Session: t.Session}
		}
		if g.state.Committable(t) {
			return topology.CommitTransfer{Session: t.Session}
		}
	}
	for _, n := range []ring.NodeID{node, t.Source, t.Target} {
		if op := NextReport(g.state, t, n); op != nil {
			return op
		}
	}
	return g.start(node)
}

// open opens a transfer where one may be opened, most of the time.
func (g *Generator) open() topology.Op {
	var op topology.OpenTransfer
	for range 8 {
		k, p := pick(g.rnd, kinds), ring.Partition(g.rnd.IntN(g.state.RingSize()))
		x := g.state.Part(k.Name, p)
		target := g.state.Ring().Owner(p)
		if target == x.Owner {
			target = g.member(is(topology.Valid))
		}
		op = topology.OpenTransfer{Type: topology.Swap, Kind: k.Name, Partition: p, Target: target, ExpectEpoch: x.Epoch}
		from, _ := g.state.Member(x.Owner)
		if x.Transfer == nil && target != x.Owner && (from.Status == topology.Valid || from.Status == topology.Leaving) {
			break
		}
	}
	return op
}
