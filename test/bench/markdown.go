package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// printTable reads a file of results and writes the newest of each id as a row
// of the table of docs/PERFORMANCE.md, in the order of Table.
func printTable(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	newest, err := newestResults(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Fprintln(w, "| # | what | value | CPU-us/op | limit (same run) | ratio | peer | times peer | commit |")
	fmt.Fprintln(w, "|---|---|---:|---:|---|---:|---|---:|---|")
	for _, b := range Table() {
		if r, ok := newest[b.ID]; ok {
			fmt.Fprintln(w, r.row())
			delete(newest, b.ID)
		}
	}
	if len(newest) > 0 {
		var gone []string
		for id := range newest {
			gone = append(gone, id)
		}
		slices.Sort(gone)
		fmt.Fprintf(w, "\nNo longer measured: %s\n", strings.Join(gone, ", "))
	}
	return nil
}

// newestResults returns the last result of each id.
func newestResults(r io.Reader) (map[string]Result, error) {
	newest := map[string]Result{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		var result Result
		if err := json.Unmarshal(lines.Bytes(), &result); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		newest[result.ID] = result
	}
	return newest, lines.Err()
}

// row gives the result as a row of a table.
func (r Result) row() string {
	limit, ratio, peer, times := "", "", "", ""
	if r.LimitName != "" {
		limit = fmt.Sprintf("%s %s, %.3g us", r.LimitName, number(r.Limit), r.LimitCPU)
		ratio = fmt.Sprintf("%.2f", r.Ratio)
		if r.Void != "" {
			ratio = "void"
		}
	}
	if r.Peer > 0 {
		peer = fmt.Sprintf("%s %s", r.PeerName, number(r.Peer))
		times = fmt.Sprintf("%.1f", r.TimesPeer)
	}
	value := number(r.Value) + " " + r.Unit
	if r.Missed != "" {
		value += " (missed: " + r.Missed + ")"
	}
	cells := []string{r.ID, r.Name, value, fmt.Sprintf("%.3g", r.CPU), limit, ratio, peer, times, r.Commit}
	return "| " + strings.Join(cells, " | ") + " |"
}
