package kv

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"
)

// Indexes that every bucket has, without an entry being written for them.
const (
	// KeyIndex has the key of every object as its term.
	KeyIndex = "$key"
	// BucketIndex has all objects of the bucket, without a term to choose by.
	BucketIndex = "$bucket"
)

// MaxPatternBytes bounds the regular expression of an [IndexQuery].
const MaxPatternBytes = 1024

// An IndexQuery asks for the objects of a bucket by an index: name_int, name_bin,
// [KeyIndex], or [BucketIndex], which is also what an empty Index means. Terms
// of an int index are written in decimal.
//
// An object stands in the answer once for each of its terms in the range.
type IndexQuery struct {
	Type, Bucket, Index string
	// From and To bound the terms, both included. An empty From of an int index
	// is the lowest number, an empty To is no bound at all.
	From, To string
	// Exact asks for the term From alone.
	Exact bool
	// Regex, unless empty, is what terms must match, in RE2's syntax.
	Regex string
	// Values asks for the objects too, with the indexes of every bucket only.
	Values bool
	// Sorted orders the answer by (term, key). Otherwise it comes head partition
	// by head partition, in that order within one, which takes less to hold.
	Sorted bool
	// Limit is how many entries to answer; 0 means all, [DefaultPageItems] for a
	// single page.
	Limit int
	// Continuation, unless empty, goes on behind the page that it came with. The
	// query has to be the same but for its Limit.
	Continuation string
	Options      CoverOptions
}

// CoverOptions are what a caller may choose of how coverage is had.
type CoverOptions struct {
	// Copies is how many copies of each head partition have to answer. The
	// default, 0, is as many as it takes to meet every write that the bucket's
	// default write quorum acknowledged. One is fastest, and may show what is
	// older, or miss what the one copy has not got yet.
	Copies int
	// Partial gives what there is when too few copies answer, and says at the end
	// what is missing. Without it the answer ends with the error at once.
	Partial bool
}

// An IndexEntry is one entry of an index.
type IndexEntry struct {
	// Term is as the query writes it; the key for the indexes of every bucket.
	Term string
	Key  string
	// Object is set if the query asked for Values.
	Object Object
}

// A Scan is what to read at the copies of a head partition: a range of positions
// in a space of the store. It is immutable.
type Scan struct {
	op                       byte
	stored                   bool // the objects with their values
	bucketType, bucket, name string
	kind                     IndexKind
	from, to                 []byte // to is nil at the end of the space
	pattern                  string
	sorted                   bool
}

// Scan returns what the query reads. It fails with [ErrBadRequest],
// [ErrEmptyName] or [ErrTooLarge], which say what to change.
func (q IndexQuery) Scan() (*Scan, error) {
	bad := func(format string, a ...any) (*Scan, error) {
		return nil, fmt.Errorf("index %q of %q: %s: %w", q.Index, q.Bucket, fmt.Sprintf(format, a...), ErrBadRequest)
	}
	s := &Scan{
		op: opIndex, stored: q.Values, bucketType: normalType(q.Type), bucket: q.Bucket, pattern: q.Regex, sorted: q.Sorted,
	}
	if q.Bucket == "" {
		return nil, fmt.Errorf("index %q: %w", q.Index, ErrEmptyName)
	}
	if err := checkLengths(q.Type, q.Bucket, q.Index, q.From, q.To); err != nil {
		return nil, err
	}
	switch {
	case q.Limit < 0 || q.Options.Copies < 0:
		return bad("limit %d, copies %d: use numbers above 0", q.Limit, q.Options.Copies)
	case q.Exact && q.To != "":
		return bad("one term or a range: leave To out, or Exact")
	}
	if _, err := compile(q.Regex); err != nil {
		return nil, fmt.Errorf("index %q of %q: %w", q.Index, q.Bucket, err)
	}
	last := q.To
	if q.Exact {
		last = q.From
	}
	switch {
	case q.Index == "" || q.Index == BucketIndex:
		if q.From != "" || q.To != "" || q.Regex != "" {
			return bad("it has all objects of the bucket: use %s for a range", KeyIndex)
		}
		return s, nil
	case q.Index == KeyIndex:
		s.from = []byte(q.From)
		if last != "" || q.Exact {
			s.to = append([]byte(last), 0)
		}
	case q.Values:
		return bad("values come with %s and %s only", KeyIndex, BucketIndex)
	case strings.HasSuffix(q.Index, intSuffix):
		s.name, s.kind = q.Index, IntIndex
		return s, s.intRange(q.From, last)
	case strings.HasSuffix(q.Index, binSuffix):
		s.name = q.Index
		s.from = appendEscaped(nil, q.From)
		if last != "" || q.Exact {
			s.to = prefixEnd(appendEscaped(nil, last))
		}
	default:
		return bad("no such index: end the name with %s or %s", intSuffix, binSuffix)
	}
	if s.to != nil && bytes.Compare(s.from, s.to) > 0 {
		return bad("%q is above %q: turn the range around", q.From, last)
	}
	return s, nil
}

