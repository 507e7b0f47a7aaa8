package model

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// The version of Spin, and the Debian package that has it.
const (
	version    = "6.5.2"
	debVersion = "6.5.2+dfsg-1"
)

// ErrNoTool reports that Spin or a C compiler can't be had here.
var ErrNoTool = errors.New("no model checker")

// find returns the paths of Spin and of a C compiler.
func find(ctx context.Context) (spin, cc string, err error) {
	if cc, err = exec.LookPath("cc"); err != nil {
		return "", "", fmt.Errorf("%w: install a C compiler: %w", ErrNoTool, err)
	}
	if spin = os.Getenv("BATON_SPIN"); spin != "" {
		return spin, cc, pinned(ctx, spin)
	}
	if spin, err = exec.LookPath("spin"); err == nil && pinned(ctx, spin) == nil {
		return spin, cc, nil
	}
	spin, err = fetch(ctx)
	return spin, cc, err
}

// pinned returns nil if a program is Spin in the version that the models were made with.
func pinned(ctx context.Context, spin string) error {
	out, err := exec.CommandContext(ctx, spin, "-V").Output()
	if err == nil && !strings.HasPrefix(string(out), "Spin Version "+version+" ") {
		err = fmt.Errorf("it says %q", out)
	}
	if err != nil {
		return fmt.Errorf("%s is not Spin %s: %w", spin, version, err)
	}
	return nil
}

// fetch returns Spin from the user's cache, and gets it there when it is missing.
func fetch(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "baton", "spin-"+version)
	spin := filepath.Join(dir, "usr", "bin", "spin")
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if pinned(ctx, spin) == nil {
		return spin, nil
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "spin-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	get := exec.CommandContext(ctx, "apt-get", "download", "spin="+debVersion)
	get.Dir = work
	if out, err := get.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: install Spin %s or name it in BATON_SPIN: apt-get download: %w: %s", ErrNoTool, version, err, out)
	}
	debs, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(debs) != 1 {
		return "", fmt.Errorf("%w: apt-get left %d packages", ErrNoTool, len(debs))
	}
	unpacked := filepath.Join(work, "root")
	if out, err := exec.CommandContext(ctx, "dpkg", "-x", debs[0], unpacked).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: dpkg: %w: %s", ErrNoTool, err, out)
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.Rename(unpacked, dir); err != nil {
		return "", err
	}
	return spin, pinned(ctx, spin)
}

// result is what a verifier says.
type result struct {
	states string // stored
	failed string // the first error, empty for none
}

var (
	statesOf = regexp.MustCompile(`(?m)^\s*(\S+) states, stored`)
	errorOf  = regexp.MustCompile(`(?m)^pan:\d+: (.*)$`)
	endOf    = regexp.MustCompile(`errors: (\d+)`)
)

// verify checks a model with the given defines in dir. cycles has it look for runs without an end as
// well.
func verify(ctx context.Context, spin, cc, dir, model string, cycles bool, defines []string) (result, error) {
	run := func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
		}
		return string(out), nil
	}
	if _, err := run(spin, append(append([]string{}, defines...), "-a", model)...); err != nil {
		return result{}, err
	}
	mode, search := "-DSAFETY", []string{"-m1000000", "-w23"}
	if cycles {
		mode, search = "-DNP", append(search, "-l")
	}
	if _, err := run(cc, "-O0", "-w", mode, "-DMEMLIM=6000", "-o", "pan", "pan.c"); err != nil {
		return result{}, err
	}
	out, err := run(filepath.Join(dir, "pan"), search...)
	if err != nil {
		return result{}, err
	}
	end, states := endOf.FindStringSubmatch(out), statesOf.FindStringSubmatch(out)
	if end == nil || states == nil || strings.Contains(out, "max search depth too small") {
		return result{}, fmt.Errorf("the search did not end:\n%s", out)
	}
	r := result{states: states[1]}
	if end[1] != "0" {
		r.failed = "unknown"
		if why := errorOf.FindStringSubmatch(out); why != nil {
			r.failed = why[1]
		}
	} else if strings.Contains(out, "Search not completed") {
		return result{}, fmt.Errorf("the search did not end:\n%s", out)
	}
	return r, nil
}
