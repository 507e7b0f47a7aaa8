package cli_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// node starts a node of that name in the background, with its data in a
// directory of its name, and waits until it takes part in a cluster. The
// variables NAME_ADMIN and NAME_CLUSTER get its addresses. It is stopped with the
// script; if that fails its log is shown.
func node(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: node NAME ARGS...")
	}
	name := args[0]
	cmd := exec.Command(binary, append([]string{
		"start", "--json", "--name", name, "--data-dir", ts.MkAbs(name), "--engine", "pebble", "--log-level", "warn",
		"--cluster-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0",
	}, args[1:]...)...)
	log, err := os.Create(filepath.Join(ts.MkAbs("."), name+".log"))
	ts.Check(err)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			ts.Logf("node %s: %v\n%s", name, err, ts.ReadFile(name+".log"))
		}
		log.Close()
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		ts.Fatalf("node %s did not start: %s", name, ts.ReadFile(name+".log"))
	}
	var ready struct {
		ClusterAddr string `json:"cluster_addr"`
		AdminAddr   string `json:"admin_addr"`
	}
	ts.Check(json.Unmarshal(lines.Bytes(), &ready))
	ts.Setenv(name+"_ADMIN", ready.AdminAddr)
	ts.Setenv(name+"_CLUSTER", ready.ClusterAddr)
}

// values writes the objects of an export without their bucket to another file,
// in order.
func values(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: values EXPORT FILE")
	}
	var all []string
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	for d.More() {
		var line map[string]any
		ts.Check(d.Decode(&line))
		if _, ok := line["contents"].([]any); !ok {
			continue
		}
		delete(line, "bucket")
		b, err := json.Marshal(line)
		ts.Check(err)
		all = append(all, string(b)+"\n")
	}
	slices.Sort(all)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(all, "")), 0o644))
}
