package kv

import (
	"errors"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv/hashtree"
	"github.com/dee2748c/baton/replica"
)

// ErrOtherCopies reports that a copy does not know the same numbers of copies of
// the buckets: the nodes have applied different records. Ask again.
var ErrOtherCopies = errors.New("numbers of copies of the buckets differ")

var errSliceExpired = errors.New("copies did not answer in time")

// Exchanged is what an exchange has found and done.
type Exchanged struct {
	Keys      uint64    // of the larger copy, when the roots were compared
	Differing uint64    // states that were fetched since the other copy lacks them
	Repaired  [2]uint64 // states that each of the copies took over
	Bytes     uint64    // received and sent
	Counting  [2]uint64 // keys counted so far, while a tree is counted
	Blocks    uint64    // whose keys were listed
	// Incomplete says of each copy that it lacked acknowledged data meanwhile.
	Incomplete [2]bool
}

// An Exchange compares two copies of one head's keys with n copies, and gives
// each what it lacks. It reads what differs and little else:
//
//	roots --differ--> groups --differ--> blocks --differ--> keys --differ--> states --> merge
//
// It works in slices, so that its caller can pace it and make it follow the
// record: Begin starts a slice, in which about Limit bytes pass; after Done, More
// says that another one is needed.
//
//	x := NewExchange(3, 1, a, b, copies)
//	for {
//		x.Slice(grace, now, 1<<20)
//		err := host.Run(ctx, kv.KindName, x) // and x.Err()
//		if !x.More() { break }
//	}
//
// It holds a page of each kind at a time, whatever the copies hold.
type Exchange struct {
	head   ring.Partition
	n      int
	copies uint64 // signature
	to     [2]ring.Entry
	// session is the repair that the first copy is changed under, 0 if there is none.
	session uint64

	grace, now uint64 // of the slice
	limit      uint64 // bytes

	stack   []exchangeWork // what is left to do, the next one last
	work    exchangeWork   // what is being done
	answers [2]treeAnswer
	waiting int
	last    int // ID of the last Send

	spent  uint64 // bytes of the slice
	done   bool
	err    error
	result Exchanged
}

// exchangeWork is one range to be compared, or what is to be copied.
type exchangeWork struct {
	ask      byte
	from, to string
	source   int        // of treeStates: the copy that has them
	ranges   []nameSpan // of treeStates
	merge    []byte     // what the other copy is to take over, and how many
	items    uint64
}

// maxRanges is how many ranges one command reads.
const maxRanges = 256

// NewExchange returns an exchange between the vnodes of partitions a and b, for
// the keys of a head with n copies. copies is [CopiesSignature] of the catalog.
func NewExchange(head ring.Partition, n int, a, b ring.Partition, copies uint64) *Exchange {
	return &Exchange{
		head: head, n: n, copies: copies, to: [2]ring.Entry{{Partition: a}, {Partition: b}},
		stack: []exchangeWork{{ask: treeRoot}},
	}
}

// Under has the first copy, a, changed under a repair of the record: what comes
// when that is over is refused.
func (x *Exchange) Under(session uint64) { x.session = session }

// Slice prepares the next run: set is who has the copies, from the record of now,
// now is the present time in Unix milliseconds, and limit the bytes that may pass.
func (x *Exchange) Slice(set replica.Set, now uint64, limit int) {
	for i := range x.to {
		for _, c := range set.Copies {
			if c.Partition == x.to[i].Partition {
				x.to[i] = c.Entry
			}
		}
	}
	x.grace, x.now, x.limit, x.spent = set.Grace, now, uint64(limit), 0
	x.done, x.err, x.waiting = false, nil, 0
	if x.work.ask != 0 { // the slice before ended in the middle of it
		x.stack = append(x.stack, x.work)
		x.work = exchangeWork{}
	}
}

// More reports whether the exchange has not come to its end.
func (x *Exchange) More() bool { return len(x.stack) > 0 || x.work.ask != 0 }

