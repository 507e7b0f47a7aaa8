package bulk

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/dee2748c/baton/kv"
)

// Format is how a file is cut into items.
type Format string

// The formats.
const (
	// Lines: each line is a value; its key is its number.
	Lines Format = "lines"
	// JSONLines: each line is a JSON object.
	JSONLines Format = "jsonl"
	// CSV: each row after the first becomes a JSON object with the names of the
	// first row.
	CSV Format = "csv"
)

// ErrInput is returned for input that is not of its format.
var ErrInput = errors.New("bad input")

// Item is one object to be.
type Item struct {
	Key         string
	Value       []byte
	ContentType string
}

// Items yields the items of a file, or an error as the last: ErrInput or that of
// r. The key of an item is its member or column of that name; with none, its
// number from 1 with 12 digits, and in a CSV file its first column.
func Items(r io.Reader, f Format, key string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		var err error
		switch f {
		case Lines, JSONLines:
			err = lines(r, f, key, func(i Item) bool { return yield(i, nil) })
		case CSV:
			err = rows(r, key, func(i Item) bool { return yield(i, nil) })
		default:
			err = fmt.Errorf("format %q: %w: use %s, %s or %s", f, ErrInput, Lines, JSONLines, CSV)
		}
		if err != nil {
			yield(Item{}, err)
		}
	}
}

// number is the key of an item that names none.
func number(n int) string { return fmt.Sprintf("%012d", n) }

func lines(r io.Reader, f Format, key string, take func(Item) bool) error {
	if f == Lines && key != "" {
		return fmt.Errorf("%w: lines have no member %q: leave the key out", ErrInput, key)
	}
	s := bufio.NewScanner(r)
	s.Buffer(nil, kv.MaxValueBytes+2)
	for n := 1; s.Scan(); n++ {
		i := Item{Key: number(n), Value: bytes.Clone(s.Bytes()), ContentType: "text/plain"}
		if f == JSONLines {
			i.ContentType = "application/json"
			var err error
			if i.Key, err = keyOf(i.Value, key, n); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
		if !take(i) {
			return nil
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("%w: a line has more than %d bytes", ErrInput, kv.MaxValueBytes)
	}
	return s.Err()
}

// keyOf returns the member of a JSON object that is its key.
func keyOf(line []byte, key string, n int) (string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(line, &members); err != nil || members == nil {
		return "", fmt.Errorf("%w: it is not a JSON object", ErrInput)
	}
	if key == "" {
		return number(n), nil
	}
	raw, ok := members[key]
	if !ok {
		return "", fmt.Errorf("%w: it has no member %q", ErrInput, key)
	}
	var s string
	if raw[0] != '"' {
		s = string(raw) // a number, as it is written
	} else if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%w: member %q: %w", ErrInput, key, err)
	}
	if s == "" || raw[0] == '{' || raw[0] == '[' || s == "null" && raw[0] != '"' {
		return "", fmt.Errorf("%w: member %q is neither a string nor a number", ErrInput, key)
	}
	return s, nil
}

func rows(r io.Reader, key string, take func(Item) bool) error {
	c := csv.NewReader(bufio.NewReaderSize(r, 256<<10))
	names, err := c.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the first row, with the names of the columns, is missing", ErrInput)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInput, err)
	}
	names = slices.Clone(names)
	column := 0
	if key != "" {
		if column = slices.Index(names, key); column < 0 {
			return fmt.Errorf("%w: there is no column %q, but %q", ErrInput, key, names)
		}
	}
	for {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		line, _ := c.FieldPos(0)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", ErrInput, err)
		case row[column] == "":
			return fmt.Errorf("line %d: %w: column %q, the key, is empty", line, ErrInput, names[column])
		}
		value, err := object(names, row)
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		if !take(Item{Key: row[column], Value: value, ContentType: "application/json"}) {
			return nil
		}
	}
}

// object is a row as a JSON object, its members in the order of the columns.
func object(names, row []string) ([]byte, error) {
	b := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		for j, s := range []string{name, row[i]} {
			text, err := json.Marshal(s)
			if err != nil {
				return nil, err
			}
			b = append(b, text...)
			if j == 0 {
				b = append(b, ':')
			}
		}
	}
	return append(b, '}'), nil
}
