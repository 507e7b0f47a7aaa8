package history

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// NodeLog is what the log of one node has.
type NodeLog struct {
	Node    ring.NodeID
	Entries []Entry
	// Whole says that nothing was ever removed from the log.
	Whole bool
}

// A Problem is something wrong with the certificates of a partition.
type Problem struct {
	Kind      topology.Kind
	Partition ring.Partition
	// Node has it in its log, or lacks it; empty if it is the record's, or of several nodes.
	Node ring.NodeID
	Text string
}

// Verify holds the certificates of the record and of the logs to each other, and returns how many there are
// and what is wrong. Each certificate must be sound by itself and follow the one before; the same one must be
// the same everywhere; the record's last of each partition must be in the logs of both nodes, if these are
// among logs. What is under way while the logs are read may look like a problem: then another look has none.
func Verify(s topology.State, logs []NodeLog) (certificates int, problems []Problem) {
	chains := map[slot]*chain{}
	of := func(kind topology.Kind, p ring.Partition) *chain {
		c := chains[slot{kind, p}]
		if c == nil {
			c = &chain{slot: slot{kind, p}, byNumber: map[uint64]copyOf{}}
			chains[c.slot] = c
		}
		return c
	}
	whole := !slices.ContainsFunc(s.Members(), func(m topology.Member) bool {
		return !slices.ContainsFunc(logs, func(l NodeLog) bool { return l.Node == m.Node && l.Whole })
	})
	for _, k := range s.Kinds() {
		for p, x := range s.Parts(k.Name) {
			if x.Certificate != nil {
				of(k.Name, p).add(copyOf{x.Certificate, ""})
			}
			if last := cmp.Or(x.Closing(), x.Certificate); last != nil {
				of(k.Name, p).last = last.Number
			}
		}
	}
	for _, l := range logs {
		for i := range l.Entries {
			if e := &l.Entries[i]; !e.Failed() {
				of(e.Kind, e.Partition).add(copyOf{&e.Certificate, l.Node})
			}
		}
	}
	for _, k := range s.Kinds() {
		for p, x := range s.Parts(k.Name) {
			if c := chains[slot{k.Name, p}]; c != nil {
				c.lacking(x.Certificate, logs)
				c.follow(whole)
				certificates += len(c.byNumber)
				problems = append(problems, c.problems...)
			}
		}
	}
	return certificates, problems
}

// chain is what is known of one partition.
type chain struct {
	slot
	byNumber map[uint64]copyOf
	last     uint64 // number of the last one by the record
	problems []Problem
}

// copyOf is a certificate as a node has it, or the record.
type copyOf struct {
	*topology.Certificate
	node ring.NodeID
}

func (c copyOf) where() string {
	if c.node == "" {
		return "the record"
	}
	return "the history of " + string(c.node)
}

func (c *chain) wrong(node ring.NodeID, format string, args ...any) {
	c.problems = append(c.problems, Problem{c.kind, c.p, node, fmt.Sprintf(format, args...)})
}

// add takes a certificate, and compares it with what is known of that number.
func (c *chain) add(x copyOf) {
	known, ok := c.byNumber[x.Number]
	switch {
	case !ok:
		c.byNumber[x.Number] = x
		if err := x.Check(); err != nil {
			c.wrong(x.node, "certificate %d of session %d in %s: %v", x.Number, x.Session, x.where(), err)
		}
	case *known.Certificate != *x.Certificate:
		c.wrong(x.node, "certificate %d is of session %d with hash %s in %s, of session %d with hash %s in %s",
			x.Number, known.Session, known.Hash(), known.where(), x.Session, x.Hash(), x.where())
	}
}

// lacking looks for the record's certificate in the logs of both nodes.
func (c *chain) lacking(last *topology.Certificate, logs []NodeLog) {
	if last == nil {
		return
	}
	for _, l := range logs {
		if l.Node != last.Source && l.Node != last.Target {
			continue
		}
		if !slices.ContainsFunc(l.Entries, func(e Entry) bool { return !e.Failed() && e.Certificate == *last }) {
			c.wrong(l.Node, "the history of %s lacks certificate %d of session %d, which the record has", l.Node, last.Number, last.Session)
		}
	}
}

// follow goes along the chain. With whole, nothing may be missing behind its oldest certificate.
func (c *chain) follow(whole bool) {
	var before copyOf
	numbers := make([]uint64, 0, len(c.byNumber))
	for n := range c.byNumber {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		x := c.byNumber[n]
		switch {
		case n > c.last:
			c.wrong(x.node, "certificate %d of session %d in %s is not in the record", n, x.Session, x.where())
		case before.Certificate != nil && before.Number+1 == n:
			if err := x.Follows(before.Certificate); err != nil {
				c.wrong(x.node, "certificate %d of session %d in %s does not follow that in %s: %v", n, x.Session, x.where(), before.where(), err)
			}
		case before.Certificate != nil && whole:
			c.wrong("", "no history has certificates %d to %d", before.Number+1, n-1)
		}
		before = x
	}
}
