package batontest

import (
	"testing"

	"go.uber.org/goleak"
)

// VerifyTestMain runs a package's tests and fails when goroutines are left over
// afterwards, as goleak does. A probe that the failure detector has under way
// when its node stops can't be recalled and ends by itself within seconds; that
// one is not counted.
func VerifyTestMain(m *testing.M, options ...goleak.Option) {
	goleak.VerifyTestMain(m, append(options,
		goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode"))...)
}
