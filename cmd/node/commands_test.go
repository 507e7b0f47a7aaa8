package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/api/admin/admintest"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host lets commands of the test talk to a node.
func host(t *testing.T, n *admintest.Node) {
	t.Helper()
	s := httptest.NewServer(admin.NewHandler(admin.Options{Node: n, Store: admintest.NewStore(n), Changes: true, ReadWait: time.Minute}))
	t.Cleanup(s.Close)
	t.Setenv("BATON_ADMIN", s.URL)
}

// typed runs a command line, and returns what it printed with its exit code.
func typed(args ...string) string {
	var out, errs bytes.Buffer
	code := run(args, &out, &errs)
	return fmt.Sprintf("%s%sexit %d\n", out.String(), errs.String(), code)
}

// TestCommands runs the sessions in testdata: `join` lets nodes ask to join,
// `unreachable` makes one so, `file` writes a file of the directory DIR, `damage`
// flips a bit of one, every `baton` is a command line.
func TestCommands(t *testing.T) {
	datadriven.Walk(t, "testdata/sessions", func(t *testing.T, path string) {
		n := admintest.New(t, "n1")
		if strings.Contains(path, "unjoined") {
			n = admintest.Unjoined(t, "n1")
		}
		host(t, n)
		dir := t.TempDir()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "join":
				n.Add(nodes(d.Input)...)
			case "unreachable":
				reach := map[ring.NodeID]cluster.Reach{}
				for _, name := range nodes(d.Input) {
					reach[name] = cluster.Unreachable
				}
				n.Set(func(f *admintest.Facts) { f.Health = cluster.NewHealth(reach) })
			case "behind":
				n.Set(func(f *admintest.Facts) { f.Progress = []admin.NodeProgress{{Node: "n1", Version: 1}} })
			case "cut":
				n.Cut()
			case "file":
				if err := os.WriteFile(filepath.Join(dir, d.CmdArgs[0].Key), []byte(d.Input+"\n"), 0o644); err != nil {
					d.Fatalf(t, "%v", err)
				}
			case "damage":
				flip(t, filepath.Join(dir, d.CmdArgs[0].Key))
			case "baton":
				line := strings.ReplaceAll(d.Input, "DIR", dir)
				return strings.ReplaceAll(typed(strings.Fields(line)...), dir, "DIR")
			default:
				d.Fatalf(t, "unknown command")
			}
			return ""
		})
	})
}

// flip changes the byte in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func nodes(text string) []ring.NodeID {
	var out []ring.NodeID
	for _, name := range strings.Fields(text) {
		out = append(out, ring.NodeID(name))
	}
	return out
}

