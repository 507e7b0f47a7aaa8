package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// Counts is a word count: how often each word occurs.
type Counts map[string]uint64

// Total returns the number of words, repetitions included.
func (c Counts) Total() uint64 {
	var n uint64
	for _, count := range c {
		n += count
	}
	return n
}

// WordCount is one line of a Counts.
type WordCount struct {
	Word  string `json:"word"`
	Count uint64 `json:"count"`
}

// Top returns the n most frequent words, the most frequent first; words of one
// count are in byte order.
func (c Counts) Top(n int) []WordCount {
	all := make([]WordCount, 0, len(c))
	for word, count := range c {
		all = append(all, WordCount{word, count})
	}
	slices.SortFunc(all, func(a, b WordCount) int {
		switch {
		case a.Count > b.Count:
			return -1
		case a.Count < b.Count:
			return 1
		}
		return strings.Compare(a.Word, b.Word)
	})
	return all[:min(n, len(all))]
}

// seed makes the content hashes of one process comparable with each other.
var seed = maphash.MakeSeed()

// recount reads every file again and counts its words in this goroutine, with
// one map and none of the code that the job uses. It also returns the content
// hash of each file, in the order of in.Files. progress is called after each
// file with the bytes read so far.
func recount(ctx context.Context, in *Input, progress func(bytes int64)) (Counts, []uint64, error) {
	counts := map[string]*uint64{}
	hashes := make([]uint64, 0, len(in.Files))
	var read int64
	for _, file := range in.Files {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		n, hash, err := countFile(in, file.Name, counts)
		if err != nil {
			return nil, nil, err
		}
		hashes = append(hashes, hash)
		read += n
		progress(read)
	}
	out := make(Counts, len(counts))
	for word, n := range counts {
		out[word] = *n
	}
	return out, hashes, nil
}

func countFile(in *Input, name string, counts map[string]*uint64) (n int64, hash uint64, err error) {
	f, err := in.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	var h maphash.Hash
	h.SetSeed(seed)
	r := bufio.NewReaderSize(f, 256<<10)
	var word []byte
	end := func() {
		if len(word) == 0 {
			return
		}
		if p := counts[string(word)]; p != nil {
			*p++
		} else {
			one := uint64(1)
			counts[string(word)] = &one
		}
		word = word[:0]
	}
	for {
		c, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			end()
			return n, h.Sum64(), nil
		}
		if err != nil {
			return 0, 0, unreadable(in.path(name), err)
		}
		n++
		h.WriteByte(c)
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
			word = append(word, c)
		default:
			end()
		}
	}
}

// Difference is a word that the job and the recount disagree about.
type Difference struct {
	Word string `json:"word"`
	Job  uint64 `json:"job"`
	Want uint64 `json:"want"`
}

// compare looks at every word of either count and returns the differences in
// byte order of the words.
func compare(job, want Counts) []Difference {
	var out []Difference
	for word, n := range want {
		if job[word] != n {
			out = append(out, Difference{Word: word, Job: job[word], Want: n})
		}
	}
	for word, n := range job {
		if _, known := want[word]; !known {
			out = append(out, Difference{Word: word, Job: n})
		}
	}
	slices.SortFunc(out, func(a, b Difference) int { return strings.Compare(a.Word, b.Word) })
	return out
}

// writeFile writes every word with its count, as `uniq -c` does, in byte order.
func (c Counts) writeFile(path string) error {
	var b strings.Builder
	for _, word := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(&b, "%7d %s\n", c[word], word)
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}
