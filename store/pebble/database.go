package pebble

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	db "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/dee2748c/baton/store"
)

// database is a Pebble database that knows whether it can still be trusted.
type database struct {
	*db.DB
	options  Options
	settings *db.Options
	space    *space

	written atomic.Uint64 // batches applied without sync
	synced  atomic.Uint64 // of them, how many are known to be durable

	loads atomic.Uint64 // bulk loads begun

	identity [16]byte
	fresh    bool // this process made the store

	cache    *db.Cache
	excising atomic.Bool // an excise is under way
	report   report

	failure atomic.Pointer[error] // the first one that broke a promise

	numbers struct {
		sync.Mutex
		next, limit uint64 // limit is durable
	}
}

// numberBlock is how many generation numbers one synced write reserves.
const numberBlock = 1 << 10

func openDatabase(dir string, o Options) (*database, error) {
	d := &database{options: o, space: newSpace(dir, o), cache: db.NewCache(int64(o.CacheSize))}
	defer d.cache.Unref() // the database keeps it as long as it is open
	d.settings = &db.Options{
		FS:                          guard{o.FS, d},
		Logger:                      logger{d},
		EventListener:               d.listener(),
		FormatMajorVersion:          db.FormatTableFormatV6,
		MemTableSize:                uint64(o.MemTableSize),
		MemTableStopWritesThreshold: o.MemTables,
		Cache:                       d.cache,
		CompactionConcurrencyRange:  func() (int, int) { return 1, o.Compactions },
		// A dropped generation gives its space back soon, without other writes.
		FlushDelayDeleteRange: 10 * time.Second,
	}
	for i := range d.settings.Levels {
		d.settings.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	d.settings.Experimental.DisableIngestAsFlushable = d.excising.Load
	d.settings.EnsureDefaults()
	var err error
	d.DB, err = db.Open(dir, d.settings)
	if err != nil {
		return nil, errors.Join(translate(err), d.broken())
	}
	if err := d.begin(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// begin checks the format of the database, or sets it, and finds who it is and
// the next generation number.
func (d *database) begin() error {
	format, err := d.read(d.DB, []byte{tagFormat})
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = d.make()
	case err == nil && (len(format) != 1 || format[0] != formatVersion):
		err = corrupt("format", format)
	case err == nil:
		err = d.identify()
	}
	if err != nil {
		return err
	}
	b, err := d.read(d.DB, []byte{tagNumbers})
	switch {
	case errors.Is(err, store.ErrNotFound):
		d.numbers.next = 1
	case err != nil:
		return err
	case len(b) != 8:
		return corrupt("numbers", b)
	default:
		d.numbers.next = binary.BigEndian.Uint64(b)
	}
	d.numbers.limit = d.numbers.next
	return nil
}

// make begins a new store: its format and its identity are there together.
func (d *database) make() error {
	d.fresh = true
	rand.Read(d.identity[:])
	b := d.NewBatch()
	err := errors.Join(b.Set([]byte{tagFormat}, []byte{formatVersion}, nil), b.Set([]byte{tagIdentity}, d.identity[:], nil))
	if err != nil {
		return errors.Join(err, b.Close())
	}
	// The first log of a database is of the oldest format, which can't tell
	// damage from a torn end; the flush begins another.
	return errors.Join(d.commit(b, db.Sync), translate(d.Flush()))
}

// identify reads the identity. A store that was made before there were any gets one.
func (d *database) identify() error {
	b, err := d.read(d.DB, []byte{tagIdentity})
	switch {
	case errors.Is(err, store.ErrNotFound):
		rand.Read(d.identity[:])
		return d.set([]byte{tagIdentity}, d.identity[:])
	case err == nil && len(b) != len(d.identity):
		return corrupt("identity", b)
	}
	copy(d.identity[:], b)
	return err
}

// number returns a generation number that was never used.
func (d *database) number() (uint64, error) {
	n := &d.numbers
	n.Lock()
	defer n.Unlock()
	if n.next == n.limit {
		limit := n.limit + numberBlock
		if err := d.set([]byte{tagNumbers}, binary.BigEndian.AppendUint64(nil, limit)); err != nil {
			return 0, err
		}
		n.limit = limit
	}
	n.next++
	return n.next - 1, nil
}

// read returns a copy of the value of key, or ErrNotFound.
func (d *database) read(from db.Reader, key []byte) ([]byte, error) {
	value, closer, err := from.Get(key)
	if err != nil {
		return nil, translate(err)
	}
	value = append(make([]byte, 0, len(value)), value...)
	return value, closer.Close()
}

// set writes one key durably.
func (d *database) set(key, value []byte) error {
	b := d.NewBatch()
	if err := b.Set(key, value, nil); err != nil {
		return errors.Join(err, b.Close())
	}
	return d.commit(b, db.Sync)
}

// commit applies and closes a batch.
func (d *database) commit(b *db.Batch, mode *db.WriteOptions) error {
	if err := d.broken(); err != nil {
		return errors.Join(err, b.Close())
	}
	before := d.written.Load()
	if err := b.Commit(mode); err != nil {
		return errors.Join(translate(err), b.Close())
	}
	// The database reports a failed commit to its logger only.
	if err := d.broken(); err != nil {
		return err
	}
	if mode.Sync {
		d.raise(before)
	} else {
		d.written.Add(1)
	}
	return b.Close()
}

// sync returns when all batches that were applied before are durable.
func (d *database) sync() error {
	if err := d.broken(); err != nil {
		return err
	}
	before := d.written.Load()
	if before <= d.synced.Load() {
		return nil
	}
	if err := d.LogData(nil, db.Sync); err != nil {
		return translate(err)
	}
	if err := d.broken(); err != nil {
		return err
	}
	d.raise(before)
	return nil
}

func (d *database) raise(n uint64) {
	for {
		was := d.synced.Load()
		if was >= n || d.synced.CompareAndSwap(was, n) {
			return
		}
	}
}

// closeFlush is how long Close waits for the memtables to become tables.
const closeFlush = 10 * time.Second

// Close flushes first, if that can be done, so that nothing depends on the log:
// in the last blocks of a log, damage can't be told from a write that the power
// cut short, and Pebble drops what follows it without a word.
func (d *database) Close() error {
	err := d.broken()
	if err == nil && d.space.admit(0) == nil {
		var flushed <-chan struct{}
		if flushed, err = d.AsyncFlush(); err == nil {
			select {
			case <-flushed:
			case <-time.After(closeFlush):
			}
		}
	}
	return errors.Join(translate(err), d.DB.Close(), d.broken())
}

// fail notes that the database can't be trusted any more.
func (d *database) fail(cause error) {
	err := fmt.Errorf("%w: %w", store.ErrBroken, cause)
	if d.failure.CompareAndSwap(nil, &err) {
		d.options.Logger.Error("store broken", "err", err)
		d.options.Fatal(err)
	}
}

// broken returns an error that is ErrBroken after a failure.
func (d *database) broken() error {
	if err := d.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// translate gives the database's errors the names of package store.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, db.ErrNotFound):
		return store.ErrNotFound
	case db.IsCorruptionError(err):
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	case noSpace(err) && !errors.Is(err, store.ErrDiskFull):
		return fmt.Errorf("%w: %w", store.ErrDiskFull, err)
	default:
		return err
	}
}

// logger takes what the database says. It expects Fatalf not to return, and so
// does Options.Fatal.
type logger struct{ d *database }

func (l logger) Infof(format string, args ...any) {
	l.d.options.Logger.Debug("pebble", "text", fmt.Sprintf(format, args...))
}

func (l logger) Errorf(format string, args ...any) {
	l.d.options.Logger.Error("pebble", "text", fmt.Sprintf(format, args...))
}

func (l logger) Fatalf(format string, args ...any) {
	l.d.fail(fmt.Errorf(format, args...))
}

// listener reports what an operator must know. A corrupt block is not the end
// of the process: whoever reads it gets ErrCorrupt, and the others go on. Each
// damaged file is reported once, as each read of it meets the damage.
func (d *database) listener() *db.EventListener {
	log := d.options.Logger
	var reported sync.Map // path of a damaged file -> nothing
	return &db.EventListener{
		BackgroundError: func(err error) { log.Error("background error", "err", err) },
		DataCorruption: func(info db.DataCorruptionInfo) {
			if _, again := reported.LoadOrStore(info.Path, nil); !again {
				log.Error("corruption", "text", info.String())
				if len(info.Bounds.Start) > 0 {
					d.report.damage(&store.CorruptError{Err: &tableError{*boundsOf(&info), info.Path}})
				}
			}
		},
		DiskSlow:        func(info db.DiskSlowInfo) { log.Warn("disk slow", "text", info.String()) },
		WriteStallBegin: func(info db.WriteStallBeginInfo) { log.Warn("writes stalled", "text", info.String()) },
	}
}
