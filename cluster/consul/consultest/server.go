package consultest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Options chooses what a server asks of its clients.
type Options struct {
	// Token turns ACLs on with a policy of denial; this token may do everything.
	Token string
	// TLS makes Addr an HTTPS address; CAFile of the server has the authority to trust.
	TLS bool
}

// A Server is one Consul server. Its methods are not safe for concurrent use.
type Server struct {
	// Addr is the host and port of the HTTP API, the same for all lives of the server.
	Addr string
	// CAFile is the certificate that signs the server's; empty without TLS.
	CAFile string

	t      testing.TB
	opts   Options
	dir    string
	client *http.Client
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended
	log    bytes.Buffer  // of the running process; read after exited only
}

// stuck is how long a server may take to lead; it needs seconds.
const stuck = 2 * time.Minute

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server { return StartWith(t, Options{}) }

// StartWith starts a server that ends with the test.
func StartWith(t testing.TB, opts Options) *Server {
	t.Helper()
	s := &Server{t: t, opts: opts, dir: t.TempDir()}
	transport := &http.Transport{}
	s.client = &http.Client{Transport: transport, Timeout: 5 * time.Second}
	if opts.TLS {
		pool := s.certify()
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	s.configure()
	t.Cleanup(func() {
		if s.cmd != nil {
			s.Kill()
		}
		transport.CloseIdleConnections()
	})
	s.Restart()
	return s
}

// configure writes the configuration, with ports that were free a moment ago.
func (s *Server) configure() {
	s.t.Helper()
	ports := freePorts(s.t, 3)
	names := map[string]int{
		"server": ports[1], "serf_lan": ports[2], "serf_wan": -1,
		"http": ports[0], "https": -1, "dns": -1, "grpc": -1, "grpc_tls": -1,
	}
	config := map[string]any{
		"server": true, "bootstrap_expect": 1, "node_name": "consultest", "datacenter": "dc1",
		"data_dir": filepath.Join(s.dir, "data"), "bind_addr": "127.0.0.1", "client_addr": "127.0.0.1",
		"log_level": "warn", "disable_update_check": true, "ports": names,
		"connect": map[string]any{"enabled": false}, "performance": map[string]any{"raft_multiplier": 1},
		"leave_on_terminate": false,
	}
	if s.opts.Token != "" {
		config["acl"] = map[string]any{
			"enabled": true, "default_policy": "deny", "enable_token_persistence": true,
			"tokens": map[string]any{"initial_management": s.opts.Token, "agent": s.opts.Token},
		}
	}
	if s.opts.TLS {
		names["http"], names["https"] = -1, ports[0]
		config["tls"] = map[string]any{"https": map[string]any{
			"cert_file": filepath.Join(s.dir, "server.pem"), "key_file": filepath.Join(s.dir, "server.key"), "ca_file": s.CAFile,
		}}
	}
	b, err := json.Marshal(config)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "server.json"), b, 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.Addr = (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: ports[0]}).String()
}

// freePorts asks the system for ports. Nothing keeps another process from taking one before the server
// does; the server then does not start and says so.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// Restart starts the server that is not running and waits until it leads.
func (s *Server) Restart() {
	s.t.Helper()
	if s.cmd != nil {
		s.t.Fatal("consultest: Restart of a server that runs; Kill it first")
	}
	begun := time.Now()
	cmd := exec.Command(Binary(s.t), "agent", "-config-file="+filepath.Join(s.dir, "server.json"))
	s.log.Reset()
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	cmd.SysProcAttr = withParent()
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("consultest: %v", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // a killed process is no error here
		close(exited)
	}()
	s.cmd, s.exited = cmd, exited
	ctx, cancel := context.WithTimeout(context.Background(), stuck)
	defer cancel()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for !s.serves(ctx) {
		select {
		case <-poll.C:
		case <-exited:
			s.cmd = nil
			s.t.Fatalf("consultest: the server ended by itself:\n%s", s.log.String())
		case <-ctx.Done():
			s.Kill()
			s.t.Fatalf("consultest: the server does not lead after %v:\n%s", stuck, s.log.String())
		}
	}
	s.t.Logf("consultest: server at %s leads after %v", s.Addr, time.Since(begun).Round(time.Millisecond))
}

// serves reports whether writes are answered and the server's own health is known: sessions need both.
func (s *Server) serves(ctx context.Context) bool {
	_, wrote := s.do(ctx, http.MethodPut, "/v1/kv/consultest")
	checks, read := s.do(ctx, http.MethodGet, "/v1/health/node/consultest")
	return wrote && read && strings.Contains(checks, `"Status":"passing"`)
}

func (s *Server) do(ctx context.Context, method, path string) (string, bool) {
	scheme := "http://"
	if s.opts.TLS {
		scheme = "https://"
	}
	req, err := http.NewRequestWithContext(ctx, method, scheme+s.Addr+path, nil)
	if err != nil {
		return "", false
	}
	req.Header.Set("X-Consul-Token", s.opts.Token)
	resp, err := s.client.Do(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		return "", false
	}
	return body.String(), resp.StatusCode == http.StatusOK
}

// Kill ends the server as a power cut would.
func (s *Server) Kill() {
	s.t.Helper()
	if s.cmd == nil {
		s.t.Fatal("consultest: Kill of a server that does not run")
	}
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Logf("consultest: kill: %v", err)
	}
	<-s.exited
	s.cmd = nil
}

// Wipe deletes the state of a server that is not running.
func (s *Server) Wipe() {
	s.t.Helper()
	if s.cmd != nil {
		s.t.Fatal("consultest: Wipe of a server that runs; Kill it first")
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "data")); err != nil {
		s.t.Fatal(err)
	}
}
