package mapreduce

// Builtin is the codec that a zero Codec stands for.
func Builtin[T any]() (Codec[T], error) { return Codec[T]{}.orBuiltin() }

// Table is the hash table of the workers, for its law.
type Table struct{ t *table[int] }

// NewTable returns an empty table.
func NewTable() Table { return Table{newTable[int]()} }

// Add adds n to the key's value.
func (t Table) Add(key string, n int) {
	e, _ := t.t.find(key)
	e.value += n
}

// All returns the keys in order of insertion, and their values.
func (t Table) All() (keys []string, values []int) {
	for i := range t.t.count {
		e := t.t.at(i)
		keys, values = append(keys, e.key), append(values, e.value)
	}
	return keys, values
}

// Reset empties the table.
func (t Table) Reset() { t.t.reset() }
