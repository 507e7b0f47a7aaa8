package pipe

import (
	"encoding/binary"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

const specVersion = 1

// AppendBinary appends the wire form of the spec.
func (s *Spec) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, specVersion)
	b = append(b, s.ID[:]...)
	b = binary.AppendUvarint(b, uint64(s.RingSize))
	b = appendAddress(b, s.Coordinator)
	b = appendAddress(b, s.Sink)
	b = append(b, byte(s.OnFailure))
	b = binary.AppendUvarint(b, uint64(len(s.Trace)))
	for _, t := range s.Trace {
		b = appendBytes(b, t)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Fittings)))
	for i := range s.Fittings {
		f := &s.Fittings[i]
		b = appendBytes(b, f.Name)
		b = appendBytes(b, f.Worker)
		b = appendBytes(b, f.Arg)
		b = append(b, byte(f.Route.Kind))
		b = appendBytes(b, f.Route.Hash)
		b = binary.AppendUvarint(b, uint64(f.Route.Partition))
		b = binary.AppendUvarint(b, uint64(f.QueueItems))
		b = binary.AppendUvarint(b, uint64(f.QueueBytes))
		b = appendBool(b, f.RunEmpty)
		b = binary.AppendUvarint(b, uint64(f.NVal))
		b = appendBool(b, f.Recursive)
	}
	return b, nil
}

// DecodeSpec is the inverse of Spec.AppendBinary. It copies what it keeps. The
// error is ErrDamaged or ErrVersion; what the spec asks for is not checked, see
// Spec.Validate.
func DecodeSpec(data []byte) (*Spec, error) {
	r := reader{b: data}
	s := r.spec()
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("decode pipe spec of %d bytes: %w", len(data), err)
	}
	return s, nil
}

func (r *reader) spec() *Spec {
	r.version(specVersion)
	s := &Spec{ID: r.id(), RingSize: int(r.bounded(ring.MaxSize)), Coordinator: r.address(), Sink: r.address(), OnFailure: Policy(r.byte())}
	for n := r.count(); n > 0 && r.err == nil; n-- {
		s.Trace = append(s.Trace, r.string())
	}
	n := r.bounded(MaxFittings)
	for range n {
		f := Fitting{Name: r.string(), Worker: r.string(), Arg: append([]byte(nil), r.bytes()...)}
		f.Route = Route{Kind: RouteKind(r.byte()), Hash: r.string(), Partition: r.partition()}
		f.QueueItems, f.QueueBytes = int(r.bounded(1<<31-1)), int(r.bounded(1<<31-1))
		f.RunEmpty = r.bool()
		f.NVal, f.Recursive = int(r.bounded(MaxNVal)), r.bool()
		if r.err != nil {
			return s
		}
		s.Fittings = append(s.Fittings, f)
	}
	return s
}
