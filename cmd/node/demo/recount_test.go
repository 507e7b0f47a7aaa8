package demo

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestRecount(t *testing.T) {
	in, err := findIn(fstest.MapFS{
		"a":     {Data: []byte("func f() int { return 42_000 }\n\nfunc")},
		"b":     {Data: []byte("Func func\xc3\xa9tude\tx-y")},
		"empty": {},
	}, "corpus", "")
	if err != nil {
		t.Fatal(err)
	}
	var progress []int64
	got, hashes, err := recount(context.Background(), &in, func(n int64) { progress = append(progress, n) })
	if err != nil {
		t.Fatal(err)
	}
	want := Counts{"func": 3, "f": 1, "int": 1, "return": 1, "42_000": 1, "Func": 1, "tude": 1, "x": 1, "y": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if got.Total() != 11 {
		t.Errorf("Total = %d, want 11", got.Total())
	}
	if diff := cmp.Diff([]int64{36, 55, 55}, progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if len(hashes) != 3 || hashes[0] == hashes[1] {
		t.Errorf("hashes = %x", hashes)
	}
}

func TestRecount_unreadableFile(t *testing.T) {
	files := fstest.MapFS{"a": {Data: []byte("x")}, "b": {Data: []byte("y")}}
	in, err := findIn(files, "corpus", "")
	if err != nil {
		t.Fatal(err)
	}
	in.fsys = unreadableFS{files, "b"} // turned bad after it was found
	_, _, err = recount(context.Background(), &in, func(int64) {})
	expectInputError(t, err, "corpus/b", "can't be read")
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v hides its cause", err)
	}
}

func TestRecount_cancelled(t *testing.T) {
	in, err := findIn(fstest.MapFS{"a": {Data: []byte("x")}}, "corpus", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := recount(ctx, &in, func(int64) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		name      string
		job, want Counts
		diff      []Difference
	}{
		{"equal", Counts{"a": 1}, Counts{"a": 1}, nil},
		{"both empty", nil, Counts{}, nil},
		{"too few", Counts{"a": 1}, Counts{"a": 2}, []Difference{{"a", 1, 2}}},
		{"lost", Counts{}, Counts{"a": 2}, []Difference{{"a", 0, 2}}},
		{"invented", Counts{"a": 2}, Counts{}, []Difference{{"a", 2, 0}}},
		{"sorted", Counts{"c": 1, "a": 1}, Counts{"b": 1, "a": 1}, []Difference{{"b", 0, 1}, {"c", 1, 0}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.diff, compare(tt.job, tt.want)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCounts_top(t *testing.T) {
	c := Counts{"a": 1, "b": 3, "c": 3, "d": 2}
	want := []WordCount{{"b", 3}, {"c", 3}, {"d", 2}}
	if diff := cmp.Diff(want, c.Top(3)); diff != "" {
		t.Error(diff)
	}
	if got := c.Top(20); len(got) != 4 {
		t.Errorf("Top(20) of four words has %d", len(got))
	}
	if !strings.HasPrefix(Counts{"only": 1}.Top(1)[0].Word, "only") {
		t.Error("Top(1) lost the only word")
	}
}
