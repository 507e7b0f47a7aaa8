package kv

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/replica"
)

// A Demand says that of the first N primaries of a head partition at least
// Copies have to answer for its objects of N copies to be covered.
type Demand struct{ N, Copies int }

// DemandOf returns the demand that meets every write which w of n copies have
// acknowledged: any so many copies have one in common with any w.
func DemandOf(n, w int) Demand { return Demand{N: n, Copies: min(max(n-w+1, 1), n)} }

// CoverPage is one page of a scan at one head partition, read from as many copies
// as it takes and merged. It is a [replica.Machine].
//
//	ask copies for the page --all answered--> merge --alike--> done
//	   ^  one fails, is not whole               |  an index entry is not at all of them
//	   +-- ask another                          +--> ask those what they know of
//	       none is left: CoverageError               the object, then merge again
//
// The merge takes the newest state of each object that was heard of. An object
// that a copy does not have at all is one that the copy has not heard of, for
// tombstones stay until all copies have them. A copy without an index entry may
// have a newer state that has not got it, so it is asked.
//
// The page goes as far as the shortest of the copies' pages: what they sent
// beyond is read again with the next one. So a place is a position and nothing
// else, and the next page may be read from other copies.
type CoverPage struct {
	scan   *Scan
	set    replica.Set
	from   []byte
	o      PageOptions
	copies []coverCopy
	sends  []coverSend
	late   bool // the time is up: nothing more is asked

	page CoverResult
	err  error
	done bool
}

// PageOptions say how a page is to be read.
type PageOptions struct {
	Demands []Demand
	// Limit is how many entries the page has at most, Bytes the size from which
	// on a copy sends no more.
	Limit, Bytes int
	// Partial takes what there is where copies are missing.
	Partial bool
	// TTL, unless zero, hides objects that were written longer ago than that
	// before Now.
	TTL time.Duration
	Now time.Time
	// Settle shows one value of an object that copies have several of.
	Settle bool
	// Avoid names nodes to ask last.
	Avoid []ring.NodeID
}

// CoverResult is what a page holds.
type CoverResult struct {
	scan    *Scan
	entries []coverEntry
	// More says that the head may have more, from the position Next on.
	More bool
	Next []byte
}

// Len returns how many entries there are.
func (r *CoverResult) Len() int { return len(r.entries) }

// Position returns where the i-th entry stands, by which results of several
// heads are brought into one order.
func (r *CoverResult) Position(i int) []byte { return r.entries[i].position }

// Entry returns the i-th entry, which aliases the copies' replies. It fails with
// [ErrCorrupt] or [ErrFormat] when its object does not decode.
func (r *CoverResult) Entry(i int) (IndexEntry, error) {
	return r.scan.entry(r.entries[i].position, r.entries[i].form)
}

type coverState byte

const (
	coverIdle coverState = iota
	coverAsked
	coverAnswered
	coverLooking // has answered, and is asked what it knows of some objects
	coverFailed
)

type coverCopy struct {
	state      coverState
	incomplete bool // it has answered and lacks what was acknowledged
	silent     bool
	err        error
	entries    []coverEntry
	next       []byte // nil at the end of the range
	asked      [][]byte
	known      map[string][]byte // outlines of objects whose entry it has not got
}

type coverEntry struct{ position, form []byte }

type coverSend struct {
	copy int
	look bool
}

// NewCoverPage returns the machine that reads the scan's page from the position
// on at the copies of set.
func NewCoverPage(s *Scan, set replica.Set, from []byte, o PageOptions) *CoverPage {
	return &CoverPage{scan: s, set: set, from: from, o: o, copies: make([]coverCopy, len(set.Copies))}
}

// Ready reports that the page is read, or can't be.
func (m *CoverPage) Ready() bool { return m.done }

// Done is Ready.
func (m *CoverPage) Done() bool { return m.done }

// Result returns the page, or a [*CoverageError]. With Partial it may return
// both.
func (m *CoverPage) Result() (CoverResult, error) { return m.page, m.err }

// Silent returns the nodes that were asked and did not answer in time.
func (m *CoverPage) Silent() (nodes []ring.NodeID) {
	for i := range m.copies {
		if m.copies[i].silent {
			nodes = append(nodes, m.set.Copies[i].Node)
		}
	}
	return nodes
}

