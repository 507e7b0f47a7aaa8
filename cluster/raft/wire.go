package raft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
)

// Between nodes, requests and answers about the record go as frames:
//
//	byte version, byte kind, 4 bytes length, body
//
// One connection carries one request after the other. A record follows its answer as chunks.
const (
	wireVersion = 2
	headerSize  = 6
	maxFrame    = 32 << 20 // proposals of whole rings
	chunkSize   = 256 << 10
	maxState    = 1 << 30
	maxText     = 4096
)

// errProtocol is returned for bytes that are no frame, request or answer of this version.
var errProtocol = errors.New("record protocol")

type kind byte

const (
	askPropose kind = iota + 1 // Batch
	askIndex                   // up to which entry must a reader have applied?
	askRecord                  // the whole record, unless it is at version Known
	askPing                    // who leads, what has been applied there, who is where?
	answer
	chunk
	kindEnd
)

func writeFrame(w io.Writer, k kind, body []byte) error {
	if len(body) > maxFrame {
		return fmt.Errorf("write a frame of %d bytes, the limit is %d: %w", len(body), maxFrame, errProtocol)
	}
	b := append(make([]byte, 0, headerSize+len(body)), wireVersion, byte(k))
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	_, err := w.Write(append(b, body...))
	return err
}

// readFrame reads one frame. Memory is taken as bytes arrive, not as their number is claimed.
func readFrame(r io.Reader) (kind, []byte, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[2:])
	if head[0] != wireVersion || head[1] == 0 || kind(head[1]) >= kindEnd || n > maxFrame {
		return 0, nil, fmt.Errorf("frame %x: %w of another version", head, errProtocol)
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(body) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	return kind(head[1]), body, err
}

// A request is one question to another node.
type request struct {
	kind   kind
	asker  place         // who asks
	budget time.Duration // how long it waits
	known  uint64        // version of the asker's record
	relay  bool          // the asker does not reach the leader: pass it on, once
	batch  []byte        // commands, as in the log
}

func (r request) encode() []byte {
	b := appendPlace(nil, r.asker)
	b = binary.AppendUvarint(b, uint64(max(r.budget.Milliseconds(), 0)))
	b = binary.AppendUvarint(b, r.known)
	b = append(b, flag(r.relay))
	return append(b, r.batch...)
}

func decodeRequest(k kind, b []byte) (request, error) {
	d := decoder{b: b}
	r := request{kind: k, asker: d.place(), budget: time.Duration(min(d.uint(), 3_600_000)) * time.Millisecond, known: d.uint()}
	relay := d.byte()
	r.relay, r.batch = relay == 1, d.b
	if d.bad || relay > 1 || k < askPropose || k > askPing || k != askPropose && len(r.batch) > 0 {
		return request{}, fmt.Errorf("decode request of kind %d: %w", k, errProtocol)
	}
	return r, nil
}

// A code says how a request went.
type code byte

const (
	codeOK          code = iota + 1
	codeNotLeader        // nothing was done; leader says whom to ask
	codeUnavailable      // nothing was done
	codeUnknown          // a proposal may have been applied
	codeInvalid          // the request cannot be served
	codeEnd
)

// A response is the answer to a request.
type response struct {
	code     code
	text     string  // why not
	server   string  // who answers
	leader   string  // server, "" when none is known
	addr     string  // the leader's
	index    uint64  // applied there, or to be applied by the reader
	member   bool    // the asker is part of raft's configuration
	same     bool    // the record is at the version that the asker knows
	places   []place // of servers that the one that answers has heard, and its own
	outcomes []topology.Outcome
	size     uint64 // of the record that follows in chunks
	record   []byte
}

