package pipe_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/dee2748c/baton/pipe"
)

// TestQueues_transcripts runs the transcripts of testdata/queues. Pipes are
// A to Z with fittings 0 and 1, a worker is A0#1 (pipe, fitting, instance), and
// vnodes of one partition on several nodes are told apart by node=N, 1 unless
// said.
//
//	new [give=N] [held=BYTES] [limit=ITEMS]                 the next node
//	enqueue A0 from=N seq=N items=x,y [round=N]
//	spec A | spec-gone A | eoi A0 [run-empty] | destroy A | tick | node-gone incarnation=N
//	probe A0 | quiet A0#1 in=N                              is there anything left to do; there was not
//	next A0#1 | archived A0#1 | done A0#1 in=N | exited A0#1 [cause=TEXT]
//	fold | cancel | seal | ready | empty
//	hand-over to=N [again]                                  import what was named dirty, then Opened
func TestQueues_transcripts(t *testing.T) {
	datadriven.Walk(t, "testdata/queues", func(t *testing.T, path string) {
		s := new(script)
		datadriven.RunTest(t, path, s.run)
	})
}

type script struct {
	nodes []*scriptNode
	limit int
}

type scriptNode struct {
	q     *pipe.Queues
	dirty map[string]bool
}

func scriptID(s string) pipe.ID { return pipe.ID{s[0]} }

func scriptKey(t *testing.T, s string) pipe.Key {
	n, err := strconv.Atoi(s[1:])
	if err != nil {
		t.Fatalf("fitting %q: %v", s, err)
	}
	return pipe.Key{Pipe: scriptID(s), Fitting: n}
}

func scriptWorker(t *testing.T, s string) pipe.WorkerID {
	key, n, _ := strings.Cut(s, "#")
	instance, err := strconv.Atoi(n)
	if err != nil {
		t.Fatalf("worker %q: %v", s, err)
	}
	return pipe.WorkerID{Key: scriptKey(t, key), Instance: uint64(instance)}
}

var scriptCoordinator = pipe.Address{Node: "n1", Incarnation: 1, Endpoint: 20}

func (s *script) spec(id pipe.ID) *pipe.Spec {
	f := func(name string) pipe.Fitting {
		return pipe.Fitting{Name: name, Worker: pipe.Pass, Route: pipe.Follow(), QueueItems: s.limit}
	}
	return &pipe.Spec{ID: id, RingSize: 8, Coordinator: scriptCoordinator, Fittings: []pipe.Fitting{f("zero"), f("one")}}
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	node := 1
	d.MaybeScanArgs(t, "node", &node)
	if d.Cmd == "new" {
		opt := pipe.QueuesOptions{Partition: 3, Trace: true}
		d.MaybeScanArgs(t, "give", &opt.GiveItems)
		d.MaybeScanArgs(t, "held", &opt.MaxHeld)
		d.MaybeScanArgs(t, "limit", &s.limit)
		n := &scriptNode{q: pipe.NewQueues(opt), dirty: make(map[string]bool)}
		s.nodes = append(s.nodes, n)
		if d.HasArg("closed") {
			return ""
		}
		return n.step(pipe.Opened{Epoch: uint64(len(s.nodes))})
	}
	n := s.nodes[node-1]
	switch d.Cmd {
	case "ready":
		return fmt.Sprintln(n.q.ExportReady())
	case "empty":
		return fmt.Sprintln(n.q.Empty())
	case "hand-over":
		return s.handOver(t, d, n)
	}
	return n.step(s.event(t, d))
}

// handOver imports into another node what this one named dirty and still has.
func (s *script) handOver(t *testing.T, d *datadriven.TestData, n *scriptNode) string {
	var to int
	d.ScanArgs(t, "to", &to)
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(n.dirty)) {
		v, ok := n.q.ExportItem([]byte(k))
		if !ok {
			fmt.Fprintf(&b, "gone %s\n", itemName([]byte(k)))
			continue
		}
		fmt.Fprintf(&b, "item %s\n", itemName([]byte(k)))
		if err := s.nodes[to-1].q.Import([]byte(k), v); err != nil {
			t.Fatal(err)
		}
	}
	if d.HasArg("more") {
		return b.String()
	}
	b.WriteString(s.nodes[to-1].step(pipe.Opened{Epoch: uint64(to)}))
	return b.String()
}

