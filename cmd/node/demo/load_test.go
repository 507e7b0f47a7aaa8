package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/kv"
)

// shelf is a put that keeps what is stored.
type shelf struct {
	mu     sync.Mutex
	stored map[string]string
	order  []string
	fail   error
}

func (s *shelf) put(_ context.Context, o kv.Object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stored == nil {
		s.stored = map[string]string{}
	}
	if _, twice := s.stored[o.Key]; twice {
		return fmt.Errorf("%s is stored twice", o.Key)
	}
	s.stored[o.Key] = string(o.Value)
	s.order = append(s.order, o.Key)
	return s.fail
}

func load(t *testing.T, files fstest.MapFS, s *shelf, seed uint64) (*loading, error) {
	t.Helper()
	in, err := findIn(files, "corpus", "")
	if err != nil {
		t.Fatal(err)
	}
	l := &loading{in: &in, put: s.put, report: func(Loading) {}}
	return l, l.run(t.Context(), seed)
}

func TestLoading(t *testing.T) {
	long := strings.Repeat("word ", PieceBytes/5) + "tail end"
	files := fstest.MapFS{"a": {Data: []byte("x y")}, "sub/b": {}, "long": {Data: []byte(long)}}
	s := &shelf{}
	l, err := load(t, files, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "x y", "sub/b": "", "long": long[:PieceBytes-1], "long//1": long[PieceBytes-1:]}
	if diff := cmp.Diff(want, s.stored); diff != "" {
		t.Errorf("stored (-want +got):\n%.500s", diff)
	}
	size := int64(len(long) + 3)
	if diff := cmp.Diff(Loading{Files: 3, Inputs: 4, Bytes: size, Of: size}, l.done); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	_, hashes, err := recount(t.Context(), l.in, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hashes, l.hashes); diff != "" {
		t.Errorf("hashes of the recount and of the load differ: %s", diff)
	}
}

// TestLoading_order checks that the seed decides the order, as far as one of
// several loaders can.
func TestLoading_order(t *testing.T) {
	files := fstest.MapFS{}
	for i := range 200 {
		files[fmt.Sprintf("f%03d", i)] = &fstest.MapFile{Data: []byte("x")}
	}
	first := func(seed uint64) string {
		s := &shelf{}
		if _, err := load(t, files, s, seed); err != nil {
			t.Fatal(err)
		}
		return strings.Join(s.order[:loaders], " ")
	}
	if a, b := first(1), first(2); a == b {
		t.Errorf("two seeds begin with the same files %s", a)
	}
}

// TestLoading_again: a put of which nobody knows whether it was done is done again,
// with the same value; one that was refused is not.
func TestLoading_again(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		fails int
		want  int // puts
	}{
		{"unknown", kv.ErrUnknown, 3, 4},
		{"not done", kv.ErrNotDone, putTries - 1, putTries},
		{"never", kv.ErrUnknown, putTries, putTries},
		{"refused", kv.ErrTooLarge, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in, err := findIn(fstest.MapFS{"a": {Data: []byte("x y")}}, "corpus", "")
				if err != nil {
					t.Fatal(err)
				}
				puts := 0
				l := &loading{in: &in, report: func(Loading) {}, put: func(_ context.Context, o kv.Object) error {
					if puts++; string(o.Value) != "x y" || o.Key != "a" {
						t.Errorf("put %d is %s: %q", puts, o.Key, o.Value)
					}
					if puts <= tt.fails {
						return fmt.Errorf("put: %w", tt.err)
					}
					return nil
				}}
				err = l.run(t.Context(), 1)
				if failed := tt.fails >= tt.want; puts != tt.want || failed != errors.Is(err, tt.err) || !failed && (err != nil || l.done.Inputs != 1) {
					t.Errorf("%d puts, want %d; %v, %+v", puts, tt.want, err, l.done)
				}
			})
		})
	}
}

func TestLoading_errors(t *testing.T) {
	refused := errors.New("refused")
	if _, err := load(t, fstest.MapFS{"a": {Data: []byte("x")}}, &shelf{fail: refused}, 1); !errors.Is(err, refused) {
		t.Errorf("error is %v, want that of the put", err)
	}
	_, err := load(t, fstest.MapFS{"a": {Data: []byte(strings.Repeat("x", maxPieceBytes+1))}}, &shelf{}, 1)
	expectInputError(t, err, "corpus/a", "can't be cut between words")

	files := fstest.MapFS{"a": {Data: []byte("x")}, "b": {Data: []byte("y")}}
	in, err := findIn(files, "corpus", "")
	if err != nil {
		t.Fatal(err)
	}
	in.fsys = unreadableFS{files, "b"} // turned bad after it was found
	l := &loading{in: &in, put: (&shelf{}).put, report: func(Loading) {}}
	expectInputError(t, l.run(t.Context(), 1), "corpus/b", "can't be read")
}
