package show

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// width is that of rules and titles.
const width = 79

// title is a heading over a table.
func title(b *strings.Builder, text string) {
	side := (width - len(text) - 2) / 2
	fmt.Fprintf(b, "%s %s %s\n", strings.Repeat("=", side), text, strings.Repeat("=", width-len(text)-2-side))
}

func rule(b *strings.Builder) { b.WriteString(strings.Repeat("-", width) + "\n") }

// table writes rows with aligned columns; the first row is the heading, and a
// rule follows it. Columns named in right are aligned to the right.
func table(b *strings.Builder, rows [][]string, right ...int) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if slices.Contains(right, i) {
				line.WriteString(pad + cell + "  ")
			} else {
				line.WriteString(cell + pad + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		if n == 0 {
			rule(b)
		}
	}
}

// Bytes is a size with a binary unit.
func Bytes(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), 0
	for f >= 1024 && unit < 5 {
		f /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", f, " KMGTP"[unit])
}

// duration is a time in seconds, roughly.
func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		return "less than a second"
	case d < time.Minute:
		return fmt.Sprintf("about %.0f s", seconds)
	}
	return "about " + d.Round(time.Second).String()
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// list joins things with spaces.
func list[T any](all []T) string { return strings.Trim(fmt.Sprint(all), "[]") }

func percent(p float64) string { return fmt.Sprintf("%.1f%%", p) }

// dash is a value, or two dashes for none.
func dash(s string) string {
	if s == "" {
		return "--"
	}
	return s
}
