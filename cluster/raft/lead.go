package raft

import (
	"context"
	"errors"
	"fmt"
	"time"

	hraft "github.com/hashicorp/raft"
)

// readyLag is how many entries a server may lag behind the leader and still be given a vote.
const readyLag = 256

// lead takes the leader's place when raft elects this server, and while it leads changes raft's
// configuration to what the record asks for, one change at a time.
func (s *Store) lead() {
	for {
		var retry <-chan time.Time
		if s.raft.State() == hraft.Leader && !(s.takePlace() && s.reconcile()) {
			retry = time.After(s.opts.Timeouts.Poll / 4)
		}
		select {
		case <-s.life.Done():
			return
		case up := <-s.raft.LeaderCh():
			if !up {
				s.leadTerm.Store(0)
				s.opts.Logger.Info("raft leadership lost", "server", s.id)
				s.applied()
			}
		case <-s.nudge:
		case <-retry:
		}
	}
}

// takePlace waits until this server has applied all that was committed before its term, and reports
// whether it leads.
func (s *Store) takePlace() bool {
	term := s.raft.CurrentTerm()
	if s.leadTerm.Load() == term {
		return true
	}
	s.leadTerm.Store(0)
	err := s.await(s.life, func() hraft.Future { return s.raft.Barrier(s.opts.Timeouts.Request) })
	if err != nil || s.raft.CurrentTerm() != term || s.raft.State() != hraft.Leader {
		return false
	}
	s.leadTerm.Store(term)
	s.opts.Logger.Info("raft leadership gained", "server", s.id, "term", term)
	s.applied()
	return true
}

// reconcile changes the configuration until it is as desired, and reports whether it is.
func (s *Store) reconcile() bool {
	for {
		state, index, err := s.machine.now()
		if err != nil {
			return true // stands still until it is restarted
		}
		c := s.plan(state, s.servers(), hraft.ServerID(s.id), func(v hraft.Server) bool { return s.ready(v, index) })
		if c.action == nothing {
			return !c.again
		}
		if err := s.change(c); err != nil {
			if s.life.Err() == nil {
				s.opts.Logger.Warn("raft configuration not changed", "change", c.String(), "err", err)
			}
			return false
		}
		s.opts.Logger.Info("raft configuration changed", "change", c.String())
	}
}

// ready reports whether the server answers and is about to have what the leader has.
func (s *Store) ready(v hraft.Server, index uint64) bool {
	ctx, cancel := context.WithTimeout(s.life, s.opts.Timeouts.Dial)
	defer cancel()
	r, err := s.call(ctx, s.book.where(string(v.ID)), request{kind: askPing})
	return err == nil && r.code == codeOK && r.server == string(v.ID) && r.leader == s.id && r.index+readyLag >= index
}

// change makes one change, if the configuration is still the one that it was decided on.
func (s *Store) change(c change) error {
	if c.action == handOver {
		return s.transfer(s.life, c.server)
	}
	at, err := s.configIndex()
	if err != nil {
		return err
	}
	wait := s.opts.Timeouts.Request
	id, addr := c.server.ID, c.server.Address
	return s.await(s.life, func() hraft.Future {
		switch {
		case c.action == demoteVoter:
			return s.raft.DemoteVoter(id, at, wait)
		case c.action == removeServer:
			return s.raft.RemoveServer(id, at, wait)
		case c.action == addVoter:
			return s.raft.AddVoter(id, addr, at, wait)
		default:
			return s.raft.AddNonvoter(id, addr, at, wait)
		}
	})
}

// configIndex returns where in the log the newest committed configuration is. After a restart it may
// be in the snapshot only.
func (s *Store) configIndex() (uint64, error) {
	s.machine.mu.Lock()
	at := s.machine.config
	s.machine.mu.Unlock()
	list, err := s.storage.snapshots.List()
	if err == nil && len(list) > 0 {
		at = max(at, list[0].ConfigurationIndex)
	}
	return at, err
}

func (s *Store) transfer(ctx context.Context, to hraft.Server) error {
	return s.await(ctx, func() hraft.Future { return s.raft.LeadershipTransferToServer(to.ID, to.Address) })
}

// HandOver gives the leadership to another voter, as a leader does before it stops. It does nothing on
// a server that does not lead, or that is the only voter.
func (s *Store) HandOver(ctx context.Context) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	var failed error
	for _, v := range s.servers() {
		if s.raft.State() != hraft.Leader {
			return nil
		}
		if v.Suffrage != hraft.Voter || string(v.ID) == s.id {
			continue
		}
		err := s.transfer(ctx, v)
		if err == nil {
			return nil
		}
		failed = errors.Join(failed, fmt.Errorf("to %s at %s: %w", v.ID, s.book.where(string(v.ID)), err))
	}
	if failed != nil {
		return fmt.Errorf("hand over leadership of %s: %w", s.id, failed)
	}
	return nil
}

// follow says where this server is, and hears of the record from members, while no leader speaks to it:
// it has not joined yet, it was removed, it is restarted at another address, or there is none.
func (s *Store) follow() {
	tick := time.NewTicker(s.opts.Timeouts.Poll)
	defer tick.Stop()
	for {
		if leader, _ := s.raft.LeaderWithID(); leader == "" {
			ctx, cancel := context.WithTimeout(s.life, s.opts.Timeouts.Request)
			s.hello(ctx)
			_, _ = s.readElsewhere(ctx) // publishes what it finds; else the next tick tries again
			cancel()
		}
		select {
		case <-tick.C:
		case <-s.life.Done():
			return
		}
	}
}

// Bootstrap makes this server the first and only voter of a new, empty record. It is called once in
// the life of a cluster, on one server. ErrHasRecord is returned by a server that has a log.
func (s *Store) Bootstrap(ctx context.Context) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.bootstrap(ctx, configured(s.id, hraft.Voter))
}

func (s *Store) bootstrap(ctx context.Context, servers ...hraft.Server) error {
	err := s.await(ctx, func() hraft.Future {
		return s.raft.BootstrapCluster(hraft.Configuration{Servers: servers})
	})
	if errors.Is(err, hraft.ErrCantBootstrap) {
		err = fmt.Errorf("%w: start it without bootstrap", ErrHasRecord)
	}
	if err == nil {
		s.hurry()
		_, err = s.Read(ctx)
	}
	if err != nil {
		return fmt.Errorf("bootstrap %s: %w", s.id, err)
	}
	return nil
}

// alone reports whether this server is the only voter.
func (s *Store) alone() bool {
	n := 0
	for _, v := range s.servers() {
		if v.Suffrage == hraft.Voter {
			n++
			if string(v.ID) != s.id {
				return false
			}
		}
	}
	return n == 1
}

// hurry makes a follower that hears no leader stand for election now: raft looks at its timer when
// its time-out gets shorter.
func (s *Store) hurry() {
	c := s.raft.ReloadableConfig()
	c.HeartbeatTimeout -= time.Microsecond
	if err := s.raft.ReloadConfig(c); err != nil {
		s.opts.Logger.Warn("raft time-outs not changed", "err", err)
	}
}