// Err returns why the slice has ended early, nil if it has not. The exchange may
// go on with another slice.
func (x *Exchange) Err() error { return x.err }

// Result returns what was found and done so far.
func (x *Exchange) Result() Exchanged { return x.result }

// Ready implements replica.Machine.
func (x *Exchange) Ready() bool { return x.done }

// Done implements replica.Machine.
func (x *Exchange) Done() bool { return x.done }

// Step implements replica.Machine.
func (x *Exchange) Step(e replica.Event, sends []replica.Send) []replica.Send {
	if x.done {
		return sends
	}
	switch e.Type {
	case replica.Begin:
		return x.next(sends)
	case replica.Answer:
		x.count(len(e.Body))
		if len(x.work.merge) > 0 {
			return x.merged(e.Body, sends)
		}
		return x.answered(e.Send, e.Body, sends)
	case replica.Fail:
		return x.stop(e.Err, sends)
	default:
		return x.stop(errSliceExpired, sends)
	}
}

func (x *Exchange) count(n int) {
	x.spent += uint64(n)
	x.result.Bytes += uint64(n)
}

func (x *Exchange) stop(err error, sends []replica.Send) []replica.Send {
	x.done, x.err = true, err
	return sends
}

// next sends what the next piece of work asks.
func (x *Exchange) next(sends []replica.Send) []replica.Send {
	x.work = exchangeWork{}
	if len(x.stack) == 0 || x.spent >= x.limit {
		x.done = true
		return sends
	}
	top := len(x.stack) - 1
	x.work = x.stack[top]
	x.stack[top] = exchangeWork{}
	x.stack = x.stack[:top]
	w := &x.work
	if len(w.merge) > 0 {
		return x.sendMerge(sends)
	}
	a := treeAsk{ask: w.ask, head: x.head, n: x.n, copies: x.copies, from: w.from, to: w.to, now: x.now, ranges: w.ranges}
	if w.ask == treeStates {
		x.waiting = 1
		return x.send(sends, w.source, a.appendBody(nil))
	}
	x.waiting = 2
	body := a.appendBody(nil)
	return x.send(x.send(sends, 0, body), 1, body)
}

// send numbers a Send so that its ID modulo 2 is the copy.
func (x *Exchange) send(sends []replica.Send, to int, body []byte) []replica.Send {
	x.count(len(body))
	x.last = (x.last/2+1)*2 + to
	return append(sends, replica.Send{ID: x.last, To: x.to[to], Body: body})
}

// answered takes the answer of one copy about its tree.
func (x *Exchange) answered(id int, body []byte, sends []replica.Send) []replica.Send {
	i := id % 2
	a, err := cutTreeAnswer(body)
	switch {
	case err != nil:
		return x.stop(fmt.Errorf("hash tree of %d at %v: %w", x.head, x.to[i], err), sends)
	case stale(a.grace, x.grace):
		// It may still take what was under way before a copy lost data, and would
		// not have given it to that copy.
		return x.stop(fmt.Errorf("%v has applied period %d, not %d: %w", x.to[i], a.grace, x.grace, ErrStaleGrace), sends)
	case a.status == treeOther:
		return x.stop(fmt.Errorf("%v: %w", x.to[i], ErrOtherCopies), sends)
	}
	x.answers[i] = a
	x.result.Incomplete[i] = x.result.Incomplete[i] || a.flags&isIncomplete != 0
	if x.waiting--; x.waiting > 0 {
		return sends
	}
	if x.work.ask == treeStates {
		return x.fetched(x.answers[x.work.source], sends)
	}
	if again, err := x.counting(); err != nil || again {
		if err != nil {
			return x.stop(err, sends)
		}
		return x.next(sends)
	}
	if err := x.compare(); err != nil {
		return x.stop(fmt.Errorf("hash trees of %d at %v and %v: %w", x.head, x.to[0], x.to[1], err), sends)
	}
	return x.next(sends)
}

// countingCost is what a page that was counted takes from the slice, in bytes:
// it costs the copy time.
const countingCost = 32 << 10

