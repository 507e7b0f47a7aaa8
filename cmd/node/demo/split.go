package demo

import (
	"errors"
	"fmt"
	"io"
)

// Piece sizes in bytes. A file up to PieceBytes is one object. A longer one is
// cut behind the last byte of PieceBytes that is not part of a word, or, where
// a word is longer than that, behind a later word, within what one object may
// hold.
const (
	PieceBytes = 1 << 20
	// maxPieceBytes stays below what one item of a pipe may have, 8 MiB.
	maxPieceBytes = 4 << 20
)

// errLongWord is the cause of an input error: the file can't be cut between
// words.
var errLongWord = errors.New("a word does not end within the size of one object")

// split reads r to its end and gives it to emit in pieces that no word spans.
// Each piece is freshly allocated and belongs to emit. An empty file is one
// empty piece. hint is the expected size, target the wished and limit the
// largest length of a piece, both in bytes.
func split(r io.Reader, hint int64, target, limit int, emit func(piece []byte) error) error {
	var carry []byte
	for first := true; ; first = false {
		size := target
		if first && hint <= int64(target) {
			size = int(hint) + 1 // one more, to see the end at once
		}
		buf := make([]byte, len(carry), max(size, len(carry)+1))
		copy(buf, carry)
		buf, ended, err := fill(r, buf, cap(buf))
		if err != nil {
			return err
		}
		for cut := lastBoundary(buf); !ended && cut == 0; cut = lastBoundary(buf) {
			if len(buf) >= limit {
				return fmt.Errorf("%d bytes without an end of a word: %w", len(buf), errLongWord)
			}
			if buf, ended, err = fill(r, buf, min(2*len(buf), limit)); err != nil {
				return err
			}
		}
		if ended {
			if len(buf) == 0 && !first {
				return nil
			}
			return emit(buf)
		}
		cut := lastBoundary(buf)
		carry = append([]byte(nil), buf[cut:]...)
		if err := emit(buf[:cut:cut]); err != nil {
			return err
		}
	}
}

// fill reads until buf holds n bytes or r ends.
func fill(r io.Reader, buf []byte, n int) (filled []byte, ended bool, err error) {
	have := len(buf)
	if cap(buf) < n {
		buf = append(make([]byte, 0, n), buf...)
	}
	read, err := io.ReadFull(r, buf[have:n])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return buf[:have+read], true, nil
	}
	return buf[:have+read], false, err
}

// lastBoundary returns the length of the longest prefix that does not end
// within a word, 0 if there is none.
func lastBoundary(b []byte) int {
	for i := len(b); i > 0; i-- {
		if !inWord(b[i-1]) {
			return i
		}
	}
	return 0
}

// inWord reports whether a byte belongs to a word: [A-Za-z0-9_].
func inWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// pieceKey names the i-th piece of a file. The first has the file's own name;
// the others an ending that no clean relative path has.
func pieceKey(name string, i int) string {
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s//%d", name, i)
}
