package main

import (
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// limitWords is the word count of the Go sources in two plain goroutines, each
// with a map of its own that are merged at the end; the sources are in memory.
var limitWords = Limit{Case: Case{Name: "go/word-count/2-goroutines", Unit: "MB/s", Run: func(m *Meter) error {
	texts, size, err := goSources(m.Small)
	if err != nil {
		return err
	}
	m.Start()
	counts := countPlainly(texts, 2)
	m.Stop(float64(size) / 1e6)
	if counts["func"] == nil {
		return fmt.Errorf("the Go sources have no word func")
	}
	return nil
}}}

// limitCorpus is the same over the generated corpus, for which the CPU time is
// known: 155 MB per CPU second.
var limitCorpus = Limit{CPU: 1e6 / 155, Case: Case{Name: "go/word-count/corpus", Unit: "MB/s", Run: func(m *Meter) error {
	texts, size := corpus(m.Count(128 << 20))
	m.Start()
	counts := countPlainly(texts, 2)
	m.Stop(float64(size) / 1e6)
	if len(counts) == 0 {
		return fmt.Errorf("the corpus has no words")
	}
	return nil
}}}

// countPlainly counts words ([A-Za-z0-9_]+) with the given number of goroutines.
func countPlainly(texts [][]byte, goroutines int) map[string]*uint64 {
	parts := make([]map[string]*uint64, goroutines)
	var done sync.WaitGroup
	for g := range goroutines {
		done.Go(func() {
			counts := make(map[string]*uint64)
			for i := g; i < len(texts); i += goroutines {
				countWords(texts[i], counts)
			}
			parts[g] = counts
		})
	}
	done.Wait()
	total := parts[0]
	for _, part := range parts[1:] {
		for word, n := range part {
			if p := total[word]; p != nil {
				*p += *n
			} else {
				total[word] = n
			}
		}
	}
	return total
}

func countWords(text []byte, counts map[string]*uint64) {
	for i := 0; i < len(text); {
		for i < len(text) && !wordBytes[text[i]] {
			i++
		}
		start := i
		for i < len(text) && wordBytes[text[i]] {
			i++
		}
		if i == start {
			return
		}
		if p := counts[string(text[start:i])]; p != nil {
			*p++
		} else {
			n := uint64(1)
			counts[string(text[start:i])] = &n
		}
	}
}

var wordBytes = func() (table [256]bool) {
	for c := range 256 {
		table[c] = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
	}
	return table
}()

// goSources returns the *.go files of the Go source tree, read once; small is
// one package of it. The texts are shared and must not be changed.
func goSources(small bool) (texts [][]byte, size int, err error) {
	sources.once.Do(func() { sources.all, sources.err = readGoSources() })
	if sources.err != nil {
		return nil, 0, sources.err
	}
	texts = sources.all
	if small {
		texts = texts[:50]
	}
	for _, text := range texts {
		size += len(text)
	}
	return texts, size, nil
}

var sources struct {
	once sync.Once
	all  [][]byte
	err  error
}

func readGoSources() ([][]byte, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	var texts [][]byte
	root := filepath.Join(strings.TrimSpace(string(out)), "src")
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		texts = append(texts, text)
		return err
	})
	return texts, err
}

// corpus generates text of at least size bytes in lines of 1,000 to 1,023
// bytes: 50,000 words of 2 to 12 letters in a Zipf distribution, always the
// same (seed 42). Each text is about 64 KiB.
func corpus(size int) (texts [][]byte, total int) {
	r := rand.New(rand.NewSource(42))
	words := make([]string, 50_000)
	for i := range words {
		letters := make([]byte, 2+r.Intn(11))
		for j := range letters {
			letters[j] = byte('a' + r.Intn(26))
		}
		words[i] = string(letters)
	}
	zipf := rand.NewZipf(r, 1.1, 2.7, uint64(len(words)-1))
	text := make([]byte, 0, 64<<10)
	for total < size {
		line := 0
		for line < 1000 {
			word := words[zipf.Uint64()]
			text = append(append(text, word...), ' ')
			line += len(word) + 1
		}
		text[len(text)-1] = '\n'
		total += line
		if len(text) >= 63<<10 || total >= size {
			texts = append(texts, text)
			text = make([]byte, 0, 64<<10)
		}
	}
	return texts, total
}
