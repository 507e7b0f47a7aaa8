package mapreduce

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
)

// structure encodes values of one composite type by reflection. Every part
// that has no fixed length stands behind it, so parts need no separators.
type structure struct {
	append func(dst []byte, v reflect.Value) ([]byte, error)
	decode func(b []byte, into reflect.Value) (rest []byte, ok bool)
}

func structuralCodec[T any](s structure) Codec[T] {
	return Codec[T]{
		Append: func(dst []byte, v T) ([]byte, error) {
			return s.append(dst, reflect.ValueOf(&v).Elem())
		},
		Decode: func(b []byte) (v T, err error) {
			rest, ok := s.decode(b, reflect.ValueOf(&v).Elem())
			if !ok || len(rest) != 0 {
				return v, fmt.Errorf("%T of %d bytes: %w", v, len(b), ErrDamaged)
			}
			return v, nil
		},
	}
}

// structureOf builds the structure of a type; outer are the types around it.
func structureOf(typ reflect.Type, outer []reflect.Type) (structure, error) {
	if slices.Contains(outer, typ) {
		return structure{}, fmt.Errorf("%v contains itself: %w", typ, ErrCodec)
	}
	outer = append(outer[:len(outer):len(outer)], typ)
	if s, ok := scalarStructure(typ); ok {
		return s, nil
	}
	if marshals(typ) {
		return marshaled(typ), nil
	}
	switch typ.Kind() {
	case reflect.Struct:
		return structStructure(typ, outer)
	case reflect.Slice, reflect.Array, reflect.Pointer, reflect.Map:
		elem, err := structureOf(typ.Elem(), outer)
		if err != nil {
			return structure{}, err
		}
		switch typ.Kind() {
		case reflect.Slice:
			return sliceStructure(elem), nil
		case reflect.Array:
			if typ.Len() == 0 {
				return emptyStruct, nil
			}
			return arrayStructure(elem), nil
		case reflect.Pointer:
			return pointerStructure(typ, elem), nil
		}
		key, err := structureOf(typ.Key(), outer)
		return mapStructure(typ, key, elem), err
	}
	return structure{}, fmt.Errorf("%v can't be written down: %w", typ, ErrCodec)
}

// scalarStructure puts the scalar encodings behind a length.
func scalarStructure(typ reflect.Type) (structure, bool) {
	switch typ.Kind() {
	case reflect.Bool:
		return framed(func(dst []byte, v reflect.Value) []byte { return appendBool(dst, v.Bool()) },
			func(b []byte, into reflect.Value) bool {
				x, ok := decodeBool(b)
				into.SetBool(x)
				return ok
			}), true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return framed(func(dst []byte, v reflect.Value) []byte { return appendInt(dst, v.Int()) },
			func(b []byte, into reflect.Value) bool {
				x, ok := decodeInt[int64](b)
				into.SetInt(x)
				return ok && into.Int() == x
			}), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return framed(func(dst []byte, v reflect.Value) []byte { return appendUint(dst, v.Uint()) },
			func(b []byte, into reflect.Value) bool {
				x, ok := decodeUint[uint64](b)
				into.SetUint(x)
				return ok && into.Uint() == x
			}), true
	case reflect.Float32, reflect.Float64:
		return framed(func(dst []byte, v reflect.Value) []byte { return appendFloat64(dst, v.Float()) },
			func(b []byte, into reflect.Value) bool {
				x, ok := decodeFloat64(b)
				into.SetFloat(x)
				return ok
			}), true
	case reflect.String:
		return framed(func(dst []byte, v reflect.Value) []byte { return append(dst, v.String()...) },
			func(b []byte, into reflect.Value) bool {
				into.SetString(string(b))
				return true
			}), true
	}
	return structure{}, false
}

// framed makes a structure of functions over exactly the bytes of one value.
func framed(enc func([]byte, reflect.Value) []byte, dec func([]byte, reflect.Value) bool) structure {
	return structure{
		append: func(dst []byte, v reflect.Value) ([]byte, error) {
			var space [16]byte
			return appendFramed(dst, view(enc(space[:0], v))), nil
		},
		decode: func(b []byte, into reflect.Value) ([]byte, bool) {
			field, rest, ok := cut(b)
			return rest, ok && dec(field, into)
		},
	}
}

// marshals reports whether a type writes and reads itself.
func marshals(typ reflect.Type) bool {
	return typ.Implements(reflect.TypeFor[encoding.BinaryMarshaler]()) &&
		reflect.PointerTo(typ).Implements(reflect.TypeFor[encoding.BinaryUnmarshaler]())
}

func marshaled(typ reflect.Type) structure {
	return structure{
		append: func(dst []byte, v reflect.Value) ([]byte, error) {
			b, err := v.Interface().(encoding.BinaryMarshaler).MarshalBinary()
			if err != nil {
				return nil, fmt.Errorf("encode %v: %w", typ, err)
			}
			return appendFramed(dst, view(b)), nil
		},
		decode: func(b []byte, into reflect.Value) ([]byte, bool) {
			field, rest, ok := cut(b)
			if !ok {
				return nil, false
			}
			u := into.Addr().Interface().(encoding.BinaryUnmarshaler)
			return rest, u.UnmarshalBinary(bytes.Clone(field)) == nil
		},
	}
}

