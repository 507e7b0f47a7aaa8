package kv

import (
	"errors"
	"fmt"
)

// Reply codes: the first byte of a reply. The rest is the answer when the code
// is codeOK and the cause as text otherwise.
const (
	codeOK byte = iota
	codeNotFound
	codeTooLarge
	codeEmptyName
	codeBadRequest
	codeFormat
	codeCorrupt
	codeContext
	codeSiblings
	codeExists
	codeModified
	codeStaleGrace
)

// replyErrors maps codes to errors, for both directions.
var replyErrors = [...]error{
	codeNotFound:   ErrNotFound,
	codeTooLarge:   ErrTooLarge,
	codeEmptyName:  ErrEmptyName,
	codeBadRequest: ErrBadRequest,
	codeFormat:     ErrFormat,
	codeCorrupt:    ErrCorrupt,
	codeContext:    ErrContext,
	codeSiblings:   ErrSiblings,
	codeExists:     ErrExists,
	codeModified:   ErrModified,
	codeStaleGrace: ErrStaleGrace,
}

// failure returns the reply that carries err, which is one of this package's.
func failure(err error) []byte {
	for code, sentinel := range replyErrors {
		if sentinel != nil && errors.Is(err, sentinel) {
			return append([]byte{byte(code)}, err.Error()...)
		}
	}
	return append([]byte{codeBadRequest}, err.Error()...)
}

// answer strips the code from a reply, or returns the error that it stands for.
func answer(body []byte) ([]byte, error) {
	if len(body) == 0 || int(body[0]) >= len(replyErrors) {
		return nil, fmt.Errorf("reply %.16x: %w", body, ErrReply)
	}
	if body[0] == codeOK {
		return body[1:], nil
	}
	sentinel := replyErrors[body[0]]
	if text := string(body[1:]); text != "" && text != sentinel.Error() {
		return nil, &remoteError{text: text, sentinel: sentinel}
	}
	return nil, sentinel
}

// remoteError is an error of a vnode with the text that it had there.
type remoteError struct {
	text     string
	sentinel error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.sentinel }
