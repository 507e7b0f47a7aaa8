// Package consultest starts a real Consul server for a test: in a temporary directory, on free ports of
// the loopback interface, with its state on disk.
//
//	srv := consultest.Start(t)
//	srv.Addr       // of its HTTP API
//	srv.Kill()     // SIGKILL; what was committed is on disk
//	srv.Restart()  // on the same ports, with its state
//	srv.Kill()
//	srv.Wipe()     // Restart then begins with nothing
//
// The binary is the file that BATON_CONSUL names, or it is built from tools/consul once per user and
// version, which takes minutes; a lock file keeps parallel tests from building it twice. A test that
// cannot have a server fails, it is never skipped.
//
// Invariants:
//
//	I1 a server that Start or Restart returned answers writes
//	I2 the server ends with the test, and its directory is gone
package consultest
