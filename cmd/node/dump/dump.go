package dump

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/kv"
)

// Format is the form of a file.
type Format string

// The formats.
const (
	JSONLines Format = "jsonl"
	Binary    Format = "binary"
)

const (
	magic   = "batonexp"
	version = 1
	// maxRecord is the longest binary record, maxLine the longest line: an object
	// at its limits, with room for what JSON makes of it.
	maxRecord = kv.MaxSiblingBytes + 4*kv.MaxNameBytes + 64<<10
	maxLine   = 8 * maxRecord
)

// Errors of reading. Each says that nothing behind it can be trusted.
var (
	// ErrFormat is returned for a file that is no export, or of a version that
	// this build does not know.
	ErrFormat = errors.New("not an export that can be read")
	// ErrTruncated is returned for a file that ends before its end.
	ErrTruncated = errors.New("export is cut off")
	// ErrDamaged is returned for a record that does not decode, or a sum or count
	// that is not that of the content.
	ErrDamaged = errors.New("export is damaged")
)

// Writer writes one file. It is not safe for concurrent use.
type Writer struct {
	format  Format
	out     *bufio.Writer
	sum     hash.Hash
	objects uint64
	buffer  []byte
	err     error
}

// NewWriter begins a file. Errors of w come with a later call.
func NewWriter(w io.Writer, f Format) (*Writer, error) {
	d := &Writer{format: f, out: bufio.NewWriterSize(w, 256<<10), sum: sha256.New()}
	switch f {
	case JSONLines:
		d.put(fmt.Appendf(nil, `{"baton_export":%d}`+"\n", version))
	case Binary:
		d.put(append([]byte(magic), version))
	default:
		return nil, fmt.Errorf("format %q: use %s or %s", f, JSONLines, Binary)
	}
	return d, nil
}

func (d *Writer) put(b []byte) {
	if d.err == nil {
		d.sum.Write(b)
		_, d.err = d.out.Write(b)
	}
}

// Write adds an object; its Context is left out, for it means nothing elsewhere.
func (d *Writer) Write(o kv.Object) error {
	o.Context = ""
	if d.format == JSONLines {
		line, err := json.Marshal(admin.NewObject(o))
		if err != nil {
			return err
		}
		d.put(append(line, '\n'))
	} else {
		b := d.buffer[:0]
		for _, name := range []string{o.Type, o.Bucket, o.Key} {
			b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
		}
		d.buffer = kv.AppendStored(b, o)
		d.put(binary.AppendUvarint(nil, uint64(len(d.buffer))))
		d.put(d.buffer)
	}
	d.objects++
	return d.err
}

// Close ends the file, without which it is cut off. It does not close w.
func (d *Writer) Close() error {
	sum := d.sum.Sum(nil)
	if d.format == JSONLines {
		line, err := json.Marshal(endLine{&end{d.objects, hex.EncodeToString(sum)}})
		if err != nil {
			return err
		}
		d.put(append(line, '\n'))
	} else {
		d.put(append(binary.AppendUvarint([]byte{0}, d.objects), sum...))
	}
	if d.err == nil {
		d.err = d.out.Flush()
	}
	return d.err
}

// Objects returns how many were written.
func (d *Writer) Objects() uint64 { return d.objects }

type end struct {
	Objects uint64 `json:"objects"`
	SHA256  string `json:"sha256"`
}

type endLine struct {
	End *end `json:"end"`
}

// Reader reads one file of either format. It is not safe for concurrent use.
type Reader struct {
	in      *bufio.Reader
	format  Format
	sum     hash.Hash
	objects uint64
	err     error // of all further calls
}

// NewReader begins to read a file. The error is ErrFormat, ErrTruncated or that
// of r.
func NewReader(r io.Reader) (*Reader, error) {
	d := &Reader{in: bufio.NewReaderSize(r, 256<<10), sum: sha256.New()}
	first, err := d.in.Peek(len(magic) + 1)
	if err != nil {
		return nil, cut(err)
	}
	if string(first[:len(magic)]) == magic {
		if first[len(magic)] != version {
			return nil, fmt.Errorf("version %d: %w", first[len(magic)], ErrFormat)
		}
		d.format = Binary
		d.sum.Write(first)
		_, err = d.in.Discard(len(first))
		return d, err
	}
	d.format = JSONLines
	var head struct {
		Version *int `json:"baton_export"`
	}
	line, err := d.line(1 << 10)
	if err != nil {
		return nil, fmt.Errorf("first line: %w", errors.Join(ErrFormat, err))
	}
	if err := json.Unmarshal(line, &head); err != nil || head.Version == nil || *head.Version != version {
		return nil, fmt.Errorf("first line %.40q: %w", line, ErrFormat)
	}
	d.sum.Write(line)
	return d, nil
}

