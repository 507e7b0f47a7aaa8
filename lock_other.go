//go:build !unix

package baton

import (
	"fmt"
	"os"
	"path/filepath"
)

// lockDir opens the lock file. Where there is no flock, a second process on the
// same directory is found by the engine's own lock, or fenced by its incarnation.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock data directory %s: %w", dir, err)
	}
	return f, nil
}
