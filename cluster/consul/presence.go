package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

// nodeMeta is where a registration says which node it is.
const nodeMeta = "baton-node"

// keepPresence renews the node's check and session, and contends for leadership, until ctx ends.
func (s *Store) keepPresence(ctx context.Context) {
	tick := time.NewTicker(s.opts.CheckTTL / 3)
	defer tick.Stop()
	renewed, failing := time.Now(), false
	for {
		select {
		case <-tick.C:
		case <-s.renew:
		case <-ctx.Done():
			return
		}
		begun := time.Now()
		err := s.renewal(ctx)
		s.renewedWith(err)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if failing {
				s.log.Info("health check renewed again")
			}
			renewed, failing = begun, false
		default:
			if !failing {
				s.log.Warn("renew health check", "err", err)
			}
			failing = true
			if time.Since(renewed) > s.opts.CheckTTL {
				s.lead(false) // the session is gone, or will be before this node hears of it
			}
			pause(ctx, 0, s.opts.CheckTTL/3)
		}
	}
}

// renewal says that the node is there, and brings back what the server has lost of it.
func (s *Store) renewal(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	if err := s.pass(bounded); err != nil {
		return err
	}
	if session, _, _ := s.held(); session != "" {
		entry, _, err := s.client.Session().Info(session, (&api.QueryOptions{}).WithContext(bounded))
		if err != nil {
			return readError(ctx, err)
		}
		if entry == nil {
			s.drop(session)
		}
	}
	if session, _, _ := s.held(); session == "" {
		if err := s.acquire(bounded); err != nil {
			return err
		}
	}
	return s.contend(bounded)
}

// pass renews the check; when the agent does not know it, the node registers again.
func (s *Store) pass(ctx context.Context) error {
	health, note := api.HealthPassing, ""
	if reason := s.struggles.Load(); reason != nil && *reason != "" {
		health, note = api.HealthWarning, *reason
	}
	err := s.client.Agent().UpdateTTLOpts(s.opts.checkID(), note, health, (&api.QueryOptions{}).WithContext(ctx))
	var status api.StatusError
	if errors.As(err, &status) && status.Code == http.StatusNotFound {
		s.log.Info("register with the agent")
		return s.register(ctx)
	}
	if err != nil {
		return readError(ctx, err)
	}
	return nil
}

// SetStruggling tells the others whether this node keeps up with its requests: its
// check warns with the reason until that is empty. It does not block.
func (s *Store) SetStruggling(reason string) {
	s.struggles.Store(&reason)
	nudge(s.renew)
}

// register registers the node as a service with a check that fails when it is not renewed. It is never
// deregistered for having failed: a slow node is the same node afterwards.
func (s *Store) register(ctx context.Context) error {
	err := s.client.Agent().ServiceRegisterOpts(&api.AgentServiceRegistration{
		ID: s.opts.serviceID(), Name: s.opts.service(),
		Meta: map[string]string{nodeMeta: string(s.opts.Node), "baton-addr": s.opts.Addr},
		Check: &api.AgentServiceCheck{
			CheckID: s.opts.checkID(), TTL: s.opts.CheckTTL.String(), Status: api.HealthPassing,
		},
	}, api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx))
	if err != nil {
		return readError(ctx, err)
	}
	return nil
}

// sessionName is how a later life of the node finds the sessions of this one.
func (s *Store) sessionName() string { return s.opts.serviceID() }

// endPredecessors ends the sessions that earlier lives of the node have left.
func (s *Store) endPredecessors(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	entries, _, err := s.client.Session().List(consistent(bounded))
	if err != nil {
		return readError(ctx, err)
	}
	for _, e := range entries {
		if e.Name != s.sessionName() {
			continue
		}
		if _, err := s.client.Session().Destroy(e.ID, writing(bounded)); err != nil {
			return readError(ctx, err)
		}
	}
	return nil
}

