package bucket

import (
	"encoding/json"
	"fmt"
	"time"
)

// DefaultN is the number of copies where nothing else is said.
const DefaultN = 3

// Properties are what is said about the objects of a bucket, every layer taken
// in. A published value is shared and never changes.
type Properties struct {
	// NVal is the number of copies, from 1 to MaxN.
	NVal int
	// AllowMult keeps concurrent writes beside each other, as siblings. Without
	// it the one with the latest time is kept: all others are lost, though they
	// were acknowledged.
	AllowMult bool
	// LastWriteWins lets a write take the place of all that there is, whatever
	// its context has seen; of concurrent ones the one with the latest time is
	// kept. It goes with AllowMult false.
	LastWriteWins bool

	// R is how many copies a read waits for; RW is the one of a delete that is
	// said by a single number, kept for clients that know it.
	R, RW Quorum
	// W is how many copies acknowledge a write, DW how many of them durably. They
	// are independent: a write waits for both.
	W, DW Quorum
	// PR and PW are how many of them have to be primaries.
	PR, PW Quorum
	// NodeConfirms is how many different nodes have to be among them.
	NodeConfirms int
	// BasicQuorum lets a read end as soon as a majority has not found the key.
	BasicQuorum bool
	// NotFoundOK counts a copy that has not got the key as an answer to a read.
	NotFoundOK bool
	// Sloppy lets fallbacks stand in for primaries that do not answer.
	Sloppy bool

	// Precommit and Postcommit name the hooks of a write, in order.
	Precommit, Postcommit []string
	// TTL is how long an object is there after its last write; 0 is for ever.
	TTL time.Duration
	// BucketOnly places all objects of the bucket by the hash of the bucket
	// alone: on the same n copies.
	BucketOnly bool
	// ServeFrozen lets a partition answer reads while its move is being sealed.
	ServeFrozen bool
	// WriteOnce says that keys are written once. It is kept for clients that ask
	// for it, and changes nothing: a write takes the ordinary path.
	WriteOnce bool

	// LinkFun and the limits of pruned clocks are kept for clients that read them
	// and decide nothing: clocks are not pruned.
	LinkFun                                        ModFun
	OldVclock, YoungVclock, BigVclock, SmallVclock int
}

// A ModFun names a function in the way of Riak's properties.
type ModFun struct {
	Mod string `json:"mod"`
	Fun string `json:"fun"`
}

// Defaults returns the properties of a bucket about which nothing is said, in a
// cluster whose number of copies is n; 0 is DefaultN, and more than MaxN is MaxN.
func Defaults(n int) Properties {
	if n < 1 {
		n = DefaultN
	}
	return Properties{
		NVal: min(n, MaxN), AllowMult: true, R: Majority, W: Majority, DW: Majority, RW: Majority, PR: None, PW: None,
		NotFoundOK: true, Sloppy: true,
		LinkFun:   ModFun{"riak_kv_wm_link_walker", "mapreduce_linkfun"},
		OldVclock: 86400, YoungVclock: 20, BigVclock: 50, SmallVclock: 50,
	}
}

// Siblings reports whether concurrent writes are kept beside each other.
func (p *Properties) Siblings() bool { return p.AllowMult && !p.LastWriteWins }

// Validate reports what can't be as it is, as a *PropertyError.
func (p *Properties) Validate() error {
	if p.NVal < 1 || p.NVal > MaxN {
		return &PropertyError{"n_val", fmt.Sprint(p.NVal), fmt.Sprintf("use a number of copies from 1 to %d", MaxN)}
	}
	if p.AllowMult && p.LastWriteWins {
		return &PropertyError{"allow_mult", "true", "last_write_wins keeps no siblings: set it to false with allow_mult, or leave allow_mult false"}
	}
	for i := range definitions {
		d := &definitions[i]
		if d.count == nil {
			continue
		}
		switch q := d.count(p); {
		case q == Default || int(q) < int(None) || q == None && d.least > 0:
			return &PropertyError{d.name, text(q), "use at least 1, or one, quorum, all"}
		case int(q) > p.NVal:
			return &PropertyError{d.name, text(q), fmt.Sprintf("there are %d copies (n_val): use at most as many, or more copies", p.NVal)}
		}
	}
	return nil
}

// MarshalJSON gives all properties under their names in Riak, in the order of
// the names.
func (p Properties) MarshalJSON() ([]byte, error) {
	all := make(map[string]any, len(definitions))
	for i := range definitions {
		all[definitions[i].name] = definitions[i].get(&p)
	}
	return json.Marshal(all)
}

// UnmarshalJSON takes what MarshalJSON gives; properties that are not said keep
// what they were. It checks single values and not what they are together, which
// Validate does.
func (p *Properties) UnmarshalJSON(raw []byte) error {
	own, err := DecodeChanges(raw)
	if err == nil {
		*p, err = p.over(own)
	}
	return err
}

// With returns p with the changes laid over it; a null leaves what p says. The
// error is a *PropertyError: the changes, or what they make of p, are not valid.
func (p Properties) With(c Changes) (Properties, error) {
	own, err := c.canonical()
	if err != nil {
		return p, err
	}
	q, err := p.over(own)
	if err == nil {
		err = q.Validate()
	}
	return q, err
}

// Warnings says what an operator has to know about a change from old to p that
// is allowed, one sentence each.
func (p *Properties) Warnings(old *Properties) []string {
	var out []string
	switch {
	case p.NVal > old.NVal:
		out = append(out, fmt.Sprintf("n_val grows from %d to %d: until anti-entropy has made the new copies of what is there, reads that ask for one answer may miss it", old.NVal, p.NVal))
	case p.NVal < old.NVal:
		out = append(out, fmt.Sprintf("n_val falls from %d to %d: the copies beyond stay on disk and are not read", old.NVal, p.NVal))
	}
	if old.Siblings() && !p.Siblings() {
		out = append(out, "no siblings are kept: of concurrent writes all but one are lost, though they were acknowledged")
	}
	return out
}
