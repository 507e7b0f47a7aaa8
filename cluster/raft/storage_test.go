package raft

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	hraft "github.com/hashicorp/raft"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

// local returns options of a server on loopback.
func local(t *testing.T, dir string) Options {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	dial := func(ctx context.Context, addr string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
	r := listen()
	return Options{Node: "n1", Dir: dir, Addr: r.Addr().String(), RaftListener: r, RecordListener: listen(), DialRaft: dial, DialRecord: dial}
}

// written returns the directory of a closed server with a record and a snapshot.
func written(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(local(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.NewProposer(s, "p").Propose(t.Context(), 0, found, topology.BeginTerm{Node: "n1"}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Snapshot(), s.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

var found = topology.CreateCluster{
	ClusterID: topology.ClusterID{1}, RingSize: 8, TargetN: 1, NVal: 1, Kinds: []topology.KindSpec{{Name: "kv"}}, Member: topology.Member{Node: "n1", Addr: "n1:1"},
}

// I5, I6 (Oxia #1172): a directory that is not fit for use is refused with what is wrong, and nothing
// stays open: the listeners are closed, the files can be opened again, no goroutine is left (TestMain).
func TestOpen_unfitDirectory(t *testing.T) {
	// Of the log, what is damaged is inside an entry: the library takes a bad end for a torn write.
	overwrite := func(pattern, inside string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			files, _ := filepath.Glob(filepath.Join(dir, pattern))
			if len(files) == 0 {
				t.Fatalf("no %s", pattern)
			}
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				at, end := bytes.Index(b, []byte(inside)), len(b)
				if inside != "" {
					end = at + len(inside)
				}
				for i := max(at, 0); i < end; i++ {
					b[i] ^= 0x5a
				}
				if err := os.WriteFile(f, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(*testing.T, string)
		want  error
		names string
	}{
		{"another server", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, identityFile), []byte("baton raft 1 n2/0\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ErrForeign, identityFile},
		{"no name", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, identityFile)); err != nil {
				t.Fatal(err)
			}
		}, ErrForeign, identityFile},
		{"log's index", overwrite("wal/wal-meta.db", ""), ErrDamaged, walDir},
		{"log", overwrite("wal/*.wal", "n1:1"), ErrDamaged, walDir},
		{"snapshot", overwrite("snapshots/*/state.bin", ""), ErrDamaged, snapshotDir},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := written(t)
			c.spoil(t, dir)
			for range 2 { // the second attempt would hang if the first had left a file locked
				o := local(t, dir)
				s, err := Open(o)
				if err == nil {
					s.Close()
				}
				var de *DirError
				if !errors.Is(err, c.want) || !errors.As(err, &de) || !strings.HasPrefix(de.Path, filepath.Join(dir, c.names)) || de.WayOut == "" {
					t.Fatalf("%v, want %v about %s", err, c.want, c.names)
				}
				for _, l := range []net.Listener{o.RaftListener, o.RecordListener} {
					if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
						t.Errorf("listener left open: %v", err)
					}
				}
			}
		})
	}
}

func TestOpen_lostSnapshot(t *testing.T) {
	dir := t.TempDir()
	o := local(t, dir)
	o.Trailing = 1
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := cluster.NewProposer(s, "p")
	for _, op := range []topology.Op{found, topology.BeginTerm{Node: "n1"}, topology.BeginTerm{Node: "n1"}, topology.BeginTerm{Node: "n1"}} {
		if _, err := p.Propose(t.Context(), 0, op); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Snapshot(), s.Close(), os.RemoveAll(filepath.Join(dir, snapshotDir))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(local(t, dir)); !errors.Is(err, ErrDamaged) {
		t.Errorf("%v, want %v: a part of the history is missing", err, ErrDamaged)
	}
}

func TestOpen_options(t *testing.T) {
	if _, err := Open(Options{}); err == nil {
		t.Error("no options, no error")
	}
	o := local(t, "")
	o.Node = ""
	if _, err := Open(o); err == nil {
		t.Error("no node, no error")
	}
	if _, err := o.RaftListener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("listener left open: %v", err)
	}
}

type sink struct {
	bytes.Buffer
	fail              error
	closed, cancelled bool
}

func (s *sink) Write(b []byte) (int, error) {
	if s.fail != nil {
		return 0, s.fail
	}
	return s.Buffer.Write(b)
}
func (s *sink) Close() error  { s.closed = true; return nil }
func (s *sink) Cancel() error { s.cancelled = true; return nil }
func (s *sink) ID() string    { return "test" }

// I4 (Oxia #1170): a snapshot is kept when it was written and dropped when not, and replaces the record.
func TestMachine_snapshot(t *testing.T) {
	m := newMachine(func() {})
	b, err := cluster.AppendBatch(nil, []topology.Command{{ID: topology.CommandID{Proposer: "p", Seq: 1}, Op: found}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := m.Apply(&hraft.Log{Index: 7, Data: b}).([]topology.Outcome); !ok {
		t.Fatal("not applied")
	}
	snap, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	good, bad := &sink{}, &sink{fail: errors.New("disk full")}
	if err := snap.Persist(good); err != nil || !good.closed || good.cancelled {
		t.Errorf("%v, closed %t cancelled %t; want it closed", err, good.closed, good.cancelled)
	}
	if err := snap.Persist(bad); !errors.Is(err, bad.fail) || bad.closed || !bad.cancelled {
		t.Errorf("%v, closed %t cancelled %t; want it cancelled", err, bad.closed, bad.cancelled)
	}
	other := newMachine(func() {})
	if err := other.Restore(nopCloser{&good.Buffer}); err != nil {
		t.Fatal(err)
	}
	if state, index, _ := other.now(); index != 7 || state.ClusterID() != found.ClusterID {
		t.Errorf("entry %d of %s", index, state.ClusterID())
	}
	if err := other.Restore(nopCloser{bytes.NewBufferString("nonsense, and long enough")}); !errors.Is(err, topology.ErrFormat) {
		t.Errorf("%v, want %v", err, topology.ErrFormat)
	}
}

type nopCloser struct{ *bytes.Buffer }

func (nopCloser) Close() error { return nil }

// I1: a server that cannot read an entry stands still; it does not go on with another history.
func TestMachine_unreadableEntry(t *testing.T) {
	m := newMachine(func() {})
	if err, ok := m.Apply(&hraft.Log{Index: 1, Data: []byte{200, 1, 2}}).(error); !ok || !errors.Is(err, topology.ErrDamaged) {
		t.Errorf("%v, want %v", err, topology.ErrDamaged)
	}
	b, err := cluster.AppendBatch(nil, []topology.Command{{ID: topology.CommandID{Proposer: "p", Seq: 1}, Op: found}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := m.Apply(&hraft.Log{Index: 2, Data: b}).(error); !ok {
		t.Error("went on")
	}
	if _, err := m.Snapshot(); err == nil {
		t.Error("a snapshot would hide the entry")
	}
}
