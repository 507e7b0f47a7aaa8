// Package mapreduce runs ordinary Go functions over the objects of a bucket,
// at the partitions that hold them, and brings the results together by key.
//
// A job is a value in three types, registered under its name on every node:
//
//	var WordCount = mapreduce.Job[string, uint64, uint64]{
//		Name: "wordcount",
//		Map: func(o kv.Object, emit func(string, uint64)) error {
//			for _, word := range strings.Fields(o.Text()) {
//				emit(word, 1)
//			}
//			return nil
//		},
//		Combine: mapreduce.Sum[uint64],
//	}
//
// Job.RunLocal runs it without a cluster, through the same workers.
//
// A job becomes a pipe of two fittings:
//
//	snapshot of a partition --objects--> map at that partition
//	map:     Map, Combine in place --(key, value) by hash of key, at the end or over MapMemory--> reduce
//	reduce:  Combine across partitions --(key, result), at the end--> sink
//	sink:    Decoder --> Results, with a Report whose counts must add up
//
// Combining where the data lies is what keeps the network quiet: the pairs that
// cross it number distinct keys for each partition, not emitted pairs. Every
// partition of the ring reduces its own share of the keys.
//
// Inside the workers keys are their encodings: an emitted key costs one hash
// and one probe, allocates nothing when it has been seen before, and is decoded
// again only for Reduce. What the workers hold can be archived at any batch and
// merged elsewhere, so a job goes on while its partitions move.
//
// An error or a panic of a job's function ends the job with a TaskError, which
// names the phase, the object or key, and the cause.
//
// Invariants:
//
//   - I1 Results do not depend on how objects, batches, partitions or archives cut the input.
//   - I2 Reduce runs once for each key, with everything that was emitted for it.
//   - I3 Two keys are one key exactly when their encodings are equal; all its pairs meet in one partition.
//   - I4 A value survives its codec, or its type is refused when the job is registered.
//   - I5 A run whose counts do not add up is never reported complete.
//   - I6 Emitting a known key with a value of fixed size does not allocate.
package mapreduce