// counting reports whether a tree is not counted yet; then it is asked again.
func (x *Exchange) counting() (again bool, err error) {
	for i := range x.answers {
		a := &x.answers[i]
		x.result.Counting[i] = 0
		if a.status == treeCounted {
			continue
		}
		again = true
		keys, _, ok := cutUvarint(a.rest)
		if !ok {
			return false, ErrReply
		}
		x.result.Counting[i] = keys
	}
	if again {
		x.stack = append(x.stack, x.work)
		x.spent += countingCost
	}
	return again, nil
}

// compare finds out where the answers differ and what is to be done next.
func (x *Exchange) compare() error {
	switch x.work.ask {
	case treeRoot:
		return x.compareRoots()
	case treeKeys:
		return x.compareKeys()
	default:
		return x.compareNodes()
	}
}

func (x *Exchange) compareRoots() error {
	var keys [2]uint64
	var sums [2]string
	for i := range x.answers {
		n, rest, ok := cutUvarint(x.answers[i].rest)
		if !ok || len(rest) != 8 {
			return ErrReply
		}
		keys[i], sums[i] = n, string(rest)
	}
	x.result.Keys = max(keys[0], keys[1])
	if keys[0] != keys[1] || sums[0] != sums[1] {
		x.descend(hashtree.Range{KeysA: keys[0], KeysB: keys[1]}, treeGroups)
	}
	return nil
}

// descend looks into a range that differs; where one copy has nothing, it gets
// all that the other one has.
func (x *Exchange) descend(r hashtree.Range, ask byte) {
	switch {
	case r.KeysA == 0:
		x.stack = append(x.stack, exchangeWork{ask: treeStates, source: 1, ranges: []nameSpan{{r.From, r.To}}})
	case r.KeysB == 0:
		x.stack = append(x.stack, exchangeWork{ask: treeStates, source: 0, ranges: []nameSpan{{r.From, r.To}}})
	default:
		if ask == treeKeys {
			x.result.Blocks++
		}
		x.stack = append(x.stack, exchangeWork{ask: ask, from: r.From, to: r.To})
	}
}

func (x *Exchange) compareNodes() error {
	var nodes [2][]hashtree.Node
	to := x.work.to
	for i := range x.answers {
		list, rest, err := hashtree.CutNodes(x.answers[i].rest)
		if err != nil {
			return err
		}
		through, rest, ok := cutBytes(rest)
		if !ok || len(rest) > 0 {
			return ErrReply
		}
		nodes[i] = list
		if to, ok = x.through(to, string(through)); !ok {
			return ErrReply
		}
	}
	x.remaining(to)
	for i := range nodes {
		for k := len(nodes[i]); to != "" && k > 0 && nodes[i][k-1].Start >= to; k-- {
			nodes[i] = nodes[i][:k-1]
		}
	}
	ranges := hashtree.Diff(nil, nodes[0], nodes[1], x.work.from, to)
	for i := len(ranges) - 1; i >= 0; i-- {
		x.descend(ranges[i], x.work.ask+1)
	}
	return nil
}

// through returns the nearer one of two ends; the copy's has to be behind the
// beginning of the range.
func (x *Exchange) through(to, copys string) (string, bool) {
	switch {
	case copys == "":
		return to, true
	case copys <= x.work.from:
		return "", false
	case to == "" || copys < to:
		return copys, true
	}
	return to, true
}

// remaining puts what the pages left out back on the stack.
func (x *Exchange) remaining(to string) {
	if to != x.work.to {
		x.stack = append(x.stack, exchangeWork{ask: x.work.ask, from: to, to: x.work.to})
	}
}

