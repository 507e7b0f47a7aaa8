package kv

import (
	"iter"
	"maps"
	"testing"

	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/vnode"
)

// Only reads of a bucket that says so are served by a vnode that is frozen.
func TestPartition_ServesFrozen(t *testing.T) {
	says := iter.Seq2[string, []byte](maps.All(map[string][]byte{"bucket/default\x00stale": []byte(`{"serve_frozen":true}`)}))
	catalog := bucket.NewCatalog(bucket.Defaults(3), says)
	v, err := Kind(func() *bucket.Catalog { return catalog }).Open(vnode.Partition{Kind: KindName, ID: 3, Size: 8, Node: "a"})
	if err != nil {
		t.Fatal(err)
	}
	key := func(bucketType, bucketName string) []byte { return AppendKey(nil, 3, bucketType, bucketName, "k") }
	for _, c := range []struct {
		name string
		body []byte
		want bool
	}{
		{"a get", append([]byte{opGet}, key("", "stale")...), true},
		{"a digest", append([]byte{opDigest}, key("", "stale")...), true},
		{"of a bucket that does not say so", append([]byte{opGet}, key("", "other")...), false},
		{"of a type that there is not", append([]byte{opGet}, key("none", "stale")...), false},
		{"a put", append([]byte{opPut}, key("", "stale")...), false},
		{"a merge", append([]byte{opMerge}, key("", "stale")...), false},
		{"a get of nothing", []byte{opGet, 1, 2}, false},
		{"no command", nil, false},
	} {
		if got := v.(vnode.FrozenServer).ServesFrozen(vnode.Command{Body: c.body}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
