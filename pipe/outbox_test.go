package pipe_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

func newOutbox(t testing.TB, spec *pipe.Spec, opt pipe.OutboxOptions) *pipe.Outbox {
	t.Helper()
	opt.Spec = spec
	if opt.Stream == (pipe.Stream{}) {
		opt.Stream = pipe.Stream{Fitting: pipe.Input, From: 1}
	}
	out, err := pipe.NewOutbox(opt, pipe.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestOutbox_transcripts runs the transcripts of testdata/outbox: a sender with
// a direct route, two batches of a stream under way at a time, and batches of
// two items.
//
//	new | restore                    restore: the state is encoded and decoded
//	emit P item...                   to partition P
//	flush | tick | retry P | retry-all
//	ack P seq | refuse P expected round
//	state
func TestOutbox_transcripts(t *testing.T) {
	datadriven.Walk(t, "testdata/outbox", func(t *testing.T, path string) {
		spec := testSpec(pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.Direct(), QueueItems: 2})
		opt := pipe.OutboxOptions{Spec: spec, Stream: pipe.Stream{Fitting: pipe.Input, From: 1}, Window: 2, MaxBytes: 20}
		var out *pipe.Outbox
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			num := func(i int) int {
				var n int
				if _, err := fmt.Sscan(d.CmdArgs[i].Key, &n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			var actions []pipe.OutboxAction
			switch d.Cmd {
			case "new":
				out = newOutbox(t, spec, opt)
			case "restore":
				b, _ := out.AppendBinary(nil)
				var err error
				if out, err = pipe.RestoreOutbox(opt, pipe.NewRegistry(), b); err != nil {
					t.Fatal(err)
				}
			case "emit":
				for _, it := range d.CmdArgs[1:] {
					if err := out.EmitTo(ring.Partition(num(0)), []byte(it.Key)); err != nil {
						t.Fatal(err)
					}
				}
			case "flush":
				actions = out.Flush()
			case "tick":
				actions = out.Step(pipe.Tick{})
			case "retry":
				actions = out.Step(pipe.Retry{Partition: ring.Partition(num(0))})
			case "retry-all":
				actions = out.Step(pipe.Retry{All: true})
			case "ack":
				actions = out.Step(&pipe.Ack{
					Pipe: spec.ID, Partition: ring.Partition(num(0)), Stream: out.Stream(), Seq: uint64(num(1)),
				})
			case "refuse":
				actions = out.Step(&pipe.Refuse{
					Pipe: spec.ID, Partition: ring.Partition(num(0)), Stream: out.Stream(), Expected: uint64(num(1)), Round: uint8(num(2)),
				})
			}
			var b strings.Builder
			for _, a := range actions {
				switch a := a.(type) {
				case pipe.Transmit:
					e := a.Enqueue
					fmt.Fprintf(&b, "to %d: seq=%d round=%d %s\n", e.Partition, e.Seq, e.Round, batchNames([]pipe.Batch{e.Batch}))
				case pipe.Lost:
					fmt.Fprintf(&b, "lost at %d\n", a.Partition)
				}
			}
			fmt.Fprintf(&b, "-> held=%d blocked=%v idle=%v sent=%v\n", out.Held(), out.Blocked(), out.Idle(), out.Sent())
			return b.String()
		})
	})
}

// TestOutbox_lossyNetwork (I1): over a network that loses, repeats and reorders
// everything, and with the state moving to another process at any time, every
// stream arrives complete, in order, once.
func TestOutbox_lossyNetwork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		rnd := rand.New(rand.NewPCG(seed, 3))
		spec := testSpec(pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.Direct(), QueueItems: 3})
		opt := pipe.OutboxOptions{Spec: spec, Stream: pipe.Stream{Fitting: pipe.Input, From: 1}, Window: 3, MaxBytes: 64}
		reg := pipe.NewRegistry()
		out, err := pipe.NewOutbox(opt, reg)
		if err != nil {
			t.Fatal(err)
		}
		n := &lossy{rnd: rnd, spec: spec, last: make(map[ring.Partition]uint64), got: make(map[ring.Partition][]string)}
		want := make(map[ring.Partition][]string)
		const total = 60
		for i, steps := 0, 0; i < total || !out.Idle(); steps++ {
			if steps > 100_000 {
				t.Fatalf("not done after %d steps", steps)
			}
			switch c := rnd.IntN(10); {
			case c < 3 && i < total && !out.Blocked():
				p, item := ring.Partition(rnd.IntN(3)), fmt.Sprint(i)
				if err := out.EmitTo(p, []byte(item)); err != nil {
					t.Fatal(err)
				}
				want[p] = append(want[p], item)
				i++
				n.sent(out.Flush())
			case c < 8:
				n.sent(n.deliver(t, out))
			case c < 9:
				n.sent(out.Step(pipe.Tick{}))
			case rnd.IntN(20) == 0:
				b, _ := out.AppendBinary(nil)
				if out, err = pipe.RestoreOutbox(opt, reg, b); err != nil {
					t.Fatal(err)
				}
				n.sent(out.Flush())
			}
		}
		if d := cmp.Diff(want, n.got); d != "" {
			t.Fatalf("arrived (-want +got):\n%s", d)
		}
		if out.Held() != 0 {
			t.Fatalf("%d bytes held at the end", out.Held())
		}
	})
}

