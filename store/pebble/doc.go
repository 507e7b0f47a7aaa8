// Package pebble is the durable store engine: one Pebble database per node,
// every partition a prefix in it, one write-ahead log for all of them.
//
//	engine, err := pebble.Open(dir, pebble.Options{})
//	if err != nil {
//		return err
//	}
//	defer engine.Close()
//
// A write is in the log's buffer when Write returns and on disk after Sync, and
// all Syncs that run at the same time share one fsync. What changes where a
// partition is (Stage, Promote, Drop, SetRecord) is on disk when it returns:
//
//	Write -----> log buffer, memtable       one batch: items and summary
//	Sync ------> fsync of the log           one for all that wait
//	Promote ---> fsync of one batch:        pointer to staging, former active range-deleted
//
// Byte layout. Integers are big endian unless they are uvarints (as of package
// encoding/binary); ID is a uvarint length, the kind, and the partition in 4 bytes.
//
//	key                      value
//	'f'                      format(1) = 1
//	'i'                      16 bytes: the identity of the store, drawn when it was made
//	'n'                      8 bytes: generation numbers from here on were never used
//	'p' ID                   version(1) = 1, uvarints: active, staged, session, promoted
//	'r' ID                   a record, as store.Record.AppendBinary writes it
//	'g' number(8) 0x00 key   version(8) value
//	'g' number(8) 0x01       summary: items(8) bytes(8) digest(16)
//	'g' number(8) 0x02       empty: damaged items were given up, and the summary is to be counted
//
// Generation numbers start at 1, 0 stands for none. They are reserved in blocks
// by a synced write before the first of a block is used, and never used again:
// bytes that a crash leaves behind can't turn up in a later generation. A
// generation that no pointer names is removed when the database is opened.
//
// A failed write of the log or of the manifest, and a failed fsync of any file,
// leave unknown what is on disk, and asking again would not tell. The engine
// then refuses everything with store.ErrBroken and calls Options.Fatal, which
// must end the process. Before a full disk can get that far, writes are refused
// with store.ErrDiskFull: Options.Reserve.
//
// Close waits for running calls. Iterators and snapshots that are open then are
// closed under their users, who see store.ErrClosed; an iterator copies each
// item into a buffer of its own, so items in use stay valid even then.
//
// Invariants beyond those of package store:
//
//   - I1 A batch carries the summary that it leads to, so both are on disk or neither is.
//   - I2 An ID's place changes by one batch that is synced, with the range delete of what it leaves.
//   - I3 No method touches the database after Close has begun to close it.
//   - I4 After a failed fsync of any file no call succeeds.
//   - I5 What is read is what was written, or a store.CorruptError that names the keys.
//   - I6 No lock is held while the source of a bulk load is asked.
package pebble
