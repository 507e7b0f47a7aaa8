package demo

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func pieces(t *testing.T, r io.Reader, hint int64, target, limit int) ([]string, error) {
	t.Helper()
	var out []string
	err := split(r, hint, target, limit, func(p []byte) error {
		out = append(out, string(p))
		return nil
	})
	return out, err
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{""}},
		{"short", "ab cd", []string{"ab cd"}},
		{"exact", "ab cdefg", []string{"ab cdefg"}},
		{"between words", "ab cd efgh", []string{"ab cd ", "efgh"}},
		{"separators only", "..........", []string{"........", ".."}},
		{"a word longer than the target", "abcdefghijk lmnop qr", []string{"abcdefghijk ", "lmnop ", "qr"}},
		{"a long word at the end", "ab abcdefghijkl", []string{"ab ", "abcdefghijkl"}},
		{"the longest word", strings.Repeat("x", 15) + " y", []string{strings.Repeat("x", 15) + " ", "y"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, hint := range []int64{0, int64(len(tt.text)), 100} {
				got, err := pieces(t, strings.NewReader(tt.text), hint, 8, 16)
				if err != nil {
					t.Fatal(err)
				}
				if hint == int64(len(tt.text)) && strings.Join(got, "|") != strings.Join(tt.want, "|") {
					t.Error(cmp.Diff(tt.want, got))
				}
				if strings.Join(got, "") != tt.text {
					t.Errorf("hint %d: pieces %q do not add up to the text", hint, got)
				}
			}
		})
	}
}

func TestSplit_wordTooLong(t *testing.T) {
	_, err := pieces(t, strings.NewReader("ab "+strings.Repeat("x", 100)), 103, 8, 16)
	if !errors.Is(err, errLongWord) {
		t.Errorf("error is %v, want errLongWord", err)
	}
}

func TestSplit_readError(t *testing.T) {
	r := io.MultiReader(strings.NewReader("ab cd"), iotest.ErrReader(io.ErrClosedPipe))
	if _, err := pieces(t, r, 20, 8, 16); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error is %v, want the reader's", err)
	}
}

// TestSplit_laws checks on random texts that the pieces are the text and that
// no word spans two of them (I3).
func TestSplit_laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([a-z]{0,9}[ .]){0,30}[a-z]{0,9}`).Draw(t, "text")
		target := rapid.IntRange(1, 20).Draw(t, "target")
		hint := rapid.Int64Range(0, 60).Draw(t, "hint")
		var all []byte
		var last []byte
		var reader io.Reader = strings.NewReader(text)
		if rapid.Bool().Draw(t, "short reads") {
			reader = iotest.OneByteReader(reader)
		}
		err := split(reader, hint, target, max(target, 32), func(p []byte) error {
			if len(last) > 0 && len(p) > 0 && inWord(last[len(last)-1]) && inWord(p[0]) {
				t.Fatalf("a word spans %q and %q", last, p)
			}
			last = bytes.Clone(p)
			all = append(all, p...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if string(all) != text {
			t.Fatalf("pieces make %q of %q", all, text)
		}
	})
}

func TestPieceKey(t *testing.T) {
	for i, want := range []string{"a/b.txt", "a/b.txt//1", "a/b.txt//2"} {
		if got := pieceKey("a/b.txt", i); got != want {
			t.Errorf("pieceKey(%d) = %q, want %q", i, got, want)
		}
	}
}
