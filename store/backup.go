package store

// Checkpointer is implemented by engines that can be copied while they are used.
type Checkpointer interface {
	// Checkpoint makes dir, which must not exist, a copy of the store as it stands
	// at one moment of the call, with all that was written before the call. Reads
	// and writes go on meanwhile. The copy is durable when Checkpoint returns; after
	// an error there is none.
	Checkpoint(dir string) error
}

// Contents is what a store holds.
type Contents struct {
	// Identity is that of the store: a checkpoint has the identity of its original.
	Identity [16]byte
	// Held are the active generations, in the order of their IDs.
	Held []Held
}

// Held is what a store holds of one partition.
type Held struct {
	ID      ID
	Summary Summary
	Record  Record
}
