package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/bits"
	"slices"
	"strings"

	db "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"

	"github.com/dee2748c/baton/store"
)

// inspect looks at what the database would not take for damage, or need not stop
// at, before it is opened.
func inspect(dir string, o Options) error {
	names, err := o.FS.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "OPTIONS-") {
			if err := inspectOptions(dir, name, o); err != nil {
				return err
			}
		}
	}
	name, err := atomicfs.ReadMarker(o.FS, dir, "manifest")
	if err != nil || name == "" {
		return err
	}
	b, err := readFile(o.FS, o.FS.PathJoin(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		if unborn(names) {
			return clearUnborn(dir, names, o)
		}
		return &store.DamageError{Dir: dir, File: name, Err: err}
	}
	if err != nil {
		return err
	}
	if at, ok := inspectManifest(b); !ok {
		return &store.DamageError{Dir: dir, File: name, Err: fmt.Errorf("invalid record at %d of %d bytes", at, len(b))}
	}
	return nil
}

// unborn reports whether the power failed before a database was made whole: one
// that was opened once has a table.
func unborn(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, ".sst") })
}

// clearUnborn lets a database begin anew. The order of what a power cut leaves in
// a directory is any, so it may name a manifest that is not there.
func clearUnborn(dir string, names []string, o Options) error {
	o.Logger.Warn("a store that was not made whole begins anew", "dir", dir)
	for _, name := range names {
		if name == "LOCK" {
			continue
		}
		if err := o.FS.Remove(o.FS.PathJoin(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// inspectOptions removes a file of options that the database would stop at. They
// are only a copy of what this package sets, and written anew at each open.
func inspectOptions(dir, name string, o Options) error {
	path := o.FS.PathJoin(dir, name)
	b, err := readFile(o.FS, path)
	if err != nil {
		return err
	}
	var known db.Options
	known.EnsureDefaults()
	err = known.CheckCompatibility(dir, string(b))
	if err == nil {
		return nil
	}
	o.Logger.Warn("damaged options removed", "file", path, "err", err)
	return o.FS.Remove(path)
}

func readFile(from vfs.FS, path string) ([]byte, error) {
	f, err := from.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// The manifest is a sequence of records in chunks, none of which crosses a
// border between blocks: a checksum (4, masked CRC-32C of type and payload), the
// payload's size (2) and the type (1), little endian.
const (
	manifestBlock  = 32 << 10
	manifestHeader = 7
	fullChunk      = 1
	firstChunk     = 2
	lastChunk      = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// chunkSize returns the size of the valid chunk that b begins with, at an offset
// in a block; 0 if there is none.
func chunkSize(b []byte, offset int) int {
	if len(b) < manifestHeader || b[6] < fullChunk || b[6] > lastChunk {
		return 0
	}
	size := manifestHeader + int(binary.LittleEndian.Uint16(b[4:]))
	if size > len(b) || offset+size > manifestBlock {
		return 0
	}
	sum := bits.RotateLeft32(crc32.Checksum(b[6:size], castagnoli), -15) + 0xa282ead8
	if sum != binary.LittleEndian.Uint32(b) {
		return 0
	}
	return size
}

// inspectManifest returns the offset of an invalid chunk that a later record
// follows, with false. The database would take the manifest to end there, as it
// does when the power failed in the middle of a write, and remove all tables that
// were made since. But each record is synced before the next one is written: only
// the last can be torn. Damage of that one goes unnoticed.
func inspectManifest(b []byte) (at int, ok bool) {
	at, _ = chunks(b, 0)
	border := (at/manifestBlock + 1) * manifestBlock
	// Where the next chunk begins is unknown, up to the next block.
	for next := at + 1; next < min(border, len(b)); next++ {
		if chunkSize(b[next:], next%manifestBlock) > 0 && b[next+6] <= firstChunk {
			return at, false
		}
	}
	for ; border < len(b); border += manifestBlock {
		if _, begins := chunks(b[:min(border+manifestBlock, len(b))], border); begins {
			return at, false
		}
	}
	return at, true
}

// chunks follows valid chunks from at on, and returns where they end and whether
// a record begins among them.
func chunks(b []byte, at int) (end int, begins bool) {
	for at < len(b) {
		offset := at % manifestBlock
		if left := manifestBlock - offset; left < manifestHeader {
			at += left
			continue
		}
		size := chunkSize(b[at:], offset)
		if size == 0 {
			break
		}
		begins = begins || b[at+6] <= firstChunk
		at += size
	}
	return at, begins
}

// damaged names the file that an error of opening the database is about, as far
// as the database says so, if it is that something is damaged.
func damaged(dir string, from vfs.FS, err error) error {
	if !errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrBroken) {
		return err
	}
	damage := &store.DamageError{Dir: dir, Err: err}
	names, listErr := from.List(dir)
	if listErr != nil {
		return errors.Join(damage, listErr)
	}
	for _, name := range names {
		number, _, _ := strings.Cut(name, ".")
		if text := err.Error(); strings.Contains(text, name) || strings.Contains(text, "file "+number) {
			damage.File = name
		}
	}
	return damage
}
