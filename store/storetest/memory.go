package storetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/dee2748c/baton/store"
)

// BenchmarkMemory measures what an engine keeps in memory for each key of 100
// bytes with a value of 100 bytes, written in random order in batches and synced:
// heap and resident set beyond those of the empty engine, in bytes per key. A
// cache counts too, so give the engine a small one.
func BenchmarkMemory(b *testing.B, engine string, open Factory) {
	for _, keys := range []int{1 << 20, 4 << 20} {
		b.Run(fmt.Sprintf("engine=%s/keys=%d", engine, keys), func(b *testing.B) {
			for b.Loop() {
				e := open(b)
				heap, resident := inUse()
				fillRandom(b, mustOpen(b, e, kv(1)), keys)
				heapNow, residentNow := inUse()
				b.ReportMetric(float64(heapNow-heap)/float64(keys), "heap-B/key")
				if residentNow > 0 {
					b.ReportMetric(float64(residentNow-resident)/float64(keys), "rss-B/key")
				}
				closeAll(b, e)
			}
		})
	}
}

const memoryKey, memoryValue = 100, 100

func fillRandom(b *testing.B, p store.Partition, keys int) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := 0; n < keys; {
		var batch store.Batch
		for ; batch.Len() < 512 && n < keys; n++ {
			key := fmt.Appendf(make([]byte, 0, memoryKey), "%016x%0*d", random.Uint64(), memoryKey-16, n)
			batch.Put(key, make([]byte, memoryValue), uint64(n))
		}
		noError(b, "write", p.Write(&batch))
	}
	noError(b, "sync", p.Sync())
}

// inUse returns the live heap and the resident set in bytes, the latter 0 where
// it can't be told.
func inUse() (heap, resident int64) {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if text, err := os.ReadFile("/proc/self/status"); err == nil {
		_, after, _ := strings.Cut(string(text), "VmRSS:")
		if _, err := fmt.Sscanf(after, "%d kB", &resident); err == nil {
			resident <<= 10
		}
	}
	return int64(m.HeapAlloc), resident
}
