package pipe

// A vnode runs at most QueuesOptions.MaxWorkers workers at a time. A fitting
// that finds no room waits; a worker that has had its turn is parked for it: it
// archives as for a move, and its fitting waits in turn if there is anything
// left to do. The next is of the pipe with the fewest workers, the first come of
// these. So a limit is never an error, and a pipe's fittings that wait for one
// another never keep each other out.

const (
	defaultMaxWorkers = 64
	turnGives         = 16 // answers to NextInput in a turn, when others wait
)

// admit starts a fitting's worker, or lets the fitting wait.
func (q *Queues) admit(f *fitting) {
	if f.waits {
		return
	}
	if q.live < q.opt.MaxWorkers && len(q.waiting) == 0 {
		q.start(f)
		return
	}
	f.waits = true
	q.waiting = append(q.waiting, f)
	q.trace(f, TraceLimit, q.live)
	q.promote()
	for _, p := range q.order {
		for _, x := range p.fittings {
			if x != nil && x.worker != nil && x.worker.waiting && !q.answered() {
				q.emit(GiveProbe{Worker: x.worker.id}) // parked as soon as it has nothing to send
			}
		}
	}
}

// promote gives free room to who waits.
func (q *Queues) promote() {
	for q.live < q.opt.MaxWorkers && len(q.waiting) > 0 && !q.moving && q.open {
		best := 0
		for i, f := range q.waiting {
			if f.pipe.live < q.waiting[best].pipe.live {
				best = i
			}
		}
		f := q.waiting[best]
		q.unwait(f)
		if f.needsWorker() {
			q.start(f)
		}
	}
}

// unwait takes a fitting off the list.
func (q *Queues) unwait(f *fitting) {
	if !f.waits {
		return
	}
	f.waits = false
	for i, w := range q.waiting {
		if w == f {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			return
		}
	}
}

// answered reports whether enough workers are about to make room.
func (q *Queues) answered() bool { return q.parking >= len(q.waiting) }

// park asks a worker for its archive, so that another may start.
func (q *Queues) park(f *fitting) {
	f.worker.waiting, f.worker.ordered, f.worker.parking = false, true, true
	q.parking++
	q.emit(Park{Worker: f.worker.id})
}

// turnOver parks a worker that asks for more after its turn, or for what there is
// not. One that has still to send keeps its place: it would come back at once.
func (q *Queues) turnOver(f *fitting, settled bool) bool {
	over := f.worker.gives >= turnGives
	if f.eoi == nil && !f.pending() {
		over = settled
	}
	if q.answered() || !over {
		return false
	}
	q.park(f)
	return true
}

// turns parks workers that have not asked since the last tick: they may wait for
// someone who waits for room.
func (q *Queues) turns() {
	if q.moving {
		return
	}
	for _, p := range q.order {
		for _, f := range p.fittings {
			if f == nil || f.worker == nil || f.worker.ordered {
				continue
			}
			if f.worker.stale && !q.answered() {
				q.park(f)
			}
			f.worker.stale = true
		}
	}
}
