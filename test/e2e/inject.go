package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/dee2748c/baton/inject"
)

// armed is the file that arms a point of the node.
func (n *Node) armed() string { return n.logFile.Name() + ".inject" }

// Arm makes the node crash or stop at its next pass of a point. The cluster's Options have Inject.
func (n *Node) Arm(p inject.Point, action string) {
	n.c.t.Helper()
	next := n.armed() + ".next"
	if err := errors.Join(os.WriteFile(next, fmt.Appendf(nil, "%s %s 1\n", p, action), 0o600), os.Rename(next, n.armed())); err != nil {
		n.c.t.Fatal(err)
	}
}

// AwaitStruck waits until the node has passed the point that it was armed at: it has crashed, or it is
// paused.
func (n *Node) AwaitStruck(action string) {
	n.c.t.Helper()
	n.c.Await(string(n.Name)+" to "+action, func() error {
		if _, err := os.Stat(n.armed()); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(errNothing, err)
		}
		return nil
	})
	if action == "stop" {
		n.paused.Store(true)
		return
	}
	<-n.Process().Exited()
}
