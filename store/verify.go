package store

import "context"

// Verifier is implemented by engines whose items a disk can damage.
type Verifier interface {
	// Verify reads all that the store keeps on its disk, past its caches, and returns what can't be read, by
	// partition; the same partition may come more than once. Reads and writes go on, and the damage is told as
	// if a read had met it. Await is called with the bytes that are about to be read, and may slow Verify down
	// or end it with an error. Damage of what belongs to no partition is a *DamageError.
	Verify(ctx context.Context, await func(bytes uint64) error) ([]*CorruptError, error)
}
