package raft

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"

	"github.com/dee2748c/baton/cluster"
)

// A server answers requests of other nodes.
type server struct {
	listener net.Listener
	answer   func(context.Context, request) response
	timeout  time.Duration

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
	ctx    context.Context
	end    context.CancelFunc
	wg     sync.WaitGroup
}

func serve(l net.Listener, answer func(context.Context, request) response, timeout time.Duration) *server {
	v := &server{listener: l, answer: answer, timeout: timeout, conns: map[net.Conn]struct{}{}}
	v.ctx, v.end = context.WithCancel(context.Background())
	v.wg.Go(v.accept)
	return v
}

func (v *server) accept() {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		conn, err := v.listener.Accept()
		if err == nil {
			pause = firstPause
			v.start(conn)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		timer := time.NewTimer(pause) // out of file descriptors, perhaps
		select {
		case <-timer.C:
		case <-v.ctx.Done():
			timer.Stop()
			return
		}
	}
}

func (v *server) start(conn net.Conn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		conn.Close()
		return
	}
	v.conns[conn] = struct{}{}
	v.wg.Go(func() {
		v.converse(conn)
		conn.Close()
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.conns, conn)
	})
}

// converse answers one request after the other until the connection fails or is left idle.
func (v *server) converse(conn net.Conn) {
	for {
		if conn.SetDeadline(time.Now().Add(idleServer)) != nil {
			return
		}
		k, body, err := readFrame(conn)
		if err != nil {
			return
		}
		r, err := decodeRequest(k, body)
		if err != nil {
			_ = sendResponse(conn, response{code: codeInvalid, text: err.Error()}, v.timeout)
			return
		}
		ctx, cancel := context.WithTimeout(v.ctx, min(r.budget, v.timeout))
		resp := v.answer(ctx, r)
		cancel()
		if sendResponse(conn, resp, v.timeout) != nil {
			return
		}
	}
}

func (v *server) close() error {
	v.mu.Lock()
	v.closed = true
	for c := range v.conns {
		c.Close()
	}
	v.mu.Unlock()
	v.end()
	err := v.listener.Close()
	v.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// answer serves one request of another node. Who does not lead says who does, and passes the request on
// to it only when the asker says that it can't.
func (s *Store) answer(ctx context.Context, r request) response {
	resp := response{code: codeOK, server: s.id}
	_, id := s.raft.LeaderWithID()
	resp.leader, resp.addr = string(id), s.book.where(string(id))
	if s.hasServer(r.asker.server) {
		s.book.told(r.asker)
	}
	var err error
	switch r.kind {
	case askPing:
		_, resp.index, err = s.machine.now()
		resp.places = s.book.of(s.ids())
	case askPropose:
		if _, err := cluster.DecodeBatch(r.batch); err != nil {
			return response{code: codeInvalid, server: s.id, text: err.Error()}
		}
		resp.outcomes, err = s.apply(ctx, r.batch)
	case askIndex:
		_, resp.index, err = s.confirmed(ctx)
		resp.member = s.hasServer(r.asker.server)
	case askRecord:
		state, index, failed := s.confirmed(ctx)
		err, resp.index = failed, index
		if resp.same = err == nil && state.Version() == r.known; err == nil && !resp.same {
			resp.record, err = state.MarshalBinary()
		}
	}
	if err == nil {
		return resp
	}
	resp.text, resp.code = err.Error(), codeUnavailable
	switch {
	case errors.Is(err, errNotLeader) && r.relay && resp.addr != "" && resp.addr != s.opts.Addr:
		return s.pass(ctx, resp.addr, r)
	case errors.Is(err, errNotLeader):
		resp.code = codeNotLeader
	case errors.Is(err, cluster.ErrUnknown):
		resp.code = codeUnknown
	}
	return resp
}

// pass gives a request to the leader for a node that does not reach it. It goes no further.
func (s *Store) pass(ctx context.Context, leader string, r request) response {
	r.relay = false
	resp, err := s.peers.exchange(ctx, leader, r)
	if err == nil {
		return resp
	}
	resp = response{code: codeUnavailable, server: s.id, text: "pass on to " + leader + ": " + err.Error()}
	if r.kind == askPropose && !errors.Is(err, errNotSent) {
		resp.code = codeUnknown
	}
	return resp
}

// servers returns raft's configuration as this server knows it.
func (s *Store) servers() []hraft.Server {
	return s.raft.GetConfiguration().Configuration().Servers
}

// ids returns this server and those of raft's configuration.
func (s *Store) ids() []string {
	out := []string{s.id}
	for _, v := range s.servers() {
		if string(v.ID) != s.id {
			out = append(out, string(v.ID))
		}
	}
	return out
}

func (s *Store) hasServer(id string) bool {
	for _, v := range s.servers() {
		if string(v.ID) == id {
			return true
		}
	}
	return false
}

func (s *Store) isServer() bool { return s.hasServer(s.id) }
