package actors

import (
	"runtime"
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// vnodeMailbox is the queue of a vnode. It is the library's in all but one thing: who
// waits for the answer of a message may serve an idle mailbox itself (serveNow),
// which saves waking one goroutine for the work and another for its answer.
type vnodeMailbox struct {
	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher
	work       func() // serve, made once

	mu        sync.Mutex
	system    queue
	user      queue
	running   bool // a goroutine serves, or will
	suspended bool // user messages wait
}

func newVnodeMailbox() *vnodeMailbox {
	m := new(vnodeMailbox)
	m.work = m.serve
	return m
}

var _ actor.Mailbox = (*vnodeMailbox)(nil)

// RegisterHandlers is part of the library's interface, as the rest of this.
func (m *vnodeMailbox) RegisterHandlers(i actor.MessageInvoker, d actor.Dispatcher) {
	m.invoker, m.dispatcher = i, d
}

// Start has nothing to do.
func (m *vnodeMailbox) Start() {}

// PostUserMessage queues a message and has it served soon.
func (m *vnodeMailbox) PostUserMessage(msg any) { m.post(&m.user, msg) }

// PostSystemMessage queues a message that comes before all user messages.
func (m *vnodeMailbox) PostSystemMessage(msg any) { m.post(&m.system, msg) }

// UserMessageCount returns how many messages wait.
func (m *vnodeMailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.user.len()
}

func (m *vnodeMailbox) post(q *queue, msg any) {
	if m.take(q, msg) {
		m.dispatcher.Schedule(m.work)
	}
}

// serveNow serves a message before it returns, if nothing waits and nobody serves
// the mailbox; else it does nothing and reports false. What comes meanwhile is
// left to the dispatcher. The caller must hold no lock that a handler may want,
// nor be one itself.
func (m *vnodeMailbox) serveNow(msg any) bool {
	m.mu.Lock()
	busy := m.running || m.suspended || m.system.len() > 0 || m.user.len() > 0
	m.running = m.running || !busy
	m.mu.Unlock()
	if busy {
		return false
	}
	m.invoke(msg)
	if m.rest() {
		m.dispatcher.Schedule(m.work)
	}
	return true
}

// invoke serves one user message.
func (m *vnodeMailbox) invoke(msg any) {
	defer func() {
		if r := recover(); r != nil {
			m.invoker.EscalateFailure(r, msg)
		}
	}()
	m.invoker.InvokeUserMessage(msg)
}

// take queues a message and reports whether the caller has to see to it that the
// vnodeMailbox is served.
func (m *vnodeMailbox) take(q *queue, msg any) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	q.push(msg)
	if m.running {
		return false
	}
	m.running = true
	return true
}

// serve serves the mailbox until it is empty.
func (m *vnodeMailbox) serve() {
	for more := true; more; more = m.rest() {
		if !m.run(m.dispatcher.Throughput()) {
			runtime.Gosched()
		}
	}
}

// rest reports whether there is more to serve; if not, the mailbox is idle.
func (m *vnodeMailbox) rest() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = m.system.len() > 0 || !m.suspended && m.user.len() > 0
	return m.running
}

// run serves up to n messages and reports whether these were all. A handler that
// panics ends it.
func (m *vnodeMailbox) run(n int) (all bool) {
	var msg any
	defer func() {
		if r := recover(); r != nil {
			m.invoker.EscalateFailure(r, msg)
		}
	}()
	for range n {
		var system bool
		if msg, system = m.next(); msg == nil {
			return true
		}
		if system {
			m.invoker.InvokeSystemMessage(msg)
		} else {
			m.invoker.InvokeUserMessage(msg)
		}
	}
	return false
}

// next takes the next message out, nil if there is none to serve.
func (m *vnodeMailbox) next() (msg any, system bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.system.len() > 0 {
		switch msg := m.system.pop(); msg.(type) {
		case *actor.SuspendMailbox:
			m.suspended = true
		case *actor.ResumeMailbox:
			m.suspended = false
		default:
			return msg, true
		}
	}
	if m.suspended || m.user.len() == 0 {
		return nil, false
	}
	return m.user.pop(), false
}

// queue is a first-in-first-out queue. The zero queue is empty.
type queue struct {
	all  []any
	head int
}

func (q *queue) len() int { return len(q.all) - q.head }

func (q *queue) push(msg any) {
	if q.head == len(q.all) {
		q.all, q.head = q.all[:0], 0
	} else if q.head > 32 && q.head > len(q.all)/2 {
		n := copy(q.all, q.all[q.head:])
		clear(q.all[n:])
		q.all, q.head = q.all[:n], 0
	}
	q.all = append(q.all, msg)
}

func (q *queue) pop() any {
	msg := q.all[q.head]
	q.all[q.head] = nil
	q.head++
	return msg
}
