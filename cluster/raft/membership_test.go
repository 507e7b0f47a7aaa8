package raft

import (
	"fmt"
	"strings"
	"testing"

	hraft "github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// record makes a record with members in given statuses, "a valid, b joining": each is brought there by
// the operations of its life.
func record(t interface{ Fatal(...any) }, members string) topology.State {
	var s topology.State
	var seq uint64
	must := func(op topology.Op) topology.Outcome {
		seq++
		term, _ := s.Term()
		var o topology.Outcome
		s, o = s.Apply(topology.Command{ID: topology.CommandID{Proposer: "p", Seq: seq}, Term: term, Op: op})
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		return o
	}
	kinds := []topology.KindSpec{{Name: "kv"}}
	must(topology.CreateCluster{RingSize: 8, TargetN: 1, NVal: 1, Kinds: kinds, ClusterID: topology.ClusterID{1}, Member: topology.Member{Node: "z", Addr: "z:1"}})
	must(topology.BeginTerm{Node: "z"})
	commit := func() {
		o := must(topology.StagePlan{Ring: s.Ring(), BasedOn: s.Membership()})
		must(topology.CommitPlan{PlanVersion: o.Version})
	}
	list := strings.Split(members, ", ")
	join := func(status string) {
		for _, m := range list {
			if n, st, _ := strings.Cut(m, " "); (st == "joining") == (status == "joining") && members != "" {
				must(topology.Join{Node: ring.NodeID(n), Addr: n + ":1", Kinds: kinds})
			}
		}
	}
	join("others")
	commit()
	for _, m := range list {
		n, st, _ := strings.Cut(m, " ")
		switch st {
		case "leaving":
			must(topology.StageLeave{Node: ring.NodeID(n)})
		case "removed":
			must(topology.StageForceRemove{Node: ring.NodeID(n)})
		}
	}
	if strings.Contains(members, "leaving") || strings.Contains(members, "removed") {
		commit()
	}
	for _, m := range list {
		n, st, _ := strings.Cut(m, " ")
		if st == "down" {
			must(topology.MarkDown{Node: ring.NodeID(n)})
		}
	}
	join("joining")
	return s
}

// configuration reads "a! b c+": a votes and leads, b votes, c has no vote.
func configuration(text string) (servers []hraft.Server, leader hraft.ServerID) {
	for _, f := range strings.Fields(text) {
		n := strings.TrimRight(f, "!+")
		s := configured(n+"/0", hraft.Voter)
		if strings.HasSuffix(f, "+") {
			s.Suffrage = hraft.Nonvoter
		}
		if strings.HasSuffix(f, "!") {
			leader = s.ID
		}
		servers = append(servers, s)
	}
	return servers, leader
}

// The founder z of each record is Valid, too.
func TestDesired(t *testing.T) {
	for _, c := range []struct{ name, members, config, unready, want string }{
		{"one", "", "z!", "", "nothing"},
		{"joining ones follow", "a joining", "z!", "", "add non-voter a/0"},
		{"joining ones do not vote", "a joining, b joining", "z! a+ b+", "", "nothing"},
		{"two valid, one vote", "a valid", "z! a+", "", "nothing"},
		{"the third makes three votes", "a valid, b valid", "z! a+ b+", "", "give vote a/0"},
		{"odd", "a valid, b valid", "z! a b+", "", "give vote b/0"},
		{"four, three votes", "a valid, b valid, c valid", "z! a b c+", "", "nothing"},
		{"five", "a valid, b valid, c valid, d valid", "z! a b c+ d+", "", "give vote c/0"},
		{"six, five votes", "a valid, b valid, c valid, d valid, e valid", "z! a b c d e+", "", "nothing"},
		{"not ready", "a valid, b valid", "z! a+ b+", "a", "nothing again"},
		{"a vote too many waits for nobody", "a valid, b valid", "z! a b+", "b", "take vote a/0 again"},
		{"down without successor keeps it", "a valid, b down", "z! a b", "", "nothing"},
		{"down loses it first", "a valid, b down, c valid", "z! a b c+", "", "take vote b/0"},
		{"leaving loses it last", "a valid, b leaving, c valid", "z! a b c+", "", "give vote c/0"},
		{"leaving, replaced", "a valid, b leaving, c valid", "z! a b c", "", "take vote b/0"},
		{"leaving leader hands over", "a valid, b leaving, c valid", "z a b! c", "", "hand over z/0"},
		{"removed", "a valid, b removed", "z! a b", "", "remove server b/0"},
		{"even after removal", "a valid, b removed", "z! a", "", "take vote a/0"},
		{"removed leader hands over", "a valid, b removed", "z a b!", "", "hand over z/0"},
		{"removed follower", "a removed", "z! a+", "", "remove server a/0"},
		{"removed only voter", "a removed", "a! z+", "", "give vote z/0"},
		{"down leader", "a valid, b valid, c down", "c! a b z+", "", "hand over a/0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			servers, leader := configuration(c.config)
			got := desired(record(t, c.members), servers, leader, func(s hraft.Server) bool { return !strings.HasPrefix(string(s.ID), c.unready) || c.unready == "" })
			text := "nothing"
			if got.action != nothing {
				text = got.String()
			}
			if got.again {
				text += " again"
			}
			if text != c.want {
				t.Errorf("%s, want %s", text, c.want)
			}
		})
	}
	if got := desired(topology.State{}, nil, "", nil); got.action != nothing {
		t.Errorf("%v of an empty record", got)
	}
}

