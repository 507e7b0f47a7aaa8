package kv_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/replica"
)

// transcript is one request to the copies of a key, with real copies: what
// happens to its Sends is told line by line.
type transcript struct {
	*testing.T
	d     *datadriven.TestData
	f     *fleet
	props bucket.Properties
	now   time.Time
	m     replica.Machine
	known kv.Context
	read  *kv.Read
	write *kv.Write

	removes, ready bool
}

// TestMachines_transcripts runs the transcripts of testdata. Copies are called
// by their nodes, those that stand in too.
//
//	copies [n=N] [down=(b,c)] and properties of the bucket   empty copies; ends what was there
//	hold at=(a,b) value=V | at=(a,b) removed                 these copies have got a write
//	know                                                     the object's context, for puts and deletes with "known"
//	spoil at=a [content]   incomplete at=a   grace at=(a,b)            they are damaged, lack data, see the next period
//	put value=V | get | delete                               and options of the request
//	answer from=a   fail from=a [unknown] [spare=s]          the end of a Send; unknown was not done
//	expire                                                   the time is up
//	show                                                     what the copies hold
func TestMachines_transcripts(t *testing.T) {
	for _, dir := range []string{"testdata/write", "testdata/read"} {
		datadriven.Walk(t, dir, func(t *testing.T, path string) {
			x := &transcript{T: t}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				x.T, x.d = t, d
				return x.run()
			})
		})
	}
}

func (x *transcript) num(name string) (n int) { x.d.MaybeScanArgs(x.T, name, &n); return n }

func (x *transcript) text(name string) (s string) { x.d.MaybeScanArgs(x.T, name, &s); return s }

func (x *transcript) nodes(name string) []string {
	for _, arg := range x.d.CmdArgs {
		if arg.Key == name {
			return arg.Vals
		}
	}
	return nil
}

// quorum is "all", "quorum" or a number; without it, it is as the bucket says.
func (x *transcript) quorum(name string) bucket.Quorum {
	switch {
	case !x.d.HasArg(name):
		return bucket.Default
	case x.text(name) == "0":
		return bucket.None
	case x.text(name) == "all":
		return bucket.All
	case x.text(name) == "quorum":
		return bucket.Majority
	}
	return bucket.Quorum(x.num(name))
}

func (x *transcript) yes(name string, unset bool) bool {
	if x.d.HasArg(name) {
		x.d.ScanArgs(x.T, name, &unset)
	}
	return unset
}

func (x *transcript) run() string {
	var out strings.Builder
	switch x.d.Cmd {
	case "copies":
		x.copies()
		return ""
	case "hold":
		x.hold()
		return ""
	case "know":
		x.know()
		return ""
	case "spoil", "incomplete", "grace":
		x.change()
		return ""
	case "show":
		x.show(&out)
		return out.String()
	case "put", "delete", "get":
		x.begin()
		x.happens(&out, replica.Event{Type: replica.Begin})
	case "expire":
		x.happens(&out, replica.Event{Type: replica.Expire})
	case "answer", "fail":
		x.end(&out)
	default:
		x.d.Fatalf(x.T, "unknown command %q", x.d.Cmd)
	}
	return out.String()
}

func (x *transcript) copies() {
	n := 3
	if x.d.HasArg("n") {
		n = x.num("n")
	}
	x.f, x.props, x.now = newFleet(x.T, n), bucket.Defaults(n), time.UnixMilli(2e12)
	for _, name := range x.nodes("down") {
		x.f.down[name[0]-'a'] = true
	}
	p := &x.props
	p.Sloppy, p.NotFoundOK = x.yes("sloppy", p.Sloppy), x.yes("notfound_ok", p.NotFoundOK)
	p.BasicQuorum, p.AllowMult = x.yes("basic_quorum", p.BasicQuorum), x.yes("allow_mult", p.AllowMult)
	p.LastWriteWins = x.yes("last_write_wins", p.LastWriteWins)
	p.TTL = time.Duration(x.num("ttl")) * time.Second
}

