package pipe

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// CoordinatorEvent is what happened to a pipe: *SpecRequest, *Done, *Failed,
// *Destroyed from vnodes; *SenderDone, EndOfInputs, Cancel from its owner;
// *SinkDone from its sink; Tick.
type CoordinatorEvent interface{ coordinatorEvent() }

// CoordinatorAction is what the shell of a coordinator must do: send
// *SpecKnown, *SpecGone, *EOI, *Destroy to the vnode of their Partition,
// *SinkEnd to the sink; tell the owner *Finished; stop at Ended.
type CoordinatorAction interface{ coordinatorAction() }

type (
	// SenderDone: the outside sender From has sent everything and all of it is
	// acknowledged. It may be repeated.
	SenderDone struct {
		Pipe ID
		From uint64
		Sent []Sent
	}
	// EndOfInputs: there are no senders but these many.
	EndOfInputs struct{ Senders int }
	// Cancel ends the pipe; Cause is nil for ErrCancelled.
	Cancel struct{ Cause error }
	// SinkDone answers SinkEnd: the number of items that the consumer took.
	SinkDone struct {
		To    Address
		Pipe  ID
		Items uint64
	}
	// SinkEnd tells the sink that Items were sent to it by workers that are
	// done, or that the pipe failed. It is repeated until SinkDone.
	SinkEnd struct {
		To      Address
		Pipe    ID
		ReplyTo Address
		Items   uint64
		Err     error
	}
	// Finished is the pipe's outcome, once. Err is nil when the results are
	// complete, a *SetAsideError when they are but for some inputs, else it
	// matches one of the errors of a running pipe.
	Finished struct {
		Err      error
		Progress []Progress
	}
	// Ended: every partition has forgotten the pipe, or was asked often enough.
	Ended struct{}
)

// Progress is how far one fitting is, as far as its partitions have reported.
type Progress struct {
	Fitting    string
	Partitions int    // that take part, as far as known
	Done       int    // of them have finished
	In, Out    uint64 // items, of those that have finished
	Aside      uint64 // inputs set aside, of those that have finished
}

func (*SpecRequest) coordinatorEvent() {}
func (*Done) coordinatorEvent()        {}
func (*Failed) coordinatorEvent()      {}
func (*Destroyed) coordinatorEvent()   {}
func (*SenderDone) coordinatorEvent()  {}
func (EndOfInputs) coordinatorEvent()  {}
func (Cancel) coordinatorEvent()       {}
func (*SinkDone) coordinatorEvent()    {}
func (Tick) coordinatorEvent()         {}

func (*SpecKnown) coordinatorAction() {}
func (*SpecGone) coordinatorAction()  {}
func (*EOI) coordinatorAction()       {}
func (*Destroy) coordinatorAction()   {}
func (*SinkEnd) coordinatorAction()   {}
func (*Finished) coordinatorAction()  {}
func (Ended) coordinatorAction()      {}

// CoordinatorOptions configures a coordinator.
type CoordinatorOptions struct {
	Spec        *Spec
	LingerTicks int // for which forgetting is asked again, default 20
}

const defaultLingerTicks = 20

// Coordinator passes the end of inputs down a pipe:
//
//	senders done -> EOI to every partition of fitting 0 that they sent to -> all Done, counts equal -> fitting 1 ... -> SinkEnd -> Finished
//	any Failed, Cancel, or counts that differ -> Finished with the error
//	Finished -> Destroy -> Ended
//
// Each Done says how many items went to which partition of the next fitting.
// So it is known exactly who takes part and how many inputs each must have
// processed; nobody registers. Not safe for concurrent use.
type Coordinator struct {
	opt     CoordinatorOptions
	stages  []stage // one per fitting, then the sink
	current int     // stage whose end is under way; -1 while senders send
	senders map[uint64]bool
	want    int      // senders, -1 while unknown
	letters []Letter // the first that were set aside
	err     error
	over    bool                    // Finished was given
	forget  map[ring.Partition]bool // partitions that hold the pipe, while over
	linger  int
	ended   bool
	out     []CoordinatorAction
}

// stage is one fitting's, or the sink's, side of the count.
type stage struct {
	parts map[ring.Partition]*share
	done  int
	in    uint64
	out   uint64
	aside uint64
	// probing: the fitting may still send to itself; see balanced.
	probing bool
}

// share is what one partition of a stage has to do.
type share struct {
	sent   uint64 // items for it
	done   bool
	probed bool // counts holds
	counts Counts
}

// NewCoordinator returns the coordinator of a pipe whose spec is valid.
func NewCoordinator(opt CoordinatorOptions) *Coordinator {
	if opt.LingerTicks <= 0 {
		opt.LingerTicks = defaultLingerTicks
	}
	c := &Coordinator{
		opt: opt, current: -1, want: -1,
		stages:  make([]stage, len(opt.Spec.Fittings)+1),
		senders: make(map[uint64]bool),
	}
	for i := range c.stages {
		c.stages[i].parts = make(map[ring.Partition]*share)
	}
	return c
}

