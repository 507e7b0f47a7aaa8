package topology_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/topology"
)

// chain returns two certificates of one chain.
func chain() (first, second *topology.Certificate) {
	first = &topology.Certificate{
		Number: 1, Session: 7, Type: topology.Swap, Kind: "kv", Partition: 5, Source: "a", Target: "b", EpochBefore: 1, EpochAfter: 2,
		LastSeq: 9, Items: 3, Bytes: 300, SourceDigest: topology.Digest{1}, TargetDigest: topology.Digest{1},
		FreezeMicros: 900, SourceFenced: 4, TargetFenced: 5,
	}
	second = &topology.Certificate{
		Number: 2, Previous: first.Hash(), Session: 12, Type: topology.Swap, Kind: "kv", Partition: 5, Source: "b", Target: "c",
		EpochBefore: 2, EpochAfter: 3, SourceDigest: topology.Digest{1}, TargetDigest: topology.Digest{1},
	}
	return first, second
}

func certificateBytes(t testing.TB, c *topology.Certificate) []byte {
	t.Helper()
	b, err := c.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every field is in the encoding, so in the hash (I14).
func TestCertificate_encoding(t *testing.T) {
	_, c := chain()
	got, err := topology.DecodeCertificate(certificateBytes(t, c))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, got); diff != "" {
		t.Error(diff)
	}
	for name, change := range map[string]func(*topology.Certificate){
		"number": func(c *topology.Certificate) { c.Number++ }, "previous": func(c *topology.Certificate) { c.Previous[15]++ },
		"session": func(c *topology.Certificate) { c.Session++ }, "type": func(c *topology.Certificate) { c.Type = topology.Merge },
		"kind": func(c *topology.Certificate) { c.Kind = "kw" }, "partition": func(c *topology.Certificate) { c.Partition++ },
		"source": func(c *topology.Certificate) { c.Source = "z" }, "target": func(c *topology.Certificate) { c.Target = "z" },
		"epoch before": func(c *topology.Certificate) { c.EpochBefore++ }, "epoch after": func(c *topology.Certificate) { c.EpochAfter++ },
		"sequence": func(c *topology.Certificate) { c.LastSeq++ }, "items": func(c *topology.Certificate) { c.Items++ },
		"bytes": func(c *topology.Certificate) { c.Bytes++ }, "freeze": func(c *topology.Certificate) { c.FreezeMicros++ },
		"source digest": func(c *topology.Certificate) { c.SourceDigest[0]++ }, "target digest": func(c *topology.Certificate) { c.TargetDigest[0]++ },
		"source fenced": func(c *topology.Certificate) { c.SourceFenced++ }, "target fenced": func(c *topology.Certificate) { c.TargetFenced++ },
	} {
		_, other := chain()
		if change(other); other.Hash() == c.Hash() {
			t.Errorf("another %s has the same hash", name)
		}
	}
}

func TestCertificate_Follows(t *testing.T) {
	first, second := chain()
	altered := *first
	altered.Items++
	early := *second
	early.EpochBefore = 1
	old := *second
	old.Session = 7
	for _, x := range []struct {
		name      string
		c, before *topology.Certificate
		want      string
	}{
		{"the first", first, nil, ""},
		{"the second", second, first, ""},
		{"nothing before the second", second, nil, "number 2"},
		{"the first again", first, first, "number 1 comes after number 1"},
		{"after an altered one", second, &altered, "names"},
		{"an epoch back", &early, first, "begins at epoch 1"},
		{"a session back", &old, first, "session 7 comes after session 7"},
	} {
		err := x.c.Follows(x.before)
		if (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

func TestCertificate_Check(t *testing.T) {
	for want, change := range map[string]func(*topology.Certificate){
		"":               func(*topology.Certificate) {},
		"no number":      func(c *topology.Certificate) { c.Number = 0 },
		"at the target":  func(c *topology.Certificate) { c.TargetDigest[3] = 9 },
		"epoch 1 before": func(c *topology.Certificate) { c.EpochAfter = 1 },
	} {
		c, _ := chain()
		change(c)
		if err := c.Check(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

func FuzzDecodeCertificate(f *testing.F) {
	first, second := chain()
	f.Add(certificateBytes(f, first))
	f.Add(certificateBytes(f, second))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := topology.DecodeCertificate(b)
		if err != nil {
			if !errors.Is(err, topology.ErrDamaged) && !errors.Is(err, topology.ErrFormat) {
				t.Fatalf("untyped error: %v", err)
			}
			return
		}
		if again := certificateBytes(t, c); !bytes.Equal(again, b) {
			t.Fatalf("%x decodes to what encodes to %x", b, again)
		}
	})
}
