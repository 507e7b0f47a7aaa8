package handoff_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/store"
)

// BenchmarkTransfer_bulk is everything that this package does for a transfer,
// from the snapshot's iterator to the store's batch, without store, digest and
// wire: the share of a handoff that is ours.
func BenchmarkTransfer_bulk(b *testing.B) {
	const n, size = 20_000, 1024
	src := make([]store.Item, n)
	value := bytes.Repeat([]byte("v"), size)
	for i := range src {
		src[i] = store.Item{Key: fmt.Appendf(nil, "bucket/key-%08d", i), Value: value, Version: 1 << 40}
	}
	view := handoff.View{Node: "b", MaxSession: 7, Staged: 7, Part: topology.Part{LastSession: 7, Transfer: &topology.Transfer{
		Session: 7, Source: "a", Target: "b", Stage: topology.StageFold,
	}}}
	b.SetBytes(n * size)
	b.ReportAllocs()
	for b.Loop() {
		s, r := handoff.NewSender(handoff.SenderOptions{}), handoff.NewReceiver()
		bulk := handoff.NewBulkReader(&iterator{items: src, at: -1}, nil)
		var batch store.Batch
		r.Step(handoff.Hello{Session: 7, Source: "a", Codec: handoff.Codec, View: view})
		r.Step(handoff.StagingReset{})
		s.Step(handoff.StreamOpened{})
		s.Step(handoff.HelloOK{})
		events := []handoff.SenderEvent{handoff.FoldBegun{}}
		applied := 0
		for len(events) > 0 {
			e := events[0]
			events = events[1:]
			for _, a := range s.Step(e) {
				switch a := a.(type) {
				case handoff.ReadBulk:
					events = append(events, bulk.Read(a.MaxBytes))
				case handoff.SendItems:
					for _, ra := range r.Step(handoff.Batch{Session: 7, Seq: a.Seq, Payload: a.Payload}) {
						batch.Reset()
						ra.(handoff.Apply).Items.AddTo(&batch)
						applied += batch.Len()
					}
					r.Step(handoff.Applied{Seq: a.Seq})
					events = append(events, handoff.Acked{UpTo: a.Seq})
				}
			}
		}
		if applied != n {
			b.Fatalf("%d items of %d", applied, n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/item")
}