func (n *scriptNode) step(e pipe.QueuesEvent) string {
	var b strings.Builder
	for _, a := range n.q.Step(e) {
		if a, ok := a.(pipe.Dirty); ok {
			n.dirty[string(a.Key)] = true
		}
		fmt.Fprintln(&b, describe(a))
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func (s *script) event(t *testing.T, d *datadriven.TestData) pipe.QueuesEvent {
	t.Helper()
	var arg string
	if len(d.CmdArgs) > 0 {
		arg = d.CmdArgs[0].Key
	}
	switch d.Cmd {
	case "enqueue":
		return s.enqueue(t, d, scriptKey(t, arg))
	case "spec":
		return &pipe.SpecKnown{Partition: 3, Spec: s.spec(scriptID(arg))}
	case "spec-gone":
		return &pipe.SpecGone{Partition: 3, Pipe: scriptID(arg)}
	case "eoi":
		k := scriptKey(t, arg)
		return &pipe.EOI{
			Pipe: k.Pipe, Fitting: k.Fitting, Partition: 3, RunEmpty: d.HasArg("run-empty"), Coordinator: scriptCoordinator,
		}
	case "probe":
		k := scriptKey(t, arg)
		return &pipe.EOI{Pipe: k.Pipe, Fitting: k.Fitting, Partition: 3, Probe: true, Coordinator: scriptCoordinator}
	case "quiet":
		e := &pipe.WorkerQuiet{Worker: scriptWorker(t, arg)}
		d.ScanArgs(t, "in", &e.Counts.In)
		return e
	case "destroy":
		return &pipe.Destroy{Pipe: scriptID(arg), Partition: 3, ReplyTo: scriptCoordinator}
	case "node-gone":
		e := pipe.NodeGone{Node: "n1"}
		d.ScanArgs(t, "incarnation", &e.Incarnation)
		return e
	case "next":
		return pipe.NextInput{Worker: scriptWorker(t, arg)}
	case "archived":
		return &pipe.Archived{Worker: scriptWorker(t, arg), Archive: []byte("archive of " + arg)}
	case "done":
		e := &pipe.WorkerDone{Worker: scriptWorker(t, arg), Archive: []byte("rest of " + arg)}
		d.ScanArgs(t, "in", &e.Counts.In)
		return e
	case "exited":
		e := &pipe.WorkerExited{Worker: scriptWorker(t, arg)}
		if d.HasArg("cause") {
			e.Err = &pipe.WorkerError{Cause: pipe.ErrTooLarge}
		}
		return e
	}
	simple := map[string]pipe.QueuesEvent{
		"tick": pipe.Tick{}, "fold": pipe.FoldReq{Session: 7}, "cancel": pipe.HandoffCancelled{}, "seal": pipe.Seal{},
	}
	e, ok := simple[d.Cmd]
	if !ok {
		t.Fatalf("unknown command %s", d.Cmd)
	}
	return e
}

func (s *script) enqueue(t *testing.T, d *datadriven.TestData, k pipe.Key) *pipe.Enqueue {
	e := &pipe.Enqueue{
		Pipe: k.Pipe, Fitting: k.Fitting, Partition: 3, Coordinator: scriptCoordinator,
		Stream: pipe.Stream{Fitting: pipe.Input}, ReplyTo: pipe.Address{Node: "client", Endpoint: 5},
	}
	var items string
	d.ScanArgs(t, "items", &items)
	d.ScanArgs(t, "seq", &e.Seq)
	d.ScanArgs(t, "from", &e.Stream.From)
	d.MaybeScanArgs(t, "round", &e.Round)
	var b pipe.Builder
	for _, it := range strings.Split(items, ",") {
		b.Append([]byte(it))
	}
	e.Batch = b.Seal()
	return e
}

func keyName(k pipe.Key) string { return fmt.Sprintf("%c%d", k.Pipe[0], k.Fitting) }

func workerName(w pipe.WorkerID) string { return fmt.Sprintf("%s#%d", keyName(w.Key), w.Instance) }

func itemName(key []byte) string {
	kind := []string{"spec", "head", "archive", "queue", "held", "own"}[key[16]]
	if key[16] == 0 {
		return fmt.Sprintf("%c %s", key[0], kind)
	}
	name := fmt.Sprintf("%c%d %s", key[0], key[18], kind)
	if len(key) > 19 {
		name += fmt.Sprintf(" %d", key[26])
	}
	return name
}

func batchNames(all []pipe.Batch) string {
	var names []string
	for _, b := range all {
		for it := range b.All() {
			names = append(names, string(it))
		}
	}
	return strings.Join(names, " ")
}

func archiveNames(all [][]byte) string {
	var names []string
	for _, a := range all {
		names = append(names, strconv.Quote(string(a)))
	}
	return strings.Join(names, " ")
}

func describe(a pipe.QueuesAction) string {
	switch a := a.(type) {
	case *pipe.Ack:
		return fmt.Sprintf("ack %v seq=%d to %v", a.Stream, a.Seq, a.To)
	case *pipe.Refuse:
		return fmt.Sprintf("refuse %v expected=%d round=%d", a.Stream, a.Expected, a.Round)
	case *pipe.SpecRequest:
		return fmt.Sprintf("ask for the spec of %c from %v", a.Pipe[0], a.To)
	case *pipe.Done:
		return fmt.Sprintf("report %s done, in=%d", keyName(pipe.Key{Pipe: a.Pipe, Fitting: a.Fitting}), a.Counts.In)
	case *pipe.Failed:
		return fmt.Sprintf("report %s failed: %s", keyName(pipe.Key{Pipe: a.Pipe, Fitting: a.Fitting}), a.Cause)
	case *pipe.Destroyed:
		return fmt.Sprintf("%c is destroyed", a.Pipe[0])
	case *pipe.StartWorker:
		return strings.TrimSpace(fmt.Sprintf("start %s attempt=%d %s", workerName(a.Worker), a.Attempt, archiveNames(a.Archives)))
	case *pipe.Give:
		return fmt.Sprintf("give %s: %s", workerName(a.Worker), batchNames(a.Batches))
	case *pipe.GiveArchives:
		return fmt.Sprintf("give %s archives: %s", workerName(a.Worker), archiveNames(a.Archives))
	case pipe.GiveDone:
		return fmt.Sprintf("give %s the end", workerName(a.Worker))
	case pipe.OrderArchive:
		return fmt.Sprintf("order %s to archive", workerName(a.Worker))
	case pipe.GiveProbe:
		return fmt.Sprintf("probe %s", workerName(a.Worker))
	case pipe.Park:
		return fmt.Sprintf("park %s", workerName(a.Worker))
	case pipe.StopWorker:
		return fmt.Sprintf("stop %s", workerName(a.Worker))
	case pipe.Dirty:
		return "dirty " + itemName(a.Key)
	case pipe.Traced:
		return fmt.Sprintf("  trace %s %s %d", keyName(a.Key), a.Tag, a.N)
	default:
		return fmt.Sprintf("%T", a)
	}
}
