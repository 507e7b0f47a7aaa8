package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/cmd/node/settings"
)

func TestOptions(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &settings.Config{
		Name: "n1", DataDir: "/d", ClusterAddr: "a:1", AdvertiseAddr: "b:1", HTTPAddr: "c:1", AdminAddr: "d:1",
		Bootstrap: true, BootstrapExpect: 3, Join: []string{"e:1"}, Commit: true, Store: "consul",
		Consul: settings.Consul{
			Address: "https://f:1", Datacenter: "dc", TokenFile: token, Prefix: "p",
			CAFile: "ca", CertFile: "cert", KeyFile: "key", ServerName: "name",
		},
		RingSize: 8, TargetN: 2, NVal: 2, Location: "rack", Weight: 3, Engine: "memory",
	}
	log := slog.New(slog.DiscardHandler)
	got, err := options(c, log)
	if err != nil {
		t.Fatal(err)
	}
	if got.Logger != log || got.Settings == nil {
		t.Error("no logger, or no settings to show")
	}
	got.Logger, got.Settings = nil, nil
	want := baton.Options{
		Name: "n1", DataDir: "/d", Addr: "a:1", Advertise: "b:1", HTTPAddr: "c:1", AdminAddr: "d:1",
		Bootstrap: true, BootstrapExpect: 3, Join: []string{"e:1"}, CommitJoin: true, Store: baton.StoreConsul,
		Consul: baton.ConsulOptions{
			Address: "f:1", Scheme: "https", Datacenter: "dc", Token: "s3cret", Prefix: "p",
			CAFile: "ca", CertFile: "cert", KeyFile: "key", ServerName: "name",
		},
		RingSize: 8, TargetN: 2, NVal: 2, Location: "rack", Weight: 3, Engine: baton.EngineMemory,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	c.Consul.TokenFile = "nowhere"
	if _, err := options(c, log); exitCode(ran(err)) != exitUsage {
		t.Errorf("a token file that is not there: %v", err)
	}
}

// TestStart_refused: what the library refuses is a matter of usage.
func TestStart_refused(t *testing.T) {
	dir := t.TempDir()
	if got := typed("start", "--name", "n1", "--data-dir", dir, "--cluster-addr", "127.0.0.1:0", "--http-addr", "", "--admin-addr", "127.0.0.1:0", "--ring-size", "7", "--bootstrap"); got != "baton: start node \"n1\": option RingSize \"7\": use a power of two from 8 to 65,536\nexit 2\n" {
		t.Error(got)
	}
}
