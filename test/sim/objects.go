package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// An object is one key and all that clients did to it.
type object struct {
	l       *load
	key     string
	writes  []*write
	context kv.Context // as last read
	seen    []string   // what it stands for
	open    int        // requests under way
	final   bool       // the last look agrees
}

// A write is a put of one value, or a delete of what its context has seen.
type write struct {
	value        string // empty: a delete
	covers       []string
	began, ended int // events of the world; 0: not yet
	acked        bool
	undone       bool // certainly
}

// maxWrites is how often a key is written.
const maxWrites = 24

// copies are the properties of all buckets: nobody stands in for a primary.
func copies() *bucket.Properties {
	p := bucket.Defaults(3)
	p.Sloppy = false
	return &p
}

// next begins another request for the key, now and then one beside another.
func (o *object) next() {
	c := o.l.c
	again := func() { c.W.After(c.W.Between(0, 50*o.l.Think), o.next) }
	if o.l.resting {
		o.look()
		return
	}
	n := c.gateway()
	switch {
	case n == nil || o.open > 1:
	case len(o.writes) < maxWrites && c.W.Chance(0.6):
		o.write(n)
	default:
		o.read(n, bucket.Default, func([]string) {})
	}
	again()
}

// write puts a value over what was read last, or beside it; or deletes what was read last.
func (o *object) write(n *Node) {
	c := o.l.c
	v := &write{began: c.W.steps}
	o.writes = append(o.writes, v)
	o.open++
	p := copies()
	context := kv.Context("")
	if o.context != "" && c.W.Chance(0.8) {
		context, v.covers = o.context, o.seen
	}
	set := n.replicas(kv.KindName, kv.Head(p, "", "b", o.key, n.shown.RingSize()), p.NVal)
	var m *kv.Write
	var err error
	if context != "" && c.W.Chance(0.1) {
		m, err = kv.NewRemove(set, kv.Delete{Bucket: "b", Key: o.key, Context: context, Modified: n.wall()}, p)
	} else {
		v.value = fmt.Sprint("v", len(o.writes))
		m, err = kv.NewWrite(set, kv.Put{Object: kv.Object{
			Bucket: "b", Key: o.key, Value: []byte(v.value), Context: context, Modified: n.wall(),
		}}, p)
	}
	if err != nil {
		c.W.Failf("write of %s: %v", o.key, err)
		return
	}
	life := n.life
	answered := false
	end := func(err error) {
		if answered {
			return
		}
		answered = true
		o.open--
		v.ended = c.W.steps
		switch {
		case err == nil:
			v.acked = true
			c.Counts.Acknowledged++
		case errors.Is(err, kv.ErrUnknown):
			c.Counts.Unknown++
		default:
			v.undone = true
		}
	}
	n.run(kv.KindName, m, func() {
		_, err := m.Written()
		end(err)
	})
	c.W.After(2*quorumLimit, func() {
		if n.life != life || !n.up || n.paused {
			end(kv.ErrUnknown)
		}
	})
}

// read asks for the key and holds the answer to all that was done before.
func (o *object) read(n *Node, r bucket.Quorum, done func([]string)) {
	c := o.l.c
	p := copies()
	set := n.replicas(kv.KindName, kv.Head(p, "", "b", o.key, n.shown.RingSize()), p.NVal)
	get := kv.Get{Bucket: "b", Key: o.key, Tombstones: true}
	get.Options.R = r
	m, err := kv.NewRead(set, get, p, n.wall())
	if err != nil {
		c.W.Failf("read of %s: %v", o.key, err)
		return
	}
	began := c.W.steps
	n.run(kv.KindName, m, func() {
		found, err := m.Object()
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return
		}
		c.Counts.Acknowledged++
		got := []string{}
		if err == nil {
			for _, v := range found.Contents() {
				if !v.Deleted {
					got = append(got, string(v.Value))
				}
			}
		}
		o.check(got, began)
		o.context, o.seen = found.Context, got
		done(got)
	})
}

// check holds what a read has shown against all that was done before it began.
func (o *object) check(got []string, began int) {
	c := o.l.c
	if c.check.forced {
		return
	}
	for _, v := range o.writes {
		if v.value == "" {
			continue
		}
		shows := slices.Contains(got, v.value)
		switch {
		case shows && v.undone:
			c.W.Failf("S15 %s shows %s, which was not done", o.key, v.value)
		case shows && o.covered(v, func(d *write) bool { return d.acked && d.ended < began }):
			c.W.Failf("S15 %s shows %s again, which was superseded", o.key, v.value)
		case !shows && v.acked && v.ended < began && !o.covered(v, func(d *write) bool { return !d.undone }):
			c.W.Failf("S15 %s lacks %s, which was acknowledged: %v", o.key, v.value, got)
		}
	}
}

// covered reports whether a write that counts has superseded v.
func (o *object) covered(v *write, counts func(*write) bool) bool {
	return slices.ContainsFunc(o.writes, func(d *write) bool { return counts(d) && slices.Contains(d.covers, v.value) })
}

// look reads all copies, until they answer and agree with what was acknowledged.
func (o *object) look() {
	c := o.l.c
	if o.final {
		return
	}
	if n := c.gateway(); n != nil {
		o.read(n, bucket.All, func([]string) { o.final = true })
	}
	c.W.After(c.W.Between(0, time.Second), o.look)
}
