package mapreduce

import (
	"fmt"
	"iter"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
)

// localPartitions is the ring that RunLocal pretends.
const localPartitions = 8

// RunLocal runs the job over the objects in the calling goroutine and returns
// its results by key. It runs the workers that a cluster runs, over the same
// encodings and the same partitioning by key, so that a job which passes a test
// with RunLocal needs no cluster to be trusted. Everything is held in memory.
func (j Job[K, V, R]) RunLocal(objects iter.Seq[kv.Object]) (map[K]R, error) {
	p, err := j.compile()
	if err != nil {
		return nil, err
	}
	var maps, reduces [localPartitions]pipe.Worker
	for i := range localPartitions {
		maps[i], reduces[i] = p.newMap(), p.newReduce()
	}
	shuffle := newShuffle(localPartitions)
	for o := range objects {
		at := kv.Route(o.Type, o.Bucket, o.Key, localPartitions)
		item := kv.AppendItem(nil, kv.AppendKey(nil, at, o.Type, o.Bucket, o.Key), kv.AppendStored(nil, o))
		if err := maps[at].Process(item, shuffle); err != nil {
			return nil, err
		}
	}
	results := newShuffle(1)
	for _, m := range maps {
		if err := m.Done(shuffle); err != nil {
			return nil, err
		}
	}
	for i, r := range reduces {
		if err := r.(pipe.BatchWorker).ProcessBatch(shuffle.to[i].Seal(), results); err != nil {
			return nil, err
		}
		if err := r.Done(results); err != nil {
			return nil, err
		}
	}
	return j.collect(results.to[0].Seal())
}

func (j Job[K, V, R]) collect(results pipe.Batch) (map[K]R, error) {
	d, err := j.Decoder()
	if err != nil {
		return nil, err
	}
	out := make(map[K]R, results.Len())
	for item := range results.All() {
		k, r, err := d.Decode(item)
		if err != nil {
			return nil, err
		}
		if _, dup := out[k]; dup {
			return nil, fmt.Errorf("job %q: two results for key %v: %w", j.Name, k, ErrDamaged)
		}
		out[k] = r
	}
	return out, nil
}

// shuffle is an Output that keeps items by the partition that their key hashes
// to.
type shuffle struct{ to []pipe.Builder }

func newShuffle(partitions int) *shuffle { return &shuffle{to: make([]pipe.Builder, partitions)} }

func (s *shuffle) Emit(item []byte) {
	at := 0
	if len(s.to) > 1 {
		at = int(ring.PartitionOf(KeyHash(item), len(s.to)))
	}
	s.to[at].Append(item)
}

func (s *shuffle) EmitTo(p ring.Partition, item []byte) { s.to[p].Append(item) }
func (*shuffle) Recurse([]byte)                         {}
func (*shuffle) Last() bool                             { return true }
