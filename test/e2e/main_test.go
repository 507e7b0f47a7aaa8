package e2e_test

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

// leader returns the node that leads the record by the word of one that is not skipped.
func leader(t *testing.T, c *e2e.Cluster, skip ...*e2e.Node) *e2e.Node {
	t.Helper()
	var found *e2e.Node
	c.Await("a leader", func() error {
		for _, via := range c.Nodes() {
			if slices.Contains(skip, via) || via.Process() == nil || !via.Process().Alive() {
				continue
			}
			name := via.Status().Agreement.Leader
			for _, n := range c.Nodes() {
				if n.Name == name && !slices.Contains(skip, n) {
					found = n
					return nil
				}
			}
		}
		return fmt.Errorf("nobody knows one")
	})
	return found
}

// followers returns the nodes that do not lead.
func followers(t *testing.T, c *e2e.Cluster, nodes []*e2e.Node) []*e2e.Node {
	t.Helper()
	lead := leader(t, c)
	return slices.DeleteFunc(slices.Clone(nodes), func(n *e2e.Node) bool { return n == lead })
}

// wantOwners fails unless every kind is served by the owners, and the committed ring is theirs.
func wantOwners(t *testing.T, s topology.State, want []ring.NodeID) {
	t.Helper()
	if got := s.Ring().Owners(); !slices.Equal(got, want) {
		t.Errorf("version %d: the committed ring is %v, want %v", s.Version(), got, want)
	}
	for _, k := range s.Kinds() {
		if got := s.Owners(k.Name).Owners(); !slices.Equal(got, want) {
			t.Errorf("version %d: %s is served by %v, want %v", s.Version(), k.Name, got, want)
		}
	}
}

// awaitStatus waits until the record says so of a member.
func awaitStatus(c *e2e.Cluster, via, of *e2e.Node, want topology.Status) (m topology.Member) {
	c.Await(fmt.Sprintf("%s to be %s", of.Name, want), func() error {
		s, err := via.TryRecord()
		if err != nil {
			return err
		}
		m, _ = s.Member(of.Name)
		if m.Status != want {
			return fmt.Errorf("it is %s", m.Status)
		}
		return nil
	})
	return m
}

// replaced returns owners with one node in place of another.
func replaced(owners []ring.NodeID, from, to *e2e.Node) []ring.NodeID {
	out := slices.Clone(owners)
	for i, o := range out {
		if o == from.Name {
			out[i] = to.Name
		}
	}
	return out
}
