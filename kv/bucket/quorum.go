package bucket

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// A Quorum is how many of n copies have to answer: a number above zero, or one
// of the names below.
type Quorum int

// The named quorums.
const (
	// Default is what the bucket says; a request's zero value.
	Default Quorum = 0
	// One is a single copy.
	One Quorum = -1
	// Majority is more than half of the copies; its name is "quorum".
	Majority Quorum = -2
	// All is every copy.
	All Quorum = -3
	// None asks for no copy; its name is "0".
	None Quorum = -4
)

// MaxN bounds the copies of an object, and with them a quorum.
const MaxN = 16

// Resolve returns how many of n copies are asked for, at most n. Default
// resolves as Majority: give a request's quorum its bucket's by Or first.
func (q Quorum) Resolve(n int) int {
	switch q {
	case One:
		return min(1, n)
	case Default, Majority:
		return min(n/2+1, n)
	case All:
		return n
	case None:
		return 0
	}
	return min(max(int(q), 0), n)
}

// Or returns q, or what the bucket says when q is Default.
func (q Quorum) Or(bucket Quorum) Quorum {
	if q == Default {
		return bucket
	}
	return q
}

// String returns the name or the number, which ParseQuorum takes.
func (q Quorum) String() string {
	switch q {
	case Default:
		return "default"
	case One:
		return "one"
	case Majority:
		return "quorum"
	case All:
		return "all"
	case None:
		return "0"
	}
	return strconv.Itoa(int(q))
}

// ParseQuorum returns the quorum of a name or of a number from 0 to MaxN. The
// error is a *PropertyError without a name.
func ParseQuorum(s string) (Quorum, error) {
	for _, q := range []Quorum{Default, One, Majority, All, None} {
		if s == q.String() {
			return q, nil
		}
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > MaxN {
		return 0, &PropertyError{Value: s, Remedy: fmt.Sprintf("use a number from 0 to %d, one, quorum, all or default", MaxN)}
	}
	return Quorum(n), nil
}

// MarshalJSON gives a number or a name.
func (q Quorum) MarshalJSON() ([]byte, error) {
	if q > 0 || q == None {
		return []byte(q.String()), nil
	}
	return json.Marshal(q.String())
}

// UnmarshalJSON takes a number or a name. Its error is that of ParseQuorum.
func (q *Quorum) UnmarshalJSON(raw []byte) (err error) {
	s := string(raw)
	if len(raw) > 0 && raw[0] == '"' {
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
	}
	*q, err = ParseQuorum(s)
	return err
}
