package consultest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const server = "github.com/hashicorp/consul"

// Binary returns the path of a Consul server, which it builds when there is none yet.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("BATON_CONSUL"); path != "" {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("BATON_CONSUL: %v", err)
		}
		return path
	}
	path, err := build(t)
	if err != nil {
		t.Fatalf("build a Consul server (or name one in BATON_CONSUL): %v", err)
	}
	return path
}

func build(t testing.TB) (path string, err error) {
	root, err := output("", "list", "-m", "-f", "{{.Dir}}", "github.com/dee2748c/baton")
	if err != nil {
		return "", err
	}
	module := filepath.Join(root, "tools", "consul")
	version, err := output(module, "list", "-m", "-f", "{{.Version}}", server)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path = filepath.Join(cache, "baton", "consul-"+strings.TrimPrefix(version, "v"))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(os.Stderr, "%s: building Consul %s into %s, which takes minutes the first time\n", t.Name(), version, path)
	partial := path + ".partial"
	if _, err := output(module, "build", "-o", partial, server); err != nil {
		return "", err
	}
	return path, os.Rename(partial, path)
}

// output runs the go command in a directory and returns what it prints.
func output(dir string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}
