package raft

import (
	"sync"

	"github.com/dee2748c/baton/cluster/topology"
)

// A place is where a server says that it is.
type place struct {
	server, addr string
	// start counts the starts of the server, so that of two places the later one is known. It is 0
	// for what is only known from the record.
	start uint64
}

// A book says at which address each server is. Raft's configuration has names only: an address in it
// could be changed by a leader alone, and servers that all moved could not elect one. What a server
// says itself holds until the record tells of a later start. It is safe for concurrent use.
type book struct {
	mu      sync.Mutex
	places  map[string]entry
	members []topology.Member // of the newest record; a record that changes none has the same slice
}

type entry struct {
	place
	life uint64 // incarnation of the member, as far as the record's word was heard
}

func newBook() *book { return &book{places: map[string]entry{}} }

// where returns a server's address, "" when it is not known.
func (b *book) where(server string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.places[server].addr
}

// of returns what is known of the servers that said themselves where they are.
func (b *book) of(servers []string) []place {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []place
	for _, s := range servers {
		if p := b.places[s].place; p.start > 0 {
			out = append(out, p)
		}
	}
	return out
}

// told notes what a server says of itself.
func (b *book) told(p place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.places[p.server]; p.start >= e.start && p.addr != "" {
		e.place = p
		b.places[p.server] = e
	}
}

// passedOn notes what a server said to another: it counts only when it is news.
func (b *book) passedOn(p place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.places[p.server]; p.start > e.start && p.addr != "" {
		e.place = p
		b.places[p.server] = e
	}
}

// record notes the members' addresses. With old, it is a record that is older than the book: nothing
// is learned but who was heard of.
func (b *book) record(state topology.State, old bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	members := state.Members()
	if len(members) == len(b.members) && (len(members) == 0 || &members[0] == &b.members[0]) {
		return
	}
	b.members = members
	for _, m := range members {
		id := serverOf(m)
		e, known := b.places[id]
		if m.Status == topology.Removed || m.Addr == "" || known && m.Incarnation <= e.life {
			continue
		}
		e.server, e.life = id, m.Incarnation
		if !old || !known {
			e.addr = m.Addr
		}
		b.places[id] = e
	}
}

// command notes what a command of the log says of its proposer's address, whether it was applied or
// not. Commands come in the order of the log.
func (b *book) command(op topology.Op) {
	switch op := op.(type) {
	case topology.CreateCluster:
		b.told(place{server: serverOf(op.Member), addr: op.Member.Addr})
	case topology.Join:
		b.told(place{server: ServerID(op.Node, op.Nonce), addr: op.Addr})
	case topology.StartNode:
		b.told(place{server: ServerID(op.Node, op.Nonce), addr: op.Addr})
	}
}
