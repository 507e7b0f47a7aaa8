package settings

import (
	"math"
	"strconv"
	"strings"
)

// units are what a size may end in.
var units = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"", 1},
}

// Size reads a number of bytes such as 2GiB; ok is false for what is none, and
// for 0. An empty text is 0.
func Size(text string) (n int64, ok bool) {
	if text == "" {
		return 0, true
	}
	for _, u := range units {
		digits, found := strings.CutSuffix(text, u.name)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n <= 0 || n > math.MaxInt64/u.bytes {
			return 0, false
		}
		return n * u.bytes, true
	}
	return 0, false
}

// MemoryBytes is the limit of memory in bytes; 0 means none.
func (c *Config) MemoryBytes() int64 {
	n, _ := Size(c.MemoryLimit)
	return n
}