func (s *Scan) intRange(from, last string) error {
	term := func(text string) ([]byte, int64, error) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, 0, fmt.Errorf("index %q of %q: term %.40q is no whole number of 64 bits: %w", s.name, s.bucket, text, ErrBadRequest)
		}
		return appendTerm(nil, &Index{Kind: IntIndex, Int: n}), n, nil
	}
	var low, high int64
	var err error
	if from != "" {
		if s.from, low, err = term(from); err != nil {
			return err
		}
	}
	if last == "" {
		return nil
	}
	if s.to, high, err = term(last); err != nil {
		return err
	}
	if from != "" && low > high {
		return fmt.Errorf("index %q of %q: %d is above %d: turn the range around: %w", s.name, s.bucket, low, high, ErrBadRequest)
	}
	s.to = prefixEnd(s.to)
	return nil
}

// prefixEnd returns the lowest bytes above all that begin with prefix, nil if
// there are none. It works in place.
func prefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			prefix[i]++
			return prefix[:i+1]
		}
	}
	return nil
}

// compile returns the expression, nil for none. RE2 matches in time linear in
// the text, so only its own size needs a bound.
func compile(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	if len(pattern) > MaxPatternBytes {
		return nil, fmt.Errorf("regular expression of %d bytes, the limit is %d: %w", len(pattern), MaxPatternBytes, ErrTooLarge)
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("regular expression: %w: %w", err, ErrBadRequest)
	}
	return re, nil
}

// BucketScan returns the scan for the buckets of a type that hold an object.
func BucketScan(bucketType string) (*Scan, error) {
	if err := checkLengths(bucketType); err != nil {
		return nil, err
	}
	return &Scan{op: opBuckets, bucketType: normalType(bucketType), sorted: true}, nil
}

// Bucket returns the type and the bucket that the scan reads; the bucket is empty
// if it lists buckets.
func (s *Scan) Bucket() (bucketType, bucket string) { return s.bucketType, s.bucket }

// Sorted says that the answer is in the order of positions over all heads.
func (s *Scan) Sorted() bool { return s.sorted }

// entry returns what stands at a position. Strings alias both arguments.
func (s *Scan) entry(position, form []byte) (IndexEntry, error) {
	var e IndexEntry
	switch {
	case s.op == opBuckets:
		bucket, rest, ok := cutEscaped(position)
		if !ok || len(rest) > 0 {
			return e, fmt.Errorf("bucket at %x: %w", position, ErrReply)
		}
		e.Key = bucket
	case s.name != "":
		index, key, ok := cutTerm(s.kind, position)
		if !ok {
			return e, fmt.Errorf("entry of %q at %x: %w", s.name, position, ErrReply)
		}
		e.Term, e.Key = index.text(), key
	default:
		e.Key = view(position)
		e.Term = e.Key
	}
	if s.stored {
		e.Object = Object{Type: s.bucketType, Bucket: s.bucket, Key: e.Key}
		if err := DecodeStored(&e.Object, form); err != nil {
			return e, fmt.Errorf("object %q/%q: %w", s.bucket, e.Key, err)
		}
	}
	return e, nil
}

// digest tells scans apart, so that a continuation goes on with its own.
func (s *Scan) digest() uint64 {
	b := []byte{s.op}
	if s.sorted {
		b[0] |= 0x80
	}
	for _, part := range []string{s.bucketType, s.bucket, s.name, view(s.from), view(s.to), s.pattern} {
		b = appendBytes(b, part)
	}
	if s.to == nil {
		b = append(b, 1)
	}
	return xxh3.Hash(b)
}

// A Place is where a scan goes on: behind what was read.
type Place struct {
	// Head is the head partition, if the scan is not sorted.
	Head uint32
	// Position is the first position that was not read yet.
	Position []byte
}

const continuationV1 = 1

var tokenEncoding = base64.RawURLEncoding.Strict()

// Continuation returns the text from which [Scan.Resume] goes on at the place:
// the version, the scan it belongs to, the ring's size, the place, and a check.
func (s *Scan) Continuation(ringSize int, at Place) string {
	b := binary.BigEndian.AppendUint64([]byte{continuationV1}, s.digest())
	b = binary.AppendUvarint(b, uint64(ringSize))
	b = binary.AppendUvarint(b, uint64(at.Head))
	b = append(b, at.Position...)
	b = binary.BigEndian.AppendUint32(b, uint32(xxh3.Hash(b)))
	return tokenEncoding.EncodeToString(b)
}

// Resume returns the place that a continuation names, the beginning if it is
// empty. It fails with [ErrContinuation] when the text was not given out for
// this scan, or for a ring of another size.
func (s *Scan) Resume(continuation string, ringSize int) (Place, error) {
	if continuation == "" {
		return Place{Position: s.from}, nil
	}
	bad := func(why string) (Place, error) {
		return Place{}, fmt.Errorf("continuation %.20q: %s: begin the query again without it: %w", continuation, why, ErrContinuation)
	}
	b, err := tokenEncoding.DecodeString(continuation)
	if err != nil || len(b) < 1+8+2+4 {
		return bad("not one of ours")
	}
	body, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	switch {
	case uint32(xxh3.Hash(body)) != sum:
		return bad("damaged")
	case body[0] != continuationV1:
		return bad("of another version")
	case binary.BigEndian.Uint64(body[1:]) != s.digest():
		return bad("of another query")
	}
	size, rest, ok := cutUvarint(body[9:])
	if !ok || size != uint64(ringSize) {
		return bad("of a ring of another size")
	}
	head, rest, ok := cutUvarint(rest)
	if !ok || head >= size {
		return bad("not one of ours")
	}
	if bytes.Compare(rest, s.from) < 0 {
		return bad("before the beginning of the range")
	}
	return Place{Head: uint32(head), Position: rest}, nil
}
