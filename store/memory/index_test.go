package memory

import "testing"

// TestIndex_collision: keys with one hash are told apart, in whatever order they
// come and go.
func TestIndex_collision(t *testing.T) {
	const hash = 7
	x := newIndex()
	check := func(want map[string]uint64) {
		t.Helper()
		for _, key := range []string{"a", "b", "c"} {
			e := x.get(hash, key)
			if version, ok := want[key]; ok != (e != nil) || ok && (e.key != key || e.version != version) {
				t.Errorf("%s is %+v, want version %d, %t", key, e, version, ok)
			}
		}
	}
	set := func(key string, version uint64) { x.set(hash, &entry{key: key, version: version}) }
	set("a", 1)
	set("b", 2)
	check(map[string]uint64{"a": 1, "b": 2})
	set("b", 3)
	set("a", 4)
	check(map[string]uint64{"a": 4, "b": 3})
	x.remove(hash, "a")
	check(map[string]uint64{"b": 3})
	set("b", 5)
	set("c", 6)
	check(map[string]uint64{"b": 5, "c": 6})
	x.remove(hash, "b")
	check(map[string]uint64{"c": 6})
	x.remove(hash, "c")
	check(nil)
}