// hold has copies take a write that no other one has heard of.
func (x *transcript) hold() {
	at := x.nodes("at")
	var m *kv.Write
	var err error
	p := strict(len(x.f.copies))
	w := kv.WriteOptions{W: 1, DW: 1}
	if x.d.HasArg("removed") {
		o, err := x.f.read(&p, ring.NodeID(at[0]))
		if err != nil {
			x.Fatal(err)
		}
		m, err = kv.NewRemove(x.f.set(ring.NodeID(at[0])), kv.Delete{Bucket: "b", Key: "k", Context: o.Context, Options: w}, &p)
		if err != nil {
			x.Fatal(err)
		}
	} else {
		o := kv.Object{Bucket: "b", Key: "k", Value: []byte(x.text("value")), Modified: x.now.Add(-time.Duration(x.num("age")) * time.Second)}
		if m, err = kv.NewWrite(x.f.set(ring.NodeID(at[0])), kv.Put{Object: o, Options: w}, &p); err != nil {
			x.Fatal(err)
		}
	}
	x.f.begin(m, nil)
	for len(x.f.pending) > 0 {
		how := refuses
		if slices.Contains(at, string(x.f.pending[0].send.To.Node)) {
			how = answers
		}
		x.f.end(0, how, "")
	}
}

var transcriptKey = string(kv.AppendKey(nil, testHead, "", "b", "k"))

func (x *transcript) change() {
	for _, name := range x.nodes("at") {
		s := x.f.copies[name[0]-'a']
		switch x.d.Cmd {
		case "spoil":
			item := s.store[transcriptKey]
			item.Value = append([]byte(nil), item.Value...)
			if x.d.HasArg("content") {
				item.Value[len(item.Value)-1-len("v")]++ // the length of the value
			} else {
				item.Value[1] = 200
			}
			s.store[transcriptKey] = item
		case "incomplete":
			s.copied.Incomplete = true
		case "grace":
			s.copied.Grace++
		}
	}
}

func (x *transcript) show(out *strings.Builder) {
	shown := func(s *server, name string) {
		item, ok := s.store[transcriptKey]
		var state kv.State
		switch err := state.Decode(item.Value); {
		case !ok:
			fmt.Fprintf(out, "%s: nothing\n", name)
		case err != nil:
			fmt.Fprintf(out, "%s: damaged\n", name)
		default:
			m, err := kv.NewRead(s.set(), kv.Get{Bucket: "b", Key: "k", Tombstones: true}, &one, time.Time{})
			if err != nil {
				x.Fatal(err)
			}
			whole := s.copied
			s.copied.Incomplete = false
			s.run(m)
			s.copied = whole
			o, err := m.Object()
			if err != nil {
				x.Fatal(err)
			}
			fmt.Fprintf(out, "%s: %s\n", name, values(o))
		}
	}
	for _, s := range x.f.copies {
		shown(s, string(s.at.Node))
	}
	var spares []string
	for e := range x.f.spares {
		spares = append(spares, string(e.Node))
	}
	slices.Sort(spares)
	for _, name := range spares {
		for e, s := range x.f.spares {
			if string(e.Node) == name {
				shown(s, fmt.Sprintf("%s for %s", name, node(int(e.Partition-testHead))))
			}
		}
	}
}

