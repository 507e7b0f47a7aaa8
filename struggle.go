package baton

// A node whose vnodes do not keep up says so: to load balancers by /readyz, and
// to the other nodes, which have others stand in for it. Nothing but speed
// depends on it: it is advice, like all that a failure detector says.

// strugglingChanged returns what hears from the host that the node struggles or
// that it does not any more. It puts a token into changes.
func (n *Node) strugglingChanged(changes chan<- struct{}) func(reason string) {
	return func(reason string) {
		select {
		case changes <- struct{}{}:
		default: // the token that is there stands for this change too
		}
		if f := n.opts.Events.Struggling; f != nil {
			f(reason)
		}
	}
}

// tellStruggling tells the other nodes after each change.
func (n *Node) tellStruggling(changes <-chan struct{}) {
	for {
		select {
		case <-changes:
		case <-n.ctx.Done():
			return
		}
		reason := n.host.Struggling()
		switch r := n.record.(type) {
		case raftRecord:
			if err := n.detector.SetStruggling(reason != ""); err != nil {
				n.opts.Logger.Warn("others not told yet", "err", err)
			}
		case consulRecord:
			r.SetStruggling(reason)
		}
	}
}
