package swim

import "github.com/hashicorp/memberlist"

// Alive counts the nodes, itself too, that memberlist has heard of and believes
// alive; Health trusts before that.
func (d *Detector) Alive() (int, error) {
	states, err := d.states()
	alive := 0
	for _, s := range states {
		if s.NodeStateType == memberlist.StateAlive {
			alive++
		}
	}
	return alive, err
}
