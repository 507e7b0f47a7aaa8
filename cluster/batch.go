package cluster

import (
	"encoding/binary"
	"fmt"

	"github.com/dee2748c/baton/cluster/topology"
)

// AppendBatch appends the commands of one proposal in their log form: each
// command with its length before it. Every adapter that keeps a log writes it.
func AppendBatch(b []byte, cmds []topology.Command) ([]byte, error) {
	if len(cmds) > topology.Window {
		return nil, fmt.Errorf("encode a proposal of %d commands, the limit is %d: %w", len(cmds), topology.Window, ErrBatch)
	}
	for _, c := range cmds {
		enc, err := c.MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("encode command %s: %w", c.ID, err)
		}
		b = binary.AppendUvarint(b, uint64(len(enc)))
		b = append(b, enc...)
	}
	return b, nil
}

// DecodeBatch reads what AppendBatch wrote. The error is topology.ErrDamaged or
// topology.ErrFormat.
func DecodeBatch(b []byte) ([]topology.Command, error) {
	var cmds []topology.Command
	for len(b) > 0 {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)-k) || len(cmds) == topology.Window {
			return nil, fmt.Errorf("decode a proposal, command %d: %w", len(cmds), topology.ErrDamaged)
		}
		c, err := topology.DecodeCommand(b[k : k+int(n)])
		if err != nil {
			return nil, fmt.Errorf("decode a proposal, command %d: %w", len(cmds), err)
		}
		cmds = append(cmds, c)
		b = b[k+int(n):]
	}
	return cmds, nil
}

// ApplyBatch applies the commands of one proposal in order.
func ApplyBatch(s topology.State, cmds []topology.Command) (topology.State, []topology.Outcome) {
	out := make([]topology.Outcome, len(cmds))
	for i, c := range cmds {
		s, out[i] = s.Apply(c)
	}
	return s, out
}
