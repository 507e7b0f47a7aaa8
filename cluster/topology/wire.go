package topology

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// maxString bounds every string of the codecs, in bytes.
const maxString = 4096

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A writer appends fields. Integers are minimal unsigned varints, strings and bytes have a varint
// length before them, so equal values have equal encodings.
type writer struct {
	b   []byte
	err error
}

func (w *writer) byte(v byte)  { w.b = append(w.b, v) }
func (w *writer) u64(v uint64) { w.b = binary.AppendUvarint(w.b, v) }

func (w *writer) bool(v bool) {
	if v {
		w.byte(1)
	} else {
		w.byte(0)
	}
}

func (w *writer) int(v int) {
	if v < 0 || v > math.MaxInt32 {
		w.fail("number %d out of range", v)
		return
	}
	w.u64(uint64(v))
}

func (w *writer) str(s string) {
	if len(s) > maxString {
		w.fail("text of %d bytes, the limit is %d", len(s), maxString)
		return
	}
	w.u64(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) seal(s *Seal) {
	w.bool(s != nil)
	if s != nil {
		w.u64(s.LastSeq)
		w.u64(s.Items)
		w.u64(s.Bytes)
		w.b = append(w.b, s.Digest[:]...)
	}
}

func (w *writer) kinds(kinds []KindSpec) {
	w.int(len(kinds))
	for _, k := range kinds {
		w.str(k.Name)
		w.bool(k.Volatile)
		w.bool(k.Activate)
	}
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrInvalid)
	}
}

// finish appends the checksum of everything from start.
func (w *writer) finish(start int) ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	return binary.LittleEndian.AppendUint32(w.b, crc32.Checksum(w.b[start:], castagnoli)), nil
}

// A reader takes fields in the writer's order. After the first error it returns zero values.
type reader struct {
	b      []byte
	off    int
	format byte
	err    error
	names  map[string]string // interned strings
}

// newReader checks length, checksum and format, which is one from first to last.
func newReader(what string, b []byte, first, last byte) (*reader, error) {
	if len(b) < 1+crc32.Size {
		return nil, fmt.Errorf("decode %s of %d bytes: %w", what, len(b), ErrDamaged)
	}
	body := b[:len(b)-crc32.Size]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[len(body):]) {
		return nil, fmt.Errorf("decode %s of %d bytes: checksum differs: %w", what, len(b), ErrDamaged)
	}
	if body[0] < first || body[0] > last {
		return nil, fmt.Errorf("decode %s: format %d, this build reads %d to %d: %w", what, body[0], first, last, ErrFormat)
	}
	return &reader{b: body, off: 1, format: body[0], names: map[string]string{}}, nil
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("offset %d: %s: %w", r.off, fmt.Sprintf(format, args...), ErrDamaged)
	}
}

// end returns the first error, or one for bytes left over.
func (r *reader) end(what string) error {
	if r.err == nil && r.off != len(r.b) {
		r.fail("%d bytes too many", len(r.b)-r.off)
	}
	if r.err != nil {
		return fmt.Errorf("decode %s: %w", what, r.err)
	}
	return nil
}

func (r *reader) bytes(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.b)-r.off {
		r.fail("%d bytes wanted, %d left", n, len(r.b)-r.off)
		return nil
	}
	r.off += n
	return r.b[r.off-n : r.off]
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) bool() bool {
	v := r.byte()
	if v > 1 {
		r.fail("%d is no truth value", v)
	}
	return v == 1
}

func (r *reader) u64() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b[r.off:])
	if n <= 0 || n > 1 && r.b[r.off+n-1] == 0 {
		r.fail("not a minimal varint")
		return 0
	}
	r.off += n
	return v
}

func (r *reader) int() int {
	v := r.u64()
	if v > math.MaxInt32 {
		r.fail("number %d out of range", v)
		return 0
	}
	return int(v)
}

// count reads the length of a list whose elements take at least one byte each.
func (r *reader) count() int {
	n := r.int()
	if n > len(r.b)-r.off {
		r.fail("%d elements in %d bytes", n, len(r.b)-r.off)
		return 0
	}
	return n
}

// below reads an index less than n.
func (r *reader) below(n int) int {
	v := r.int()
	if v >= n {
		r.fail("index %d of %d", v, n)
		return 0
	}
	return v
}

func (r *reader) str() string {
	n := r.int()
	if n > maxString {
		r.fail("text of %d bytes", n)
		return ""
	}
	b := r.bytes(n)
	if s, ok := r.names[string(b)]; ok {
		return s
	}
	s := string(b)
	r.names[s] = s
	return s
}

func (r *reader) digest() (d Digest) {
	copy(d[:], r.bytes(len(d)))
	return d
}

func (r *reader) seal() *Seal {
	if !r.bool() {
		return nil
	}
	return &Seal{LastSeq: r.u64(), Items: r.u64(), Bytes: r.u64(), Digest: r.digest()}
}

func (r *reader) kinds() []KindSpec {
	n := r.count()
	if n > MaxKinds {
		r.fail("%d kinds", n)
	}
	var kinds []KindSpec
	for i := 0; i < n && r.err == nil; i++ {
		kinds = append(kinds, KindSpec{Name: r.str(), Volatile: r.bool(), Activate: r.bool()})
	}
	return kinds
}
