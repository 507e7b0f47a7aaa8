package ycsb

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// Op is what a request does.
type Op int

// The operations. A scan reads records in key order from one on.
const (
	Read Op = iota
	Update
	Insert
	Scan
	ReadModifyWrite
	Ops // how many there are
)

var opNames = [Ops]string{"read", "update", "insert", "scan", "read-modify-write"}

func (o Op) String() string {
	if o < 0 || o >= Ops {
		return fmt.Sprintf("op %d", int(o))
	}
	return opNames[o]
}

// Distribution says which records are asked for how often.
type Distribution string

// The distributions.
const (
	Uniform Distribution = "uniform"
	Zipfian Distribution = "zipfian"
	Latest  Distribution = "latest"
)

// Workload is a mix of operations over a distribution.
type Workload struct {
	Name string
	// Percent of each operation; they add up to 100.
	Percent      [Ops]int
	Distribution Distribution
}

// core are the six workloads as YCSB defines them.
var core = []Workload{
	{"a", [Ops]int{Read: 50, Update: 50}, Zipfian},
	{"b", [Ops]int{Read: 95, Update: 5}, Zipfian},
	{"c", [Ops]int{Read: 100}, Zipfian},
	{"d", [Ops]int{Read: 95, Insert: 5}, Latest},
	{"e", [Ops]int{Scan: 95, Insert: 5}, Zipfian},
	{"f", [Ops]int{Read: 50, ReadModifyWrite: 50}, Zipfian},
}

// Core returns the core workload of that letter, of any case.
func Core(name string) (Workload, bool) {
	for _, w := range core {
		if w.Name == strings.ToLower(name) {
			return w, true
		}
	}
	return Workload{}, false
}

// MaxScan is the most records of a scan; the length is uniform from 1.
const MaxScan = 100

// Request is one request of a workload.
type Request struct {
	Op Op
	// Record is its number, from 0.
	Record uint64
	// Length is how many records a scan reads.
	Length int
}

// Space is the records of a run, which inserts add to. It is safe for concurrent
// use.
type Space struct {
	mu      sync.Mutex
	next    uint64          // the next one to insert
	settled uint64          // all below were acknowledged, or given up
	ahead   map[uint64]bool // those at and above settled that were
	initial uint64
}

// NewSpace returns a space of so many records, at least 1, all there.
func NewSpace(records uint64) *Space {
	records = max(records, 1)
	return &Space{next: records, settled: records, initial: records, ahead: map[uint64]bool{}}
}

// insert returns a record that nobody else inserts.
func (s *Space) insert() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	return s.next - 1
}

// Acknowledge says that an insert has ended: from then on, when all before it
// have, the record may be asked for.
func (s *Space) Acknowledge(record uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead[record] = true
	for s.ahead[s.settled] {
		delete(s.ahead, s.settled)
		s.settled++
	}
}

// Len returns how many records there are, in the order of their numbers.
func (s *Space) Len() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settled
}

// Generator makes the requests of one client. It is not safe for concurrent use.
type Generator struct {
	workload Workload
	space    *Space
	random   *rand.Rand
	zipf     zipf
}

// New returns the generator of one client; clients share the space and have a
// source each. The error names a distribution that is not known.
func New(w Workload, s *Space, source rand.Source) (*Generator, error) {
	switch w.Distribution {
	case Uniform, Zipfian, Latest:
	default:
		return nil, fmt.Errorf("distribution %q: use %s, %s or %s", w.Distribution, Uniform, Zipfian, Latest)
	}
	return &Generator{workload: w, space: s, random: rand.New(source), zipf: newZipf(Theta)}, nil
}

// Next returns the next request.
func (g *Generator) Next() Request {
	r := Request{Op: g.op()}
	if r.Op == Insert {
		r.Record = g.space.insert()
		return r
	}
	r.Record = g.record()
	if r.Op == Scan {
		r.Length = 1 + g.random.IntN(MaxScan)
	}
	return r
}

func (g *Generator) op() Op {
	n := g.random.IntN(100)
	for o, percent := range g.workload.Percent {
		if n -= percent; n < 0 {
			return Op(o)
		}
	}
	return Read
}

func (g *Generator) record() uint64 {
	switch g.workload.Distribution {
	case Latest:
		n := g.space.Len()
		return n - g.zipf.rank(g.random, n)
	case Zipfian:
		return scatter(g.zipf.rank(g.random, g.space.initial)) % g.space.initial
	}
	return g.random.Uint64N(g.space.initial)
}

// scatter is the 64 bit FNV-1a hash of a rank, so that popular records do not lie
// beside each other.
func scatter(rank uint64) uint64 {
	h := uint64(0xcbf29ce484222325)
	for range 8 {
		h = (h ^ rank&0xff) * 0x100000001b3
		rank >>= 8
	}
	return h
}
