package sim

import (
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// Errors of a Disk.
var (
	// ErrSync is the answer to a sync that failed: what it was to keep may be lost. The process must
	// not go on.
	ErrSync = errors.New("simulated fsync error")
	// ErrDamaged is returned by Load when a record that was synced does not have its checksum.
	ErrDamaged = errors.New("simulated disk: damaged record")
)

// A Disk is a journal of records with a checksum each.
type Disk struct {
	// SyncTime is what a sync takes.
	SyncTime time.Duration
	// FailSync is the probability that a sync fails.
	FailSync float64

	w       *World
	records []record
	synced  int // records that a crash does not take
	crashes int
}

type record struct {
	key  string
	data []byte
	sum  uint32
}

func (r record) intact() bool { return crc32.ChecksumIEEE(append([]byte(r.key), r.data...)) == r.sum }

func newDisk(w *World) *Disk { return &Disk{w: w, SyncTime: 200 * time.Microsecond} }

// Put appends a record. It is durable after a sync that begins later.
func (d *Disk) Put(key string, data []byte) {
	d.records = append(d.records, record{key, data, crc32.ChecksumIEEE(append([]byte(key), data...))})
}

// Sync makes what was put before durable and then calls done, with ErrSync when it failed.
func (d *Disk) Sync(done func(error)) {
	upTo, crashes := len(d.records), d.crashes
	d.w.After(d.SyncTime, func() {
		if crashes == d.crashes && d.w.Chance(d.FailSync) {
			done(fmt.Errorf("sync %d records: %w", upTo, ErrSync))
			return
		}
		if crashes == d.crashes {
			d.synced = max(d.synced, upTo)
			done(nil)
		}
	})
}

// SyncNow makes everything durable at once, for steps that the simulator takes whole.
func (d *Disk) SyncNow() { d.synced = len(d.records) }

// Crash takes a part of what was not synced: the end of it, perhaps within a record.
func (d *Disk) Crash() {
	d.crashes++
	left := d.synced
	if n := len(d.records) - d.synced; n > 0 {
		left += d.w.rnd.IntN(n + 1)
	}
	torn := left < len(d.records) && d.w.Chance(0.5)
	if torn {
		r := d.records[left]
		r.data = r.data[:d.w.rnd.IntN(len(r.data)+1)]
		r.sum++
		d.records = append(d.records[:left], r)
		return
	}
	d.records = d.records[:left]
}

// FlipBit damages a synced record, and reports whether there was one.
func (d *Disk) FlipBit() bool {
	if d.synced == 0 {
		return false
	}
	r := &d.records[d.w.rnd.IntN(d.synced)]
	if len(r.data) == 0 {
		r.sum ^= 1
		return true
	}
	data := append([]byte(nil), r.data...)
	data[d.w.rnd.IntN(len(data))] ^= 1 << d.w.rnd.IntN(8)
	r.data = data
	return true
}

// Load gives the records to f in order, as a process that starts finds them. A damaged record ends the
// journal when nothing from there on was synced, and is ErrDamaged else.
func (d *Disk) Load(f func(key string, data []byte)) error {
	for i, r := range d.records {
		if r.intact() {
			f(r.key, r.data)
			continue
		}
		if i < d.synced {
			return fmt.Errorf("record %d of %d, %s: %w", i, d.synced, r.key, ErrDamaged)
		}
		d.records = d.records[:i]
		break
	}
	d.synced = len(d.records)
	return nil
}
