package actors

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
)

// invoked is an actor that notes what it gets, and runs what it gets as a func.
type invoked struct {
	got     []string
	panics  []any
	running bool
}

func (i *invoked) InvokeSystemMessage(msg any) { i.got = append(i.got, fmt.Sprint("system ", msg)) }

func (i *invoked) InvokeUserMessage(msg any) {
	if i.running {
		panic("two goroutines serve one mailbox")
	}
	i.running = true
	defer func() { i.running = false }()
	if f, ok := msg.(func()); ok {
		f()
		return
	}
	i.got = append(i.got, fmt.Sprint(msg))
}

func (i *invoked) EscalateFailure(reason, _ any) { i.panics = append(i.panics, reason) }

// held is a dispatcher that runs nothing until it is asked to.
type held struct{ work []func() }

func (h *held) Schedule(f func()) { h.work = append(h.work, f) }
func (h *held) Throughput() int   { return 2 }

func (h *held) run() {
	for len(h.work) > 0 {
		f := h.work[0]
		h.work = h.work[1:]
		f()
	}
}

func newInvoked() (*vnodeMailbox, *invoked, *held) {
	m, i, d := newVnodeMailbox(), &invoked{}, &held{}
	m.RegisterHandlers(i, d)
	return m, i, d
}

// TestVnodeMailbox_order: messages are served in order, system messages before others,
// by one scheduled run.
func TestVnodeMailbox_order(t *testing.T) {
	m, i, d := newInvoked()
	var want []string
	for n := range 200 {
		m.PostUserMessage(n)
		want = append(want, fmt.Sprint(n))
	}
	m.PostSystemMessage("stop")
	if len(d.work) != 1 || m.UserMessageCount() != 200 {
		t.Fatalf("%d runs are scheduled for %d messages", len(d.work), m.UserMessageCount())
	}
	d.run()
	if want := append([]string{"system stop"}, want...); !slices.Equal(i.got, want) {
		t.Errorf("served %v, want %v", i.got, want)
	}
}

// TestVnodeMailbox_serveNow: an idle mailbox is served by who asks, and what comes
// meanwhile by the dispatcher; one that is not idle does not take the message.
func TestVnodeMailbox_serveNow(t *testing.T) {
	m, i, d := newInvoked()
	if !m.serveNow("a") || !slices.Equal(i.got, []string{"a"}) || len(d.work) != 0 {
		t.Fatalf("served %v, %d runs scheduled; want a, and none", i.got, len(d.work))
	}
	now := m.serveNow(func() {
		if m.serveNow("b") { // as from another goroutine: this one serves
			t.Error("a mailbox was served by two")
		}
		m.PostUserMessage("c")
	})
	if !now || !slices.Equal(i.got, []string{"a"}) || len(d.work) != 1 {
		t.Fatalf("served %v, %d runs scheduled; want a, and one for the rest", i.got, len(d.work))
	}
	if m.serveNow("d") {
		t.Error("a message was served before one that waits")
	}
	d.run()
	if want := []string{"a", "c"}; !slices.Equal(i.got, want) {
		t.Errorf("served %v, want %v", i.got, want)
	}
}

// TestVnodeMailbox_suspended: a suspended mailbox keeps its user messages.
func TestVnodeMailbox_suspended(t *testing.T) {
	m, i, d := newInvoked()
	m.PostSystemMessage(&actor.SuspendMailbox{})
	if m.serveNow("a") {
		t.Error("a suspended mailbox served at once")
	}
	m.PostUserMessage("a")
	d.run()
	m.PostUserMessage("b")
	d.run()
	if len(i.got) != 0 {
		t.Fatalf("a suspended mailbox served %v", i.got)
	}
	m.PostSystemMessage(&actor.ResumeMailbox{})
	d.run()
	if want := []string{"a", "b"}; !slices.Equal(i.got, want) {
		t.Errorf("served %v, want %v", i.got, want)
	}
}

// TestVnodeMailbox_panic: the panic of a handler is told, and the next message is
// served, wherever the handler ran.
func TestVnodeMailbox_panic(t *testing.T) {
	m, i, d := newInvoked()
	m.serveNow(func() { panic("here") })
	m.PostUserMessage(func() { panic("there") })
	m.PostUserMessage("a")
	d.run()
	if !slices.Equal(i.panics, []any{"here", "there"}) || !slices.Equal(i.got, []string{"a"}) {
		t.Errorf("panics %v, served %v", i.panics, i.got)
	}
}

// TestVnodeMailbox_concurrent: one goroutine serves at a time, and nothing is lost.
func TestVnodeMailbox_concurrent(t *testing.T) {
	m, i := newVnodeMailbox(), &invoked{}
	d := newDispatcher(t.Context())
	m.RegisterHandlers(i, d)
	const goroutines, each = 8, 2000
	served := 0
	var all, posted sync.WaitGroup
	all.Add(goroutines * each)
	count := func() {
		served++
		all.Done()
	}
	for g := range goroutines {
		posted.Go(func() {
			for n := range each {
				if (g+n)%2 != 0 || !m.serveNow(count) {
					m.PostUserMessage(count)
				}
			}
		})
	}
	posted.Wait()
	all.Wait()
	if served != goroutines*each {
		t.Errorf("%d messages were served, want %d", served, goroutines*each)
	}
}
