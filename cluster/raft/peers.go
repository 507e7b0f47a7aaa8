package raft

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

const (
	idlePerPeer = 4
	idleClient  = 5 * time.Second  // a connection unused for longer is not used again
	idleServer  = 30 * time.Second // and is closed by the other side
)

// errNotSent: the other node cannot have seen the request.
var errNotSent = errors.New("not sent")

// peers are the connections of a store to the record ports of others.
type peers struct {
	dial     func(context.Context, string) (net.Conn, error)
	timeouts Timeouts

	mu     sync.Mutex
	closed bool
	idle   map[string][]idleConn
}

type idleConn struct {
	net.Conn
	since time.Time
}

func newPeers(dial func(context.Context, string) (net.Conn, error), t Timeouts) *peers {
	return &peers{dial: dial, timeouts: t, idle: map[string][]idleConn{}}
}

// get returns a connection, and whether it was used before.
func (p *peers) get(ctx context.Context, addr string) (net.Conn, bool, error) {
	p.mu.Lock()
	for n := len(p.idle[addr]); n > 0; n = len(p.idle[addr]) {
		c := p.idle[addr][n-1]
		p.idle[addr] = p.idle[addr][:n-1]
		if time.Since(c.since) < idleClient {
			p.mu.Unlock()
			return c.Conn, true, nil
		}
		c.Close()
	}
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.timeouts.Dial)
	defer cancel()
	conn, err := p.dial(ctx, addr)
	return conn, false, err
}

func (p *peers) put(addr string, conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle[addr]) >= idlePerPeer {
		conn.Close()
		return
	}
	p.idle[addr] = append(p.idle[addr], idleConn{conn, time.Now()})
}

func (p *peers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, list := range p.idle {
		for _, c := range list {
			c.Close()
		}
	}
	clear(p.idle)
}

// exchange sends a request and returns the answer. An error wraps errNotSent when no byte was sent.
func (p *peers) exchange(ctx context.Context, addr string, r request) (response, error) {
	for {
		conn, used, err := p.get(ctx, addr)
		if err != nil {
			return response{}, fmt.Errorf("%w: %w", errNotSent, err)
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		resp, err := p.converse(ctx, conn, r)
		if stop() && err == nil {
			p.put(addr, conn)
			return resp, nil
		}
		conn.Close()
		switch {
		case err == nil:
			return resp, nil
		case ctx.Err() != nil:
			return response{}, context.Cause(ctx)
		case !used || r.kind == askPropose:
			return response{}, err
		}
		// The other side had closed it; questions may be repeated.
	}
}

func (p *peers) converse(ctx context.Context, conn net.Conn, r request) (response, error) {
	deadline := time.Now().Add(p.timeouts.Request)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	r.budget = time.Until(deadline)
	if err := conn.SetDeadline(deadline); err != nil {
		return response{}, err
	}
	if err := writeFrame(conn, r.kind, r.encode()); err != nil {
		return response{}, err
	}
	return receiveResponse(conn, p.timeouts.Request)
}

// call puts a request to one node.
func (s *Store) call(ctx context.Context, addr string, r request) (response, error) {
	r.asker = s.place()
	return s.peers.exchange(ctx, addr, r)
}

// ask puts a request to the leader: to the one that raft knows, else to the one that a member names.
// cluster.ErrUnavailable is returned when nobody who could be asked leads, and cluster.ErrUnknown when
// a proposal was sent and no answer came.
func (s *Store) ask(ctx context.Context, r request) (response, error) {
	var trail []string
	tried := map[string]bool{"": true, s.opts.Addr: true}
	for _, addr := range s.candidates() {
		if tried[addr] {
			continue
		}
		resp, err := s.try(ctx, addr, r, tried, &trail)
		if err == nil && resp.code == codeNotLeader && resp.addr != "" {
			member := addr
			if !tried[resp.addr] {
				resp, err = s.try(ctx, resp.addr, r, tried, &trail)
			}
			if errors.Is(err, errNotSent) || err == nil && resp.code == codeNotLeader {
				// A cut between this node and the leader does not keep it out: the member sees both.
				r := r
				r.relay = true
				resp, err = s.try(ctx, member, r, tried, &trail)
			}
		}
		switch {
		case errors.Is(err, errNotSent):
		case err != nil:
			return response{}, err
		case resp.code == codeOK:
			return resp, nil
		}
	}
	if len(trail) == 0 {
		trail = []string{"no leader, and nobody to ask: bootstrap a cluster or give seeds"}
	}
	return response{}, fmt.Errorf("%w: %s", cluster.ErrUnavailable, strings.Join(trail, "; "))
}

// try puts a request to one node. The error wraps errNotSent when another node may be asked, as it may
// after a response that is not codeOK; what it said is added to the trail.
func (s *Store) try(ctx context.Context, addr string, r request, tried map[string]bool, trail *[]string) (response, error) {
	tried[addr] = true
	resp, err := s.call(ctx, addr, r)
	switch {
	case err != nil && ctx.Err() != nil && (errors.Is(err, errNotSent) || r.kind != askPropose):
		return response{}, context.Cause(ctx)
	case err != nil && r.kind == askPropose && !errors.Is(err, errNotSent):
		return response{}, fmt.Errorf("%w: no answer from %s: %w", cluster.ErrUnknown, addr, err)
	case err != nil:
		*trail = append(*trail, fmt.Sprintf("%s: %v", addr, err))
		return response{}, fmt.Errorf("%w: %w", errNotSent, err)
	case resp.code == codeUnknown:
		return response{}, fmt.Errorf("%w: %s: %s", cluster.ErrUnknown, resp.server, resp.text)
	case resp.code == codeInvalid:
		return response{}, fmt.Errorf("%w: %s: %s", errProtocol, resp.server, resp.text)
	case resp.code != codeOK:
		*trail = append(*trail, fmt.Sprintf("%s: %s", resp.server, resp.text))
	}
	return resp, nil
}

// candidates returns whom to ask: the leader, the other voters, the members of the record, the seeds.
// Some may be the same, or "".
func (s *Store) candidates() []string {
	_, leader := s.raft.LeaderWithID()
	list := []string{s.book.where(string(leader))}
	for _, v := range s.servers() {
		if v.Suffrage == hraft.Voter {
			list = append(list, s.book.where(string(v.ID)))
		}
	}
	for _, m := range s.known().Members() {
		if m.Status != topology.Removed {
			list = append(list, s.book.where(serverOf(m)), m.Addr)
		}
	}
	return append(list, s.opts.Seeds...)
}

// hello tells all who may be asked where this server is, and hears from them where they and others
// are: servers that all moved find each other when each can reach one that can reach the next.
func (s *Store) hello(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeouts.Dial)
	defer cancel()
	list := s.candidates()
	slices.Sort(list)
	var wg sync.WaitGroup
	for _, addr := range slices.Compact(list) {
		if addr == "" || addr == s.opts.Addr {
			continue
		}
		wg.Go(func() {
			r, err := s.call(ctx, addr, request{kind: askPing})
			if err != nil {
				return
			}
			for _, p := range r.places {
				switch {
				case p.server == r.server:
					s.book.told(p)
				case s.hasServer(p.server):
					s.book.passedOn(p)
				}
			}
		})
	}
	wg.Wait()
}