// Progress returns how far each fitting is, in order.
func (c *Coordinator) Progress() []Progress {
	all := make([]Progress, len(c.opt.Spec.Fittings))
	for i := range all {
		s := &c.stages[i]
		all[i] = Progress{
			Fitting: c.opt.Spec.Fittings[i].Name, Partitions: len(s.parts), Done: s.done, In: s.in, Out: s.out, Aside: s.aside,
		}
	}
	return all
}

// Ended reports whether nothing more will come.
func (c *Coordinator) Ended() bool { return c.ended }

// Step applies one event. The result is valid until the next call.
func (c *Coordinator) Step(e CoordinatorEvent) []CoordinatorAction {
	clear(c.out)
	c.out = c.out[:0]
	switch e := e.(type) {
	case *SpecRequest:
		if int(e.Partition) >= c.opt.Spec.RingSize {
			break
		}
		if c.over {
			c.emit(&SpecGone{Partition: e.Partition, Pipe: c.opt.Spec.ID})
		} else {
			c.emit(&SpecKnown{Partition: e.Partition, Spec: c.opt.Spec})
		}
	case *SenderDone:
		c.senderDone(e)
	case EndOfInputs:
		c.want = e.Senders
		c.maybeBegin()
	case *Done:
		c.done(e)
	case *Failed:
		c.failed(e)
	case Cancel:
		cause := e.Cause
		if cause == nil {
			cause = ErrCancelled
		}
		c.finish(cause)
	case *SinkDone:
		c.sinkDone(e)
	case *Destroyed:
		delete(c.forget, e.Partition)
		c.maybeEnd()
	case Tick:
		c.tick()
	}
	return c.out
}

func (c *Coordinator) emit(a CoordinatorAction) { c.out = append(c.out, a) }

func (c *Coordinator) senderDone(e *SenderDone) {
	if c.over || c.current >= 0 || c.senders[e.From] {
		return
	}
	c.senders[e.From] = true
	c.add(0, e.Sent)
	c.maybeBegin()
}

func (c *Coordinator) maybeBegin() {
	if !c.over && c.current < 0 && c.want >= 0 && len(c.senders) >= c.want {
		c.begin(0)
	}
}

// add notes what was sent to a stage.
func (c *Coordinator) add(to int, sent []Sent) {
	for _, s := range sent {
		p := c.stages[to].parts[s.Partition]
		if p == nil {
			p = new(share)
			c.stages[to].parts[s.Partition] = p
		}
		p.sent += s.Items
	}
}

// begin announces the end of inputs to a stage, and passes over stages that
// have nothing to do.
func (c *Coordinator) begin(i int) {
	for ; i < len(c.opt.Spec.Fittings); i++ {
		c.current = i
		f, s := &c.opt.Spec.Fittings[i], &c.stages[i]
		if len(s.parts) == 0 && f.RunEmpty {
			s.parts[f.Route.Partition] = new(share)
		}
		if len(s.parts) > 0 {
			s.probing = f.sendsOwn()
			c.announce()
			return
		}
	}
	c.current = i
	c.announceSink()
}

// announce sends EOI to who has not answered.
func (c *Coordinator) announce() {
	s := &c.stages[c.current]
	for _, p := range slices.Sorted(maps.Keys(s.parts)) {
		if !s.parts[p].done {
			c.announceTo(p)
		}
	}
}

func (c *Coordinator) announceTo(p ring.Partition) {
	s := &c.stages[c.current]
	c.emit(&EOI{
		Pipe: c.opt.Spec.ID, Fitting: c.current, Partition: p, Probe: s.probing,
		RunEmpty: s.parts[p].sent == 0, Coordinator: c.opt.Spec.Coordinator,
	})
}

// probed notes what a partition of a fitting that sends to itself has done. The
// end is told once the counts are balanced.
func (c *Coordinator) probed(e *Done, p *share) {
	if p.probed && e.Counts.Taken() < p.counts.Taken() {
		return // late
	}
	p.probed, p.counts = true, e.Counts
	s := &c.stages[e.Fitting]
	for _, to := range e.Counts.Own {
		if s.parts[to.Partition] == nil {
			s.parts[to.Partition] = new(share)
			c.announceTo(to.Partition)
		}
	}
	own, ok := c.balanced(s)
	if !ok {
		return
	}
	s.probing = false
	for to, n := range own {
		s.parts[to].sent += n
	}
	c.announce()
}

// balanced reports whether every partition has dealt with all that was sent to
// it, by the fitting itself too. The answers need not be of one moment: suppose
// a partition takes an input after its answer, and it is the first to do so.
// That input was sent before its sender's answer, and so is counted as sent but
// not as taken. The counts being equal, that partition took before its answer
// another input which is not counted as sent: one sent after its sender's
// answer, and so by a partition that took an input after its answer still
// earlier.
func (c *Coordinator) balanced(s *stage) (own map[ring.Partition]uint64, ok bool) {
	own = make(map[ring.Partition]uint64)
	for _, p := range s.parts {
		if !p.probed {
			return nil, false
		}
		for _, to := range p.counts.Own {
			own[to.Partition] += to.Items
		}
	}
	for i, p := range s.parts {
		if p.counts.Taken() != p.sent+own[i] {
			return nil, false
		}
	}
	return own, true
}

