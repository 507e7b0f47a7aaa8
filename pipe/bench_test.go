package pipe_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

func BenchmarkBuilder_Append(b *testing.B) {
	for _, size := range []int{8, 64, 1024} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			item := make([]byte, size)
			var builder pipe.Builder
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				builder.Append(item)
				if builder.Size() >= 64<<10 {
					builder.Seal()
				}
			}
		})
	}
}

func BenchmarkBatch_Cursor(b *testing.B) {
	var builder pipe.Builder
	for range 1000 {
		builder.Append(make([]byte, 16))
	}
	batch := builder.Seal()
	c := batch.Cursor()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.Next(); !ok {
			c = batch.Cursor()
		}
	}
}

// BenchmarkOutbox_Emit emits to 64 partitions whose acknowledgements come at
// once; ns/op is per item.
func BenchmarkOutbox_Emit(b *testing.B) {
	for _, hash := range []string{pipe.HashXXH3, pipe.HashSHA1} {
		b.Run("hash="+hash, func(b *testing.B) {
			spec := testSpec(pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.ByHash(hash)})
			spec.RingSize = 64
			out, err := pipe.NewOutbox(pipe.OutboxOptions{Spec: spec, Stream: pipe.Stream{Fitting: pipe.Input}}, pipe.NewRegistry())
			if err != nil {
				b.Fatal(err)
			}
			item := make([]byte, 16)
			var n uint64
			b.ReportAllocs()
			for b.Loop() {
				n++
				binary.LittleEndian.PutUint64(item, n)
				if err := out.Emit(item); err != nil {
					b.Fatal(err)
				}
				for n%1024 == 0 || out.Blocked() {
					if ackAll(out, out.Flush()) == 0 {
						break
					}
				}
			}
		})
	}
}

func ackAll(out *pipe.Outbox, actions []pipe.OutboxAction) int {
	var acks []*pipe.Ack
	for _, a := range actions {
		if t, ok := a.(pipe.Transmit); ok {
			e := t.Enqueue
			acks = append(acks, &pipe.Ack{Pipe: e.Pipe, Fitting: e.Fitting, Partition: e.Partition, Stream: e.Stream, Seq: e.Seq})
		}
	}
	n := len(acks)
	for _, a := range acks {
		n += ackAll(out, out.Step(a))
	}
	return n
}

// BenchmarkQueues_cycle is one batch in and out of a vnode: Enqueue, Ack, Give,
// NextInput.
func BenchmarkQueues_cycle(b *testing.B) {
	for _, items := range []int{1, 256} {
		b.Run(fmt.Sprintf("items=%d", items), func(b *testing.B) {
			spec := testSpec(pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.Follow()})
			q := pipe.NewQueues(pipe.QueuesOptions{Partition: 3})
			q.Step(pipe.Opened{Epoch: 1})
			var builder pipe.Builder
			for range items {
				builder.Append(make([]byte, 16))
			}
			e := &pipe.Enqueue{
				Pipe: spec.ID, Partition: 3, Stream: pipe.Stream{Fitting: pipe.Input}, Seq: 1,
				Coordinator: spec.Coordinator, ReplyTo: spec.Sink, Batch: builder.Seal(),
			}
			q.Step(e)
			var worker pipe.WorkerID
			for _, a := range q.Step(&pipe.SpecKnown{Partition: 3, Spec: spec}) {
				if s, ok := a.(*pipe.StartWorker); ok {
					worker = s.Worker
				}
			}
			q.Step(pipe.NextInput{Worker: worker})
			b.ReportAllocs()
			for b.Loop() {
				next := *e
				next.Seq++
				e = &next
				q.Step(pipe.NextInput{Worker: worker})
				if len(q.Step(e)) != 2 {
					b.Fatal("want an acknowledgement and the batch")
				}
			}
			b.ReportMetric(float64(b.N*items)/b.Elapsed().Seconds(), "items/s")
		})
	}
}

// BenchmarkRunner_Process runs batches of 256 items through a worker that
// passes them on, all destinations acknowledging at once; ns/op is per batch.
func BenchmarkRunner_Process(b *testing.B) {
	spec := testSpec(
		pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.Follow()},
		pipe.Fitting{Name: "b", Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashXXH3)},
	)
	spec.RingSize = 64
	id := pipe.WorkerID{Key: pipe.Key{Pipe: spec.ID}, Instance: 1}
	r, _ := pipe.NewRunner(&pipe.StartWorker{Worker: id, Spec: spec, Partition: ring.Partition(3)}, pipe.NewRegistry(), pipe.RunnerOptions{})
	var builder pipe.Builder
	for i := range 256 {
		builder.Append(binary.LittleEndian.AppendUint64(nil, uint64(i)))
	}
	give := &pipe.Give{Worker: id, Batches: []pipe.Batch{builder.Seal()}}
	b.ReportAllocs()
	for b.Loop() {
		actions := r.Step(give)
		for len(actions) > 0 {
			var acks []*pipe.Ack
			for _, a := range actions {
				if t, ok := a.(pipe.Transmit); ok {
					e := t.Enqueue
					acks = append(acks, &pipe.Ack{Pipe: e.Pipe, Fitting: e.Fitting, Partition: e.Partition, Stream: e.Stream, Seq: e.Seq})
				}
			}
			actions = nil
			for _, a := range acks {
				actions = append(actions, r.Step(a)...)
			}
		}
	}
	b.ReportMetric(float64(b.N*256)/b.Elapsed().Seconds(), "items/s")
}
