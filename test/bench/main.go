package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
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
	profile := flags.String("profile", "", "write a CPU profile of each benchmark to this directory")
	table := flags.String("table", "", "print the newest results of this file as a table and run nothing")
	list := flags.Bool("list", false, "list the table and run nothing")
	small := flags.Bool("small", false, "do a thousandth of the work: a test, not a measurement")
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
		r, err := profiled(*profile, b.ID, func() (Result, error) { return b.run(*repeats, *small) })
		if err != nil {
			return err
		}
		r.stamp(at, time.Now())
		r.print(w)
		if *out != "" && !*small {
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

// profiled runs f under the CPU profiler if a directory is given.
func profiled(dir, id string, f func() (Result, error)) (r Result, err error) {
	if dir == "" {
		return f()
	}
	file, err := os.Create(filepath.Join(dir, strings.ReplaceAll(id, "/", "-")+".prof"))
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return Result{}, err
	}
	defer pprof.StopCPUProfile()
	return f()
}