// Step is as [replica.Machine] says.
func (m *CoverPage) Step(e replica.Event, sends []replica.Send) []replica.Send {
	if m.done {
		return sends
	}
	switch e.Type {
	case replica.Answer, replica.Fail:
		if e.Send < 0 || e.Send >= len(m.sends) {
			return sends
		}
		m.ended(m.sends[e.Send], e)
	case replica.Expire:
		m.late = true
		for i := range m.copies {
			if c := &m.copies[i]; c.state == coverAsked || c.state == coverLooking {
				c.state, c.silent, c.err = coverFailed, true, fmt.Errorf("no answer in time: %w", ErrCoverage)
			}
		}
	}
	return m.proceed(sends)
}

func (m *CoverPage) ended(s coverSend, e replica.Event) {
	c := &m.copies[s.copy]
	err := e.Err
	switch {
	case e.Type == replica.Fail:
	case s.look:
		err = c.takeLookup(e.Body)
	default:
		err = c.takePage(m, e.Body)
	}
	if err != nil {
		c.state, c.err = coverFailed, err
		return
	}
	c.state = coverAnswered
}

// proceed asks what is still to be asked, and ends the page when all is there.
func (m *CoverPage) proceed(sends []replica.Send) []replica.Send {
	short := false
	for _, d := range m.o.Demands {
		for m.count(d.N) < d.Copies {
			i := m.candidate(d.N)
			if i < 0 {
				short = true
				break
			}
			m.copies[i].state = coverAsked
			sends = m.send(sends, i, false, m.request())
		}
	}
	if slices.ContainsFunc(m.copies, func(c coverCopy) bool { return c.state == coverAsked || c.state == coverLooking }) {
		return sends
	}
	if short {
		m.err = m.shortage()
		if !m.o.Partial {
			m.done = true
			return sends
		}
	}
	return m.merge(sends, short)
}

// count returns how many of the first n copies answer for what they should hold,
// or have been asked to.
func (m *CoverPage) count(n int) (count int) {
	for i := range min(n, len(m.copies)) {
		if c := &m.copies[i]; c.state != coverIdle && c.state != coverFailed && !c.incomplete {
			count++
		}
	}
	return count
}

// candidate returns which of the first n copies to ask next: one of this node's,
// then one that seems to answer. It returns -1 when all have been asked.
func (m *CoverPage) candidate(n int) int {
	best, least := -1, 4
	for i := range min(n, len(m.copies)) {
		if m.copies[i].state != coverIdle || m.late {
			continue
		}
		rank := 1
		switch to := &m.set.Copies[i]; {
		case !to.Up:
			rank = 3
		case slices.Contains(m.o.Avoid, to.Node):
			rank = 2
		case to.Node == m.set.Self:
			rank = 0
		}
		if rank < least {
			best, least = i, rank
		}
	}
	return best
}

func (m *CoverPage) send(sends []replica.Send, i int, look bool, r pageRequest) []replica.Send {
	m.sends = append(m.sends, coverSend{copy: i, look: look})
	return append(sends, replica.Send{ID: len(m.sends) - 1, To: m.set.Copies[i].Entry, Body: r.append(nil)})
}

func (m *CoverPage) request() pageRequest {
	s := m.scan
	r := pageRequest{
		op: s.op, head: m.set.Head, bucketType: s.bucketType, bucket: s.bucket, name: s.name,
		limit: m.o.Limit, bytes: m.o.Bytes, pattern: s.pattern, from: m.from, to: s.to,
	}
	if s.stored {
		r.flags |= pageStored
	}
	if s.to != nil {
		r.flags |= pageBounded
	}
	if s.kind == IntIndex {
		r.flags |= pageInt
	}
	return r
}

func (m *CoverPage) shortage() error {
	h := HeadShortage{Head: m.set.Head}
	for _, d := range m.o.Demands {
		if got := m.count(d.N); got < d.Copies && d.Copies-got >= h.Wanted-h.Answered {
			h.Answered, h.Wanted = got, d.Copies
		}
	}
	for i := range m.copies {
		c, to := &m.copies[i], &m.set.Copies[i]
		switch {
		case c.state == coverFailed:
			h.Causes = append(h.Causes, fmt.Errorf("partition %d on %s: %w", to.Partition, to.Node, c.err))
		case c.incomplete:
			h.Causes = append(h.Causes, fmt.Errorf("partition %d on %s: %w", to.Partition, to.Node, ErrIncomplete))
		}
	}
	return &CoverageError{BucketType: m.scan.bucketType, Bucket: m.scan.bucket, Heads: []HeadShortage{h}}
}

