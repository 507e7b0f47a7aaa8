package store

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"github.com/dee2748c/baton/cluster/topology"
)

// HashItem returns the 128-bit hash that an item adds to a digest. Key and value
// are hashed apart and joined with the version in a block of fixed size, so
// that no byte can move between them without changing the hash:
//
//	xxh3-128( xxh3-128(key) | version | xxh3-128(value) )
//
// with all integers big endian. It allocates nothing.
func HashItem(key []byte, version uint64, value []byte) topology.ItemHash {
	k, v := xxh3.Hash128(key), xxh3.Hash128(value)
	var block [40]byte
	binary.BigEndian.PutUint64(block[0:], k.Hi)
	binary.BigEndian.PutUint64(block[8:], k.Lo)
	binary.BigEndian.PutUint64(block[16:], version)
	binary.BigEndian.PutUint64(block[24:], v.Hi)
	binary.BigEndian.PutUint64(block[32:], v.Lo)
	return topology.ItemHash(xxh3.Hash128(block[:]))
}
