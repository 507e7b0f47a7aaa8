package messages_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/messages"
)

func sample() messages.Frame {
	return messages.Frame{
		Header: messages.Header{
			Type: messages.TypeRequest, Flags: 0x81, Hop: 1, Code: messages.CodeFrozen,
			ClusterID: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
			From:      "alpha", FromIncarnation: 3, To: "beta", ToIncarnation: 4, Kind: "kv",
			Partition: 63, RingVersion: 70, Epoch: 80, Session: 90, Seq: 100, Endpoint: 110,
		},
		Payload: []byte("hello"),
	}
}

func encode(t testing.TB, f messages.Frame) []byte {
	t.Helper()
	b, err := messages.AppendFrame(nil, &f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAppendFrame_bytes(t *testing.T) {
	const want = "ba7001088101220005040200" + "05000000" +
		"0102030405060708090a0b0c0d0e0f10" + "0300000000000000" + "0400000000000000" + "3f00000000000000" +
		"4600000000000000" + "5000000000000000" + "5a00000000000000" + "6400000000000000" + "6e00000000000000" +
		"616c706861" + "62657461" + "6b76"
	got := hex.EncodeToString(encode(t, sample()))
	if !strings.HasPrefix(got, want) {
		t.Errorf("the layout changed, which is a new protocol version:\ngot  %s\nwant %s + checksum + payload", got, want)
	}
	if rest := got[len(want):]; rest != "09c18ca1"+"68656c6c6f" {
		t.Errorf("checksum and payload are %s", rest)
	}
}

func TestParseFrame_roundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(0, 255, 255)
		f := messages.Frame{Header: messages.Header{
			Type:            rapid.SampledFrom([]messages.Type{messages.TypeRequest, messages.TypePipeAck, messages.TypeHandoffItems}).Draw(t, "type"),
			Flags:           rapid.Uint8().Draw(t, "flags"),
			Hop:             rapid.Uint8().Draw(t, "hop"),
			Code:            messages.Code(rapid.Uint16().Draw(t, "code")),
			From:            name.Draw(t, "from"),
			FromIncarnation: rapid.Uint64().Draw(t, "fromInc"),
			To:              name.Draw(t, "to"),
			ToIncarnation:   rapid.Uint64().Draw(t, "toInc"),
			Kind:            name.Draw(t, "kind"),
			Partition:       rapid.Uint32().Draw(t, "partition"),
			RingVersion:     rapid.Uint64().Draw(t, "ringVersion"),
			Epoch:           rapid.Uint64().Draw(t, "epoch"),
			Session:         rapid.Uint64().Draw(t, "session"),
			Seq:             rapid.Uint64().Draw(t, "seq"),
			Endpoint:        rapid.Uint64().Draw(t, "endpoint"),
		}}
		copy(f.ClusterID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "cluster"))
		if p := rapid.SliceOf(rapid.Byte()).Draw(t, "payload"); len(p) > 0 {
			f.Payload = p
		}
		b, err := messages.AppendFrame(nil, &f)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) != f.Size() {
			t.Fatalf("Size() = %d, encoded %d", f.Size(), len(b))
		}
		var names messages.Interner
		got, n, err := messages.ParseFrame(append(b, "next"...), &names)
		if err != nil || n != len(b) {
			t.Fatalf("ParseFrame = %d, %v, want %d bytes", n, err, len(b))
		}
		if diff := cmp.Diff(f, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestParseFrame_flippedBit proves I3.
func TestParseFrame_flippedBit(t *testing.T) {
	whole := encode(t, sample())
	for bit := range len(whole) * 8 {
		b := bytes.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		if _, n, err := messages.ParseFrame(b, nil); err == nil || n != 0 {
			t.Errorf("bit %d of byte %d flipped: parsed %d bytes, err %v", bit%8, bit/8, n, err)
		}
	}
}

func TestParseFrame_cutShort(t *testing.T) {
	whole := encode(t, sample())
	for n := range whole {
		if _, _, err := messages.ParseFrame(whole[:n], nil); !errors.Is(err, messages.ErrDamaged) {
			t.Errorf("%d of %d bytes: err %v, want ErrDamaged", n, len(whole), err)
		}
	}
}

func TestParseFrame_errors(t *testing.T) {
	unknown := sample()
	unknown.Type = 250
	tests := []struct {
		name   string
		bytes  []byte
		change func(b []byte)
		want   error
	}{
		{"empty", nil, nil, messages.ErrDamaged},
		{"magic", encode(t, sample()), func(b []byte) { b[0] = 'G' }, messages.ErrDamaged},
		{"version", encode(t, sample()), func(b []byte) { b[2]++ }, messages.ErrVersion},
		{"payload length over the limit", encode(t, sample()), func(b []byte) { b[15] = 0xff }, messages.ErrTooLarge},
		{"payload length over the buffer", encode(t, sample()), func(b []byte) { b[13] = 1 }, messages.ErrDamaged},
		{"padding of one byte", resum(encode(t, sample()), 11), nil, messages.ErrDamaged},
		{"padding of four bytes", resum(encode(t, sample()), 55), nil, messages.ErrDamaged},
		{"name length", encode(t, sample()), func(b []byte) { b[8]++ }, messages.ErrDamaged},
		{"unknown type", encode(t, unknown), nil, messages.ErrUnknownType},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.change != nil {
				tt.change(tt.bytes)
			}
			if _, _, err := messages.ParseFrame(tt.bytes, nil); !errors.Is(err, tt.want) {
				t.Errorf("err %v, want %v", err, tt.want)
			}
		})
	}
}

