package pipe_test

import (
	"errors"
	"testing"

	"github.com/dee2748c/baton/pipe"
)

// exported returns everything that a vnode in the middle of its work hands on.
func exported(t testing.TB) map[string][]byte {
	t.Helper()
	s := script{limit: 1}
	q := pipe.NewQueues(pipe.QueuesOptions{Partition: 3})
	all := make(map[string][]byte)
	step := func(e pipe.QueuesEvent) {
		for _, a := range q.Step(e) {
			if d, ok := a.(pipe.Dirty); ok {
				all[string(d.Key)] = nil
			}
		}
	}
	enqueue := func(id pipe.ID, fitting int, seq uint64) *pipe.Enqueue {
		return &pipe.Enqueue{
			Pipe: id, Fitting: fitting, Partition: 3, Coordinator: scriptCoordinator, Seq: seq,
			Stream: pipe.Stream{Fitting: pipe.Input, From: 1}, ReplyTo: pipe.Address{Node: "client", Endpoint: 5},
			Batch: pipe.BatchOf([]byte("item"), nil),
		}
	}
	worker := func(id pipe.ID, fitting int, instance uint64) pipe.WorkerID {
		return pipe.WorkerID{Key: pipe.Key{Pipe: id, Fitting: fitting}, Instance: instance}
	}
	a, b := scriptID("A"), scriptID("B")
	step(pipe.Opened{Epoch: 1})
	step(enqueue(a, 0, 1))
	step(&pipe.SpecKnown{Spec: s.spec(a)})
	step(enqueue(a, 0, 2)) // held
	step(enqueue(a, 1, 1))
	step(enqueue(b, 0, 1)) // spec not known
	step(pipe.NextInput{Worker: worker(a, 1, 2)})
	step(&pipe.EOI{Pipe: a, Fitting: 1, Partition: 3, Coordinator: scriptCoordinator})
	step(pipe.NextInput{Worker: worker(a, 1, 2)})
	step(&pipe.WorkerDone{Worker: worker(a, 1, 2), Counts: pipe.Counts{In: 2, Sent: []pipe.Sent{{Partition: 4, Items: 2}}}, Archive: []byte("rest")})
	step(pipe.FoldReq{Session: 1})
	step(&pipe.Archived{Worker: worker(a, 0, 1), Archive: []byte("archive")})
	step(pipe.Seal{})
	for k := range all {
		v, ok := q.ExportItem([]byte(k))
		if !ok {
			t.Fatalf("no item %s", itemName([]byte(k)))
		}
		all[k] = v
	}
	return all
}

// TestImport_damaged: every item that is cut short is refused with a typed
// error, and none half taken.
func TestImport_damaged(t *testing.T) {
	kinds := make(map[byte]bool)
	for k, v := range exported(t) {
		kinds[k[16]] = true
		cuts := len(v)
		if k[16] == 2 { // an archive is any bytes
			cuts = 1
		}
		for n := range cuts {
			q := pipe.NewQueues(pipe.QueuesOptions{Partition: 3})
			if err := q.Import([]byte(k), v[:n]); !errors.Is(err, pipe.ErrDamaged) {
				t.Fatalf("%s cut to %d bytes: %v", itemName([]byte(k)), n, err)
			}
			if !q.Empty() {
				t.Fatalf("%s cut to %d bytes was taken", itemName([]byte(k)), n)
			}
		}
		newer := append([]byte(nil), v...)
		newer[0]++
		if err := pipe.NewQueues(pipe.QueuesOptions{}).Import([]byte(k), newer); !errors.Is(err, pipe.ErrVersion) {
			t.Fatalf("%s of a newer version: %v", itemName([]byte(k)), err)
		}
		if err := pipe.NewQueues(pipe.QueuesOptions{}).Import([]byte(k[:len(k)-1]), v); !errors.Is(err, pipe.ErrDamaged) {
			t.Fatalf("cut key: %v", err)
		}
	}
	if len(kinds) != 5 {
		t.Errorf("%d kinds of items, want 5", len(kinds))
	}
}

// TestExportItem_unknown: keys of nothing are gone, whatever they say.
func TestExportItem_unknown(t *testing.T) {
	q := pipe.NewQueues(pipe.QueuesOptions{})
	for k := range exported(t) {
		if _, ok := q.ExportItem([]byte(k)); ok {
			t.Errorf("an empty vnode has %s", itemName([]byte(k)))
		}
	}
	if _, ok := q.ExportItem([]byte("key")); ok {
		t.Error("a damaged key has an item")
	}
}

// TestImport_heldAlone: a held batch whose head is missing is worked on and
// acknowledged, and its window known (found by FuzzImport: a nil window).
func TestImport_heldAlone(t *testing.T) {
	q := pipe.NewQueues(pipe.QueuesOptions{Partition: 3})
	for k, v := range exported(t) {
		if k[16] == 1 { // the head of a fitting
			continue
		}
		if err := q.Import([]byte(k), v); err != nil {
			t.Fatal(err)
		}
	}
	acked := false
	todo := q.Step(pipe.Opened{Epoch: 2})
	for len(todo) > 0 {
		a := todo[0]
		todo = todo[1:]
		switch a := a.(type) {
		case *pipe.StartWorker:
			for range 3 {
				todo = append(todo, q.Step(pipe.NextInput{Worker: a.Worker})...)
			}
		case *pipe.Ack:
			acked = acked || a.Seq == 2
		}
	}
	if !acked {
		t.Error("the held batch was never acknowledged")
	}
}

// FuzzImport: no bytes make a vnode panic, now or when it opens and works.
func FuzzImport(f *testing.F) {
	for k, v := range exported(f) {
		f.Add([]byte(k), v)
	}
	good := exported(f)
	f.Fuzz(func(t *testing.T, key, value []byte) {
		q := pipe.NewQueues(pipe.QueuesOptions{Partition: 3})
		err := q.Import(key, value)
		if err != nil && !errors.Is(err, pipe.ErrDamaged) && !errors.Is(err, pipe.ErrVersion) {
			t.Fatalf("error %v", err)
		}
		for k, v := range good {
			if err := q.Import([]byte(k), v); err != nil {
				t.Fatal(err)
			}
		}
		for _, a := range q.Step(pipe.Opened{Epoch: 2}) {
			if s, ok := a.(*pipe.StartWorker); ok {
				q.Step(pipe.NextInput{Worker: s.Worker})
			}
		}
		q.Step(pipe.Tick{})
		q.Step(pipe.FoldReq{})
		q.Step(pipe.Seal{})
	})
}
