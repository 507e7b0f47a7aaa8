package topology_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// everyOp has each operation once, with every field set.
func everyOp(t testing.TB) []topology.Op {
	t.Helper()
	r, err := ring.New([]ring.NodeID{"a", "b", "a", "b", "a", "b", "a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	rack := "rack 2"
	rep := topology.Report{Session: 300, Node: "b", Incarnation: 2}
	seal := topology.Seal{LastSeq: 1 << 40, Items: 2, Bytes: 3, Digest: topology.Digest{1, 15: 9}}
	return []topology.Op{
		topology.CreateCluster{
			ClusterID: topology.ClusterID{1, 2}, RingSize: 8, TargetN: 4, NVal: 3, Kinds: lawKinds,
			Member: topology.Member{Node: "a", Addr: "a:1", Weight: 2, Location: "rack", Nonce: 7},
		},
		topology.StartNode{ClusterID: topology.ClusterID{3}, Node: "a", Nonce: 1 << 60, Addr: "a:2", Kinds: lawKinds},
		topology.Join{ClusterID: topology.ClusterID{4}, Node: "b", Addr: "b:1", Nonce: 5, Kinds: lawKinds, RingSize: 64, Weight: 3, Location: "l"},
		topology.StageLeave{Node: "b"},
		topology.Unstage{Node: "b"},
		topology.ClearPlan{},
		topology.StagePlan{Ring: r, BasedOn: 9, Infeasible: "too few", Reason: "tight"},
		topology.CommitPlan{PlanVersion: 10},
		topology.OpenTransfer{Type: topology.Swap, Kind: "kv", Partition: 7, Target: "b", ExpectEpoch: 3},
		topology.SourceReady{Report: rep},
		topology.TargetReady{Report: rep},
		topology.ReadyToSeal{Report: rep},
		topology.SourceFrozen{Report: rep, Seal: seal},
		topology.TargetSealed{Report: rep, Seal: seal},
		topology.TargetActivated{Report: rep, Fenced: 6},
		topology.SourceDrained{Report: rep, FreezeMicros: 7, Fenced: 8},
		topology.SourceCleaned{Report: rep},
		topology.SourceReleased{Report: rep},
		topology.Refuse{Report: rep, Reason: topology.ReasonDiskFull},
		topology.AbortTransfer{Session: 8, Reason: topology.ReasonCancelled},
		topology.RevertTransfer{Session: 9},
		topology.CommitTransfer{Session: 300},
		topology.MarkExited{Node: "b"},
		topology.RemoveMember{Node: "b"},
		topology.MarkDown{Node: "b"},
		topology.BeginTerm{Node: "b"},
		topology.StageReplace{Old: "a", New: "b"},
		topology.StageForceRemove{Node: "b"},
		topology.StageForceReplace{Old: "a", New: "b"},
		topology.StageShare{Node: "b", Weight: new(int), Location: &rack},
		topology.MovePartition{Partition: 7, Target: "b", ExpectOwner: "a"},
		topology.SetTransferLimit{Node: "b", Limit: 300},
		topology.SetTransferRate{Node: "b", Rate: 300 << 20},
		topology.SwitchTransfers{Node: "b", Kind: "kv", Outbound: true, Inbound: true, On: true},
		topology.PutMetadata{Key: "k", Value: []byte{}, Expect: 3},
		topology.OpenHint{Kind: "kv", Partition: 7, Node: "b", Incarnation: 2, Grace: 1},
		topology.CloseHint{Kind: "kv", Partition: 7, Node: "b", Opened: 300},
		topology.CloseHint{Kind: "kv", Partition: 7, Node: "b", Opened: 300, Session: 4, Sent: topology.Seal{LastSeq: 1}, Taken: topology.Seal{Bytes: 2}},
		topology.AdvanceGrace{From: 4},
		topology.BeginSeal{Session: 300, Past: []uint64{200, 400}},
		topology.MarkIncomplete{Node: "b", Incarnation: 2, Kind: "kv"},
		topology.MarkDamaged{Kind: "kv", Partition: 7},
		topology.MarkWhole{Kind: "kv", Partition: 7, Owner: "b", Epoch: 3, Since: 300, Fence: 299, Session: 5, Done: topology.Seal{Items: 7}},
		topology.OpenSession{Type: topology.Merge, Kind: "kv", Partition: 7, Node: "b", Incarnation: 2, ExpectEpoch: 3},
	}
}

func command(op topology.Op) topology.Command {
	return topology.Command{ID: topology.CommandID{Proposer: "p", Seq: 1 << 33}, Term: 12, Op: op}
}

func marshal(t testing.TB, c topology.Command) []byte {
	t.Helper()
	b, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeCommand_roundTrip(t *testing.T) {
	names := map[string]bool{}
	for _, op := range everyOp(t) {
		names[topology.OpName(op)] = true
		t.Run(topology.OpName(op), func(t *testing.T) {
			want := command(op)
			got, err := topology.DecodeCommand(marshal(t, want))
			if err != nil {
				t.Fatal(err)
			}
			equalRings := cmp.Comparer(func(a, b *ring.Ring) bool { return a.Equal(b) })
			if diff := cmp.Diff(want, got, equalRings); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if len(names) != topology.Operations {
		t.Errorf("%d operations tried, there are %d", len(names), topology.Operations)
	}
}

// TestDecodeCommand_damage cuts and alters every byte.
func TestDecodeCommand_damage(t *testing.T) {
	for _, op := range everyOp(t) {
		good := marshal(t, command(op))
		for i := range good {
			if _, err := topology.DecodeCommand(good[:i]); !errors.Is(err, topology.ErrDamaged) {
				t.Fatalf("%s cut at %d: %v", topology.OpName(op), i, err)
			}
			bad := bytes.Clone(good)
			bad[i] ^= 0x40
			if _, err := topology.DecodeCommand(bad); !errors.Is(err, topology.ErrDamaged) {
				t.Fatalf("%s altered at %d: %v", topology.OpName(op), i, err)
			}
		}
		if _, err := topology.DecodeCommand(append(bytes.Clone(good), 0)); !errors.Is(err, topology.ErrDamaged) {
			t.Fatalf("%s with a byte more: %v", topology.OpName(op), err)
		}
	}
}

// reseal puts a right checksum on altered bytes.
func reseal(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

func TestDecode_format(t *testing.T) {
	cmd := marshal(t, command(topology.ClearPlan{}))
	cmd[0] = 2
	if _, err := topology.DecodeCommand(reseal(cmd[:len(cmd)-4])); !errors.Is(err, topology.ErrFormat) {
		t.Errorf("command of another format: %v", err)
	}
	state := encode(t, topology.State{})
	state[0] = 1
	if _, err := topology.DecodeState(reseal(state[:len(state)-4])); !errors.Is(err, topology.ErrFormat) {
		t.Errorf("record of another format: %v", err)
	}
}

func TestCommand_AppendBinary_refuses(t *testing.T) {
	long := string(make([]byte, 5000))
	for _, op := range []topology.Op{
		nil,
		topology.StagePlan{},
		topology.StageLeave{Node: ring.NodeID(long)},
		topology.Join{Node: "a", Weight: -1},
		topology.OpenTransfer{Partition: ring.MaxSize},
		topology.PutMetadata{Key: "k", Value: make([]byte, topology.MaxMetadataValue+1)},
		topology.OpenHint{Partition: ring.MaxSize},
	} {
		if b, err := command(op).AppendBinary(nil); !errors.Is(err, topology.ErrInvalid) || b != nil {
			t.Errorf("%s: %d bytes, %v", topology.OpName(op), len(b), err)
		}
	}
}

// history returns a record with something in every field.
func history(t testing.TB) topology.State {
	t.Helper()
	var s topology.State
	seq := uint64(0)
	do := func(op topology.Op) {
		seq++
		c := topology.Command{ID: topology.CommandID{Proposer: "p", Seq: seq}, Op: op}
		c.Term, _ = s.Term()
		s, _ = s.Apply(c)
	}
	do(topology.CreateCluster{ClusterID: topology.ClusterID{1}, RingSize: 8, TargetN: 2, NVal: 2, Kinds: lawKinds, Member: topology.Member{Node: "a"}})
	do(topology.BeginTerm{Node: "a"})
	do(topology.Join{Node: "b", Nonce: 1, Kinds: lawKinds})
	do(topology.Join{Node: "a", Nonce: 1, Kinds: lawKinds})
	r, err := ring.New([]ring.NodeID{"a", "b", "a", "b", "a", "b", "a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	do(topology.StagePlan{Ring: r, BasedOn: s.Membership()})
	do(topology.CommitPlan{PlanVersion: s.Version()})
	move := func(p ring.Partition, from ring.NodeID, count int) (src, dst topology.Report) {
		_, epoch := s.Owner("kv", p)
		do(topology.OpenTransfer{Type: topology.Swap, Kind: "kv", Partition: p, Target: "b", ExpectEpoch: epoch})
		src, dst = topology.Report{Session: s.LastSession(), Node: from, Incarnation: 1}, topology.Report{Session: s.LastSession(), Node: "b", Incarnation: 1}
		steps := []topology.Op{
			topology.SourceReady{Report: src},
			topology.TargetReady{Report: dst},
			topology.ReadyToSeal{Report: src},
			topology.SourceFrozen{Report: src},
			topology.TargetSealed{Report: dst},
			topology.TargetActivated{Report: dst},
			topology.SourceDrained{Report: src},
			topology.SourceCleaned{Report: src},
		}
		for _, op := range steps[:count] {
			do(op)
		}
		return src, dst
	}
	for p := ring.Partition(1); p < 8; p += 2 {
		src, dst := move(p, "a", 9-int(p))
		if p == 7 {
			do(topology.Refuse{Report: dst, Reason: topology.ReasonBusy})
			do(topology.SourceReleased{Report: src})
		}
	}
	// c and d come and go by force, which leaves reassigned partitions; e and f are staged.
	do(topology.Join{Node: "c", Nonce: 1, Kinds: lawKinds})
	do(topology.StagePlan{Ring: r.With(map[ring.Partition]ring.NodeID{4: "c"}), BasedOn: s.Membership()})
	do(topology.CommitPlan{PlanVersion: s.Version()})
	do(topology.Join{Node: "d", Nonce: 1, Kinds: lawKinds, Weight: 2, Location: "r"})
	do(topology.StageForceReplace{Old: "a", New: "d"})
	substituted, _ := s.Substituted()
	do(topology.StagePlan{Ring: substituted, BasedOn: s.Membership()})
	do(topology.CommitPlan{PlanVersion: s.Version()})
	do(topology.BeginTerm{Node: "b"})
	move(0, "d", 5)
	move(2, "d", 4)
	src, dst := move(6, "d", 3)
	do(topology.Refuse{Report: dst, Reason: topology.ReasonBusy})
	do(topology.SourceReleased{Report: src})
	do(topology.Join{Node: "e", Nonce: 1, Kinds: lawKinds})
	do(topology.StageReplace{Old: "c", New: "e"})
	weight := 3
	do(topology.StageShare{Node: "b", Weight: &weight})
	do(topology.SetTransferLimit{Node: "b", Limit: 300})
	do(topology.SetTransferLimit{Limit: 4})
	do(topology.SetTransferLimit{Node: "d", Limit: 2})
	do(topology.SetTransferRate{Node: "b", Rate: 1 << 20})
	do(topology.SwitchTransfers{Node: "d", Outbound: true})
	do(topology.SwitchTransfers{Kind: "single", Inbound: true})
	substituted, _ = s.Substituted()
	do(topology.StagePlan{Ring: substituted, BasedOn: s.Membership(), Infeasible: "too few", Reason: "tight"})
	for _, key := range []string{"b", "a", "c"} {
		do(topology.PutMetadata{Key: key, Value: []byte("value of " + key)})
	}
	do(topology.PutMetadata{Key: "c", Expect: s.Version()})
	do(topology.AdvanceGrace{From: 2})
	do(topology.OpenHint{Kind: "single", Partition: 5, Node: "d", Incarnation: 1, Grace: 3})
	do(topology.OpenHint{Kind: "kv", Partition: 7, Node: "b", Incarnation: 1, Grace: 3})
	do(topology.StartNode{ClusterID: topology.ClusterID{1}, Node: "d", Nonce: 1, Kinds: lawKinds})
	do(topology.MarkIncomplete{Node: "d", Incarnation: 2, Kind: "kv"})
	return s
}

// TestDecodeState_damage alters every byte of a record, with and without a right checksum: what comes
// out is an error or a record that encodes to the very bytes.
func TestDecodeState_damage(t *testing.T) {
	good := encode(t, history(t))
	body := good[:len(good)-4]
	for i := range body {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, err := topology.DecodeState(bad); !errors.Is(err, topology.ErrDamaged) {
			t.Fatalf("altered at %d: %v", i, err)
		}
		if _, err := topology.DecodeState(reseal(body[:i])); i > 0 && !errors.Is(err, topology.ErrDamaged) {
			t.Fatalf("cut at %d: %v", i, err)
		}
		b := bytes.Clone(body)
		b[i] ^= 1 << (i % 8)
		checkDecodeState(t, reseal(b))
	}
}

// checkDecodeState checks that bytes are refused with a typed error, or are the canonical encoding of
// a record on which commands can be applied.
func checkDecodeState(t testing.TB, b []byte) {
	t.Helper()
	s, err := topology.DecodeState(b)
	if err != nil {
		if !errors.Is(err, topology.ErrDamaged) && !errors.Is(err, topology.ErrFormat) {
			t.Fatalf("untyped error: %v", err)
		}
		return
	}
	if b[0] == 3 && !bytes.Equal(encode(t, s), b) {
		t.Fatalf("%x decodes to a record that encodes to %x", b, encode(t, s))
	}
	for _, op := range everyOp(t) {
		c := command(op)
		c.ID.Seq = 100
		c.Term, _ = s.Term()
		next, _ := s.Apply(c)
		encode(t, next)
	}
	for _, tr := range s.Transfers() {
		for _, node := range []ring.NodeID{tr.Source, tr.Target} {
			m, _ := s.Member(node)
			rep := topology.Report{Session: tr.Session, Node: node, Incarnation: m.Incarnation}
			for i, op := range []topology.Op{
				topology.SourceFrozen{Report: rep},
				topology.TargetSealed{Report: rep},
				topology.TargetActivated{Report: rep},
				topology.SourceCleaned{Report: rep},
				topology.SourceReleased{Report: rep},
				topology.RemoveMember{Node: node},
				topology.CommitPlan{PlanVersion: planned(s)},
			} {
				c := topology.Command{ID: topology.CommandID{Proposer: "fresh", Seq: uint64(i + 1)}, Op: op}
				next, _ := s.Apply(c)
				encode(t, next)
			}
		}
	}
}

func planned(s topology.State) uint64 {
	if p := s.Plan(); p != nil {
		return p.Version
	}
	return 0
}

// The history has everything that the codec knows.
func TestHistory_complete(t *testing.T) {
	s := history(t)
	b, _ := s.Member("b")
	d, _ := s.Member("d")
	x := s.Part("kv", 0)
	lost := slices.ContainsFunc(s.Transfers(), func(t *topology.Transfer) bool { return t.SourceLost })
	if a, _ := s.Metadata("a"); string(a) != "value of a" || s.Grace() != 5 || len(s.HintsOf("b")) != 1 || len(s.HintsOf("d")) != 1 || !x.Incomplete || !lost {
		t.Errorf("metadata %q, grace %d, hints %v, kv/0 %+v, source lost %t", a, s.Grace(), slices.Collect(s.AllHints()), x, lost)
	}
	if s.TransferRate("b") != 1<<20 || s.Sends("d", "single") || !s.Receives("b", "kv") || s.Receives("b", "single") {
		t.Errorf("b %+v, d %+v", b, d)
	}
	if s.Plan() == nil || len(s.Plan().Changes) != 3 || b.Share == nil || d.Limit == nil || x.Reassigned == nil || len(s.Transfers()) != 2 || s.Part("kv", 6).Attempts != 1 {
		t.Errorf("plan %+v, b %+v, d %+v, kv/0 %+v, %d transfers", s.Plan(), b, d, x, len(s.Transfers()))
	}
}

// A record of format 2, as a build before this one wrote it, is read: it has no grace, metadata or hints, and
// what was given by force counts as incomplete since then.
func TestDecodeState_format2(t *testing.T) {
	old, err := os.ReadFile("testdata/record-2")
	if err != nil {
		t.Fatal(err)
	}
	s, err := topology.DecodeState(old)
	if err != nil {
		t.Fatal(err)
	}
	if s.Grace() != 0 || s.MetadataVersion() != 0 || len(slices.Collect(s.AllHints())) > 0 {
		t.Errorf("grace %d, metadata of version %d, hints %v", s.Grace(), s.MetadataVersion(), slices.Collect(s.AllHints()))
	}
	given := 0
	for _, k := range s.Kinds() {
		for p, x := range s.Parts(k.Name) {
			if x.Reassigned != nil {
				given++
			}
			if x.Incomplete != (x.Reassigned != nil) || x.Incomplete && x.Since != x.Reassigned.Version {
				t.Errorf("%s/%d: %+v", k.Name, p, x)
			}
		}
	}
	again, err := topology.DecodeState(encode(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if given == 0 || !bytes.Equal(encode(t, s), encode(t, again)) || again.Version() != s.Version() {
		t.Errorf("%d parts were given; version %d became %d", given, s.Version(), again.Version())
	}
}

func FuzzDecodeState(f *testing.F) {
	f.Add(encode(f, topology.State{}), false)
	f.Add(encode(f, history(f)), false)
	if old, err := os.ReadFile("testdata/record-2"); err != nil {
		f.Fatal(err)
	} else {
		f.Add(old, false)
	}
	good := encode(f, history(f))
	f.Add(good[:len(good)-4], true)
	f.Fuzz(func(t *testing.T, b []byte, checksum bool) {
		if checksum {
			b = reseal(b)
		}
		checkDecodeState(t, b)
	})
}

func FuzzDecodeCommand(f *testing.F) {
	for _, op := range everyOp(f) {
		b := marshal(f, command(op))
		f.Add(b, false)
		f.Add(b[:len(b)-4], true)
	}
	s := history(f)
	f.Fuzz(func(t *testing.T, b []byte, checksum bool) {
		if checksum {
			b = reseal(b)
		}
		c, err := topology.DecodeCommand(b)
		if err != nil {
			if !errors.Is(err, topology.ErrDamaged) && !errors.Is(err, topology.ErrFormat) {
				t.Fatalf("untyped error: %v", err)
			}
			return
		}
		if op, ok := c.Op.(topology.CreateCluster); ok && op.RingSize > 1024 {
			return // it is only slow
		}
		if again := marshal(t, c); !bytes.Equal(again, b) {
			t.Fatalf("%x decodes to a command that encodes to %x", b, again)
		}
		next, _ := s.Apply(c)
		encode(t, next)
		next, _ = topology.State{}.Apply(c)
		encode(t, next)
	})
}
