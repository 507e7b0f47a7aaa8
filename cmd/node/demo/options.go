package demo

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Engines are the storage engines that a demo can run on, the default first.
var Engines = []string{"memory", "pebble"}

// Ring sizes that a cluster may have: powers of two between these.
const (
	minRing = 8
	maxRing = 1 << 16
)

// maxPort is the highest TCP port.
const maxPort = 1<<16 - 1

// Options say what a demo runs. Defaults gives a good start.
type Options struct {
	// Nodes is how many nodes the cluster begins with; default 3.
	Nodes int
	// Join is how many nodes join while the job runs; default 1.
	Join int
	// Input is a directory or a text file; empty means the *.go files of
	// GOROOT/src.
	Input string
	// Job is the name of one of Jobs; default "wordcount".
	Job string
	// Seed decides the order in which files are loaded; default 0.
	Seed uint64
	// Engine is one of Engines; default "memory".
	Engine string
	// Ring is the number of partitions, a power of two; default 64.
	Ring int
	// Port is the first node's loopback port, the others take the next ones; 0
	// means any free ports.
	Port int
	// Names are the names of all nodes, those that join last; none means n1,
	// n2, ...
	Names []string
	// Counts is a file to write every word with its count to, if not empty.
	Counts string
}

// Defaults returns the options of a plain `baton demo`, but for the seed.
func Defaults() Options {
	return Options{Nodes: 3, Join: 1, Job: Jobs[0], Engine: Engines[0], Ring: 64}
}

// names gives the names of all nodes, those that join last.
func (o Options) names() []string {
	if len(o.Names) > 0 {
		return o.Names
	}
	names := make([]string, o.Nodes+o.Join)
	for i := range names {
		names[i] = fmt.Sprintf("n%d", i+1)
	}
	return names
}

// OptionError says which option can't be, and what to do about it.
type OptionError struct {
	Option string // the flag's name, without dashes
	What   string // what is wrong, with the value
	Remedy string
}

// Error gives option, problem and remedy on one line.
func (e *OptionError) Error() string {
	return fmt.Sprintf("--%s: %s; %s", e.Option, e.What, e.Remedy)
}

// Validate reports the first option that can't be, as an *OptionError.
func (o Options) Validate() error {
	bad := func(option, remedy, format string, args ...any) error {
		return &OptionError{Option: option, What: fmt.Sprintf(format, args...), Remedy: remedy}
	}
	switch {
	case o.Nodes < 1:
		return bad("nodes", "a cluster has at least one node", "%d nodes", o.Nodes)
	case o.Join < 0:
		return bad("join", "give 0 or more", "%d nodes", o.Join)
	case o.Ring < minRing || o.Ring > maxRing || o.Ring&(o.Ring-1) != 0:
		return bad("ring-size", fmt.Sprintf("give a power of two from %d to %d, such as 64", minRing, maxRing), "a ring of %d partitions", o.Ring)
	case o.Nodes+o.Join > o.Ring:
		return bad("ring-size", "give a larger ring or fewer nodes", "a ring of %d partitions has too few for %d nodes", o.Ring, o.Nodes+o.Join)
	case !slices.Contains(Jobs, o.Job):
		return bad("job", "the jobs are: "+strings.Join(Jobs, ", "), "unknown job %q", o.Job)
	case !slices.Contains(Engines, o.Engine):
		return bad("engine", "the engines are: "+strings.Join(Engines, ", "), "unknown engine %q", o.Engine)
	case o.Port < 0 || o.Port > 0 && o.Port+o.Nodes+o.Join-1 > maxPort:
		return bad("port", fmt.Sprintf("give 0 for free ports, or a port that leaves room for all nodes up to %d", maxPort), "port %d for the first of %d nodes", o.Port, o.Nodes+o.Join)
	case len(o.names()) != o.Nodes+o.Join:
		return bad("names", "name every node, those that join last", "%d names for %d nodes", len(o.Names), o.Nodes+o.Join)
	}
	names := o.names()
	for i, name := range names {
		if name == "" || len(name) > 255 {
			return bad("names", "a node's name has 1 to 255 bytes", "a name of %d bytes", len(name))
		}
		if slices.Contains(names[:i], name) {
			return bad("names", "give every node a name of its own", "two nodes are named %q", name)
		}
	}
	return nil
}

// find looks at the input: the one that was named, or the Go sources.
func (o Options) find() (Input, error) {
	if o.Input != "" {
		return Find(o.Input, "")
	}
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return Input{}, &InputError{Path: "$(go env GOROOT)/src", What: "can't be found", Remedy: "name a directory or a text file with --input", Err: err}
	}
	return Find(filepath.Join(strings.TrimSpace(string(out)), "src"), ".go")
}