func (r response) encode() []byte {
	b := append([]byte(nil), byte(r.code), flag(r.member)|flag(r.same)<<1)
	b = appendText(b, r.text)
	b = appendText(b, r.server)
	b = appendText(b, r.leader)
	b = appendText(b, r.addr)
	b = binary.AppendUvarint(b, r.index)
	b = binary.AppendUvarint(b, r.size)
	b = binary.AppendUvarint(b, uint64(len(r.places)))
	for _, p := range r.places {
		b = appendPlace(b, p)
	}
	b = binary.AppendUvarint(b, uint64(len(r.outcomes)))
	for _, o := range r.outcomes {
		b = append(b, byte(o.Code), byte(o.Stage), flag(o.Err != nil))
		if o.Err != nil {
			b = appendText(b, o.Err.Error())
		}
		for _, v := range []uint64{o.Version, o.Session, o.Epoch, o.Incarnation, o.Term} {
			b = binary.AppendUvarint(b, v)
		}
	}
	return b
}

// decodeResponse reads an answer; the outcomes have no ids, which the asker knows.
func decodeResponse(b []byte) (response, error) {
	d := decoder{b: b}
	r := response{code: code(d.byte())}
	flags := d.byte()
	r.member, r.same = flags&1 != 0, flags&2 != 0
	r.text, r.server, r.leader, r.addr = d.text(), d.text(), d.text(), d.text()
	r.index, r.size = d.uint(), d.uint()
	for n := d.uint(); n > 0 && !d.bad; n-- {
		r.places = append(r.places, d.place())
	}
	n := d.uint()
	if d.bad || n > topology.Window || r.size > maxState || r.code == 0 || r.code >= codeEnd || flags > 3 {
		return response{}, fmt.Errorf("decode answer: %w", errProtocol)
	}
	for range n {
		o := topology.Outcome{Code: topology.Code(d.byte()), Stage: topology.Stage(d.byte())}
		if d.byte() != 0 {
			o.Err = &topology.Error{Code: o.Code, Text: d.text()}
		}
		for _, v := range []*uint64{&o.Version, &o.Session, &o.Epoch, &o.Incarnation, &o.Term} {
			*v = d.uint()
		}
		r.outcomes = append(r.outcomes, o)
	}
	if d.bad || len(d.b) > 0 {
		return response{}, fmt.Errorf("decode answer: %w", errProtocol)
	}
	return r, nil
}

func flag(v bool) byte {
	if v {
		return 1
	}
	return 0
}

func appendText(b []byte, s string) []byte {
	s = s[:min(len(s), maxText)]
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendPlace(b []byte, p place) []byte {
	return binary.AppendUvarint(appendText(appendText(b, p.server), p.addr), p.start)
}

// A decoder takes fields off the front; after a bad one it returns zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) text() string {
	n := d.uint()
	if n > maxText || n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) place() place { return place{server: d.text(), addr: d.text(), start: d.uint()} }

// sendResponse writes an answer and the record that belongs to it, with a deadline for each chunk.
func sendResponse(conn deadliner, r response, patience time.Duration) error {
	r.size = uint64(len(r.record))
	if err := errors.Join(conn.SetDeadline(time.Now().Add(patience)), writeFrame(conn, answer, r.encode())); err != nil {
		return err
	}
	for rest := r.record; len(rest) > 0; {
		n := min(len(rest), chunkSize)
		if err := errors.Join(conn.SetDeadline(time.Now().Add(patience)), writeFrame(conn, chunk, rest[:n])); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// receiveResponse reads an answer and the record that belongs to it.
func receiveResponse(conn deadliner, patience time.Duration) (response, error) {
	k, body, err := readFrame(conn)
	if err != nil {
		return response{}, err
	}
	if k != answer {
		return response{}, fmt.Errorf("a frame of kind %d is no answer: %w", k, errProtocol)
	}
	r, err := decodeResponse(body)
	for err == nil && uint64(len(r.record)) < r.size {
		if err = conn.SetDeadline(time.Now().Add(patience)); err != nil {
			break
		}
		if k, body, err = readFrame(conn); err != nil {
			break
		}
		if k != chunk || len(body) == 0 || uint64(len(r.record)+len(body)) > r.size {
			err = fmt.Errorf("a frame of kind %d with %d bytes in a record: %w", k, len(body), errProtocol)
		}
		r.record = append(r.record, body...)
	}
	return r, err
}

// A deadliner is what is needed of a net.Conn.
type deadliner interface {
	io.ReadWriter
	SetDeadline(time.Time) error
}