func (x *Exchange) compareKeys() error {
	var keys [2][]keyTerm
	to := x.work.to
	for i := range x.answers {
		list, through, err := cutKeys(x.answers[i].rest)
		if err != nil {
			return err
		}
		keys[i] = list
		var ok bool
		if to, ok = x.through(to, through); !ok {
			return ErrReply
		}
	}
	x.remaining(to)
	var from [2]spans
	for a, b := keys[0], keys[1]; ; {
		inA, inB := len(a) > 0 && (to == "" || a[0].name < to), len(b) > 0 && (to == "" || b[0].name < to)
		switch {
		case !inA && !inB:
			x.fetch(0, from[0])
			x.fetch(1, from[1])
			return nil
		case inA && (!inB || a[0].name < b[0].name):
			from[0].add(a[0].name)
			from[1].gap()
			a = a[1:]
		case inB && (!inA || b[0].name < a[0].name):
			from[1].add(b[0].name)
			from[0].gap()
			b = b[1:]
		default:
			if a[0].term != b[0].term {
				from[0].add(a[0].name)
				from[1].add(b[0].name)
			} else {
				from[0].gap()
				from[1].gap()
			}
			a, b = a[1:], b[1:]
		}
	}
}

// spans are ranges that hold names which differ, and no name of the same copy
// that does not.
type spans struct {
	list []nameSpan
	open bool
}

func (s *spans) add(name string) {
	if !s.open {
		s.list = append(s.list, nameSpan{from: name})
		s.open = true
	}
	s.list[len(s.list)-1].to = name + "\x00"
}

func (s *spans) gap() { s.open = false }

func (x *Exchange) fetch(source int, s spans) {
	for rest := s.list; len(rest) > 0; {
		n := min(len(rest), maxRanges)
		x.stack = append(x.stack, exchangeWork{ask: treeStates, source: source, ranges: rest[:n:n]})
		rest = rest[n:]
	}
}

// fetched takes a page of states and gives it to the other copy.
func (x *Exchange) fetched(a treeAnswer, sends []replica.Send) []replica.Send {
	bad := fmt.Errorf("states of %d at %v: %w", x.head, x.to[x.work.source], ErrReply)
	items, rest, ok := cutUvarint(a.rest)
	if !ok {
		return x.stop(bad, sends)
	}
	at, rest, ok := cutUvarint(rest)
	if !ok || at > uint64(len(x.work.ranges)) {
		return x.stop(bad, sends)
	}
	next, rest, ok := cutBytes(rest)
	if !ok {
		return x.stop(bad, sends)
	}
	if ranges := x.work.ranges[at:]; len(ranges) > 0 {
		if string(next) < ranges[0].from || at == 0 && string(next) == ranges[0].from {
			return x.stop(bad, sends) // it would never end
		}
		left := append([]nameSpan{{string(next), ranges[0].to}}, ranges[1:]...)
		x.stack = append(x.stack, exchangeWork{ask: treeStates, source: x.work.source, ranges: left})
	}
	x.result.Differing += items
	if items > 0 {
		// K6: a copy refuses states that were read too many grace periods ago.
		body := append(appendMergeHead(nil, mergeLookup, min(x.grace, a.grace)), rest...)
		x.stack = append(x.stack, exchangeWork{ask: treeStates, source: x.work.source, merge: body, items: items})
	}
	return x.next(sends)
}

func (x *Exchange) sendMerge(sends []replica.Send) []replica.Send {
	x.waiting = 1
	sends = x.send(sends, 1-x.work.source, x.work.merge)
	if x.work.source == 1 {
		sends[len(sends)-1].Session = x.session
	}
	return sends
}

// merged takes the end of a merge. States that were read too long ago are read
// again: the ranges that they came from are compared once more from the root on,
// and by the next exchange.
func (x *Exchange) merged(body []byte, sends []replica.Send) []replica.Send {
	if _, err := cutAnswer(body); err != nil {
		if errors.Is(err, ErrStaleGrace) {
			x.work = exchangeWork{ask: treeRoot}
			x.stack = nil
		}
		return x.stop(fmt.Errorf("merge of head %d into %v: %w", x.head, x.to[1-x.work.source], err), sends)
	}
	x.result.Repaired[1-x.work.source] += x.work.items
	return x.next(sends)
}
