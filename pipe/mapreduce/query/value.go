package query

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
)

// A value is nil, bool, int64, float64, string, []any or map[string]any of
// values, or NotFound.

// NotFound stands for an object that an input names and that does not exist. In
// JSON it is {"not_found": {"bucket": ..., "key": ..., "keydata": ...}}, with a
// bucket_type unless that is the default.
type NotFound struct {
	Type, Bucket, Key string
	Data              any // what came with the input
}

// ErrDamaged: the bytes are not what an encoder of this package wrote.
var ErrDamaged = errors.New("damaged encoding")

// ErrValue: something is no value, or one that is nested too deep.
var ErrValue = errors.New("not a value")

// MaxDepth is how deep a value may be nested.
const MaxDepth = 128

// The first byte of an encoded value.
const (
	tagNil byte = iota
	tagFalse
	tagTrue
	tagInt      // zigzag varint
	tagFloat    // 8 bytes, big endian
	tagString   // uvarint length, bytes
	tagList     // uvarint count, values
	tagMap      // uvarint count, then framed key and value, ascending by key
	tagNotFound // framed type, bucket and key, then the data
)

// AppendValue appends the encoding of v. It fails with ErrValue.
func AppendValue(dst []byte, v any) ([]byte, error) { return appendValue(dst, v, 0) }

func appendValue(dst []byte, v any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d: %w", MaxDepth, ErrValue)
	}
	var err error
	switch v := v.(type) {
	case nil:
		return append(dst, tagNil), nil
	case bool:
		if v {
			return append(dst, tagTrue), nil
		}
		return append(dst, tagFalse), nil
	case int64:
		return binary.AppendVarint(append(dst, tagInt), v), nil
	case float64:
		if v != v {
			v = math.NaN()
		}
		return binary.BigEndian.AppendUint64(append(dst, tagFloat), math.Float64bits(v+0)), nil // -0 + 0 is 0
	case string:
		return appendString(append(dst, tagString), v), nil
	case []any:
		dst = binary.AppendUvarint(append(dst, tagList), uint64(len(v)))
		for _, x := range v {
			if dst, err = appendValue(dst, x, depth+1); err != nil {
				return nil, err
			}
		}
		return dst, nil
	case map[string]any:
		dst = binary.AppendUvarint(append(dst, tagMap), uint64(len(v)))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if dst, err = appendValue(appendString(dst, k), v[k], depth+1); err != nil {
				return nil, err
			}
		}
		return dst, nil
	case NotFound:
		dst = appendString(appendString(appendString(append(dst, tagNotFound), v.Type), v.Bucket), v.Key)
		return appendValue(dst, v.Data, depth+1)
	default:
		return nil, fmt.Errorf("%T: %w", v, ErrValue)
	}
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// DecodeValue returns the value of b, all of which is its encoding. Its strings
// are copies. It fails with ErrDamaged.
func DecodeValue(b []byte) (any, error) {
	d := decoder{rest: b}
	v := d.value(0)
	if d.bad || len(d.rest) > 0 {
		return nil, fmt.Errorf("value of %d bytes: %w", len(b), ErrDamaged)
	}
	return v, nil
}

// decoder takes an encoding apart; bad is set once it is damaged.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) fail() any {
	d.bad, d.rest = true, nil
	return nil
}

func (d *decoder) uvarint() uint64 {
	n, w := binary.Uvarint(d.rest)
	if w <= 0 || w > 1 && d.rest[w-1] == 0 { // not the shortest form
		d.fail()
		return 0
	}
	d.rest = d.rest[w:]
	return n
}

func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return ""
	}
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) value(depth int) any {
	if len(d.rest) == 0 || depth > MaxDepth {
		return d.fail()
	}
	tag := d.rest[0]
	d.rest = d.rest[1:]
	switch tag {
	case tagNil:
		return nil
	case tagFalse:
		return false
	case tagTrue:
		return true
	case tagInt:
		n, w := binary.Varint(d.rest)
		if w <= 0 || w > 1 && d.rest[w-1] == 0 {
			return d.fail()
		}
		d.rest = d.rest[w:]
		return n
	case tagFloat:
		return d.float()
	case tagString:
		return d.string()
	case tagList:
		return d.list(depth)
	case tagMap:
		return d.object(depth)
	case tagNotFound:
		return NotFound{Type: d.string(), Bucket: d.string(), Key: d.string(), Data: d.value(depth + 1)}
	default:
		return d.fail()
	}
}

func (d *decoder) float() any {
	if len(d.rest) < 8 {
		return d.fail()
	}
	bits := binary.BigEndian.Uint64(d.rest)
	f := math.Float64frombits(bits)
	if f != f && bits != math.Float64bits(math.NaN()) || f == 0 && bits != 0 {
		return d.fail()
	}
	d.rest = d.rest[8:]
	return f
}

