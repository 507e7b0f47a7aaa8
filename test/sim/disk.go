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
	// FailNext makes the next sync fail.
	FailNext bool

	w       *World
	records []record
	synced  int // records that a crash does not take
	crashes int

	touched func(synced bool) // hears of each write, and of each sync before it counts; nil: nobody

	busy    bool          // a sync is under way
	waiting []func(error) // for the next one
}

type record struct {
	key  string
	data []byte
	sum  uint32
}

func newRecord(key string, data []byte) record { return record{key, data, checksum(key, data)} }

func (r record) intact() bool { return checksum(r.key, r.data) == r.sum }

func checksum(key string, data []byte) uint32 {
	sum := uint32(0)
	for i := range len(key) {
		sum = sum*31 + uint32(key[i])
	}
	return crc32.Update(sum, crc32.IEEETable, data)
}

func newDisk(w *World) *Disk { return &Disk{w: w, SyncTime: 200 * time.Microsecond} }

// Put appends a record. It is durable after a sync that begins later.
func (d *Disk) Put(key string, data []byte) {
	d.records = append(d.records, newRecord(key, data))
	if d.touched != nil {
		d.touched(false)
	}
}

// Sync makes what was put before durable and then calls done, with ErrSync when it failed. Those that come
// while the disk works share the next sync.
func (d *Disk) Sync(done func(error)) {
	d.waiting = append(d.waiting, done)
	if !d.busy {
		d.begin()
	}
}

func (d *Disk) begin() {
	upTo, crashes, waiting := len(d.records), d.crashes, d.waiting
	d.busy, d.waiting = true, nil
	d.w.After(d.SyncTime, func() {
		if d.touched != nil && crashes == d.crashes {
			d.touched(true)
		}
		if crashes != d.crashes {
			return
		}
		var err error
		if d.FailNext || d.w.Chance(d.FailSync) {
			d.FailNext = false
			err = fmt.Errorf("sync %d records: %w", upTo, ErrSync)
		} else {
			d.synced = max(d.synced, upTo)
		}
		d.busy = false
		if len(d.waiting) > 0 {
			d.begin()
		}
		for _, done := range waiting {
			done(err)
		}
	})
}

// Rewrite puts other records in the place of all, at once and durably, as a file that is renamed.
func (d *Disk) Rewrite(records []record) {
	d.records, d.synced = records, len(records)
}

// SyncNow makes everything durable at once, for steps that the simulator takes whole.
func (d *Disk) SyncNow() { d.synced = len(d.records) }

// Crash takes a part of what was not synced: the end of it, perhaps within a record.
func (d *Disk) Crash() {
	d.crashes++
	d.busy, d.waiting = false, nil
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
