package mapreduce_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

// over runs a job that emits the words of two texts by their first letter.
func over[R any](t *testing.T, change func(*mapreduce.Job[string, string, R])) map[string]R {
	t.Helper()
	job := mapreduce.Job[string, string, R]{
		Name: "letters",
		Map: func(o kv.Object, emit func(string, string)) error {
			mapreduce.Words(o.Text(), func(w string) { emit(w[:1], w) })
			return nil
		},
	}
	change(&job)
	if err := job.Validate(); err != nil || job.JobName() != "letters" {
		t.Fatal(job.JobName(), err)
	}
	got, err := job.RunLocal(slices.Values([]kv.Object{textObject(1, "bee ant bat"), textObject(2, "ape bee")}))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestBuiltInFunctions(t *testing.T) {
	check := func(name string, want, got any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	check("Max", map[string]string{"a": "ape", "b": "bee"},
		over(t, func(j *mapreduce.Job[string, string, string]) { j.Combine = mapreduce.Max[string] }))
	check("Min", map[string]string{"a": "ant", "b": "bat"},
		over(t, func(j *mapreduce.Job[string, string, string]) { j.Combine = mapreduce.Min[string] }))
	check("Count", map[string]uint64{"a": 2, "b": 3},
		over(t, func(j *mapreduce.Job[string, string, uint64]) { j.Reduce = mapreduce.Count[string, string] }))
	check("Collect", map[string][]string{"a": {"ant", "ape"}, "b": {"bat", "bee", "bee"}},
		over(t, func(j *mapreduce.Job[string, string, []string]) { j.Reduce = mapreduce.Collect[string, string] }))
	check("CollectSet", map[string][]string{"a": {"ant", "ape"}, "b": {"bat", "bee"}},
		over(t, func(j *mapreduce.Job[string, string, []string]) { j.Reduce = mapreduce.CollectSet[string, string] }))
}

// goSource returns the Go files beneath a directory of the toolchain's source:
// a real text that is present wherever a test runs.
func goSource(tb testing.TB, dir string) (objects []kv.Object) {
	tb.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		tb.Fatal(err)
	}
	root := filepath.Join(strings.TrimSpace(string(out)), "src", dir)
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		objects = append(objects, kv.Object{Bucket: "src", Key: strings.TrimPrefix(path, root), Value: text})
		return err
	})
	if err != nil || len(objects) == 0 {
		tb.Fatalf("%d Go files in %s, %v", len(objects), root, err)
	}
	return objects
}

func TestWordCount_overRealSource(t *testing.T) {
	objects := goSource(t, "go/types")
	want := map[string]uint64{}
	for _, o := range objects {
		for _, w := range wordPattern.FindAllString(o.Text(), -1) {
			want[w]++
		}
	}
	got, err := mapreduce.WordCount().RunLocal(slices.Values(objects))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-regexp +job):\n%s", diff)
	}
}
