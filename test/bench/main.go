package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, w io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "run the benchmarks with these ids, separated by commas; B8 stands for all of B8/...")
	out := flags.String("out", "", "append each result as a JSON line to this file")
	repeats := flags.Int("repeats", 5, "runs of each benchmark and limit; the median counts")
	profile := flags.String("profile", "", "write a CPU profile of what each benchmark measures to this directory")
	table := flags.String("table", "", "print the newest results of this file as a table and run nothing")
	list := flags.Bool("list", false, "list the table and run nothing")
	small := flags.Bool("small", false, "do a thousandth of the work: a test, not a measurement")
	scale := flags.Float64("scale", 1, "the share of the work to do, for a quick look; the result is not kept")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *table != "" {
		return printTable(w, *table)
	}
	chosen, err := choose(Table(), *only)
	if err != nil {
		return err
	}
	if *list {
		for _, b := range chosen {
			fmt.Fprintf(w, "%-14s %-44s %s\n", b.ID, b.Name, b.Unit)
		}
		return nil
	}
	at := commit()
	for _, b := range chosen {
		settings := Meter{Small: *small, Scale: *scale}
		if *profile != "" {
			settings.Profile = filepath.Join(*profile, strings.ReplaceAll(b.ID, "/", "-")+".prof")
		}
		r, err := b.run(*repeats, settings)
		if err != nil {
			return err
		}
		r.stamp(at, time.Now())
		r.print(w)
		if *out != "" && !*small && *scale == 1 {
			if err := r.keep(*out); err != nil {
				return err
			}
		}
	}
	return nil
}

// choose returns the benchmarks with the given ids, all if there are none. An id
// stands for those below it too: B8 for B8/get.
func choose(table []Bench, ids string) ([]Bench, error) {
	if ids == "" {
		return table, nil
	}
	var out []Bench
	for _, id := range strings.Split(ids, ",") {
		found := false
		for _, b := range table {
			if id := strings.TrimSpace(id); strings.EqualFold(b.ID, id) || strings.HasPrefix(strings.ToLower(b.ID), strings.ToLower(id)+"/") {
				out, found = append(out, b), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no benchmark %q; -list prints the table", id)
		}
	}
	return out, nil
}