// Format returns the format of the file.
func (d *Reader) Format() Format { return d.format }

// cut turns the end of the input into the error that it is here.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return err
}

// Next returns the next object, or io.EOF behind the last if the whole file is
// as it was written. It shares no bytes with the objects before.
func (d *Reader) Next() (kv.Object, error) {
	if d.err != nil {
		return kv.Object{}, d.err
	}
	read := d.nextBinary
	if d.format == JSONLines {
		read = d.nextLine
	}
	o, err := read()
	switch {
	case err == nil && (o.Bucket == "" || o.Key == ""):
		err = fmt.Errorf("an object without a name: %w", ErrDamaged)
	case err == nil:
		d.objects++
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("object %d: %w", d.objects+1, err)
	}
	d.err = err
	return o, err
}

// line returns a line with its end; it is valid until the next one.
func (d *Reader) line(most int) ([]byte, error) {
	var long []byte
	for {
		part, err := d.in.ReadSlice('\n')
		if len(long)+len(part) > most {
			return nil, fmt.Errorf("a line of more than %d bytes: %w", most, ErrDamaged)
		}
		if err == nil && long == nil {
			return part, nil
		}
		long = append(long, part...)
		if err == nil {
			return long, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, cut(err)
		}
	}
}

func (d *Reader) nextLine() (kv.Object, error) {
	line, err := d.line(maxLine)
	if err != nil {
		return kv.Object{}, err
	}
	if bytes.HasPrefix(line, []byte(`{"end":`)) {
		var e endLine
		if err := json.Unmarshal(line, &e); err != nil || e.End == nil {
			return kv.Object{}, fmt.Errorf("its last line: %w", ErrDamaged)
		}
		sum, err := hex.DecodeString(e.End.SHA256)
		if err != nil {
			return kv.Object{}, fmt.Errorf("its sum: %w", ErrDamaged)
		}
		return kv.Object{}, d.finish(e.End.Objects, sum)
	}
	d.sum.Write(line)
	var o admin.Object
	if err := json.Unmarshal(line, &o); err != nil {
		return kv.Object{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if len(o.Contents) == 0 {
		return kv.Object{}, fmt.Errorf("an object without a value: %w", ErrDamaged)
	}
	out, err := o.KV()
	if err != nil {
		return kv.Object{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if out.Type == "" {
		out.Type = kv.DefaultType
	}
	return out, nil
}

func (d *Reader) nextBinary() (kv.Object, error) {
	length, err := binary.ReadUvarint(d.in)
	if err != nil {
		return kv.Object{}, cut(err)
	}
	if length == 0 {
		objects, err := binary.ReadUvarint(d.in)
		if err != nil {
			return kv.Object{}, cut(err)
		}
		sum := make([]byte, sha256.Size)
		if _, err := io.ReadFull(d.in, sum); err != nil {
			return kv.Object{}, cut(err)
		}
		return kv.Object{}, d.finish(objects, sum)
	}
	if length > maxRecord {
		return kv.Object{}, fmt.Errorf("a record of %d bytes: %w", length, ErrDamaged)
	}
	d.sum.Write(binary.AppendUvarint(nil, length))
	var record bytes.Buffer // grows with what is there, whatever the length says
	if _, err := io.CopyN(&record, d.in, int64(length)); err != nil {
		return kv.Object{}, cut(err)
	}
	d.sum.Write(record.Bytes())
	return decodeRecord(record.Bytes())
}

func decodeRecord(rest []byte) (kv.Object, error) {
	var o kv.Object
	for _, into := range []*string{&o.Type, &o.Bucket, &o.Key} {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > uint64(len(rest)-size) {
			return kv.Object{}, fmt.Errorf("its name: %w", ErrDamaged)
		}
		*into, rest = string(rest[size:size+int(n)]), rest[size+int(n):]
	}
	if err := kv.DecodeStored(&o, rest); err != nil {
		return kv.Object{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	o.Context = ""
	return o, nil
}

// finish compares the end with what was read.
func (d *Reader) finish(objects uint64, sum []byte) error {
	if objects != d.objects {
		return fmt.Errorf("%d objects were written, %d are there: %w", objects, d.objects, ErrDamaged)
	}
	if !bytes.Equal(sum, d.sum.Sum(nil)) {
		return fmt.Errorf("its sum is not that of its content: %w", ErrDamaged)
	}
	if _, err := d.in.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("there is more behind its end: %w", ErrDamaged)
	}
	return io.EOF
}