// takePage takes a copy's page apart.
func (c *coverCopy) takePage(m *CoverPage, body []byte) error {
	flags, rest, err := cutPage(body)
	if err != nil {
		return err
	}
	c.incomplete = flags&replyIncomplete != 0
	if c.entries, c.next, err = cutEntries(rest, flags&replyMore != 0); err != nil {
		return err
	}
	bad := c.next != nil && bytes.Compare(c.next, m.from) <= 0
	for i := range c.entries {
		p := c.entries[i].position
		bad = bad || i > 0 && bytes.Compare(c.entries[i-1].position, p) >= 0 ||
			c.next != nil && bytes.Compare(p, c.next) >= 0 ||
			m.scan.to != nil && bytes.Compare(p, m.scan.to) >= 0 ||
			m.scan.op == opIndex && bytes.Compare(p, m.from) < 0
	}
	if bad {
		return fmt.Errorf("page, order: %w", ErrReply)
	}
	return nil
}

// cutPage returns the flags of a reply and what follows them.
func cutPage(body []byte) (flags byte, rest []byte, err error) {
	rest, err = answer(body)
	switch {
	case err != nil:
		return 0, nil, err
	case len(rest) == 0 || rest[0] >= replyFlagsEnd:
		return 0, nil, fmt.Errorf("page, flags: %w", ErrReply)
	}
	return rest[0], rest[1:], nil
}

// cutEntries takes entries apart; with more a position follows the last one.
func cutEntries(b []byte, more bool) (entries []coverEntry, next []byte, err error) {
	entries = make([]coverEntry, 0, len(b)/64) // a key and an outline at least, mostly
	for len(b) > 0 {
		var e coverEntry
		var ok bool
		if e.position, b, ok = cutBytes(b); ok && more && len(b) == 0 {
			return entries, e.position, nil
		}
		if ok {
			e.form, b, ok = cutBytes(b)
		}
		if !ok {
			return nil, nil, fmt.Errorf("page, entry %d: %w", len(entries), ErrReply)
		}
		entries = append(entries, e)
	}
	if more {
		return nil, nil, fmt.Errorf("page, no next position: %w", ErrReply)
	}
	return entries, nil, nil
}

// takeLookup takes what a copy knows of the objects that it was asked for. If
// some are left out, its page ends before them.
func (c *coverCopy) takeLookup(body []byte) error {
	flags, rest, err := cutPage(body)
	if err != nil {
		return err
	}
	c.incomplete = c.incomplete || flags&replyIncomplete != 0
	entries, _, err := cutEntries(rest, false)
	if err != nil {
		return err
	}
	if len(entries) == 0 || len(entries) > len(c.asked) {
		return fmt.Errorf("lookup of %d objects answers %d: %w", len(c.asked), len(entries), ErrReply)
	}
	if c.known == nil {
		c.known = make(map[string][]byte, len(entries))
	}
	for i, e := range entries {
		if !bytes.Equal(e.position, c.asked[i]) {
			return fmt.Errorf("lookup, object %d: %w", i, ErrReply)
		}
		c.known[string(e.position)] = e.form
	}
	if len(entries) < len(c.asked) {
		c.next = c.asked[len(entries)]
	}
	return nil
}

// merge makes the page of the copies' pages, unless some have to be asked about
// objects first.
func (m *CoverPage) merge(sends []replica.Send, short bool) []replica.Send {
	var used []*coverCopy
	var bound []byte
	for i := range m.copies {
		c := &m.copies[i]
		if c.state != coverAnswered || c.incomplete && !short {
			continue
		}
		c.asked = nil
		used = append(used, c)
		if c.next != nil && (bound == nil || bytes.Compare(c.next, bound) < 0) {
			bound = c.next
		}
	}
	result := CoverResult{scan: m.scan, Next: bound, More: bound != nil}
	if len(used) > 0 {
		result.entries = make([]coverEntry, 0, len(used[0].entries))
	}
	var forms [][]byte
	merger := stateMerger{stored: m.scan.stored, ttl: uint64(m.o.TTL.Milliseconds()), now: millis(m.o.Now), settle: m.o.Settle}
	at, ask := make([]int, len(used)), false
	for {
		position := lowest(used, at)
		if position == nil || bound != nil && bytes.Compare(position, bound) >= 0 {
			break
		}
		forms = forms[:0]
		for k, c := range used {
			if i := at[k]; i < len(c.entries) && bytes.Equal(c.entries[i].position, position) {
				forms = append(forms, c.entries[i].form)
				at[k]++
				continue
			}
			if m.scan.name == "" {
				continue
			}
			form, known := c.known[string(position)]
			switch {
			case !known && !m.late:
				c.asked, ask = append(c.asked, position), true
			case len(form) > 0:
				forms = append(forms, form)
			}
		}
		if ask {
			continue
		}
		e := coverEntry{position: position}
		if m.scan.op != opBuckets {
			var alive bool
			var err error
			if e.form, alive, err = merger.merge(forms); err != nil {
				return m.fail(sends, err)
			}
			if !alive {
				continue
			}
		}
		result.entries = append(result.entries, e)
	}
	if ask {
		return m.look(sends)
	}
	m.page, m.done = result, true
	return sends
}