func (d *decoder) list(depth int) any {
	n := d.uvarint()
	if n > uint64(len(d.rest)) { // each has a byte at least
		return d.fail()
	}
	list := make([]any, 0, min(n, 1024))
	for range n {
		list = append(list, d.value(depth+1))
		if d.bad {
			return nil
		}
	}
	return list
}

func (d *decoder) object(depth int) any {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		return d.fail()
	}
	m := make(map[string]any, min(n, 1024))
	last := ""
	for i := range n {
		k := d.string()
		if i > 0 && k <= last {
			return d.fail()
		}
		m[k], last = d.value(depth+1), k
		if d.bad {
			return nil
		}
	}
	return m
}

// AppendJSON appends v as JSON. Strings that are not UTF-8 lose what is not;
// numbers without a fraction that are floats keep their point.
func AppendJSON(dst []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		return appendJSONFloat(dst, v)
	case string:
		return appendJSONString(dst, v), nil
	case []any:
		dst = append(dst, '[')
		for i, x := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = AppendJSON(dst, x); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case map[string]any:
		dst = append(dst, '{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendJSONString(dst, k), ':')
			if dst, err = AppendJSON(dst, v[k]); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	case NotFound:
		return AppendJSON(dst, v.Object())
	default:
		return nil, fmt.Errorf("%T: %w", v, ErrValue)
	}
}

// Object returns what the report is in JSON.
func (n NotFound) Object() map[string]any {
	m := map[string]any{"bucket": n.Bucket, "key": n.Key, "keydata": n.Data}
	if n.Type != "" {
		m["bucket_type"] = n.Type
	}
	return map[string]any{"not_found": m}
}

// NotFoundOf is the inverse of Object.
func NotFoundOf(m map[string]any) (n NotFound, ok bool) {
	inner, ok := m["not_found"].(map[string]any)
	if !ok || len(m) != 1 {
		return n, false
	}
	n.Data = inner["keydata"]
	n.Type, _ = inner["bucket_type"].(string)
	var bucket, key bool
	n.Bucket, bucket = inner["bucket"].(string)
	n.Key, key = inner["key"].(string)
	return n, bucket && key
}

func appendJSONString(dst []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // of a string it can't fail
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

func appendJSONFloat(dst []byte, f float64) ([]byte, error) {
	b, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", f, ErrValue)
	}
	if !bytes.ContainsAny(b, ".e") {
		b = append(b, ".0"...)
	}
	return append(dst, b...), nil
}

// ParseValue returns the value of a JSON text. Numbers without fraction or
// exponent are int64, if they fit.
func ParseValue(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("something follows the value at byte %d", d.InputOffset())
	}
	return fromJSON(v, 0)
}

func fromJSON(v any, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d: %w", MaxDepth, ErrValue)
	}
	var err error
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("number %s: %w", v, ErrValue)
		}
		return f, nil
	case []any:
		for i := range v {
			if v[i], err = fromJSON(v[i], depth+1); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = fromJSON(v[k], depth+1); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// ValueOf returns v as a value: numbers and strings of any kind, and what else
// encoding/json can say, by way of its JSON. It fails with ErrValue.
func ValueOf(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, int64, float64, string, NotFound:
		return v, nil
	case []byte:
		return string(v), nil
	case []any:
		for i := range v {
			x, err := ValueOf(v[i])
			if err != nil {
				return nil, err
			}
			v[i] = x
		}
		return v, nil
	case map[string]any:
		for k := range v {
			x, err := ValueOf(v[k])
			if err != nil {
				return nil, err
			}
			v[k] = x
		}
		return v, nil
	}
	switch r := reflect.ValueOf(v); {
	case r.CanInt():
		return r.Int(), nil
	case r.CanUint() && r.Uint() <= math.MaxInt64:
		return int64(r.Uint()), nil
	case r.CanFloat():
		return r.Float(), nil
	case r.Kind() == reflect.String:
		return r.String(), nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%T: %w: %w", v, ErrValue, err)
	}
	return ParseValue(text)
}

// As returns a value as a Go type: as it is where the types agree, and otherwise
// by way of its JSON. It fails with ErrValue.
func As[T any](v any) (T, error) {
	if t, ok := v.(T); ok {
		return t, nil
	}
	var t T
	if n, ok := v.(int64); ok {
		switch p := any(&t).(type) {
		case *int:
			*p = int(n)
			return t, nil
		case *float64:
			*p = float64(n)
			return t, nil
		}
	}
	text, err := AppendJSON(nil, v)
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	if err != nil {
		return t, fmt.Errorf("%T as %T: %w: %w", v, t, ErrValue, err)
	}
	return t, nil
}
