package mapreduce

import (
	"fmt"
	"reflect"
	"unsafe"
)

// A Codec turns values of one type into bytes and back. Two values count as
// the same key exactly when their encodings are equal. The zero Codec stands
// for the built-in one of the type:
//
//	string, []byte          the bytes themselves
//	integers                varint, zigzag when signed
//	bool, float32, float64  1, 4 and 8 bytes; -0 is 0, and there is one NaN
//	what marshals itself    by MarshalBinary and UnmarshalBinary, if it has both
//	other composite types   part by part, in order
//
// Named types go by their underlying type. A type that would lose something
// (unexported fields, interfaces, channels, functions) or that contains itself
// has no built-in codec.
type Codec[T any] struct {
	// Append appends the encoding of v to dst.
	Append func(dst []byte, v T) ([]byte, error)
	// Decode returns the value of b, all of which is its encoding. It must not
	// keep b.
	Decode func(b []byte) (T, error)
}

// orBuiltin returns c, or the built-in codec of T if c is zero. It fails with
// ErrCodec.
func (c Codec[T]) orBuiltin() (Codec[T], error) {
	typ := reflect.TypeFor[T]()
	if c.Append != nil && c.Decode != nil {
		return c, nil
	}
	if c.Append != nil || c.Decode != nil {
		return c, fmt.Errorf("codec of %v has one direction only: %w", typ, ErrCodec)
	}
	if c, ok := scalarCodec[T](typ); ok {
		return c, nil
	}
	s, err := structureOf(typ, nil)
	if err != nil {
		return Codec[T]{}, fmt.Errorf("codec of %v: %w", typ, err)
	}
	return structuralCodec[T](s), nil
}

// scalarCodec returns the codec of a type that is one value without parts.
func scalarCodec[T any](typ reflect.Type) (Codec[T], bool) {
	switch typ.Kind() {
	case reflect.String:
		return through[T](appendString, decodeString), true
	case reflect.Int:
		return through[T](appendInt[int], decodeInt[int]), true
	case reflect.Int8:
		return through[T](appendInt[int8], decodeInt[int8]), true
	case reflect.Int16:
		return through[T](appendInt[int16], decodeInt[int16]), true
	case reflect.Int32:
		return through[T](appendInt[int32], decodeInt[int32]), true
	case reflect.Int64:
		return through[T](appendInt[int64], decodeInt[int64]), true
	case reflect.Uint:
		return through[T](appendUint[uint], decodeUint[uint]), true
	case reflect.Uint8:
		return through[T](appendUint[uint8], decodeUint[uint8]), true
	case reflect.Uint16:
		return through[T](appendUint[uint16], decodeUint[uint16]), true
	case reflect.Uint32:
		return through[T](appendUint[uint32], decodeUint[uint32]), true
	case reflect.Uint64:
		return through[T](appendUint[uint64], decodeUint[uint64]), true
	case reflect.Float32:
		return through[T](appendFloat32, decodeFloat32), true
	case reflect.Float64:
		return through[T](appendFloat64, decodeFloat64), true
	case reflect.Bool:
		return through[T](appendBool, decodeBool), true
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Uint8 {
			return through[T](appendBytes, decodeBytes), true
		}
	}
	return Codec[T]{}, false
}

// through makes a codec of T from functions over U, the predeclared type of T's
// kind: values of both have one representation.
func through[T, U any](enc func([]byte, U) []byte, dec func([]byte) (U, bool)) Codec[T] {
	return Codec[T]{
		Append: func(dst []byte, v T) ([]byte, error) {
			return enc(dst, *(*U)(unsafe.Pointer(&v))), nil
		},
		Decode: func(b []byte) (v T, err error) {
			u, ok := dec(b)
			if !ok {
				return v, fmt.Errorf("%T of %d bytes: %w", v, len(b), ErrDamaged)
			}
			return *(*T)(unsafe.Pointer(&u)), nil
		},
	}
}

// holdsText reports whether values of T are strings or byte slices: what may be
// a piece of the object that a map function was given.
func holdsText[T any]() bool {
	typ := reflect.TypeFor[T]()
	return typ.Kind() == reflect.String || typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Uint8
}

// hasPointers reports whether values of T may own memory beyond their size.
func hasPointers(typ reflect.Type) bool {
	switch typ.Kind() {
	case reflect.Bool, reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return false
	case reflect.Array:
		return hasPointers(typ.Elem())
	case reflect.Struct:
		for i := range typ.NumField() {
			if hasPointers(typ.Field(i).Type) {
				return true
			}
		}
		return false
	default:
		return true
	}
}