// look asks copies about the objects whose entries others have.
func (m *CoverPage) look(sends []replica.Send) []replica.Send {
	for i := range m.copies {
		c := &m.copies[i]
		if c.state != coverAnswered || len(c.asked) == 0 {
			continue
		}
		c.state = coverLooking
		r := m.request()
		r.flags = r.flags&pageInt | pageLookup
		for _, position := range c.asked {
			r.positions = appendBytes(r.positions, position)
		}
		sends = m.send(sends, i, true, r)
	}
	return sends
}

// fail ends the page for an answer that no copy should have given.
func (m *CoverPage) fail(sends []replica.Send, err error) []replica.Send {
	m.err, m.done = fmt.Errorf("head partition %d: %w", m.set.Head, err), true
	return sends
}

// lowest returns the lowest position that any copy has next, nil at the end.
func lowest(used []*coverCopy, at []int) (position []byte) {
	for k, c := range used {
		if at[k] == len(c.entries) {
			continue
		}
		if p := c.entries[at[k]].position; position == nil || bytes.Compare(p, position) < 0 {
			position = p
		}
	}
	return position
}

// stateMerger brings what copies say of one object together.
type stateMerger struct {
	stored, settle bool
	now, ttl       uint64 // milliseconds
	state          State
}

// merge returns the one form of the object, and whether the entry stands.
func (g *stateMerger) merge(forms [][]byte) (form []byte, alive bool, err error) {
	if len(forms) == 0 {
		return nil, false, nil
	}
	alike := true
	for _, f := range forms[1:] {
		alike = alike && bytes.Equal(f, forms[0])
	}
	if err := g.decode(&g.state, forms[0]); err != nil {
		return nil, false, err
	}
	if alike && (!g.settle || len(g.state.Siblings) == 1) {
		return forms[0], g.alive(&g.state), nil
	}
	s := State{Clock: slices.Clone(g.state.Clock), Siblings: slices.Clone(g.state.Siblings)}
	for _, f := range forms[1:] {
		var other State
		if err := g.decode(&other, f); err != nil {
			return nil, false, err
		}
		s.Merge(other)
	}
	if g.settle {
		s.Settle()
	}
	if g.stored {
		form = s.Append(nil)
	}
	return form, g.alive(&s), nil
}

func (g *stateMerger) decode(s *State, form []byte) error {
	if g.stored {
		return s.Decode(form)
	}
	return decodeOutline(s, form)
}

// alive reports whether a value is left that carries the entry and has not
// expired.
func (g *stateMerger) alive(s *State) bool {
	if s.expired(g.now, g.ttl) {
		return false
	}
	for i := range s.Siblings {
		v := &s.Siblings[i]
		if !v.Deleted && (g.stored || v.Content[0] == carrying[0]) {
			return true
		}
	}
	return false
}

// A CoverageError says which head partitions were not read, or only in part,
// because too few of their copies answered. It is an [ErrCoverage].
type CoverageError struct {
	BucketType, Bucket string
	Heads              []HeadShortage
}

// HeadShortage is a head partition without enough copies.
type HeadShortage struct {
	Head ring.Partition
	// Answered is how many copies count, Wanted how many it takes.
	Answered, Wanted int
	// Causes are why others do not count.
	Causes []error
}

// Error names the heads, and what to do.
func (e *CoverageError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "list %q/%q: ", e.BucketType, e.Bucket)
	for i, h := range e.Heads {
		if i == 8 {
			fmt.Fprintf(&b, " and %d more;", len(e.Heads)-i)
			break
		}
		fmt.Fprintf(&b, "head partition %d: %d of %d copies answered", h.Head, h.Answered, h.Wanted)
		for _, cause := range h.Causes {
			fmt.Fprintf(&b, " (%v)", cause)
		}
		b.WriteString("; ")
	}
	return strings.TrimSuffix(b.String(), " ") + " start the nodes that are down, ask again later where one has too much to do, or ask for what there is with Partial"
}

// Unwrap returns [ErrCoverage] and all causes.
func (e *CoverageError) Unwrap() []error {
	all := []error{ErrCoverage}
	for _, h := range e.Heads {
		all = append(all, h.Causes...)
	}
	return all
}
