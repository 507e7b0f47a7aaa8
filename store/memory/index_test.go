package memory

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestIndex: whatever order keys come and go in, and however many of them have
// the same hash, each is found with its own record until it is removed, and no
// two share one.
func TestIndex(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for _, tags := range []uint32{1, 3, 40, 1 << 31} {
		r := rand.New(rand.NewPCG(seed, uint64(tags)))
		x, want := newIndex(), make(map[string]uint64)
		tagOf := func(key string) uint32 { return x.tag(key) % tags * 0x9E3779B9 }
		check := func(key string) {
			t.Helper()
			found := x.get(tagOf(key), key)
			if version, ok := want[key]; ok != (found != nil) || ok && (found.key != key || found.version != version) {
				t.Fatalf("%d tags: %s is %+v, want version %d, %t", tags, key, found, version, ok)
			}
		}
		for step := range uint64(20_000) {
			keys := 1200
			if step/4000%2 == 1 {
				keys = 20 // most are removed and come again
			}
			key := fmt.Sprint(r.IntN(keys))
			if r.IntN(3) == 0 {
				if gone, number := x.remove(tagOf(key), key); gone != nil {
					x.release(number)
				}
				delete(want, key)
			} else {
				added, _ := x.put(tagOf(key), key)
				if _, known := want[key]; known != (added.state != recordFree) {
					t.Fatalf("%d tags: %s was known: %t, its record %+v", tags, key, known, added)
				}
				*added = record{key: key, version: step, state: recordFresh}
				want[key] = step
			}
			check(key)
			check(fmt.Sprint(r.IntN(keys)))
		}
		for i := range 1200 {
			check(fmt.Sprint(i))
		}
		if x.used != len(want) || int(x.next)-len(x.free) != len(want) {
			t.Errorf("%d tags: %d places and %d records in use, want %d", tags, x.used, int(x.next)-len(x.free), len(want))
		}
	}
}