// TestCommands_grammar: T-B25. A command line that can't be right exits with 2,
// prints one line, and asks no node.
func TestCommands_grammar(t *testing.T) {
	t.Setenv("BATON_ADMIN", "http://127.0.0.1:0") // nothing can listen there
	for _, line := range []string{
		"cluster join",
		"cluster leave a b",
		"cluster replace a", "cluster replace a b c",
		"cluster force-remove", "cluster force-remove a b",
		"cluster force-replace a",
		"cluster down", "cluster down a b",
		"cluster location a", "cluster location a b c",
		"cluster weight a", "cluster weight a heavy", "cluster weight a -1",
		"cluster plan now",
		"cluster commit now", "cluster commit --plan x",
		"cluster clear a b",
		"cluster status all",
		"cluster members a",
		"cluster ring 1",
		"cluster backup",
		"cluster restore a b",
		"cluster recover", "cluster recover --yes", "cluster recover --data-dir nowhere",
		"cluster steal",
		"cluster status --colour",
		"cluster status --admin ftp://x",
		"transfers a", "transfers --interval soon",
		"transfer-limit a b c", "transfer-limit a many", "transfer-limit a -3",
		"handoff move", "handoff move 1", "handoff move one a", "handoff move -1 a", "handoff move 99999999999 a", "handoff stop",
		"handoff summary x", "handoff details x", "handoff config x", "handoff config --rate fast", "handoff config --limit x", "handoff config --rate -1",
		"handoff enable", "handoff enable sideways", "handoff enable both --cancel", "handoff disable", "handoff disable inbound outbound",
		"handoff cancel", "handoff cancel x", "handoff cancel 0", "handoff cancel 1 --partition 2", "handoff cancel 1 2", "handoff cancel --partition x",
		"ringready a", "ring-status a", "member-status a",
		"config show a", "config check --store etcd", "config check --config nowhere", "config set",
		"get", "get b", "get b k x", "get b k --siblings -o x",
		"put", "put b", "put b k v w", "put b k v --if-none-match=maybe",
		"del", "del b", "del b k x",
		"list", "list a b", "list a --buckets", "list a --exact x --from y", "list --buckets --index x_int",
		"load", "load b", "load b nowhere", "load b - x",
		"export", "export b", "export --all b f", "export b nowhere/f", "export b - --format xml",
		"import", "import nowhere", "import a b", "import a --on-conflict merge",
		"bucket props", "bucket set b", "bucket set b n_val", "bucket set b {", "bucket reset", "bucket porps b",
		"bucket-type create", "bucket-type update t", "bucket-type activate", "bucket-type status",
		"entropy x", "repair", "repair one", "repair 1 2", "hints x", "backup", "backup a b", "restore", "restore nowhere",
		"bench x", "bench --workload g", "bench --nodes -1", "bench --records 0",
		"steal",
	} {
		t.Run(line, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(strings.Fields(line), &out, &errs)
			if code != exitUsage || out.Len() != 0 || !strings.HasPrefix(errs.String(), "baton: ") {
				t.Errorf("exit code %d, printed %q and %q", code, out.String(), errs.String())
			}
		})
	}
}

func TestCommands_suggest(t *testing.T) {
	for line, want := range map[string]string{
		"cluster comit":      "did you mean commit?",
		"cluster member":     "did you mean members?",
		"handoff mov":        "did you mean move?",
		"ringredy":           "ringready",
		"config sho":         "did you mean show?",
		"config check --nam": "unknown flag: --nam",
	} {
		if got := typed(strings.Fields(line)...); !strings.Contains(got, want) || !strings.HasSuffix(got, "exit 2\n") {
			t.Errorf("%s: %s, want %q", line, got, want)
		}
	}
}

// TestCommands_json holds every command that asks a node to one JSON value a
// line, and nothing else, on standard output.
func TestCommands_json(t *testing.T) {
	n := admintest.New(t, "n1")
	n.Add("n2")
	host(t, n)
	file := filepath.Join(t.TempDir(), "record")
	for _, line := range []string{
		"cluster status", "cluster members", "cluster ring", "cluster plan", "cluster plan --staged", "cluster commit", "cluster weight n1 2",
		"cluster location n1 rack1", "cluster leave n2", "cluster clear n2", "cluster clear", "cluster backup " + file,
		"transfers", "transfer-limit", "transfer-limit 3", "handoff move 1 n2", "handoff summary", "handoff details", "handoff config",
		"handoff config --rate 1MiB", "handoff disable both --cancel", "handoff enable both", "ringready", "ring-status", "member-status",
		"config show", "config check", "config show --running", "version",
	} {
		var out, errs bytes.Buffer
		if code := run(append(strings.Fields(line), "--json"), &out, &errs); code != exitDone {
			t.Errorf("%s: exit code %d, %s", line, code, errs.String())
			continue
		}
		if !json.Valid(out.Bytes()) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s: %s", line, out.String())
		}
	}
	if b, err := os.ReadFile(file); err != nil {
		t.Error(err)
	} else if s, err := topology.DecodeState(b); err != nil || s.ClusterID() != admintest.ClusterID {
		t.Errorf("backup of cluster %s, %v", s.ClusterID(), err)
	}
}

