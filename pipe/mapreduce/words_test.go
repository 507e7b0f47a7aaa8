package mapreduce_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dee2748c/baton/pipe/mapreduce"
)

var wordPattern = regexp.MustCompile(`[A-Za-z0-9_]+`)

func collectWords(text string) (words []string) {
	mapreduce.Words(text, func(w string) { words = append(words, w) })
	return words
}

func TestWords(t *testing.T) {
	long := strings.Repeat("long_word", 20)
	for _, text := range []string{
		"", " ", "a", "_", "a b", " a b ", "if err != nil {", "x\x00y\xffz", "naïve",
		long, long + " " + long, strings.Repeat("a", 63) + " b", strings.Repeat("a", 64) + "b c",
		strings.Repeat(" ", 63) + "ab", strings.Repeat("ab ", 50), strings.Repeat("a", 64) + " " + strings.Repeat("b", 64),
	} {
		if got, want := collectWords(text), wordPattern.FindAllString(text, -1); !slices.Equal(got, want) {
			t.Errorf("Words(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add("a b_c 1", 3)
	f.Fuzz(func(t *testing.T, text string, shift int) {
		text = strings.Repeat("x", max(0, shift)%70) + text
		if got, want := collectWords(text), wordPattern.FindAllString(text, -1); !slices.Equal(got, want) {
			t.Errorf("Words(%q) = %q, want %q", text, got, want)
		}
	})
}