// resum sets one byte of a sample's header and makes the checksum right again.
func resum(b []byte, at int) []byte {
	const sumAt = 96 + len("alpha") + len("beta") + len("kv")
	b[at] = 1
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(crc32.Checksum(b[:sumAt], table), table, b[sumAt+4:])
	binary.LittleEndian.PutUint32(b[sumAt:], sum)
	return b
}

// TestParseFrame_unknownTypeIsSteppedOver proves I4.
func TestParseFrame_unknownTypeIsSteppedOver(t *testing.T) {
	unknown := sample()
	unknown.Type = 250
	b := append(encode(t, unknown), encode(t, sample())...)
	f, n, err := messages.ParseFrame(b, nil)
	if !errors.Is(err, messages.ErrUnknownType) || f.Type != 250 {
		t.Fatalf("ParseFrame = %v, %v", f.Type, err)
	}
	next, _, err := messages.ParseFrame(b[n:], nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), next); diff != "" {
		t.Error(diff)
	}
}

func TestAppendFrame_limits(t *testing.T) {
	long := strings.Repeat("x", 256)
	tests := []struct {
		name   string
		change func(f *messages.Frame)
		want   error
	}{
		{"longest", func(f *messages.Frame) {
			f.From, f.To, f.Kind = long[:255], long[:255], long[:255]
			f.Payload = make([]byte, messages.MaxPayloadSize)
		}, nil},
		{"payload", func(f *messages.Frame) { f.Payload = make([]byte, messages.MaxFrameSize) }, messages.ErrTooLarge},
		{"from", func(f *messages.Frame) { f.From = long }, messages.ErrTooLarge},
		{"to", func(f *messages.Frame) { f.To = long }, messages.ErrTooLarge},
		{"kind", func(f *messages.Frame) { f.Kind = long }, messages.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := sample()
			tt.change(&f)
			b, err := messages.AppendFrame([]byte("kept"), &f)
			if !errors.Is(err, tt.want) {
				t.Fatalf("err %v, want %v", err, tt.want)
			}
			if err != nil {
				if string(b) != "kept" {
					t.Errorf("dst grew to %d bytes", len(b))
				}
				return
			}
			if _, _, err := messages.ParseFrame(b[4:], nil); err != nil {
				t.Errorf("the longest frame doesn't parse: %v", err)
			}
		})
	}
}

func TestParseFrame_allocatesNothing(t *testing.T) {
	b := encode(t, sample())
	var names messages.Interner
	dst := make([]byte, 0, 4096)
	allocs := testing.AllocsPerRun(100, func() {
		f, _, err := messages.ParseFrame(b, &names)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := messages.AppendFrame(dst, &f); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per frame", allocs)
	}
}

func TestInterner_bounded(t *testing.T) {
	var names messages.Interner
	f := sample()
	for i := range 10_000 {
		f.From = "node-" + strings.Repeat("x", i%200) + hex.EncodeToString([]byte{byte(i), byte(i >> 8)})
		got, _, err := messages.ParseFrame(encode(t, f), &names)
		if err != nil || got.From != f.From {
			t.Fatalf("ParseFrame = %q, %v, want %q", got.From, err, f.From)
		}
	}
}

func TestType_String(t *testing.T) {
	if got := messages.TypeHandoffFin.String(); got != "handoff_fin" {
		t.Errorf("TypeHandoffFin is %q", got)
	}
	if got := messages.Type(250).String(); got != "type(250)" || messages.Type(250).Known() {
		t.Errorf("Type(250) is %q", got)
	}
	if messages.TypeInvalid.Known() {
		t.Error("TypeInvalid is known")
	}
}

// FuzzParseFrame proves I1 and I2.
func FuzzParseFrame(f *testing.F) {
	fr := sample()
	whole := encode(f, fr)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	fr.Type = 250
	f.Add(encode(f, fr))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var names messages.Interner
		got, n, err := messages.ParseFrame(b, &names)
		switch size, sizeErr := messages.FrameSize(b); {
		case err == nil && (sizeErr != nil || size != n):
			t.Fatalf("a frame of %d bytes has the size %d, %v", n, size, sizeErr)
		case err == nil || errors.Is(err, messages.ErrUnknownType):
			again, err := messages.AppendFrame(nil, &got)
			if err != nil || !bytes.Equal(again, b[:n]) {
				t.Fatalf("encoded again: %v\n%x\n%x", err, again, b[:n])
			}
		case errors.Is(err, messages.ErrDamaged), errors.Is(err, messages.ErrVersion), errors.Is(err, messages.ErrTooLarge):
		default:
			t.Fatalf("untyped error %v", err)
		}
	})
}

func BenchmarkFrame_ParseAppend(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"payload=64", 64}, {"payload=1KiB", 1 << 10}, {"payload=256KiB", 256 << 10}} {
		b.Run(size.name, func(b *testing.B) {
			f := sample()
			f.Payload = make([]byte, size.bytes)
			var names messages.Interner
			buf := make([]byte, 0, 512<<10)
			b.ReportAllocs()
			b.SetBytes(int64(f.Size()))
			for b.Loop() {
				buf, _ = messages.AppendFrame(buf[:0], &f)
				if _, _, err := messages.ParseFrame(buf, &names); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
