package mapreduce

import (
	"bytes"
	"encoding/binary"
	"math"
)

type signed interface {
	int | int8 | int16 | int32 | int64
}

type unsigned interface {
	uint | uint8 | uint16 | uint32 | uint64
}

func appendString(dst []byte, v string) []byte { return append(dst, v...) }
func decodeString(b []byte) (string, bool)     { return string(b), true }

func appendBytes(dst, v []byte) []byte    { return append(dst, v...) }
func decodeBytes(b []byte) ([]byte, bool) { return bytes.Clone(b), true }

func appendUint[U unsigned](dst []byte, v U) []byte {
	if v < 0x80 {
		return append(dst, byte(v))
	}
	return binary.AppendUvarint(dst, uint64(v))
}

func decodeUint[U unsigned](b []byte) (U, bool) {
	if len(b) == 1 && b[0] < 0x80 {
		return U(b[0]), true
	}
	v, n := binary.Uvarint(b)
	return U(v), n == len(b) && n > 0 && uint64(U(v)) == v
}

func appendInt[I signed](dst []byte, v I) []byte { return binary.AppendVarint(dst, int64(v)) }

func decodeInt[I signed](b []byte) (I, bool) {
	v, n := binary.Varint(b)
	return I(v), n == len(b) && n > 0 && int64(I(v)) == v
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func decodeBool(b []byte) (v, ok bool) {
	if len(b) != 1 || b[0] > 1 {
		return false, false
	}
	return b[0] == 1, true
}

func appendFloat64(dst []byte, v float64) []byte {
	if v != v {
		v = math.NaN()
	}
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v+0)) // -0 + 0 is 0
}

func decodeFloat64(b []byte) (float64, bool) {
	if len(b) != 8 {
		return 0, false
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), true
}

func appendFloat32(dst []byte, v float32) []byte {
	if v != v {
		v = float32(math.NaN())
	}
	return binary.BigEndian.AppendUint32(dst, math.Float32bits(v+0))
}

func decodeFloat32(b []byte) (float32, bool) {
	if len(b) != 4 {
		return 0, false
	}
	return math.Float32frombits(binary.BigEndian.Uint32(b)), true
}
