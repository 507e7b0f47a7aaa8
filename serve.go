package baton

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/port"
)

// What a node serves over HTTP.
const (
	adminServer  = iota // the whole admin API
	httpServer          // its reads, and health
	statusServer        // what other nodes ask, on the cluster port
	serverCount
)

// servers are a node's HTTP servers.
type servers struct{ all [serverCount]*httpServing }

type httpServing struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{}
}

// serve opens the addresses that the options name.
func (n *Node) serve() error {
	a := &administration{n}
	for _, x := range []struct {
		which   int
		addr    string
		handler http.Handler
	}{
		{adminServer, n.opts.AdminAddr, admin.NewHandler(admin.Options{Node: a, Store: objects{a}, Jobs: jobs{a}, Changes: true, Logger: n.opts.Logger})},
		{httpServer, n.opts.HTTPAddr, admin.NewHandler(admin.Options{Node: a, Logger: n.opts.Logger})},
	} {
		if x.addr == "" {
			continue
		}
		l, err := net.Listen("tcp", x.addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w: stop the process that uses it or choose another address", ErrAddrInUse)
		}
		if err != nil {
			return fmt.Errorf("listen on %s: %w", x.addr, err)
		}
		n.servers.start(x.which, l, x.handler, n.opts.Logger)
	}
	if n.port != nil {
		n.servers.start(statusServer, n.port.Listener(port.Status), a.status(), n.opts.Logger)
	}
	return nil
}

func (s *servers) start(which int, l net.Listener, h http.Handler, log *slog.Logger) {
	x := &httpServing{listener: l, done: make(chan struct{}), server: admin.NewServer(h)}
	x.server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	s.all[which] = x
	go func() {
		defer close(x.done)
		if err := x.server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.Error("server ended", "addr", l.Addr().String(), "err", err)
		}
	}()
}

func (s *servers) addr(which int) string {
	if x := s.all[which]; x != nil {
		return x.listener.Addr().String()
	}
	return ""
}

// lastRequests is how long requests under way get when a node stops.
const lastRequests = 2 * time.Second

func (s *servers) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastRequests)
	defer cancel()
	var errs []error
	for _, x := range s.all {
		if x == nil {
			continue
		}
		if x.server.Shutdown(ctx) != nil {
			errs = append(errs, x.server.Close())
		}
		<-x.done
	}
	return errors.Join(errs...)
}
