package bucket

import (
	"errors"
	"fmt"
)

// Errors of types, buckets and their encodings.
var (
	// ErrNoType is returned when there is no bucket type of that name: create
	// and activate it first.
	ErrNoType = errors.New("no such bucket type")
	// ErrNotActive is returned when a bucket type is used or updated that was
	// created and not activated.
	ErrNotActive = errors.New("bucket type is not active")
	// ErrActive is returned when a bucket type is created that is active: update
	// it instead.
	ErrActive = errors.New("bucket type is active")
	// ErrReserved is returned when a bucket type is created under a name that has
	// a meaning of its own.
	ErrReserved = errors.New("reserved name of a bucket type")
	// ErrName is returned for a name of a type or bucket that can't have
	// properties.
	ErrName = errors.New("unusable name")
	// ErrSyntax is returned for bytes that are no JSON object of properties.
	ErrSyntax = errors.New("malformed properties")
	// ErrEntry is returned for a type or bucket whose entry in the record this
	// build can't read: a newer one wrote it.
	ErrEntry = errors.New("unreadable entry of the record")
)

// A PropertyError says which property can't be what it was to be, and what to do.
type PropertyError struct {
	Name   string // as in JSON
	Value  string // as in JSON, cut when it is long
	Remedy string
}

// Error names the property, the value and the remedy.
func (e *PropertyError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("quorum %q: %s", e.Value, e.Remedy)
	}
	return fmt.Sprintf("property %s %s: %s", e.Name, e.Value, e.Remedy)
}