// What the configuration has for addresses is no reason to change it; a server of an earlier life goes
// before that of the new one comes.
func TestDesired_addresses(t *testing.T) {
	state := record(t, "a valid, b valid")
	servers, leader := configuration("z! a b")
	ready := func(hraft.Server) bool { return true }
	servers[1].Address = "old:1" // written by an earlier version
	if c := desired(state, servers, leader, ready); c.action != nothing {
		t.Errorf("%v, want no change", c)
	}
	servers[1] = hraft.Server{ID: "a/dead", Address: "a/dead", Suffrage: hraft.Nonvoter}
	if c := desired(state, servers, leader, ready); c.action != removeServer || c.server.ID != "a/dead" {
		t.Errorf("%v, want the former server's removal", c)
	}
	if c := desired(state, servers[:1], leader, ready); c.action != addNonvoter || c.server.Address != "a/0" {
		t.Errorf("%v at %s, want the name for an address", c, c.server.Address)
	}
}

// I7: from any configuration, changes end; the voters are then odd in number or all that can vote; the
// leader is never taken its vote.
func TestDesired_ends(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var members, config []string
		statuses := []string{"valid", "valid", "joining", "leaving", "down", "removed"}
		for i := range rapid.IntRange(1, 8).Draw(t, "members") {
			members = append(members, fmt.Sprintf("%c %s", 'a'+i, rapid.SampledFrom(statuses).Draw(t, "status")))
		}
		for i := range rapid.IntRange(0, 8).Draw(t, "servers") {
			config = append(config, fmt.Sprintf("%c%s", 'a'+i, rapid.SampledFrom([]string{"", "+"}).Draw(t, "vote")))
		}
		servers, _ := configuration(strings.Join(append(config, "z"), " "))
		unready := rapid.SampledFrom([]string{"-", "a", "b"}).Draw(t, "unready")
		ready := func(s hraft.Server) bool { return !strings.HasPrefix(string(s.ID), unready) }
		state := record(t, strings.Join(members, ", "))
		voting := func() (ids []hraft.ServerID) {
			for _, s := range servers {
				if s.Suffrage == hraft.Voter {
					ids = append(ids, s.ID)
				}
			}
			return ids
		}
		leader := rapid.SampledFrom(voting()).Draw(t, "leader")
		for step := 0; ; step++ {
			if step > 60 {
				t.Fatalf("no end: %v", servers)
			}
			c := desired(state, servers, leader, ready)
			if c.action == nothing {
				break
			}
			if c.server.ID == leader && (c.action == demoteVoter || c.action == removeServer) {
				t.Fatalf("%v: it leads", c)
			}
			var next []hraft.Server
			for _, s := range servers {
				if s.ID != c.server.ID {
					next = append(next, s)
					continue
				}
				switch c.action {
				case addVoter:
					s.Suffrage = hraft.Voter
				case demoteVoter:
					s.Suffrage = hraft.Nonvoter
				case removeServer:
					continue
				case handOver:
					if s.Suffrage != hraft.Voter {
						t.Fatalf("hand over to %s, which has no vote", s.ID)
					}
					leader = s.ID
				}
				next = append(next, s)
			}
			if c.action == addNonvoter {
				next = append(next, c.server)
			}
			servers = next
			if len(voting()) == 0 {
				t.Fatalf("%v: no voter is left", c)
			}
		}
		if n := len(voting()); n > maxVoters || n%2 == 0 {
			t.Fatalf("%d voters of %v in the end", n, servers)
		}
	})
}

func TestNodeOf(t *testing.T) {
	for _, node := range []ring.NodeID{"n1", "rack/n1"} {
		if got := NodeOf(ServerID(node, 0xa1)); got != node {
			t.Errorf("%q, want %q", got, node)
		}
	}
	if got := NodeOf(""); got != "" {
		t.Errorf("of no server: %q", got)
	}
}
