package history_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff/history"
)

// moved returns a record in which partition 1 went from a to b and back, and its two certificates.
func moved(t *testing.T) (s topology.State, certificates []topology.Certificate) {
	t.Helper()
	seq := uint64(0)
	do := func(op topology.Op) topology.Outcome {
		t.Helper()
		seq++
		var o topology.Outcome
		if s, o = s.Apply(topology.Command{ID: topology.CommandID{Proposer: "p", Seq: seq}, Op: op}); o.Err != nil {
			t.Fatal(o.Err)
		}
		return o
	}
	kinds := []topology.KindSpec{{Name: "kv"}}
	do(topology.CreateCluster{ClusterID: topology.ClusterID{1}, RingSize: 8, TargetN: 2, NVal: 1, Kinds: kinds, Member: topology.Member{Node: "a", Nonce: 1}})
	do(topology.Join{Node: "b", Nonce: 1, Kinds: kinds})
	do(topology.StagePlan{Ring: s.Ring().With(map[ring.Partition]ring.NodeID{1: "b"}), BasedOn: s.Membership()})
	do(topology.CommitPlan{PlanVersion: s.Version()})
	for i, way := range [][2]ring.NodeID{{"a", "b"}, {"b", "a"}} {
		do(topology.OpenTransfer{Type: topology.Swap, Kind: "kv", Partition: 1, Target: way[1], ExpectEpoch: uint64(i) + 1})
		src := topology.Report{Session: uint64(i) + 1, Node: way[0], Incarnation: 1}
		dst := topology.Report{Session: uint64(i) + 1, Node: way[1], Incarnation: 1}
		seal := topology.Seal{Items: 4, Digest: topology.Digest{1}}
		for _, op := range []topology.Op{
			topology.SourceReady{Report: src},
			topology.TargetReady{Report: dst},
			topology.ReadyToSeal{Report: src},
			topology.SourceFrozen{Report: src, Seal: seal},
			topology.TargetSealed{Report: dst, Seal: seal},
			topology.TargetActivated{Report: dst},
			topology.SourceDrained{Report: src},
		} {
			do(op)
		}
		certificates = append(certificates, *s.Part("kv", 1).Closing())
		do(topology.SourceCleaned{Report: src})
	}
	return s, certificates
}

func log(node ring.NodeID, whole bool, certificates ...topology.Certificate) history.NodeLog {
	l := history.NodeLog{Node: node, Whole: whole}
	for _, c := range certificates {
		l.Entries = append(l.Entries, history.Entry{Certificate: c, Node: node})
	}
	return l
}

func TestVerify(t *testing.T) {
	s, c := moved(t)
	altered, unsound, later := c[0], c[1], c[1]
	altered.Items++
	unsound.TargetDigest[3]++
	later.Number, later.Previous, later.Session = 3, c[1].Hash(), 3
	for _, x := range []struct {
		name string
		logs []history.NodeLog
		want []string
	}{
		{"sound", []history.NodeLog{log("a", true, c...), log("b", true, c...)}, nil},
		{"twice", []history.NodeLog{log("a", true, c[0], c[0], c[1]), log("b", true, c...)}, nil},
		{"a log that does not answer", []history.NodeLog{log("a", true, c...)}, nil},
		{"older ones removed", []history.NodeLog{log("a", false, c[1]), log("b", false, c[1])}, nil},
		{"the last one is missing", []history.NodeLog{log("a", true, c...), log("b", true, c[0])}, []string{"b lacks certificate 2"}},
		{"altered in one log", []history.NodeLog{log("a", true, c...), log("b", true, altered, c[1])}, []string{"certificate 1 is of session 1"}},
		{"altered in both logs", []history.NodeLog{log("a", true, altered, c[1]), log("b", true, altered, c[1])}, []string{"does not follow"}},
		{"another than the record's", []history.NodeLog{log("a", true, c[0], unsound), log("b", true, c...)}, []string{"certificate 2 is of session 2", "a lacks certificate 2"}},
		{"one that the record lacks", []history.NodeLog{log("a", true, c[0], c[1], later), log("b", true, c...)}, []string{"certificate 3 of session 3"}},
	} {
		n, problems := history.Verify(s, x.logs)
		if len(problems) != len(x.want) || n < 1 {
			t.Errorf("%s: %d certificates, %+v", x.name, n, problems)
			continue
		}
		for i, want := range x.want {
			if !slices.ContainsFunc(problems, func(p history.Problem) bool { return strings.Contains(p.Text, want) && p.Partition == 1 }) {
				t.Errorf("%s: %+v, want %q", x.name, problems, x.want[i])
			}
		}
	}
}

// A certificate that is gone from the middle of a chain is missed.
func TestVerify_gap(t *testing.T) {
	s, c := moved(t)
	zero := c[0]
	zero.Number = 0
	logs := []history.NodeLog{log("a", true, c[1]), log("b", true, c[1])}
	logs[0].Entries = append(logs[0].Entries, history.Entry{Certificate: zero})
	_, problems := history.Verify(s, logs)
	if !slices.ContainsFunc(problems, func(p history.Problem) bool { return strings.Contains(p.Text, "no history has certificates 1 to 1") }) {
		t.Errorf("%+v", problems)
	}
}
