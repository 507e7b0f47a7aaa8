package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestPrintTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	for _, r := range []Result{
		{ID: "L3", Name: "old", Value: 1, Unit: "inputs/s"},
		{ID: "X9", Name: "gone", Value: 1, Unit: "MB/s"},
		{ID: "L3", Name: "go/loop", Value: 2.5e6, Unit: "inputs/s", CPU: 0.4, Commit: "abc"},
		{
			ID: "L1", Name: "tell", Value: 50, Unit: "MB/s", CPU: 20, Limit: 100, LimitName: "limit", LimitCPU: 10, Ratio: 0.5,
			Peer: 10, PeerName: "peer", TimesPeer: 5, Commit: "abc", Missed: "60 MB/s asked for",
		},
	} {
		if err := r.keep(path); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := run([]string{"-table", path}, &b); err != nil {
		t.Fatal(err)
	}
	want := `| # | what | value | CPU-us/op | limit (same run) | ratio | peer | times peer | commit |
|---|---|---:|---:|---|---:|---|---:|---|
| L1 | tell | 50 MB/s (missed: 60 MB/s asked for) | 20 | limit 100, 10 us | 0.50 | peer 10 | 5.0 | abc |
| L3 | go/loop | 2.50 M inputs/s | 0.4 |  |  |  |  | abc |

No longer measured: X9
`
	if b.String() != want {
		t.Errorf("printed\n%swant\n%s", b.String(), want)
	}
	if err := os.WriteFile(path, []byte("{\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"-table", path}, &b); err == nil {
		t.Error("a damaged file was accepted")
	}
}
