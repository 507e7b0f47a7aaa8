package mapreduce_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

var verses = slices.Values([]kv.Object{
	{Bucket: "rhymes", Key: "a", Value: []byte("the cat sat")},
	{Bucket: "rhymes", Key: "b", Value: []byte("on the mat")},
	{Bucket: "rhymes", Key: "c", Value: []byte("the cat ran")},
})

// A job that counts.
func ExampleJob() {
	job := mapreduce.Job[string, uint64, uint64]{
		Name: "count",
		Map: func(o kv.Object, emit func(string, uint64)) error {
			for word := range strings.FieldsSeq(o.Text()) {
				emit(word, 1)
			}
			return nil
		},
		Combine: mapreduce.Sum[uint64],
	}
	counts, err := job.RunLocal(verses)
	fmt.Println(counts["the"], counts["cat"], counts["mat"], err)
	// Output: 3 2 1 <nil>
}

// A job whose reduce sees all values of a key.
func ExampleCollectSet() {
	job := mapreduce.Job[string, string, []string]{
		Name: "index",
		Map: func(o kv.Object, emit func(string, string)) error {
			for word := range strings.FieldsSeq(o.Text()) {
				emit(word, o.Key)
			}
			return nil
		},
		Reduce: mapreduce.CollectSet[string, string],
	}
	index, err := job.RunLocal(verses)
	for _, word := range slices.Sorted(maps.Keys(index)) {
		fmt.Println(word, index[word])
	}
	fmt.Println(err)
	// Output:
	// cat [a c]
	// mat [b]
	// on [b]
	// ran [c]
	// sat [a]
	// the [a b c]
	// <nil>
}

// Codecs exist for types made of numbers, strings and their compositions.
func ExampleJob_structKey() {
	type pair struct{ First, Second string }
	job := mapreduce.Job[pair, int, int]{
		Name: "bigrams",
		Map: func(o kv.Object, emit func(pair, int)) error {
			words := strings.Fields(o.Text())
			for i := range len(words) - 1 {
				emit(pair{words[i], words[i+1]}, 1)
			}
			return nil
		},
		Combine: mapreduce.Sum[int],
	}
	counts, err := job.RunLocal(verses)
	fmt.Println(counts[pair{"the", "cat"}], counts[pair{"cat", "the"}], err)
	// Output: 2 0 <nil>
}

func ExampleWordCount() {
	counts, err := mapreduce.WordCount().RunLocal(slices.Values([]kv.Object{
		{Bucket: "src", Key: "main.go", Value: []byte("if err != nil { return err }")},
	}))
	fmt.Println(counts, err)
	// Output: map[err:2 if:1 nil:1 return:1] <nil>
}
