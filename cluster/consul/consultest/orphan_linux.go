package consultest

import "syscall"

// withParent has the system end the server when the test process ends without its clean-up, as after a
// time-out or a panic.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
