package bucket

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Changes are some properties by their names in Riak, with the values that
// encoding/json gives or makes: bool, numbers, strings, lists, maps,
// json.RawMessage, or the types of this package. A nil value, or for a quorum
// "default", takes back what was said: the layer beneath counts again.
type Changes map[string]any

// DecodeChanges reads a JSON object of properties. It refuses, as a
// *PropertyError, names and values that no property has.
func DecodeChanges(raw []byte) (Changes, error) {
	var values map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&values); err != nil || values == nil {
		return nil, fmt.Errorf("properties: not a JSON object: %w", errors.Join(err, ErrSyntax))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("properties: more than one JSON object: %w", ErrSyntax)
	}
	c := make(Changes, len(values))
	for name, v := range values {
		c[name] = v
	}
	return c.canonical()
}

// canonical returns the changes with each value in its canonical JSON, nil where
// it is taken back. Neutral values of what this product does not have are left
// out. last_write_wins brings allow_mult false with it, for it implies that.
func (c Changes) canonical() (Changes, error) {
	own := make(Changes, len(c))
	for _, name := range slices.Sorted(maps.Keys(c)) {
		raw, err := json.Marshal(c[name])
		if err != nil {
			return nil, &PropertyError{short([]byte(name)), "?", fmt.Sprintf("use a value that JSON has: %v", err)}
		}
		d, err := define(name, raw)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue
		}
		if own[name], err = d.canonical(raw); err != nil {
			return nil, err
		}
	}
	return own.implied(), nil
}

// implied adds to canonical changes what they imply.
func (c Changes) implied() Changes {
	if lww, ok := c["last_write_wins"].(json.RawMessage); ok && string(lww) == "true" && c["allow_mult"] == nil {
		c["allow_mult"] = json.RawMessage("false")
	}
	return c
}

func (d *definition) canonical(raw json.RawMessage) (any, error) {
	if string(raw) == "null" {
		return nil, nil
	}
	var p Properties
	if remedy := d.set(&p, raw); remedy != "" {
		return nil, &PropertyError{d.name, short(raw), remedy}
	}
	if _, isQuorum := d.get(&p).(Quorum); isQuorum && d.count(&p) == Default {
		return nil, nil
	}
	value, err := json.Marshal(d.get(&p))
	return json.RawMessage(value), err
}

// over lays canonical changes over p without checking what that makes of it.
func (p Properties) over(own Changes) (Properties, error) {
	for name, value := range own {
		raw, ok := value.(json.RawMessage)
		if !ok {
			continue
		}
		d, err := define(name, raw)
		if err != nil {
			return p, err
		}
		if remedy := d.set(&p, raw); remedy != "" {
			return p, &PropertyError{name, short(raw), remedy}
		}
	}
	return p, nil
}

// merged returns canonical changes after others; neither is changed.
func (c Changes) merged(later Changes) Changes {
	out := maps.Clone(c)
	if out == nil {
		out = make(Changes)
	}
	for name, value := range later {
		if value == nil {
			delete(out, name)
			continue
		}
		out[name] = value
	}
	return out.implied()
}

// Hooks returns the hooks that the changes name. The error is a *PropertyError.
func (c Changes) Hooks() (pre, post []string, err error) {
	own, err := c.canonical()
	if err != nil {
		return nil, nil, err
	}
	p, err := Properties{}.over(own)
	return p.Precommit, p.Postcommit, err
}
