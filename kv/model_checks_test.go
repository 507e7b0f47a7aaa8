package kv_test

import "slices"

// mayCover reports whether a value may have been superseded, or deleted, by
// something that began before.
func (m *model) mayCover(v *request, before int) bool {
	return slices.ContainsFunc(m.all, func(d *request) bool {
		switch {
		case d.write == nil || d.began >= before || d.outcome == notDone:
			return false
		case slices.Contains(d.covers, v.name):
			return true
		}
		return d.blanket && (d.ended == 0 || v.began < d.ended)
	})
}

// covered reports whether a value was superseded for certain, before.
func (m *model) covered(v *request, before int) bool {
	return slices.ContainsFunc(m.all, func(d *request) bool {
		switch {
		case d.write == nil || d.outcome != acked || d.ended >= before:
			return false
		case slices.Contains(d.covers, v.name):
			return true
		}
		return d.blanket && m.promises && v.outcome == acked && v.ended < d.began
	})
}

// check looks at what a read has returned.
func (m *model) check(r *request) {
	for _, v := range m.all {
		if !v.isPut() {
			continue
		}
		shows := slices.Contains(r.got, v.name)
		if shows && v.outcome == notDone {
			m.failf("%s shows %s, which was not done", r.name, v.name)
		}
		if !m.promises {
			continue
		}
		switch {
		case shows && m.covered(v, r.began):
			m.failf("%s shows %s, which was superseded", r.name, v.name)
		case !shows && v.outcome == acked && v.ended < r.began && !m.mayCover(v, r.ended):
			m.failf("%s lacks %s, which was acknowledged", r.name, v.name)
		case 2*m.r > m.n:
			m.monotonic(r, v, shows)
		}
	}
	m.shown = append(m.shown, r.got...)
}

// monotonic checks K3: what a read has shown, later ones do until it is
// superseded, and then none does any more.
func (m *model) monotonic(r, v *request, shows bool) {
	before := slices.ContainsFunc(m.all, func(q *request) bool {
		return q.read != nil && q.outcome == acked && q.ended < r.began && slices.Contains(q.got, v.name)
	})
	at, gone := m.goneAt[v.name]
	switch {
	case shows && gone && at < r.began:
		m.failf("%s shows %s again", r.name, v.name)
	case before && !shows && !m.mayCover(v, r.ended):
		m.failf("%s lacks %s, which an earlier read has shown", r.name, v.name)
	case before && !shows && !gone:
		m.goneAt[v.name] = r.ended
	}
}

// condition checks that a conditional put was right to go through.
func (m *model) condition(r *request) {
	if !m.promises || !r.none && !r.match {
		return
	}
	for _, v := range m.all {
		if v.isPut() && v != r && v.outcome == acked && v.ended < r.began && !m.mayCoverBut(r, v) && !slices.Contains(r.covers, v.name) {
			m.failf("%s was written although %s was there", r.name, v.name)
		}
	}
}

// mayCoverBut is mayCover before the end of r, leaving out r itself.
func (m *model) mayCoverBut(r, v *request) bool {
	covers := r.covers
	r.covers = nil
	defer func() { r.covers = covers }()
	return m.mayCover(v, r.ended)
}