func structStructure(typ reflect.Type, outer []reflect.Type) (structure, error) {
	if typ.NumField() == 0 {
		return emptyStruct, nil
	}
	fields := make([]structure, typ.NumField())
	for i := range fields {
		f := typ.Field(i)
		if !f.IsExported() {
			return structure{}, fmt.Errorf("field %s of %v is unexported: %w", f.Name, typ, ErrCodec)
		}
		var err error
		if fields[i], err = structureOf(f.Type, outer); err != nil {
			return structure{}, err
		}
	}
	return structure{
		append: func(dst []byte, v reflect.Value) (_ []byte, err error) {
			for i, f := range fields {
				if dst, err = f.append(dst, v.Field(i)); err != nil {
					return nil, err
				}
			}
			return dst, nil
		},
		decode: func(b []byte, into reflect.Value) (_ []byte, ok bool) {
			for i, f := range fields {
				if b, ok = f.decode(b, into.Field(i)); !ok {
					return nil, false
				}
			}
			return b, true
		},
	}, nil
}

// emptyStruct takes one byte, so that no list is shorter than its length says.
var emptyStruct = structure{
	append: func(dst []byte, _ reflect.Value) ([]byte, error) { return append(dst, 0), nil },
	decode: func(b []byte, _ reflect.Value) ([]byte, bool) {
		if len(b) == 0 || b[0] != 0 {
			return nil, false
		}
		return b[1:], true
	},
}

func arrayStructure(elem structure) structure {
	return structure{
		append: func(dst []byte, v reflect.Value) (_ []byte, err error) {
			for i := range v.Len() {
				if dst, err = elem.append(dst, v.Index(i)); err != nil {
					return nil, err
				}
			}
			return dst, nil
		},
		decode: func(b []byte, into reflect.Value) (_ []byte, ok bool) {
			for i := range into.Len() {
				if b, ok = elem.decode(b, into.Index(i)); !ok {
					return nil, false
				}
			}
			return b, true
		},
	}
}

// sliceStructure writes the length plus one, and 0 for nil.
func sliceStructure(elem structure) structure {
	each := arrayStructure(elem)
	return structure{
		append: func(dst []byte, v reflect.Value) ([]byte, error) {
			if v.IsNil() {
				return append(dst, 0), nil
			}
			return each.append(binary.AppendUvarint(dst, uint64(v.Len())+1), v)
		},
		decode: func(b []byte, into reflect.Value) ([]byte, bool) {
			n, w := binary.Uvarint(b)
			if w <= 0 || n > uint64(len(b)) {
				return nil, false
			}
			if n == 0 {
				into.SetZero()
				return b[w:], true
			}
			into.Set(reflect.MakeSlice(into.Type(), int(n-1), int(n-1)))
			return each.decode(b[w:], into)
		},
	}
}

// pointerStructure writes one byte: whether a value follows.
func pointerStructure(typ reflect.Type, elem structure) structure {
	return structure{
		append: func(dst []byte, v reflect.Value) ([]byte, error) {
			if v.IsNil() {
				return append(dst, 0), nil
			}
			return elem.append(append(dst, 1), v.Elem())
		},
		decode: func(b []byte, into reflect.Value) ([]byte, bool) {
			if len(b) == 0 || b[0] > 1 {
				return nil, false
			}
			if b[0] == 0 {
				into.SetZero()
				return b[1:], true
			}
			into.Set(reflect.New(typ.Elem()))
			return elem.decode(b[1:], into.Elem())
		},
	}
}

// mapStructure writes the pairs in the order of their encodings, as a slice.
func mapStructure(typ reflect.Type, key, elem structure) structure {
	return structure{
		append: func(dst []byte, v reflect.Value) ([]byte, error) {
			if v.IsNil() {
				return append(dst, 0), nil
			}
			pairs := make([][]byte, 0, v.Len())
			for it := v.MapRange(); it.Next(); {
				pair, err := key.append(nil, it.Key())
				if err == nil {
					pair, err = elem.append(pair, it.Value())
				}
				if err != nil {
					return nil, err
				}
				pairs = append(pairs, pair)
			}
			slices.SortFunc(pairs, bytes.Compare)
			return append(binary.AppendUvarint(dst, uint64(len(pairs))+1), bytes.Join(pairs, nil)...), nil
		},
		decode: func(b []byte, into reflect.Value) (_ []byte, ok bool) {
			n, w := binary.Uvarint(b)
			if w <= 0 || n > uint64(len(b)) {
				return nil, false
			}
			into.SetZero()
			if n == 0 {
				return b[w:], true
			}
			into.Set(reflect.MakeMapWithSize(typ, int(n-1)))
			for b = b[w:]; n > 1; n-- {
				k, v := reflect.New(typ.Key()).Elem(), reflect.New(typ.Elem()).Elem()
				if b, ok = key.decode(b, k); !ok {
					return nil, false
				}
				if b, ok = elem.decode(b, v); !ok {
					return nil, false
				}
				into.SetMapIndex(k, v)
			}
			return b, true
		},
	}
}