// TestCommands_unreachable: nothing listens.
func TestCommands_unreachable(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	t.Setenv("BATON_ADMIN", s.URL)
	for _, line := range []string{"cluster status", "cluster leave", "transfers"} {
		got := typed(strings.Fields(line)...)
		if !strings.HasSuffix(got, "exit 3\n") || !strings.Contains(got, "is the node running?") || !strings.Contains(got, "--admin") {
			t.Errorf("%s: %s", line, got)
		}
	}
}

func TestCommands_restore(t *testing.T) {
	n := admintest.New(t, "n1")
	host(t, n)
	file := filepath.Join(t.TempDir(), "record")
	if got := typed("cluster", "restore"); !strings.HasSuffix(got, "exit 4\n") {
		t.Errorf("restore of a record that is not lost: %s", got)
	}
	if got := typed("cluster", "backup", file); !strings.HasSuffix(got, "exit 0\n") {
		t.Error(got)
	}
	n.Add("n2") // after the backup
	n.Set(func(f *admintest.Facts) { f.RestoreErr = nil })
	if got := typed("cluster", "restore", file); !strings.HasSuffix(got, "exit 0\n") || n.Facts().Restored.Version() != 1 {
		t.Errorf("restored version %d: %s", n.Facts().Restored.Version(), got)
	}
	if got := typed("cluster", "restore"); !strings.HasSuffix(got, "exit 0\n") || n.Facts().Restored.Version() != 2 {
		t.Errorf("restored version %d: %s", n.Facts().Restored.Version(), got)
	}
}

// TestFollow watches until everything has arrived.
func TestFollow(t *testing.T) {
	active := []admin.Transfer{{Session: 1, Kind: "kv", Source: "n1", Target: "n2", Stage: "fold"}}
	looks := []admin.Transfers{
		{Waiting: []admin.Waiting{{Node: "n1", Partitions: 1}}},
		{Waiting: []admin.Waiting{{Node: "n1", Partitions: 1}}, Active: active},
		{Waiting: []admin.Waiting{{Node: "n1", Partitions: 1}}, Active: active},
		{},
	}
	tick := make(chan time.Time, len(looks))
	n := 0
	look := func(context.Context) (admin.Transfers, error) {
		tick <- time.Time{}
		n++
		return looks[n-1], nil
	}
	var out bytes.Buffer
	if err := follow(context.Background(), look, newPicture(&out, false), tick); err != nil {
		t.Fatal(err)
	}
	want := "1 partition waiting\nsession 1 kv/0 n1 -> n2 fold\nsession 1 kv/0 n1 -> n2 ended\nnothing left to move\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	n = 0
	out.Reset()
	if err := follow(context.Background(), look, newPicture(&out, true), tick); err != nil || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("%v: %s", err, out.String())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	never := make(chan time.Time)
	if err := follow(ctx, func(context.Context) (admin.Transfers, error) { return looks[0], nil }, newPicture(&out, false), never); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestConfigShow prints a file that loads again.
func TestConfigShow(t *testing.T) {
	got := typed("config", "show", "--name", "n1", "--join", "a:1,b:2", "--location", "")
	want := "# flag\nname = n1\njoin = a:1,b:2\nlocation = \"\"\nexit 0\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	file := filepath.Join(t.TempDir(), "baton.conf")
	whole := strings.TrimSuffix(typed("config", "show", "--effective", "--name", "n1"), "exit 0\n")
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := typed("config", "check", "--config", file); !strings.HasSuffix(got, "exit 0\n") {
		t.Errorf("%s\n%s", whole, got)
	}
}

// TestCommands_askOneNode holds every command but those about this machine to
// --admin and --json.
func TestCommands_askOneNode(t *testing.T) {
	local := map[string]bool{"baton demo": true, "baton version": true, "baton config check": true, "baton start": true, "baton cluster recover": true, "baton restore": true}
	var check func(*cobra.Command)
	check = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			check(sub)
		}
		if c.HasSubCommands() {
			return
		}
		if c.Flags().Lookup("json") == nil || !local[c.CommandPath()] && c.Flags().Lookup("admin") == nil {
			t.Errorf("%s lacks --json or --admin", c.CommandPath())
		}
	}
	check(newRoot())
}
