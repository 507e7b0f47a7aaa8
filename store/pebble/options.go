package pebble

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options configure an engine. The zero value is ready to use.
type Options struct {
	// MemTableSize is the size of one memtable in bytes. Larger ones turn random
	// writes into fewer, longer flushes. Default 64 MiB.
	MemTableSize int
	// MemTables is how many memtables may wait for their flush before writers
	// wait. Default 4.
	MemTables int
	// CacheSize is the size of the block cache in bytes. Default 256 MiB.
	CacheSize int
	// Compactions is how many compactions may run at a time. Default 2.
	Compactions int
	// LoadSize is the size in bytes after which a bulk load starts another
	// table. Default 64 MiB.
	LoadSize int
	// Reserve is how many bytes of the disk are kept free: writes that would use
	// them are refused with store.ErrDiskFull, until there is room again. It must
	// hold what can't be refused, twice the memtables. Default 2 x MemTables x
	// MemTableSize, which is 512 MiB.
	Reserve int
	// FS is where the files are. Default the operating system's.
	FS vfs.FS
	// Logger gets what the database reports. Default none.
	Logger *slog.Logger
	// Fatal is told, once, that the engine can't promise durability any more.
	// It must end the process without calling the engine. Should it return, the
	// engine refuses every call with store.ErrBroken, and calls that are running
	// may never return. Default: report to stderr and exit with status 1.
	Fatal func(error)
}

func (o Options) withDefaults() Options {
	fill := func(v *int, otherwise int) {
		if *v == 0 {
			*v = otherwise
		}
	}
	fill(&o.MemTableSize, 64<<20)
	fill(&o.MemTables, 4)
	fill(&o.CacheSize, 256<<20)
	fill(&o.Compactions, 2)
	fill(&o.LoadSize, 64<<20)
	fill(&o.Reserve, 2*o.MemTables*o.MemTableSize)
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Fatal == nil {
		o.Fatal = exit
	}
	return o
}

// Validate returns an error if a size or a count is negative or out of bounds.
func (o Options) Validate() error {
	for _, check := range []struct {
		name            string
		value, min, max int
	}{
		{"MemTableSize", o.MemTableSize, 64 << 10, 2 << 30},
		{"MemTables", o.MemTables, 2, 64},
		{"CacheSize", o.CacheSize, 64 << 10, 1 << 40},
		{"Compactions", o.Compactions, 1, 64},
		{"LoadSize", o.LoadSize, 4 << 10, 1 << 30},
		{"Reserve", o.Reserve, 64 << 10, 1 << 50},
	} {
		if check.value != 0 && (check.value < check.min || check.value > check.max) {
			return fmt.Errorf("options: %s is %d, not between %d and %d", check.name, check.value, check.min, check.max)
		}
	}
	return nil
}

// exit ends the process, as nothing that it says about durability holds.
func exit(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