// lossy is a network and the receivers behind it.
type lossy struct {
	rnd  *rand.Rand
	spec *pipe.Spec
	bag  []any
	last map[ring.Partition]uint64
	got  map[ring.Partition][]string
}

func (n *lossy) sent(actions []pipe.OutboxAction) {
	for _, a := range actions {
		n.bag = append(n.bag, a)
	}
}

func (n *lossy) deliver(t *rapid.T, out *pipe.Outbox) []pipe.OutboxAction {
	if len(n.bag) == 0 {
		return nil
	}
	i := n.rnd.IntN(len(n.bag))
	m := n.bag[i]
	if n.rnd.IntN(10) > 0 { // else it will arrive again
		n.bag = append(n.bag[:i], n.bag[i+1:]...)
	}
	if n.rnd.IntN(10) == 0 {
		return nil
	}
	switch m := m.(type) {
	case pipe.Lost:
		t.Fatal("nothing was lost")
	case pipe.Transmit:
		e := m.Enqueue
		switch last := n.last[e.Partition]; {
		case e.Seq == last+1:
			n.last[e.Partition]++
			for it := range e.Batch.All() {
				n.got[e.Partition] = append(n.got[e.Partition], string(it))
			}
			fallthrough
		case e.Seq <= last:
			n.bag = append(n.bag, &pipe.Ack{Pipe: e.Pipe, Partition: e.Partition, Stream: e.Stream, Seq: n.last[e.Partition]})
		default:
			n.bag = append(n.bag, &pipe.Refuse{
				Pipe: e.Pipe, Partition: e.Partition, Stream: e.Stream, Expected: last + 1, Round: e.Round,
			})
		}
	case pipe.OutboxEvent:
		return out.Step(m)
	}
	return nil
}

func TestOutbox_routes(t *testing.T) {
	hash := func([]byte) uint64 { return 0xE000 << 48 } // the last eighth of the key space
	reg := pipe.NewRegistry()
	if err := reg.AddHash("top", hash); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		route pipe.Route
		want  ring.Partition
	}{
		{"hash", pipe.ByHash("top"), ring.PartitionOf(hash(nil), 8)},
		{"constant", pipe.Constant(5), 5},
		{"follow", pipe.Follow(), 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := testSpec(pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: c.route})
			out, err := pipe.NewOutbox(pipe.OutboxOptions{Spec: spec, Stream: pipe.Stream{Fitting: pipe.Input}, Partition: 6}, reg)
			if err != nil {
				t.Fatal(err)
			}
			if err := out.Emit([]byte("x")); err != nil {
				t.Fatal(err)
			}
			a := out.Flush()[0].(pipe.Transmit)
			if a.ToSink || a.Enqueue.Partition != c.want || a.Enqueue.Fitting != 0 {
				t.Errorf("went to %+v", a)
			}
			if err := out.EmitTo(1, []byte("x")); !errors.Is(err, pipe.ErrRoute) {
				t.Errorf("EmitTo: %v", err)
			}
		})
	}
}

func TestOutbox_errors(t *testing.T) {
	direct := newOutbox(t, testSpec(pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.Direct()}), pipe.OutboxOptions{})
	if err := direct.Emit([]byte("x")); !errors.Is(err, pipe.ErrRoute) {
		t.Errorf("Emit to a direct route: %v", err)
	}
	if err := direct.EmitTo(8, []byte("x")); !errors.Is(err, pipe.ErrRoute) {
		t.Errorf("EmitTo outside of the ring: %v", err)
	}
	if err := direct.EmitTo(0, make([]byte, pipe.MaxItem+1)); !errors.Is(err, pipe.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	spec := testSpec(pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.ByHash("nothing")})
	_, err := pipe.NewOutbox(pipe.OutboxOptions{Spec: spec, Stream: pipe.Stream{Fitting: pipe.Input}}, pipe.NewRegistry())
	if !errors.Is(err, pipe.ErrUnknownHash) {
		t.Errorf("unknown hash: %v", err)
	}
}

func TestOutbox_allocations(t *testing.T) {
	spec := testSpec(pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashXXH3)})
	out := newOutbox(t, spec, pipe.OutboxOptions{})
	item := make([]byte, 16)
	perRound := testing.AllocsPerRun(50, func() {
		for i := range 8 * 1000 {
			item[0], item[1] = byte(i), byte(i>>8)
			if err := out.Emit(item); err != nil {
				t.Fatal(err)
			}
		}
		ackAll(out, out.Flush())
	})
	if perItem := perRound / 8000; perItem > 0.05 {
		t.Errorf("%.3f allocations per item", perItem)
	}
}

func FuzzRestoreOutbox(f *testing.F) {
	spec := testSpec(pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.Follow()})
	opt := pipe.OutboxOptions{Spec: spec, Stream: pipe.Stream{Fitting: pipe.Input}, Partition: 2}
	out := newOutbox(f, spec, opt)
	_ = out.Emit([]byte("item"))
	b, _ := out.AppendBinary(nil)
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := pipe.RestoreOutbox(opt, pipe.NewRegistry(), data)
		if err != nil {
			if !errors.Is(err, pipe.ErrDamaged) && !errors.Is(err, pipe.ErrVersion) {
				t.Fatalf("error %v", err)
			}
			return
		}
		for !out.Idle() {
			if ackAll(out, out.Flush()) == 0 {
				t.Fatal("what was restored can't be sent")
			}
		}
	})
}
