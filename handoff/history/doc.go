// Package history keeps how the transfers of one node ended: an append-only log with an [Entry] for each
// transfer that the node took part in, as its source or as its target.
//
// The replicated record has the last certificate of each partition; the logs of the nodes have those
// before, and the transfers that failed:
//
//	record: StageClean --source--> Append --durable--> SourceCleaned --> record: the certificate
//	                                                      the record has it --target--> Append
//
// A log is a few numbered files of at most [Options].Bytes; with one file more than [Options].Files the
// oldest is removed:
//
//	log, err := history.Open(dir, history.Options{})
//	err = log.Append(history.Entry{Certificate: *part.Closing(), Node: self, Ended: now})
//	entries, damage, err := log.All()
//
// Invariants:
//
//   - I1 What Append returned without an error for is on the disk, and survives a crash.
//   - I2 Bytes that were changed are told as Damage, and no entry is made of them.
//   - I3 What a crash left of an Append that did not return is cut off by the next Open, and nothing else.
package history
