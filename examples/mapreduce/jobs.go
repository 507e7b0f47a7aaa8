package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

// wordCount counts words; combining where the text lies keeps the network quiet.
var wordCount = mapreduce.Job[string, uint64, uint64]{
	Name: "wordcount",
	Map: func(o kv.Object, emit func(string, uint64)) error {
		mapreduce.Words(strings.ToLower(o.Text()), func(word string) { emit(word, 1) })
		return nil
	},
	Combine: mapreduce.Sum[uint64],
}

// index is an inverted index: for each word the keys of the texts that have it.
var index = mapreduce.Job[string, string, []string]{
	Name: "index",
	Map: func(o kv.Object, emit func(string, string)) error {
		seen := map[string]bool{}
		mapreduce.Words(strings.ToLower(o.Text()), func(word string) {
			if !seen[word] {
				seen[word] = true
				emit(word, o.Key)
			}
		})
		return nil
	},
	Reduce: mapreduce.CollectSet[string, string],
}

var (
	hottestDay   = highestPerMonth("hottest-day", 2)
	highestClose = highestPerMonth("highest-close", 4)
)

// highestPerMonth is the job that finds the highest number of a column per
// month, in rows of comma-separated values that are keyed by their date.
func highestPerMonth(name string, column int) mapreduce.Job[string, float64, float64] {
	return mapreduce.Job[string, float64, float64]{
		Name: name,
		Map: func(o kv.Object, emit func(string, float64)) error {
			fields := strings.Split(o.Text(), ",")
			if len(fields) <= column || len(o.Key) < len("2000-01") {
				return fmt.Errorf("row %q has no column %d or no date", o.Text(), column)
			}
			value, err := strconv.ParseFloat(fields[column], 64)
			if err != nil {
				return err
			}
			emit(o.Key[:len("2000-01")], value)
			return nil
		},
		Combine: mapreduce.Max[float64],
	}
}
