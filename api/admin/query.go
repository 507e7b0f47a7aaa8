package admin

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// query takes the parameters of a request one by one; done tells what was wrong
// with them, and which of them nobody knows.
type query struct {
	values url.Values
	err    error
}

func newQuery(raw string) (*query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, refuse(ErrRequest, "the query: %v", err)
	}
	return &query{values: values}, nil
}

// text takes a parameter, empty if it is not there.
func (q *query) text(name string) string {
	v := q.values[name]
	delete(q.values, name)
	if len(v) == 0 {
		return ""
	}
	if len(v) > 1 {
		q.bad(name, "give it once")
	}
	return v[0]
}

func (q *query) bad(name, remedy string) {
	if q.err == nil {
		q.err = refuse(ErrRequest, "parameter %s: %s", name, remedy)
	}
}

func (q *query) flag(name string) bool {
	s := q.text(name)
	if s == "" {
		return false
	}
	v, err := strconv.ParseBool(s)
	if err != nil {
		q.bad(name, "give true or false")
	}
	return v
}

// bytes takes a parameter in base64.
func (q *query) bytes(name string) []byte {
	b, err := base64.StdEncoding.DecodeString(q.text(name))
	if err != nil {
		q.bad(name, "give it in base64")
	}
	return b
}

// quorum takes how many copies a request waits for.
func (q *query) quorum(name string) bucket.Quorum {
	s := q.text(name)
	if s == "" {
		return bucket.Default
	}
	n, err := bucket.ParseQuorum(s)
	if err != nil {
		q.bad(name, fmt.Sprintf("give a number from 0 to %d, one, quorum or all", bucket.MaxN))
	}
	return n
}

func (q *query) number(name string) int {
	s := q.text(name)
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > bucket.MaxN {
		q.bad(name, fmt.Sprintf("give a number from 0 to %d", bucket.MaxN))
	}
	return n
}

// choice takes a flag that may be left to the bucket.
func (q *query) choice(name string) kv.Choice {
	if _, ok := q.values[name]; !ok {
		return kv.Unset
	}
	if q.flag(name) {
		return kv.Yes
	}
	return kv.No
}

func (q *query) readOptions() kv.ReadOptions {
	return kv.ReadOptions{
		R: q.quorum("r"), PR: q.quorum("pr"), NodeConfirms: q.number("node_confirms"),
		NotFoundOK: q.choice("notfound_ok"), BasicQuorum: q.choice("basic_quorum"), Sloppy: q.choice("sloppy"),
	}
}

func (q *query) writeOptions() kv.WriteOptions {
	return kv.WriteOptions{
		W: q.quorum("w"), DW: q.quorum("dw"), PW: q.quorum("pw"), NodeConfirms: q.number("node_confirms"), Sloppy: q.choice("sloppy"),
		R: q.quorum("r"), PR: q.quorum("pr"),
	}
}

// setOptions are the parameters of options, without those that say nothing.
func setOptions(values url.Values, quorums map[string]bucket.Quorum, confirms int, choices map[string]kv.Choice) {
	for name, n := range quorums {
		if n != bucket.Default {
			values.Set(name, n.String())
		}
	}
	if confirms > 0 {
		values.Set("node_confirms", strconv.Itoa(confirms))
	}
	for name, c := range choices {
		if c != kv.Unset {
			values.Set(name, strconv.FormatBool(c == kv.Yes))
		}
	}
}

func setReadOptions(values url.Values, o kv.ReadOptions) {
	setOptions(values, map[string]bucket.Quorum{"r": o.R, "pr": o.PR}, o.NodeConfirms,
		map[string]kv.Choice{"notfound_ok": o.NotFoundOK, "basic_quorum": o.BasicQuorum, "sloppy": o.Sloppy})
}

func setWriteOptions(values url.Values, o kv.WriteOptions) {
	setOptions(values, map[string]bucket.Quorum{"w": o.W, "dw": o.DW, "pw": o.PW, "r": o.R, "pr": o.PR}, o.NodeConfirms,
		map[string]kv.Choice{"sloppy": o.Sloppy})
}

func (q *query) done() error {
	if len(q.values) > 0 {
		q.bad(strings.Join(slices.Sorted(maps.Keys(q.values)), ", "), "there is no such one")
	}
	return q.err
}
