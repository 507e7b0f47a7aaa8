package pipe

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/dee2748c/baton/cluster/ring"
)

// Defaults and limits of a spec.
const (
	DefaultQueueItems = 4096    // Fitting.QueueItems
	DefaultQueueBytes = 4 << 20 // Fitting.QueueBytes
	MaxFittings       = 256
	MaxNVal           = 255
)

// RouteKind says how inputs of a fitting find their partition.
type RouteKind uint8

// Kinds of routes.
const (
	RouteHash     RouteKind = 1 + iota // by a hash of the item
	RouteConstant                      // all to one partition
	RouteFollow                        // to the partition that the sender runs at
	RouteDirect                        // to the partition that the sender names
)

// String names the kind.
func (k RouteKind) String() string {
	switch k {
	case RouteHash:
		return "hash"
	case RouteConstant:
		return "constant"
	case RouteFollow:
		return "follow"
	case RouteDirect:
		return "direct"
	default:
		return "route " + strconv.Itoa(int(k))
	}
}

// Route says how inputs of a fitting find their partition.
type Route struct {
	Kind      RouteKind
	Hash      string         // RouteHash: name of a registered hash function
	Partition ring.Partition // RouteConstant
}

// ByHash routes each item by the registered hash function.
func ByHash(name string) Route { return Route{Kind: RouteHash, Hash: name} }

// Constant routes all items to one partition.
func Constant(p ring.Partition) Route { return Route{Kind: RouteConstant, Partition: p} }

// Follow routes items to the partition that their sender runs at.
func Follow() Route { return Route{Kind: RouteFollow} }

// Direct leaves the partition to the sender; see Output.EmitTo.
func Direct() Route { return Route{Kind: RouteDirect} }

// Fitting is one stage of a pipe.
type Fitting struct {
	Name       string // unique in the pipe, for people
	Worker     string // name of a registered factory
	Arg        []byte // given to the factory
	Route      Route  // where inputs go
	QueueItems int    // limit of a partition's queue, default DefaultQueueItems
	QueueBytes int    // limit of a partition's queue, default DefaultQueueBytes
	RunEmpty   bool   // without any input run one worker, so that Done is called
	NVal       int    // partitions that may be tried for an input, the first by its route and those after it; default 1
	Recursive  bool   // workers may send to the fitting itself; see Output.Recurse
}

// Policy says what becomes of a pipe whose worker fails at an input for the
// second time.
type Policy uint8

// Policies.
const (
	FailPipe Policy = iota // the pipe ends with the worker's error
	SetAside               // the input is set aside, and the pipe ends with a SetAsideError
)

// Spec describes a pipe. It is immutable once the pipe runs.
type Spec struct {
	ID          ID
	RingSize    int
	Coordinator Address
	Sink        Address
	OnFailure   Policy
	Trace       []string // notes wanted, by tag, by fitting, by node, or TraceAll
	Fittings    []Fitting
}

// Validate checks the spec against what is registered. The error is a
// *SpecError, or several of them joined.
func (s *Spec) Validate(reg *Registry) error {
	var errs []error
	if s.ID == (ID{}) {
		errs = append(errs, &SpecError{Field: "id", Err: errors.New("is zero")})
	}
	if !ring.ValidSize(s.RingSize) {
		errs = append(errs, &SpecError{Field: "ring size", Err: fmt.Errorf("%d is not a ring size", s.RingSize)})
	}
	if s.OnFailure > SetAside {
		errs = append(errs, &SpecError{Field: "policy", Err: fmt.Errorf("unknown %d", s.OnFailure)})
	}
	if n := len(s.Fittings); n == 0 || n > MaxFittings {
		errs = append(errs, &SpecError{Field: "fittings", Err: fmt.Errorf("%d, want 1 to %d", n, MaxFittings)})
	}
	names := make(map[string]bool, len(s.Fittings))
	for i := range s.Fittings {
		f := &s.Fittings[i]
		label := f.Name
		if label == "" {
			label = "#" + strconv.Itoa(i)
			errs = append(errs, &SpecError{Fitting: label, Field: "name", Err: errors.New("is empty")})
		} else if names[f.Name] {
			errs = append(errs, &SpecError{Fitting: label, Field: "name", Err: errors.New("is used twice")})
		}
		names[f.Name] = true
		errs = append(errs, f.validate(label, s.RingSize, reg)...)
	}
	return errors.Join(errs...)
}

func (f *Fitting) validate(label string, ringSize int, reg *Registry) []error {
	var errs []error
	bad := func(field string, err error) {
		errs = append(errs, &SpecError{Fitting: label, Field: field, Err: err})
	}
	if factory, ok := reg.Worker(f.Worker); !ok {
		bad("worker", fmt.Errorf("%q: %w", f.Worker, ErrUnknownWorker))
	} else if v, ok := factory.(ArgValidator); ok {
		if err := v.ValidateArg(f.Arg); err != nil {
			bad("arg", err)
		}
	}
	switch f.Route.Kind {
	case RouteHash:
		if _, ok := reg.Hash(f.Route.Hash); !ok {
			bad("route", fmt.Errorf("%q: %w", f.Route.Hash, ErrUnknownHash))
		}
	case RouteConstant:
		if uint64(f.Route.Partition) >= uint64(max(0, ringSize)) {
			bad("route", fmt.Errorf("partition %d is not below %d", f.Route.Partition, ringSize))
		}
	case RouteFollow, RouteDirect:
	default:
		bad("route", fmt.Errorf("unknown kind %d", f.Route.Kind))
	}
	if f.QueueItems < 0 {
		bad("queue items", fmt.Errorf("%d is negative", f.QueueItems))
	}
	if f.NVal < 0 || f.NVal > MaxNVal || f.NVal > max(1, ringSize) {
		bad("nval", fmt.Errorf("%d, want at most %d and the size of the ring", f.NVal, MaxNVal))
	}
	if f.QueueBytes < 0 {
		bad("queue bytes", fmt.Errorf("%d is negative", f.QueueBytes))
	}
	return errs
}

// sendsOwn reports whether workers of the fitting may send to it.
func (f *Fitting) sendsOwn() bool { return f.Recursive || f.NVal > 1 }

func (f *Fitting) queueItems() int {
	if f.QueueItems == 0 {
		return DefaultQueueItems
	}
	return f.QueueItems
}

func (f *Fitting) queueBytes() int {
	if f.QueueBytes == 0 {
		return DefaultQueueBytes
	}
	return f.QueueBytes
}
