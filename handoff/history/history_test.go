package history_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff/history"
)

// entry returns that of a session: every third failed.
func entry(session uint64) history.Entry {
	e := history.Entry{
		Certificate: topology.Certificate{
			Number: session, Session: session, Type: topology.Swap, Kind: "kv", Partition: ring.Partition(session % 8), Source: "a", Target: "b",
			EpochBefore: session, EpochAfter: session + 1, Items: 5, SourceDigest: topology.Digest{15: 1}, TargetDigest: topology.Digest{15: 1},
		},
		Node: "a", Opened: time.UnixMilli(1000), Ended: time.UnixMilli(int64(2000 + session)),
	}
	if session%3 == 0 {
		e.Reason = topology.ReasonCancelled
	}
	return e
}

func entries(from, to uint64) (all []history.Entry) {
	for s := from; s <= to; s++ {
		all = append(all, entry(s))
	}
	return all
}

func open(t *testing.T, dir string, o history.Options) *history.Log {
	t.Helper()
	l, err := history.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func appendAll(t *testing.T, l *history.Log, all ...history.Entry) {
	t.Helper()
	for _, e := range all {
		if err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
}

// want compares what a log has, and how many parts of it can't be read.
func want(t *testing.T, l *history.Log, all []history.Entry, damaged int) {
	t.Helper()
	got, damage, err := l.All()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, got); diff != "" {
		t.Error(diff)
	}
	if len(damage) != damaged {
		t.Errorf("damage %v, want %d", damage, damaged)
	}
}

// files returns the paths of the files of a log.
func files(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func change(t *testing.T, path string, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What was appended is there after a restart (I1).
func TestLog_restart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "history")
	l := open(t, dir, history.Options{})
	appendAll(t, l, entries(1, 5)...)
	want(t, l, entries(1, 5), 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, history.Options{})
	appendAll(t, l, entries(6, 9)...)
	want(t, l, entries(1, 9), 0)
	if last := l.Last("kv", 1); last != 9 {
		t.Errorf("the last session of partition 1 is %d", last)
	}
	if n := len(files(t, dir)); n != 1 {
		t.Errorf("%d files", n)
	}
}

func TestLog_memory(t *testing.T) {
	l := open(t, "", history.Options{})
	appendAll(t, l, entries(1, 5)...)
	want(t, l, entries(1, 5), 0)
}

// The log is bounded: the oldest files go.
func TestLog_rotates(t *testing.T) {
	dir := t.TempDir()
	o := history.Options{Bytes: 400, Files: 3}
	l := open(t, dir, o)
	appendAll(t, l, entries(1, 100)...)
	got, damage, err := l.All()
	if err != nil || len(damage) > 0 {
		t.Fatal(err, damage)
	}
	if len(got) < 6 || len(got) > 15 || got[len(got)-1].Session != 100 {
		t.Errorf("%d entries, the last of session %d", len(got), got[len(got)-1].Session)
	}
	if n := len(files(t, dir)); n != 3 {
		t.Errorf("%d files", n)
	}
	want(t, open(t, dir, o), got, 0)
}

// A crash in the middle of a write leaves any beginning of it, or zeros: what was there before stays, and the
// next entry follows it (I3).
func TestLog_torn(t *testing.T) {
	whole := t.TempDir()
	l := open(t, whole, history.Options{})
	appendAll(t, l, entries(1, 2)...)
	path := files(t, whole)[0]
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, entry(3))
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := int(before.Size()); cut < len(all); cut++ {
		for _, zeros := range []int{0, 100} {
			dir := t.TempDir()
			torn := append(bytes.Clone(all[:cut]), make([]byte, zeros)...)
			if zeros > 0 && cut > int(before.Size()) {
				torn = append(bytes.Clone(all[:cut]), make([]byte, len(all)-cut)...) // the file's size came before its bytes
			}
			if err := os.WriteFile(filepath.Join(dir, "00000001.log"), torn, 0o600); err != nil {
				t.Fatal(err)
			}
			l := open(t, dir, history.Options{})
			want(t, l, entries(1, 2), 0)
			appendAll(t, l, entry(4))
			want(t, l, append(entries(1, 2), entry(4)), 0)
		}
	}
}

// A byte that was changed is told, at once and after a restart; what comes after goes to a new file (I2).
func TestLog_flipped(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, history.Options{})
	appendAll(t, l, entries(1, 3)...)
	path := files(t, dir)[0]
	size := 0
	change(t, path, func(b []byte) []byte { size = len(b); return b })
	for at := range size {
		change(t, path, func(b []byte) []byte { b[at] ^= 4; return b })
		got, damage, err := l.All()
		if err != nil || len(damage) != 1 || len(got) > 2 {
			t.Fatalf("byte %d: %d entries, damage %v, %v", at, len(got), damage, err)
		}
		if damage[0].File != path {
			t.Errorf("damage in %s", damage[0].File)
		}
		change(t, path, func(b []byte) []byte { b[at] ^= 4; return b })
	}
	change(t, path, func(b []byte) []byte { b[20] ^= 4; return b })
	l = open(t, dir, history.Options{})
	appendAll(t, l, entry(4))
	want(t, l, []history.Entry{entry(4)}, 1)
	if n := len(files(t, dir)); n != 2 {
		t.Errorf("%d files", n)
	}
}

// A file that was shortened is damage.
func TestLog_shortened(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, history.Options{})
	appendAll(t, l, entries(1, 2)...)
	change(t, files(t, dir)[0], func(b []byte) []byte { return b[:len(b)/2] })
	want(t, l, entries(1, 1), 1)
}

func TestLog_concurrent(t *testing.T) {
	l := open(t, t.TempDir(), history.Options{Bytes: 2000, Files: 100})
	var wg sync.WaitGroup
	for w := range uint64(4) {
		wg.Go(func() {
			for i := range uint64(20) {
				if err := l.Append(entry(w*20 + i + 1)); err != nil {
					t.Error(err)
				}
				if _, damage, err := l.All(); err != nil || len(damage) > 0 {
					t.Error(damage, err)
				}
			}
		})
	}
	wg.Wait()
	got, _, err := l.All()
	if err != nil || len(got) != 80 {
		t.Errorf("%d entries, %v", len(got), err)
	}
}

func TestLog_closed(t *testing.T) {
	l := open(t, t.TempDir(), history.Options{})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, err := l.All()
	for _, err := range []error{err, l.Append(entry(1))} {
		if fmt.Sprint(err) != history.ErrClosed.Error() {
			t.Error(err)
		}
	}
}

// Any bytes are entries, each with one encoding, and then damage or a torn end (I2).
func FuzzScan(f *testing.F) {
	b, err := history.Encode(entries(1, 3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Add(append(bytes.Clone(b), make([]byte, 40)...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		all, good, _, err := history.Scan(b)
		if good > len(b) || (err == nil) != (good == len(b)) {
			t.Fatalf("%d of %d bytes are good: %v", good, len(b), err)
		}
		if again, err := history.Encode(all); err != nil || !bytes.Equal(again, b[:good]) {
			t.Fatalf("%x is read as what is written as %x: %v", b[:good], again, err)
		}
	})
}
