package main

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/kv"
	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) { batontest.VerifyTestMain(m) }

func Example() {
	if err := run(context.Background(), os.Stdout, nil); err != nil {
		panic(err)
	}
	// Output:
	// the           900 times, in 1790 1801 1863
	// war            23 times, in 1790 1801 1863
	// emancipation    9 times, in 1863
	// hottest-day, 48 months:
	//   2015-09 27.2
	//   2015-10 23.3
	//   2015-11 15.6
	//   2015-12 15.6
}

// start gives the test a cluster of three.
func start(t *testing.T) []*baton.Node {
	t.Helper()
	nodes, err := startNodes(t.Context(), "a", "b", "c")
	t.Cleanup(func() {
		if err := stopNodes(context.Background(), nodes); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

var wordPattern = regexp.MustCompile(`[a-z0-9_]+`)

// I1, over samples.
func TestJobs_giveWhatALoopGives(t *testing.T) {
	nodes := start(t)
	if err := loadSamples(t.Context(), nodes[0]); err != nil {
		t.Fatal(err)
	}
	counts, where := map[string]uint64{}, map[string][]string{}
	files, err := fs.Glob(samples, "testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := samples.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		year := filepath.Base(file)[:4]
		for _, word := range wordPattern.FindAllString(strings.ToLower(string(text)), -1) {
			counts[word]++
			if !slices.Contains(where[word], year) {
				where[word] = append(where[word], year)
			}
		}
	}
	weather, err := samples.ReadFile("testdata/weather.csv")
	if err != nil {
		t.Fatal(err)
	}
	hottest := map[string]float64{}
	for _, row := range strings.Split(string(weather), "\n")[1:] {
		if f := strings.Split(row, ","); len(f) > 2 {
			degrees, err := strconv.ParseFloat(f[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			if old, ok := hottest[f[0][:7]]; !ok || degrees > old {
				hottest[f[0][:7]] = degrees
			}
		}
	}

	gotCounts, err := results(t.Context(), nodes[0], wordCount, "speeches")
	check(t, "wordcount", counts, gotCounts, err)
	gotWhere, err := results(t.Context(), nodes[1], index, "speeches")
	check(t, "index", where, gotWhere, err)
	gotHottest, err := results(t.Context(), nodes[2], hottestDay, "weather")
	check(t, "hottest-day", hottest, gotHottest, err)
}

func check[K comparable, R any](t *testing.T, job string, want, got map[K]R, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", job, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-loop +job):\n%s", job, diff)
	}
}

// The first days of two months, in the form of the price files.
const prices = `date,open,high,low,close,adjclose,volume
2000-01-03,1469.250000,1478.000000,1438.359985,1455.219971,1455.219971,931800000
2000-01-04,1455.219971,1455.219971,1397.430054,1399.420044,1399.420044,1009000000
2000-02-01,1394.459961,1412.489990,1384.790039,1409.280029,1409.280029,981000000
2000-02-02,1409.280029,1420.609985,1403.489990,1409.119995,1409.119995,1038600000
`

func TestHighestClose(t *testing.T) {
	nodes := start(t)
	if err := putRows(t.Context(), nodes[0], "prices", prices); err != nil {
		t.Fatal(err)
	}
	got, err := results(t.Context(), nodes[0], highestClose, "prices")
	check(t, "highest-close", map[string]float64{"2000-01": 1455.219971, "2000-02": 1409.280029}, got, err)

	if err := nodes[0].KV().Put(t.Context(), kv.Object{Bucket: "prices", Key: "2000-03-01", Value: []byte("2000-03-01,closed")}); err != nil {
		t.Fatal(err)
	}
	_, err = results(t.Context(), nodes[0], highestClose, "prices")
	if want := `map of "prices"/"2000-03-01": row "2000-03-01,closed" has no column 4 or no date`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a row without a price: %v, want %s", err, want)
	}
}

// The Go toolchain's own source is a larger text that is always there.
func TestWordCount_overGoSource(t *testing.T) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "src", "net", "http", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	nodes := start(t)
	want := map[string]uint64{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := nodes[0].KV().Put(t.Context(), kv.Object{Bucket: "source", Key: filepath.Base(file), Value: text}); err != nil {
			t.Fatal(err)
		}
		for _, word := range wordPattern.FindAllString(strings.ToLower(string(text)), -1) {
			want[word]++
		}
	}
	got, err := results(t.Context(), nodes[1], wordCount, "source")
	check(t, "wordcount", want, got, err)
	if len(got) < 5000 {
		t.Errorf("only %d distinct words in %d files", len(got), len(files))
	}
}
