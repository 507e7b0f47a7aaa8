package e2e_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/test/e2e"
)

// TestAudit: a cluster whose partitions have moved is found to be sound; after a byte on the disk of a running
// node is changed, the audit names the node and a range with the key, and after the repair it is sound again.
func TestAudit(t *testing.T) {
	t.Parallel()
	r := e2e.Rand(t)
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(4)
	s := newSet(t, c)
	s.write(r, nodes[0], 300, kv.WriteOptions{W: bucket.All})
	damaged := nodes[3]
	damaged.Terminate()
	damaged.Restart() // what was in the log is in tables now
	c.Whole(nodes[0])
	sound := func() {
		t.Helper()
		a := nodes[0].CLI("audit", "verify")
		if c.Want(a, 0); !strings.Contains(a.Stdout, "Nothing is wrong") || strings.Contains(a.Stdout, " 0 certificates") {
			t.Errorf("the audit says:\n%s", a.Stdout)
		}
	}
	sound()
	if a := nodes[1].CLI("handoff", "certificates", "--kind", "kv"); a.Code != 0 || !strings.Contains(a.Stdout, "record") {
		t.Errorf("exit code %d, certificates:\n%s", a.Code, a.Stdout)
	}

	key := flipInPlace(t, damaged.StoreDir(), s)
	a := nodes[0].CLI("audit", "verify")
	c.Want(a, 1)
	head := ring.HashKey([]byte("b"), []byte(key)).Partition(nodes[0].Record().RingSize())
	stored := kv.AppendKey(nil, head, kv.DefaultType, "b", key)
	found := regexp.MustCompile(`(?m)^DAMAGED kv/(\d+) at (\S+) keys from (".*") to (".*"|the end): `).FindAllStringSubmatch(a.Stdout, -1)
	names := false
	for _, f := range found {
		if f[2] != string(damaged.Name) {
			t.Errorf("%s was damaged, not %s", damaged.Name, f[2])
		}
		names = names || within(t, stored, f[3], f[4])
	}
	if !names {
		t.Errorf("no range has %s:\n%s", key, a.Stdout)
	}
	for line := range strings.Lines(a.Stdout) { // it is mended as soon as it is met
		if problem, _, _ := strings.Cut(line, " "); problem == "DIGEST" || problem == "CERTIFICATE" || problem == "UNANSWERED" || problem == "HISTORY" {
			t.Errorf("only %s was damaged: %s", key, line)
		}
	}
	c.Await("the damage to be given up", func() error {
		if !strings.Contains(damaged.Log(), "damaged items given up, to be repaired") {
			return errors.New("it is not")
		}
		return nil
	})
	c.Whole(nodes[0])
	sound()
	s.read(damaged, all)
}

// within reports whether a range of store keys, quoted as the audit shows them, has that of an object.
func within(t *testing.T, storeKey []byte, from, to string) bool {
	t.Helper()
	low, err := strconv.Unquote(from)
	if err != nil {
		t.Fatal(err)
	}
	if to == "the end" {
		return string(storeKey) >= low
	}
	high, err := strconv.Unquote(to)
	if err != nil {
		t.Fatal(err)
	}
	return string(storeKey) >= low && string(storeKey) < high
}

// flipInPlace changes a bit of a value in the tables of a store that is open, and returns its key.
func flipInPlace(t *testing.T, dir string, s *set) string {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		raw, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range s.keys {
			at := bytes.Index(raw, s.values[key])
			if at < 16<<10 || at >= len(raw)-16<<10 {
				continue
			}
			f, err := os.OpenFile(table, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteAt([]byte{s.values[key][100] ^ 1}, int64(at+100))
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s is damaged at byte %d of %s", key, at+100, filepath.Base(table))
			return key
		}
	}
	t.Fatal("no table holds a value")
	return ""
}