// establish registers and takes a session. The catalog learns of the check a moment after the agent, so
// it tries for as long as a request may take.
func (s *Store) establish(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	if err := s.register(bounded); err != nil {
		return err
	}
	for failures := 0; ; failures++ {
		// The check must not fail while the catalog is waited for.
		err := s.pass(bounded)
		if err == nil {
			err = s.acquire(bounded)
		}
		if err == nil || errors.Is(err, ErrDenied) {
			return err
		}
		pause(bounded, failures, 200*time.Millisecond)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if bounded.Err() != nil {
			return fmt.Errorf("%w: no session within %v: %w", cluster.ErrUnavailable, s.opts.RequestTimeout, err)
		}
	}
}

// acquire takes a session that ends with the check, and locks this life's presence with it.
func (s *Store) acquire(ctx context.Context) error {
	session, _, err := s.client.Session().Create(&api.SessionEntry{
		Name: s.sessionName(), Behavior: api.SessionBehaviorDelete,
		// Leadership needs no delay between two holders: every write checks the session.
		LockDelay:     time.Millisecond,
		ServiceChecks: []api.ServiceCheck{{ID: s.opts.checkID()}},
	}, writing(ctx))
	if err != nil {
		return readError(ctx, err)
	}
	ok, _, err := s.client.KV().Acquire(&api.KVPair{Key: s.opts.presenceKey(s.life), Session: session, Value: []byte(s.opts.Addr)}, writing(ctx))
	if err != nil {
		return readError(ctx, err)
	}
	if !ok {
		return fmt.Errorf("%w: another session holds %s", cluster.ErrUnavailable, s.opts.presenceKey(s.life))
	}
	s.hold(session)
	return nil
}

// drop forgets a session that has ended, and has another one taken.
func (s *Store) drop(session string) {
	if held, _, _ := s.held(); held == session {
		s.hold("")
		nudge(s.renew)
	}
}

// contend takes leadership when it is free and this node may lead, and gives it up when it may not.
func (s *Store) contend(ctx context.Context) error {
	session, _, _ := s.held()
	pair, _, err := s.client.KV().Get(s.opts.leaderKey(), (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return readError(ctx, err)
	}
	s.notice(pair)
	holder := ""
	if pair != nil {
		holder = pair.Session
	}
	mine := &api.KVPair{Key: s.opts.leaderKey(), Session: session, Value: []byte(s.opts.Node)}
	switch may := mayLead(s.record().state, s.opts); {
	case session == "" || holder != "" && holder != session:
		s.lead(false)
		return nil
	case holder == session && !may:
		s.lead(false)
		_, _, err = s.client.KV().Release(mine, writing(ctx))
	case holder == session:
		s.lead(true)
	case may:
		var taken bool
		taken, _, err = s.client.KV().Acquire(mine, writing(ctx))
		if taken {
			s.notice(mine)
		}
		s.lead(taken && err == nil)
	default:
		s.lead(false)
	}
	if err != nil {
		return readError(ctx, err)
	}
	return nil
}

// mayLead reports whether the record has the node as a member that can coordinate. Before there is a
// cluster every node may.
func mayLead(state topology.State, o Options) bool {
	if state.ClusterID().IsZero() {
		return o.ClusterID.IsZero()
	}
	m, ok := state.Member(o.Node)
	return ok && m.Status != topology.Down && m.Status != topology.Removed
}

// leave ends the session and takes the registration back, as well as the server lets it.
func (s *Store) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.RequestTimeout)
	defer cancel()
	session, _, _ := s.held()
	s.hold("")
	if session == "" {
		return
	}
	if _, err := s.client.Session().Destroy(session, writing(ctx)); err != nil {
		s.log.Warn("end session", "err", err)
		return
	}
	if err := s.client.Agent().ServiceDeregisterOpts(s.opts.serviceID(), (&api.QueryOptions{}).WithContext(ctx)); err != nil {
		s.log.Warn("deregister", "err", err)
	}
}
