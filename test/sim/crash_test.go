package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
)

// strike runs one handoff and ends the source or the target at the given write or sync of its partitions'
// disk, the first one after the move was asked for: behind the event in which it was written, or before the
// sync has an effect. It returns how many of them there were and where the strike hit.
func strike(kind topology.Kind, who string, at int) (touches int, hit string, err error) {
	c := NewCluster(Options{Seed: 1, Nodes: 5, RingSize: 16, Items: 60})
	c.Serve(Load{Clients: 1, Think: 50 * time.Millisecond})
	x, err := c.Try(kind)
	if err != nil {
		return 0, "", err
	}
	victim := x.Source
	if who == "target" {
		victim = x.Target
	}
	victim.data.touched = func(synced bool) {
		if x.Point() == Points && x.Session == 0 || x.Ending().Over {
			return
		}
		if touches++; touches != at {
			return
		}
		hit = fmt.Sprintf("%v, sync %t", x.Point(), synced)
		end := func() {
			victim.Crash()
			c.W.After(500*time.Millisecond, victim.Restart)
		}
		if synced {
			end()
		} else {
			c.W.After(0, end)
		}
	}
	if err := c.Run(func() bool { return x.Ending().Over && c.everybody() && c.Settled() }, time.Minute); err != nil {
		return touches, hit, err
	}
	c.Rest()
	return touches, hit, c.Run(c.Verified, time.Minute)
}

// TestCrash_everyWriteAndSync ends the source, or the target, of a handoff at each write and each sync of it.
func TestCrash_everyWriteAndSync(t *testing.T) {
	every := 1
	if testing.Short() {
		every = 5
	}
	for _, kind := range []topology.Kind{"register", "queue"} {
		for _, who := range []string{"source", "target"} {
			touches, _, err := strike(kind, who, 0)
			if err != nil {
				rerun(t, 1, err)
			}
			for at := 1; at <= touches; at += every {
				if _, hit, err := strike(kind, who, at); err != nil {
					t.Fatalf("%s of %s at write or sync %d (%s): %v", who, kind, at, hit, err)
				}
			}
			t.Logf("%s: the %s was ended at each of %d writes and syncs", kind, who, touches)
		}
	}
}
