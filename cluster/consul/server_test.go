package consul_test

import (
	"errors"
	"testing"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/consul"
	"github.com/dee2748c/baton/cluster/consul/consultest"
	"github.com/dee2748c/baton/cluster/topology"
)

// TestStore_serverRestarts holds I3 and I4: the server goes away and comes back, first with its state and
// then without.
func TestStore_serverRestarts(t *testing.T) {
	srv := consultest.Start(t)
	folder := prefix()
	a, b := open(t, options(srv.Addr, folder, "n1")), open(t, options(srv.Addr, folder, "n2"))
	accept(t, a, "founder", create("n1"), join("n2"))
	seen := b.Watch(limited(t))
	op := change()

	srv.Kill()
	if _, err := a.Propose(limited(t), command("outage", 1, 0, op)); !errors.Is(err, cluster.ErrUnavailable) && !errors.Is(err, cluster.ErrUnknown) {
		t.Errorf("propose without a server: %v", err)
	}
	if _, err := a.Read(limited(t)); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("read without a server: %v, want %v", err, cluster.ErrUnavailable)
	}
	srv.Restart()
	out := accept2(t, a, command("outage", 1, 0, op))
	for u := range seen {
		if u.State.Version() >= out.Version {
			break
		}
	}

	kept := read(t, b)
	srv.Kill()
	srv.Wipe()
	srv.Restart()
	for _, s := range []*consul.Store{a, b} {
		for {
			_, err := s.Propose(limited(t), command("lost", 1, 0, op))
			if errors.Is(err, cluster.ErrTopologyLost) {
				break
			}
			// Until the node has a session with the new server.
			if !errors.Is(err, cluster.ErrUnavailable) && !errors.Is(err, cluster.ErrUnknown) {
				t.Fatalf("propose to a server that lost the record: %v, want %v", err, cluster.ErrTopologyLost)
			}
		}
		if _, err := s.Read(limited(t)); !errors.Is(err, cluster.ErrTopologyLost) {
			t.Errorf("read: %v, want %v", err, cluster.ErrTopologyLost)
		}
		u := await(t, "the record as it was", s.Watch, func(cluster.Update) bool { return true })
		if u.State.Version() != kept.Version() {
			t.Errorf("watchers see version %d, want %d", u.State.Version(), kept.Version())
		}
	}
	// Not the old record: every node has seen a newer one.
	if err := b.Restore(limited(t), kept); err != nil {
		t.Fatal(err)
	}
	accept(t, a, "after", change())
	accept(t, b, "after too", change())
	for u := range seen {
		if u.State.Version() == kept.Version()+2 {
			break
		}
	}
}

// accept2 proposes one command until its outcome is known.
func accept2(t *testing.T, s *consul.Store, c topology.Command) topology.Outcome {
	t.Helper()
	for {
		out, err := s.Propose(limited(t), c)
		switch {
		case err == nil && out[0].Err == nil:
			return out[0]
		case !errors.Is(err, cluster.ErrUnavailable) && !errors.Is(err, cluster.ErrUnknown):
			t.Fatal(err, out)
		}
	}
}

// TestStore_accessControl holds that a token is passed on, and that its absence is told apart.
func TestStore_accessControl(t *testing.T) {
	const token = "6f1b0a52-3c57-4f5e-9d0b-0d8a4c8f4e11"
	srv := consultest.StartWith(t, consultest.Options{Token: token})
	o := options(srv.Addr, prefix(), "n1")
	for _, wrong := range []string{"", "11111111-2222-3333-4444-555555555555"} {
		o.Token = wrong
		if s, err := consul.Open(limited(t), o); !errors.Is(err, consul.ErrDenied) || !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("token %q: %v, want %v", wrong, err, consul.ErrDenied)
			if err == nil {
				s.Close()
			}
		}
	}
	o.Token = token
	s := open(t, o)
	accept(t, s, "founder", create("n1"))
	await(t, "leads", s.Watch, leads)
}

func TestStore_tls(t *testing.T) {
	srv := consultest.StartWith(t, consultest.Options{TLS: true})
	o := options(srv.Addr, prefix(), "n1")
	o.Scheme = "https"
	if s, err := consul.Open(limited(t), o); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("an authority that is not trusted: %v, want %v", err, cluster.ErrUnavailable)
		if err == nil {
			s.Close()
		}
	}
	o.TLS = consul.TLS{CAFile: srv.CAFile, ServerName: "localhost"}
	accept(t, open(t, o), "founder", create("n1"))
}