func (c *Coordinator) announceSink() {
	c.emit(&SinkEnd{
		To: c.opt.Spec.Sink, Pipe: c.opt.Spec.ID, ReplyTo: c.opt.Spec.Coordinator,
		Items: c.expected(), Err: c.err,
	})
}

// expected is the number of items sent to the sink.
func (c *Coordinator) expected() uint64 {
	if p := c.stages[len(c.stages)-1].parts[0]; p != nil {
		return p.sent
	}
	return 0
}

func (c *Coordinator) done(e *Done) {
	if c.over || c.current < 0 || e.Fitting != c.current || e.Fitting >= len(c.opt.Spec.Fittings) ||
		!c.inRing(e.Counts.Sent) || !c.inRing(e.Counts.Own) {
		return
	}
	s := &c.stages[e.Fitting]
	p := s.parts[e.Partition]
	switch {
	case p == nil || p.done || e.Probe != s.probing:
		return
	case e.Probe:
		c.probed(e, p)
		return
	}
	if e.Counts.Taken() != p.sent {
		c.finish(&CountsError{
			Fitting: c.opt.Spec.Fittings[e.Fitting].Name, Partition: e.Partition,
			Sent: p.sent, Processed: e.Counts.Taken(),
		})
		return
	}
	p.done = true
	s.done++
	s.in += e.Counts.In
	s.out += e.Counts.Out()
	s.aside += e.Counts.Aside
	for _, l := range e.Counts.Letters[:min(len(e.Counts.Letters), pipeLetters-len(c.letters))] {
		l.Fitting = c.opt.Spec.Fittings[e.Fitting].Name
		c.letters = append(c.letters, l)
	}
	c.add(e.Fitting+1, e.Counts.Sent)
	if s.done == len(s.parts) {
		c.begin(c.current + 1)
	}
}

// inRing reports whether all destinations exist: a report may be damaged.
func (c *Coordinator) inRing(sent []Sent) bool {
	for _, s := range sent {
		if int(s.Partition) >= c.opt.Spec.RingSize {
			return false
		}
	}
	return true
}

func (c *Coordinator) failed(e *Failed) {
	name := fmt.Sprintf("#%d", e.Fitting)
	if e.Fitting >= 0 && e.Fitting < len(c.opt.Spec.Fittings) {
		name = c.opt.Spec.Fittings[e.Fitting].Name
	}
	c.finish(&WorkerError{
		Pipe: c.opt.Spec.ID, Fitting: name, Partition: e.Partition, Input: e.Input, Cause: errors.New(e.Cause),
	})
}

func (c *Coordinator) sinkDone(e *SinkDone) {
	if c.over || c.current != len(c.opt.Spec.Fittings) {
		return
	}
	if want := c.expected(); e.Items != want {
		c.finish(&CountsError{Fitting: "sink", Sent: want, Processed: e.Items})
		return
	}
	c.finish(nil)
}

// finish gives the outcome and makes every partition forget the pipe: those
// that took part, or after a failure all, since who takes part is then not known.
func (c *Coordinator) finish(err error) {
	if c.over {
		return
	}
	c.over, c.err = true, err
	outcome := err
	if err == nil {
		outcome = c.setAside()
	}
	c.emit(&Finished{Err: outcome, Progress: c.Progress()})
	c.forget = make(map[ring.Partition]bool)
	if err != nil {
		c.announceSink()
		for p := range c.opt.Spec.RingSize {
			c.forget[ring.Partition(p)] = true
		}
	} else {
		for i := range c.opt.Spec.Fittings {
			for p := range c.stages[i].parts {
				c.forget[p] = true
			}
		}
	}
	c.destroy()
	c.maybeEnd()
}

// setAside returns what a pipe ends with all of whose results came: nil unless
// inputs were set aside.
func (c *Coordinator) setAside() error {
	var n uint64
	for i := range c.stages {
		n += c.stages[i].aside
	}
	if n == 0 {
		return nil
	}
	return &SetAsideError{Pipe: c.opt.Spec.ID, Items: n, Letters: c.letters}
}

func (c *Coordinator) destroy() {
	for _, p := range slices.Sorted(maps.Keys(c.forget)) {
		c.emit(&Destroy{Pipe: c.opt.Spec.ID, Partition: p, ReplyTo: c.opt.Spec.Coordinator})
	}
}

func (c *Coordinator) maybeEnd() {
	if c.over && !c.ended && len(c.forget) == 0 {
		c.ended = true
		c.emit(Ended{})
	}
}

func (c *Coordinator) tick() {
	switch {
	case c.ended:
	case c.over:
		c.linger++
		if c.linger >= c.opt.LingerTicks {
			clear(c.forget)
		}
		if c.err != nil {
			c.announceSink()
		}
		c.destroy()
		c.maybeEnd()
	case c.current < 0:
	case c.current < len(c.opt.Spec.Fittings):
		c.announce()
	default:
		c.announceSink()
	}
}
