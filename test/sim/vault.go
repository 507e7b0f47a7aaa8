package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/memory"
)

// A vault is what one process has of its partitions: an engine in memory, and on a disk a journal of what
// was changed, from which the next process makes its own. A change is durable after a sync of the disk.
type vault struct {
	*memory.Engine
	// Full makes the disk take nothing more.
	Full bool
	// Unreadable are keys that a read fails for.
	Unreadable map[string]bool

	disk     *Disk // nil: nothing lasts
	promoted map[store.ID]uint64
	limit    int // of records, before the journal is written anew
}

var errUnreadable = errors.New("simulated disk: unreadable item")

func newVault(d *Disk) *vault {
	return &vault{Engine: memory.New(), disk: d, promoted: map[store.ID]uint64{}, limit: 4096}
}

// Changes of an engine, as the journal names them.
const (
	changeWrite   = "write"
	changeStage   = "stage"
	changePromote = "promote"
	changeUnstage = "unstage"
	changeDrop    = "drop"
	changeRecord  = "record"
)

// note puts a change on the disk.
func (v *vault) note(change string, id store.ID, session uint64, rest func([]byte) []byte) {
	if v.disk != nil {
		v.disk.Put(change, encodeChange(id, session, rest))
	}
}

func encodeChange(id store.ID, session uint64, rest func([]byte) []byte) []byte {
	b := binary.AppendUvarint(make([]byte, 0, 64), uint64(id.Partition))
	b = binary.AppendUvarint(b, session)
	b = appendBytes(b, []byte(id.Kind))
	if rest != nil {
		b = rest(b)
	}
	return b
}

func appendBytes(b, s []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(s))), s...) }

func appendOps(b []byte, ops []store.Op) []byte {
	b = binary.AppendUvarint(b, uint64(len(ops)))
	for i := range ops {
		op := &ops[i]
		b = appendBytes(b, op.Key)
		if op.Delete {
			b = append(b, 1)
			continue
		}
		b = binary.AppendUvarint(append(b, 0), op.Version)
		b = appendBytes(b, op.Value)
	}
	return b
}

// cutter takes a change apart, which was written by this file and has its checksum.
type cutter struct{ b []byte }

func (c *cutter) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	c.b = c.b[n:]
	return v
}

