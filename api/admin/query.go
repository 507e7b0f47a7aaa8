package admin

import (
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
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

func (q *query) done() error {
	if len(q.values) > 0 {
		q.bad(strings.Join(slices.Sorted(maps.Keys(q.values)), ", "), "there is no such one")
	}
	return q.err
}
