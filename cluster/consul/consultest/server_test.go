package consultest_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton/cluster/consul/consultest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestBinary is what `make consul` runs to build the server.
func TestBinary(t *testing.T) { t.Log(consultest.Binary(t)) }

// TestServer holds I1: state survives Kill and Restart, and does not survive Wipe.
func TestServer(t *testing.T) {
	srv := consultest.Start(t)
	request(t, srv, http.MethodPut, "kept")
	srv.Kill()
	srv.Restart()
	if got := request(t, srv, http.MethodGet, ""); got != "kept" {
		t.Errorf("after a restart: %q", got)
	}
	srv.Kill()
	srv.Wipe()
	srv.Restart()
	if got := request(t, srv, http.MethodGet, ""); got != "" {
		t.Errorf("after a wipe: %q", got)
	}
}

func request(t *testing.T, srv *consultest.Server, method, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+srv.Addr+"/v1/kv/key?raw", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPut || resp.StatusCode == http.StatusNotFound {
		return ""
	}
	return string(b)
}
