package pipe

// foldRequested is the second step of a handoff's start, and the first that
// this machine hears of it.
func (q *Queues) foldRequested() {
	if q.moving {
		return
	}
	q.moving = true
	for _, p := range q.order {
		q.emit(Dirty{Key: specKey(p.id)})
	}
	q.each(func(f *fitting) {
		switch {
		case f.worker == nil:
			q.export(f)
		case !f.worker.ordered:
			f.worker.ordered = true
			f.worker.waiting = false
			q.emit(OrderArchive{Worker: f.worker.id})
		}
	})
}

// ExportReady reports whether no worker is alive: then nothing that only time
// can end holds up a freeze.
func (q *Queues) ExportReady() bool { return q.moving && q.live == 0 }

// export names what will not change any more: archives and queued batches.
// Later batches are named as they come.
func (q *Queues) export(f *fitting) {
	if f.done != nil && f.pending() {
		// Inputs came after the worker was done; the next owner restarts it.
		f.archives = append([][]byte{f.done.archive}, f.archives...)
		f.done = nil
	}
	for i := range f.archives {
		q.emit(Dirty{Key: itemKey(f.key, itemArchive, uint64(i))})
	}
	for i := range f.queue {
		q.emit(Dirty{Key: queueKey(f.key, f.head+uint64(i))})
	}
	for i := range f.own {
		q.emit(Dirty{Key: itemKey(f.key, itemOwn, uint64(i))})
	}
	f.exported = true
}

// unexport names what was exported and is dropped.
func (q *Queues) unexport(f *fitting) {
	if !f.exported {
		return
	}
	q.export(f)
	q.emit(Dirty{Key: itemKey(f.key, itemHead, 0)})
	f.exported = false
}

// seal names the rest: the vnode is frozen, so it is final.
func (q *Queues) seal() {
	if !q.moving {
		return
	}
	q.sealed = true
	q.each(func(f *fitting) {
		q.emit(Dirty{Key: itemKey(f.key, itemHead, 0)})
		for i := range f.held {
			q.emit(Dirty{Key: itemKey(f.key, itemHeld, uint64(i))})
		}
	})
}

// cancelled goes back to normal operation: workers that archived start again
// from their archives. One that was asked and has not answered starts again
// when it does.
func (q *Queues) cancelled() {
	q.moving, q.sealed = false, false
	q.each(func(f *fitting) {
		f.exported = false
		q.feed(f)
	})
	q.promote()
}

// opened begins to serve, with what was imported first in every queue.
func (q *Queues) opened(e Opened) {
	q.epoch, q.open = e.Epoch, true
	q.adopt()
	q.each(func(f *fitting) {
		if f.failed != nil {
			q.emit(f.failed)
		}
		q.feed(f)
	})
}
