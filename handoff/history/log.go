package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// ErrClosed is returned by calls after Close.
var ErrClosed = errors.New("history: closed")

// Options bound a log. The zero value of a field means its default.
type Options struct {
	// Bytes is the size at which a file is followed by the next one; default 4 MiB, some 20,000 entries.
	Bytes int64
	// Files is how many are kept; default 4.
	Files int
}

const (
	defaultBytes = 4 << 20
	defaultFiles = 4
	// memoryEntries is what a log without a directory keeps.
	memoryEntries = 1 << 14
)

// Damage is a part of a log that can't be read.
type Damage struct {
	File   string
	Offset int64 // where it begins, in bytes; the rest of the file is not read
	Err    error
}

// Error says where the damage is.
func (d Damage) Error() string { return fmt.Sprintf("%s from byte %d on: %v", d.File, d.Offset, d.Err) }

// Unwrap returns what was found.
func (d Damage) Unwrap() error { return d.Err }

// A Log keeps the history of one node. It is safe for concurrent use.
type Log struct {
	dir string // empty: only in memory
	o   Options

	mu     sync.Mutex
	closed bool
	files  []logFile       // in order
	open   *os.File        // the last of them, nil if the next entry begins a new one
	recent []Entry         // without a directory
	last   map[slot]uint64 // the newest session with an entry
}

// logFile is one file of a log and how many bytes of it are known to be good, or were found.
type logFile struct {
	number uint64
	size   int64
}

// slot is a partition of a kind.
type slot struct {
	kind topology.Kind
	p    ring.Partition
}

// Open opens the log in a directory, which is made if it is not there; with an empty dir the log is kept in
// memory only. What a crash left of the last write is cut off. Damage is no error: All tells it.
func Open(dir string, o Options) (*Log, error) {
	if o.Bytes <= 0 {
		o.Bytes = defaultBytes
	}
	if o.Files <= 0 {
		o.Files = defaultFiles
	}
	l := &Log{dir: dir, o: o, last: make(map[slot]uint64)}
	if dir == "" {
		return l, nil
	}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("history in %s: %w", dir, err)
	}
	return l, nil
}

func (l *Log) path(number uint64) string {
	return filepath.Join(l.dir, fmt.Sprintf("%08d.log", number))
}

// load finds the files, and makes the last one end behind its last entry.
func (l *Log) load() error {
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(l.dir, "*.log"))
	if err != nil {
		return err
	}
	whole := false // the last file ends with an entry, or with what a crash left
	for _, name := range names {
		var number uint64
		if _, err := fmt.Sscanf(filepath.Base(name), "%d.log", &number); err != nil || l.path(number) != name {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		good, torn, bad := scan(b, l.note)
		f := logFile{number, int64(len(b))}
		if whole = torn || bad == nil; whole {
			f.size = int64(good)
		}
		l.files = append(l.files, f)
	}
	if whole {
		return l.reopen(l.files[len(l.files)-1])
	}
	return nil
}

// reopen makes a file that was found the one to append to.
func (l *Log) reopen(f logFile) error {
	file, err := os.OpenFile(l.path(f.number), os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, seek := file.Seek(f.size, io.SeekStart)
	if err := errors.Join(file.Truncate(f.size), seek); err != nil {
		return errors.Join(err, file.Close())
	}
	l.open = file
	return nil
}

func (l *Log) shut() error {
	if l.open == nil {
		return nil
	}
	err := l.open.Close()
	l.open = nil
	return err
}

func (l *Log) note(e Entry) {
	s := slot{e.Kind, e.Partition}
	l.last[s] = max(l.last[s], e.Session)
}

// Whole reports whether nothing was ever removed from the log.
func (l *Log) Whole() bool { return l.dir != "" && l.oldest() <= 1 }

// Last returns the newest session of a partition that the log has an entry of, 0 if there is none.
func (l *Log) Last(kind topology.Kind, p ring.Partition) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last[slot{kind, p}]
}

// Append adds entries and returns when they are durable. After an error they may be in the log or not; to
// append them again does no harm.
func (l *Log) Append(entries ...Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if l.dir == "" {
		l.recent = append(l.recent, entries...)
		if n := len(l.recent) - memoryEntries; n > 0 {
			l.recent = slices.Delete(l.recent, 0, n)
		}
	} else if err := l.write(entries); err != nil {
		return fmt.Errorf("history in %s: %w", l.dir, err)
	}
	for _, e := range entries {
		l.note(e)
	}
	return nil
}

func (l *Log) write(entries []Entry) error {
	var b []byte
	for i := range entries {
		var err error
		if b, err = appendEntry(b, &entries[i]); err != nil {
			return err
		}
	}
	if l.open != nil && l.files[len(l.files)-1].size >= l.o.Bytes {
		if err := l.shut(); err != nil {
			return err
		}
	}
	if l.open == nil {
		if err := l.begin(); err != nil {
			return err
		}
	}
	if _, err := l.open.Write(b); err != nil {
		return errors.Join(err, l.shut()) // what it left is behind the size: the next one begins a new file
	}
	if err := l.open.Sync(); err != nil {
		return errors.Join(err, l.shut())
	}
	l.files[len(l.files)-1].size += int64(len(b))
	return nil
}

// begin makes a new file, and removes the oldest if there are too many.
func (l *Log) begin() error {
	next := logFile{number: 1}
	if n := len(l.files); n > 0 {
		next.number = l.files[n-1].number + 1
	}
	file, err := os.OpenFile(l.path(next.number), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if err := syncDir(l.dir); err != nil {
		return errors.Join(err, file.Close())
	}
	l.open, l.files = file, append(l.files, next)
	for len(l.files) > l.o.Files {
		if err := os.Remove(l.path(l.files[0].number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		l.files = slices.Delete(l.files, 0, 1)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// All reads the log from the disk and returns its entries, the oldest first, and what can't be read of it.
// An entry may be there twice.
func (l *Log) All() ([]Entry, []Damage, error) {
	l.mu.Lock()
	closed, files, all := l.closed, slices.Clone(l.files), slices.Clone(l.recent)
	l.mu.Unlock()
	if closed {
		return nil, nil, ErrClosed
	}
	var damage []Damage
	for _, f := range files {
		b, err := os.ReadFile(l.path(f.number))
		if errors.Is(err, fs.ErrNotExist) && l.oldest() > f.number {
			continue // removed meanwhile
		}
		if err != nil {
			damage = append(damage, Damage{l.path(f.number), 0, err})
			continue
		}
		good, _, err := scan(b[:min(f.size, int64(len(b)))], func(e Entry) { all = append(all, e) })
		if err == nil && int64(good) < f.size {
			err = fmt.Errorf("%d bytes are gone: %w", f.size-int64(good), ErrDamaged)
		}
		if err != nil {
			damage = append(damage, Damage{l.path(f.number), int64(good), err})
		}
	}
	return all, damage, nil
}

// oldest returns the number of the oldest file that is kept.
func (l *Log) oldest() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.files) == 0 {
		return 0
	}
	return l.files[0].number
}

// Close closes the log. It may be repeated.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.shut()
}
