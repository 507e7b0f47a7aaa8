package kv

import "github.com/dee2748c/baton/vnode"

var _ vnode.FrozenServer = (*partition)(nil)

// ServesFrozen reports whether a command only reads, and from a bucket whose
// properties let it read from the old owner while a move is sealed.
func (p *partition) ServesFrozen(cmd vnode.Command) bool {
	if len(cmd.Body) == 0 || cmd.Body[0] != opGet && cmd.Body[0] != opDigest {
		return false
	}
	_, bucketType, bucketName, _, err := p.name(cmd.Body[1:])
	if err != nil {
		return false
	}
	properties := p.properties(bucketType, bucketName)
	return properties != nil && properties.ServeFrozen
}