func (c *cutter) bytes() []byte {
	n := c.uvarint()
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

// load makes a change of the journal again.
func (v *vault) load(change string, data []byte) error {
	c := cutter{data}
	id := store.ID{Partition: ring.Partition(c.uvarint())}
	session := c.uvarint()
	id.Kind = string(c.bytes())
	switch change {
	case changeStage:
		_, err := v.Engine.Stage(id, session)
		return err
	case changePromote:
		v.promoted[id] = session
		return v.Engine.Promote(id, session)
	case changeUnstage:
		return v.Engine.DropStaging(id, session)
	case changeDrop:
		return v.Engine.Drop(id)
	case changeRecord:
		r, err := store.DecodeRecord(c.b)
		return errors.Join(err, v.Engine.SetRecord(id, r))
	}
	part, err := v.generation(id, session)
	if err != nil {
		return err
	}
	var b store.Batch
	for range c.uvarint() {
		key := c.bytes()
		if c.uvarint() == 1 {
			b.Delete(key)
			continue
		}
		version := c.uvarint()
		b.Put(key, c.bytes(), version)
	}
	return part.Write(&b)
}

func (v *vault) generation(id store.ID, session uint64) (store.Partition, error) {
	if session == 0 {
		return v.Engine.Open(id)
	}
	return v.Engine.OpenStaged(id, session)
}

// Open returns the active generation.
func (v *vault) Open(id store.ID) (store.Partition, error) {
	part, err := v.Engine.Open(id)
	return &generation{part, v, id, 0}, err
}

// Stage returns an empty staging generation.
func (v *vault) Stage(id store.ID, session uint64) (store.Partition, error) {
	if v.Full {
		return nil, fmt.Errorf("stage %v: %w", id, store.ErrDiskFull)
	}
	part, err := v.Engine.Stage(id, session)
	if err == nil {
		v.note(changeStage, id, session, nil)
	}
	return &generation{part, v, id, session}, err
}

// Promote makes the staging generation the active one; it is durable after a sync.
func (v *vault) Promote(id store.ID, session uint64) error {
	err := v.Engine.Promote(id, session)
	if err == nil {
		v.promoted[id] = session
		v.note(changePromote, id, session, nil)
	}
	return err
}

// DropStaging removes the staging generation of a session.
func (v *vault) DropStaging(id store.ID, session uint64) error {
	v.note(changeUnstage, id, session, nil)
	return v.Engine.DropStaging(id, session)
}

// Drop removes the active generation.
func (v *vault) Drop(id store.ID) error {
	v.note(changeDrop, id, 0, nil)
	return v.Engine.Drop(id)
}

// SetRecord stores the record, which is durable after a sync.
func (v *vault) SetRecord(id store.ID, r store.Record) error {
	err := v.Engine.SetRecord(id, r)
	if err == nil {
		v.note(changeRecord, id, 0, func(b []byte) []byte {
			b, err = r.AppendBinary(b)
			return b
		})
	}
	return err
}

// generation is a partition whose writes go to the journal.
type generation struct {
	store.Partition
	v       *vault
	id      store.ID
	session uint64 // of a staging generation; 0 is the active one
}

func (g *generation) Write(b *store.Batch) error {
	if g.v.Full {
		return fmt.Errorf("write %v: %w", g.id, store.ErrDiskFull)
	}
	err := g.Partition.Write(b)
	if err == nil {
		g.v.note(changeWrite, g.id, g.session, func(to []byte) []byte { return appendOps(to, b.Ops()) })
	}
	return err
}

func (g *generation) Get(key []byte) (store.Item, error) {
	if g.v.Unreadable[string(key)] {
		return store.Item{}, fmt.Errorf("get %q: %w", key, errUnreadable)
	}
	return g.Partition.Get(key)
}

func (g *generation) Snapshot() store.Snapshot {
	return vaultSnapshot{g.Partition.Snapshot(), g.v}
}

// vaultSnapshot can't read the items that its vault can't read by now.
type vaultSnapshot struct {
	store.Snapshot
	v *vault
}

func (s vaultSnapshot) Scan(from, to []byte) store.Iterator {
	return &vaultIterator{Iterator: s.Snapshot.Scan(from, to), v: s.v}
}

type vaultIterator struct {
	store.Iterator
	v   *vault
	err error
}

func (it *vaultIterator) Next() bool {
	if it.err != nil || !it.Iterator.Next() {
		return false
	}
	if it.v.Unreadable[string(it.Item().Key)] {
		it.err = errUnreadable
		return false
	}
	return true
}

func (it *vaultIterator) Err() error { return errors.Join(it.err, it.Iterator.Err()) }

// tidy writes the journal anew once most of it is of no use any more and all of it is durable.
func (v *vault) tidy() {
	if v.disk == nil || len(v.disk.records) < v.limit || v.disk.synced < len(v.disk.records) {
		return
	}
	var records []record
	add := func(change string, id store.ID, session uint64, rest func([]byte) []byte) {
		records = append(records, newRecord(change, encodeChange(id, session, rest)))
	}
	active, err := v.Partitions()
	if err != nil {
		return
	}
	for _, id := range v.known(active) {
		promoted := v.promoted[id]
		if promoted != 0 {
			add(changeStage, id, promoted, nil)
		}
		holds := slices.Contains(active, id)
		if holds {
			v.items(id, 0, promoted, add)
		}
		if promoted != 0 {
			add(changePromote, id, promoted, nil)
			if !holds {
				add(changeDrop, id, 0, nil)
			}
		}
		if staged, ok := v.Staged(id); ok {
			add(changeStage, id, staged, nil)
			v.items(id, staged, staged, add)
		}
		if r, err := v.Record(id); err == nil {
			add(changeRecord, id, 0, func(b []byte) []byte {
				b, _ = r.AppendBinary(b) // it was stored before
				return b
			})
		}
	}
	v.disk.Rewrite(records)
	v.limit = max(4096, 4*len(records))
}

// known returns the ids of which there is anything, in order.
func (v *vault) known(active []store.ID) []store.ID {
	ids := slices.Clone(active)
	for id := range v.promoted {
		ids = append(ids, id)
	}
	for _, r := range v.disk.records {
		c := cutter{r.data}
		id := store.ID{Partition: ring.Partition(c.uvarint())}
		c.uvarint()
		id.Kind = string(c.bytes())
		ids = append(ids, id)
	}
	slices.SortFunc(ids, store.ID.Compare)
	return slices.Compact(ids)
}

// items adds what a generation holds, as writes to the generation of a session.
func (v *vault) items(id store.ID, of, as uint64, add func(string, store.ID, uint64, func([]byte) []byte)) {
	part, err := v.generation(id, of)
	if err != nil {
		return
	}
	snapshot := part.Snapshot()
	defer snapshot.Close()
	it := snapshot.Scan(nil, nil)
	defer it.Close()
	for it.Next() {
		item := it.Item()
		add(changeWrite, id, as, func(b []byte) []byte {
			return appendOps(b, []store.Op{{Key: item.Key, Value: item.Value, Version: item.Version}})
		})
	}
}
