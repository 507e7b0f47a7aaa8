package mapreduce_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

// stream yields the batches and then the error.
func stream(err error, batches ...pipe.Batch) func() (pipe.Batch, bool, error) {
	return func() (pipe.Batch, bool, error) {
		if len(batches) == 0 {
			return pipe.Batch{}, false, err
		}
		b := batches[0]
		batches = batches[1:]
		return b, true, nil
	}
}

func decoder(t *testing.T) mapreduce.Decoder[string, uint64] {
	t.Helper()
	d, err := mapreduce.WordCount().Decoder()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestResults_yieldsWhatTheReducersEmit(t *testing.T) {
	a, b := pipe.BatchOf([]byte("\x01a\x05"), []byte("\x02bc\x81\x01")), pipe.BatchOf([]byte("\x00\x07"))
	results := mapreduce.NewResults(decoder(t), stream(nil, a, pipe.Batch{}, b))
	got := map[string]uint64{}
	for word, n := range results.All() {
		got[word] = n
	}
	if err := results.Err(); err != nil || results.Count() != 3 {
		t.Errorf("%d results, %v", results.Count(), err)
	}
	if diff := cmp.Diff(map[string]uint64{"a": 5, "bc": 129, "": 7}, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestResults_endsAtAnError(t *testing.T) {
	good := pipe.BatchOf([]byte("\x01a\x05"))
	for _, tt := range []struct {
		name string
		next func() (pipe.Batch, bool, error)
		want error
	}{
		{"the job failed", stream(pipe.ErrCounts, good), pipe.ErrCounts},
		{"no pair", stream(nil, good, pipe.BatchOf([]byte{9})), mapreduce.ErrDamaged},
		{"no number", stream(nil, good, pipe.BatchOf([]byte("\x01a"))), mapreduce.ErrDamaged},
	} {
		results := mapreduce.NewResults(decoder(t), tt.next)
		var words []string
		for range 2 {
			for word := range results.All() {
				words = append(words, word)
			}
		}
		if !slices.Equal(words, []string{"a"}) || !errors.Is(results.Err(), tt.want) {
			t.Errorf("%s: words %q, %v; want a and %v", tt.name, words, results.Err(), tt.want)
		}
	}
}

func TestResults_goesOnAfterABreak(t *testing.T) {
	two := pipe.BatchOf([]byte("\x01a\x01"), []byte("\x01b\x02"))
	results := mapreduce.NewResults(decoder(t), stream(nil, two, pipe.BatchOf([]byte("\x01c\x03"))))
	var words []string
	for range 4 {
		for word := range results.All() {
			words = append(words, word)
			break
		}
	}
	if !slices.Equal(words, []string{"a", "b", "c"}) || results.Count() != 3 {
		t.Errorf("words %q, count %d; want each once", words, results.Count())
	}
}

func TestDecoder_refusesAnInvalidJob(t *testing.T) {
	if _, err := variant(func(j *counting) { j.Map = nil }).Decoder(); !errors.Is(err, mapreduce.ErrInvalid) {
		t.Errorf("Decoder: %v, want ErrInvalid", err)
	}
}

func TestReport(t *testing.T) {
	progress := []pipe.Progress{
		{Fitting: "map", Partitions: 8, Done: 8, In: 10, Out: 40},
		{Fitting: "reduce", Partitions: 8, Done: 8, In: 40, Out: 30},
	}
	whole := mapreduce.NewReport("wordcount", pipe.ID{1}, 10, progress, 30)
	for _, tt := range []struct {
		name   string
		change func(*mapreduce.Report)
		want   string
	}{
		{"complete", func(*mapreduce.Report) {}, "wordcount: 10 objects -> map -> 40 pairs -> reduce -> 30 results"},
		{
			"an object lost", func(r *mapreduce.Report) { r.Inputs = 11 },
			"wordcount: 11 objects -> map -> 40 pairs -> reduce -> 30 results (inputs sent 11 items, map took 10: incomplete result)",
		},
		{
			"a pair twice", func(r *mapreduce.Report) { r.Phases[1].In = 41 },
			"wordcount: 10 objects -> map -> 40 pairs -> reduce -> 30 results (map sent 40 items, reduce took 41: incomplete result)",
		},
		{
			"results lost and objects missing", func(r *mapreduce.Report) { r.Results, r.Missing = 29, []ring.Partition{3, 5} },
			"wordcount: 10 objects -> map -> 40 pairs -> reduce -> 30 results (reduce sent 30 results, 29 arrived: incomplete result; objects of partitions [3 5] are missing: incomplete result)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := whole
			r.Phases = slices.Clone(whole.Phases)
			tt.change(&r)
			if got := r.String(); got != tt.want {
				t.Errorf("report\n%s, want\n%s", got, tt.want)
			}
			if err := r.Check(); (tt.name == "complete") != (err == nil) || err != nil && !errors.Is(err, mapreduce.ErrIncomplete) {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

func TestDecoder_copies(t *testing.T) {
	item := []byte("\x03abc\x05")
	word, _, err := decoder(t).Decode(item)
	if err != nil {
		t.Fatal(err)
	}
	copy(item, "\x03xyz\x05")
	if word != "abc" {
		t.Errorf("key %q follows the item that it came from", word)
	}
}