func values(o kv.Object) string {
	var out []string
	for _, c := range o.Contents() {
		if c.Deleted {
			out = append(out, "tombstone")
		} else {
			out = append(out, string(c.Value))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// know reads the object for its context.
func (x *transcript) know() {
	p := strict(len(x.f.copies))
	o, err := x.f.read(&p, "a")
	if err != nil {
		x.Fatal(err)
	}
	x.known = o.Context
}

// begin makes the machine of a request.
func (x *transcript) begin() {
	x.read, x.write, x.ready, x.removes = nil, nil, false, x.d.Cmd == "delete"
	x.f.pending = nil
	set, p := x.f.set("a"), &x.props
	sloppy := kv.Unset
	if x.d.HasArg("sloppy") {
		sloppy = kv.No
		if x.yes("sloppy", false) {
			sloppy = kv.Yes
		}
	}
	var context kv.Context
	if x.d.HasArg("known") {
		context = x.known
	}
	w := kv.WriteOptions{
		W: x.quorum("w"), DW: x.quorum("dw"), PW: x.quorum("pw"), NodeConfirms: x.num("node_confirms"), Sloppy: sloppy,
	}
	var err error
	switch x.d.Cmd {
	case "get":
		get := kv.Get{Bucket: "b", Key: "k", Options: kv.ReadOptions{
			R: x.quorum("r"), PR: x.quorum("pr"), NodeConfirms: x.num("node_confirms"), Sloppy: sloppy,
		}}
		x.read, err = kv.NewRead(set, get, p, x.now)
		x.m = x.read
	case "put":
		put := kv.Put{Object: kv.Object{Bucket: "b", Key: "k", Value: []byte(x.text("value")), Modified: x.now, Context: context}, Options: w}
		put.IfNoneMatch, put.IfNotModified = x.d.HasArg("if-none-match"), x.d.HasArg("if-not-modified")
		x.write, err = kv.NewWrite(set, put, p)
		x.m = x.write
	case "delete":
		x.write, err = kv.NewRemove(set, kv.Delete{Bucket: "b", Key: "k", Modified: x.now, Context: context, Options: w}, p)
		x.m = x.write
	}
	if err != nil {
		x.Fatal(err)
	}
}

// end ends the Send to a node.
func (x *transcript) end(out *strings.Builder) {
	from := x.text("from")
	i := slices.IndexFunc(x.f.pending, func(p *flying) bool { return string(p.send.To.Node) == from })
	if i < 0 {
		x.d.Fatalf(x.T, "nothing is under way to %s", from)
	}
	send := x.f.pending[i].send
	x.f.pending = slices.Delete(x.f.pending, i, i+1)
	if x.d.Cmd == "answer" {
		x.happens(out, replica.Event{Type: replica.Answer, Send: send.ID, Body: x.f.at(send.To).send(send.Body)})
		return
	}
	x.happens(out, replica.Event{
		Type: replica.Fail, Send: send.ID, Err: errors.New("link to " + from), Unknown: x.d.HasArg("unknown"), Spare: ring.NodeID(x.text("spare")),
	})
}

func (x *transcript) happens(out *strings.Builder, e replica.Event) {
	for _, s := range x.m.Step(e, nil) {
		x.f.pending = append(x.f.pending, &flying{x.m, s})
		fmt.Fprintf(out, "%s -> %s\n", sent(s), at(s.To))
	}
	if x.m.Ready() && !x.ready {
		x.ready = true
		fmt.Fprintf(out, "ready: %s\n", x.outcome())
	}
	switch {
	case x.m.Done():
		fmt.Fprintln(out, "done")
	case x.m.Ready():
		fmt.Fprintln(out, "goes on")
	default:
		fmt.Fprintln(out, "waits")
	}
}

func at(e ring.Entry) string {
	if e.Fallback {
		return fmt.Sprintf("%s for %s", e.Node, node(int(e.Partition-testHead)))
	}
	return string(e.Node)
}

// sent names a command and its flags, as request.go and command.go number them.
func sent(s replica.Send) string {
	ops := [...]string{1: "put", 2: "get", 3: "delete", 5: "merge", 6: "digest"}
	flags := map[byte][]string{
		1: {"if-none-match", "if-not-modified", "if-match", "last-write-wins", "settle", "ttl", "state", "volatile"},
		5: {"settle", "lookup", "answer"},
	}
	flags[3] = flags[1]
	op := s.Body[0]
	words := []string{ops[op]}
	for i, name := range flags[op] {
		if s.Body[1]&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	if op == 5 && s.Body[2] > 0 {
		words = append(words, fmt.Sprint("grace=", s.Body[2]))
	}
	if s.Volatile {
		words = append(words, "(need not be durable)")
	}
	return strings.Join(words, " ")
}

func (x *transcript) outcome() string {
	if x.read != nil {
		o, err := x.read.Object()
		if err != nil {
			return err.Error()
		}
		return values(o)
	}
	if x.removes {
		d, err := x.write.Deleted()
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("deleted, existed %t, %d left", d.Existed, d.Siblings)
	}
	w, err := x.write.Written()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("written, siblings %d", w.Siblings)
}
