package pebble_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestExit_failedSync: without an Options.Fatal of its own a process ends at once
// when a sync fails, says why, and never answers.
func TestExit_failedSync(t *testing.T) {
	if os.Getenv("BATON_TEST_FAILED_SYNC") != "" {
		var failing atomic.Bool
		o := small(t, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if failing.Load() && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) {
				return errorfs.ErrInjected
			}
			return nil
		})))
		o.Fatal = nil
		p, err := mustOpen(t, o).Open(someID)
		if err != nil {
			t.Fatal(err)
		}
		failing.Store(true)
		err = errors.Join(p.Write(batch("a", "1", 1)), p.Sync())
		t.Fatal("answered:", err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestExit_failedSync$")
	cmd.Env = append(os.Environ(), "BATON_TEST_FAILED_SYNC=1")
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 1 || strings.Contains(string(out), "answered:") || !strings.Contains(string(out), "store: broken: sync") {
		t.Errorf("%v: %s", err, out)
	}
}
