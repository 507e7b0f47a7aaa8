package baton

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
)

// hello is what a node says of itself before it has a cluster.
type hello struct {
	Node    string
	Cluster string // empty while it has none
	Expect  int
	Seeds   string // hash of the list of nodes that it expects
}

func (n *Node) hello() hello {
	h := hello{Node: n.opts.Name, Expect: n.opts.BootstrapExpect, Seeds: seedsHash(n.opts.Join)}
	if id := n.clusterID(); !id.IsZero() {
		h.Cluster = id.String()
	}
	return h
}

// clusterID is the id that the cluster port speaks for.
func (n *Node) clusterID() topology.ClusterID {
	if n.port != nil {
		return n.port.Cluster()
	}
	return topology.ClusterID{}
}

// seedsHash is the same for equal sets of addresses.
func seedsHash(addrs []string) string {
	set := slices.Compact(slices.Sorted(slices.Values(addrs)))
	sum := sha256.Sum256([]byte(strings.Join(set, "\n")))
	return hex.EncodeToString(sum[:])
}

// helloEvery is the pause between two rounds of looking for the others.
const helloEvery = 250 * time.Millisecond

// agree finds out who creates the cluster among the nodes that are expected:
// the one whose name sorts first, once every one of them runs, has no cluster
// and expects the same nodes. All have to be seen, so no two of them can both
// find themselves first. When one of them has a cluster, that is joined.
func (s *starting) agree(ctx context.Context) (seeds []string, first bool, err error) {
	n := s.node
	told := ""
	for {
		v := verdict(n.hello(), s.greet(ctx))
		if v.join || v.found {
			return n.opts.Join, v.found, nil
		}
		if v.waiting != told {
			told = v.waiting
			n.opts.Logger.Info("bootstrap waits", "expect", n.opts.BootstrapExpect, "for", told)
		}
		timer := time.NewTimer(helloEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, false, fmt.Errorf("bootstrap of %d nodes: %w: %s", n.opts.BootstrapExpect, context.Cause(ctx), told)
		}
	}
}

// greeting is what one address answered.
type greeting struct {
	addr string
	hello
	err error
}

// greet asks all expected nodes, this one included, who they are.
func (s *starting) greet(ctx context.Context) []greeting {
	n := s.node
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	addrs := slices.Compact(slices.Sorted(slices.Values(n.opts.Join)))
	out := make([]greeting, len(addrs))
	var all sync.WaitGroup
	for i, addr := range addrs {
		all.Go(func() {
			out[i].addr = addr
			out[i].err = n.get(ctx, addr, "/hello", &out[i].hello)
		})
	}
	all.Wait()
	return out
}

// bootstrapVerdict is what follows from a round of greetings.
type bootstrapVerdict struct {
	join    bool   // one of them has a cluster, or another one creates it
	found   bool   // this node creates it
	waiting string // what is missing
}

// verdict decides; it is pure, so that all nodes that see the same decide the
// same.
func verdict(self hello, all []greeting) bootstrapVerdict {
	names := make(map[string]string)
	missing := ""
	for _, g := range all {
		switch {
		case g.err != nil:
			missing = fmt.Sprintf("%s does not answer: %v", g.addr, g.err)
		case g.Cluster != "":
			return bootstrapVerdict{join: true}
		case g.Expect != self.Expect || g.Seeds != self.Seeds:
			missing = fmt.Sprintf("%s at %s expects other nodes: give all the same list", g.Node, g.addr)
		case names[g.Node] != "":
			missing = fmt.Sprintf("%s and %s are both node %q: give each its own name", names[g.Node], g.addr, g.Node)
		default:
			names[g.Node] = g.addr
		}
	}
	switch {
	case missing != "":
		return bootstrapVerdict{waiting: missing}
	case names[self.Node] == "":
		return bootstrapVerdict{waiting: fmt.Sprintf("none of the addresses is this node's, %q", self.Node)}
	}
	for name := range names {
		if name < self.Node {
			return bootstrapVerdict{join: true}
		}
	}
	return bootstrapVerdict{found: true}
}
