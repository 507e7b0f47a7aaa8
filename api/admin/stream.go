package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// A stream is an answer of JSON objects, one a line, of which the last is an
// End. Nothing is read ahead of the client: while it takes nothing, nothing is
// asked of the store, and after streamStall the request ends.
const (
	streamStall = 30 * time.Second
	streamFlush = 32 << 10
	streamMedia = "application/x-ndjson"
)

// End is the last line of a stream, {"end": ...}. A stream without one was cut
// off.
type End struct {
	// Complete says that nothing is missing. Error says what is, if it is not.
	Complete bool   `json:"complete"`
	Count    int    `json:"count"`
	Error    *Error `json:"error,omitempty"`
	// Continuation, unless empty, goes on behind the last line.
	Continuation string `json:"continuation,omitempty"`
}

type endLine struct {
	End *End `json:"end,omitempty"`
}

// stream writes one; it is not safe for concurrent use.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  bytes.Buffer
	encoder *json.Encoder
	begun   bool
	count   int
}

func newStream(w http.ResponseWriter) *stream {
	s := &stream{w: w, control: http.NewResponseController(w)}
	s.encoder = json.NewEncoder(&s.buffer)
	return s
}

// line adds one line. After an error the client is gone.
func (s *stream) line(v any) error {
	if err := s.encoder.Encode(v); err != nil {
		return err
	}
	s.count++
	if s.buffer.Len() < streamFlush {
		return nil
	}
	return s.flush()
}

func (s *stream) flush() error {
	if !s.begun {
		s.begun = true
		h := s.w.Header()
		h.Set("Content-Type", streamMedia)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		s.w.WriteHeader(http.StatusOK)
		_ = s.control.SetReadDeadline(time.Time{}) // the server's is of one request, which this may outlive
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(streamStall)) // a recorder of tests has none
	_, err := s.w.Write(s.buffer.Bytes())
	s.buffer.Reset()
	if err == nil {
		err = s.control.Flush()
	}
	return err
}

// end says how the stream ended. If nothing has left yet, a failure becomes the
// answer itself. An error of the connection has nobody to be told to.
func (s *stream) end(operation, operand, continuation string, err error) {
	e := End{Complete: err == nil, Count: s.count, Continuation: continuation}
	if err != nil {
		e.Error = toError(operation, operand, err)
		if s.count == 0 {
			reply(s.w, e.Error.status, e.Error)
			return
		}
	}
	if s.encoder.Encode(endLine{&e}) == nil {
		_ = s.flush()
	}
}
