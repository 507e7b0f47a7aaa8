//go:build !linux

package consultest

import "syscall"

// withParent would tie the server to the test process; only Linux can.
func withParent() *syscall.SysProcAttr { return nil }
