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

// Written says what a put made of the object.
type Written struct {
	// Context stands for the object as it is now, so that a put with it follows
	// this one. It is empty when there are siblings: they have to be read first,
	// for a context would let the next put supersede what nobody has seen.
	Context Context
	// Siblings is how many values the object has now, at least 1.
	Siblings int
}

// Deleted says what a delete found and left.
type Deleted struct {
	// Existed says that there was a value.
	Existed bool
	// Siblings is how many values are left, since the context had not seen them.
	Siblings int
}

// DecodeReply returns what the put made of the object; it aliases body. Its
// errors are [ErrTooLarge], [ErrEmptyName], [ErrBadRequest], [ErrContext],
// [ErrSiblings], those of the put's conditions, [ErrFormat] and [ErrCorrupt] if
// the object there can't be read, and [ErrReply].
func (r Put) DecodeReply(body []byte) (Written, error) {
	rest, err := answer(body)
	if err != nil {
		return Written{}, fmt.Errorf("put %q/%q: %w", r.Object.Bucket, r.Object.Key, err)
	}
	if len(rest) == 0 || rest[0] == 0 || rest[0] > MaxSiblings {
		return Written{}, fmt.Errorf("put %q/%q: %w", r.Object.Bucket, r.Object.Key, ErrReply)
	}
	return Written{Context: Context(view(rest[1:])), Siblings: int(rest[0])}, nil
}

// DecodeReply returns the object, which aliases body. It fails with
// [ErrNotFound] when there is none, and as [Put.DecodeReply] does.
func (r Get) DecodeReply(body []byte) (Object, error) {
	rest, err := answer(body)
	if err != nil {
		return Object{}, fmt.Errorf("get %q/%q: %w", r.Bucket, r.Key, err)
	}
	o := Object{Type: r.Type, Bucket: r.Bucket, Key: r.Key}
	if err := decodeStored(&o, rest, r.Tombstones); err != nil {
		return Object{}, fmt.Errorf("get %q/%q: %w", r.Bucket, r.Key, err)
	}
	return o, nil
}

// DecodeReply returns what the delete found and left. It fails as
// [Put.DecodeReply] does.
func (r Delete) DecodeReply(body []byte) (Deleted, error) {
	rest, err := answer(body)
	if err != nil {
		return Deleted{}, fmt.Errorf("delete %q/%q: %w", r.Bucket, r.Key, err)
	}
	if len(rest) != 2 || rest[0] > 1 || rest[1] > MaxSiblings {
		return Deleted{}, fmt.Errorf("delete %q/%q: %w", r.Bucket, r.Key, ErrReply)
	}
	return Deleted{Existed: rest[0] == 1, Siblings: int(rest[1])}, nil
}

// A Page is what one partition answers to a [List].
type Page struct {
	// Objects are in key order and alias the reply.
	Objects []Object
	// More says that the partition holds objects behind the last one; ask again
	// with After set to its key.
	More bool
}

// DecodeReply returns the page. It fails as [Put.DecodeReply] does.
func (r List) DecodeReply(body []byte) (Page, error) {
	rest, err := answer(body)
	if err == nil && (len(rest) == 0 || rest[0] > 1) {
		err = ErrReply
	}
	if err != nil {
		return Page{}, fmt.Errorf("list %q: %w", r.Bucket, err)
	}
	page := Page{More: rest[0] == 1}
	for rest = rest[1:]; len(rest) > 0; {
		item, after, ok := cutBytes(rest)
		if !ok {
			return Page{}, fmt.Errorf("list %q, object %d: %w", r.Bucket, len(page.Objects), ErrReply)
		}
		o, err := r.decodeEntry(item)
		if err != nil {
			return Page{}, fmt.Errorf("list %q, object %d: %w", r.Bucket, len(page.Objects), err)
		}
		page.Objects, rest = append(page.Objects, o), after
	}
	return page, nil
}

func (r List) decodeEntry(item []byte) (o Object, err error) {
	if r.KeysOnly {
		_, o.Type, o.Bucket, o.Key, err = DecodeKey(item)
		return o, err
	}
	return DecodeItem(item)
}
