package layers

import (
	"fmt"
	"path"
	"slices"
)

// Package is one package as `go list -json` describes it.
type Package struct {
	Dir          string
	ImportPath   string
	Name         string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// Violation is one broken rule.
type Violation struct {
	// Where is a package or a file, relative to the module.
	Where string
	// What says what was found.
	What string
	// Why is the reason of the rule.
	Why string
	// Fix is the way out.
	Fix string
}

// String puts a violation on one line.
func (v Violation) String() string {
	return fmt.Sprintf("%s: %s\n\twhy: %s\n\tway out: %s", v.Where, v.What, v.Why, v.Fix)
}

// place is where the table puts a package.
type place struct {
	line  int
	entry Entry
}

// locate finds a package, by table path, in the lines; the first match wins.
func locate(lines [][]Entry, pkg string) (place, bool) {
	for i, line := range lines {
		for _, e := range line {
			if covers(e.Path, pkg) {
				return place{line: i, entry: e}, true
			}
		}
	}
	return place{}, false
}

// CheckImports holds every package to the layer table, the bans, the homes of
// technologies and the banned names.
func CheckImports(lines [][]Entry, pkgs []Package) []Violation {
	var out []Violation
	for _, p := range pkgs {
		pkg, ours := relative(p.ImportPath)
		if !ours {
			continue
		}
		out = append(out, checkName(pkg, p.Name)...)
		at, known := locate(lines, pkg)
		if !known {
			out = append(out, unknownPackage(pkg))
			continue
		}
		for _, imp := range p.Imports {
			out = append(out, checkImport(lines, pkg, at, imp, false)...)
		}
		for _, imp := range testOnly(p) {
			out = append(out, checkImport(lines, pkg, at, imp, true)...)
		}
	}
	return out
}

// testOnly gives the imports of test files that are not also production
// imports, without the package itself and without repetition.
func testOnly(p Package) []string {
	var out []string
	for _, imp := range slices.Concat(p.TestImports, p.XTestImports) {
		if imp != p.ImportPath && !slices.Contains(p.Imports, imp) && !slices.Contains(out, imp) {
			out = append(out, imp)
		}
	}
	return out
}

func unknownPackage(pkg string) Violation {
	return Violation{
		Where: pkg,
		What:  "is not in the layer table",
		Why:   "a package without a line can import anything",
		Fix:   "add it to Lines in test/layers/table.go, on the line after the last package it needs, and draw it in docs/ARCHITECTURE.md",
	}
}

func checkName(pkg, name string) []Violation {
	var out []Violation
	for _, word := range []string{name, path.Base(pkg)} {
		if slices.Contains(BannedNames, word) {
			return append(out, Violation{
				Where: pkg,
				What:  fmt.Sprintf("is named %q", word),
				Why:   "a name that says nothing about its purpose collects everything that has no home",
				Fix:   "name it after what it does, or move the code to the package whose words it uses",
			})
		}
	}
	return out
}

// checkImport judges one import of one package.
func checkImport(lines [][]Entry, pkg string, at place, imp string, inTest bool) []Violation {
	if TestLibraries.matches(imp) {
		return checkTestLibrary(pkg, at, imp, inTest)
	}
	if standard(imp) {
		return nil
	}
	if dep, ours := relative(imp); ours {
		return checkOwn(lines, pkg, at, dep, inTest)
	}
	return checkTechnology(pkg, at, imp)
}

func checkTestLibrary(pkg string, at place, imp string, inTest bool) []Violation {
	if inTest || at.entry.Kit || at.entry.Open {
		return nil
	}
	return []Violation{{
		Where: pkg,
		What:  "production code imports " + imp,
		Why:   TestLibraries.Why,
		Fix:   "move the code to a _test.go file or to a kit such as store/storetest",
	}}
}

// checkOwn judges an import of another package of the module.
func checkOwn(lines [][]Entry, pkg string, at place, dep string, inTest bool) []Violation {
	to, known := locate(lines, dep)
	if !known {
		return nil // reported once, at the package itself
	}
	if at.entry.Open || to.entry == at.entry {
		return nil
	}
	for _, b := range Bans {
		if coveredBy(b.From, pkg) && coveredBy(b.To, dep) && !inTest {
			return []Violation{{Where: pkg, What: "imports " + dep, Why: b.Why, Fix: "ask the root package, or declare the small interface you need"}}
		}
	}
	switch {
	case to.entry.Kit && inTest:
		return nil
	case to.entry.Kit && !at.entry.Kit:
		return []Violation{{Where: pkg, What: "production code imports the test kit " + dep, Why: TestLibraries.Why, Fix: "import it from a _test.go file"}}
	case to.line == at.line:
		return []Violation{{Where: pkg, What: "imports its sibling " + dep, Why: "siblings are joined by the layer beneath them, so that each can be replaced and tested alone", Fix: "move the shared word to a line above, or let the caller pass a value"}}
	case to.line > at.line:
		return []Violation{{Where: pkg, What: "imports " + dep + ", which lies on a line below", Why: "a package imports only from lines above its own", Fix: "declare an interface here and let the lower line implement it, or move this code down"}}
	}
	return nil
}

// checkTechnology judges an import of a third-party package.
func checkTechnology(pkg string, at place, imp string) []Violation {
	if at.entry.Open {
		return nil
	}
	for _, t := range Technologies {
		if !t.matches(imp) {
			continue
		}
		if coveredBy(t.Homes, pkg) {
			return nil
		}
		return []Violation{{
			Where: pkg,
			What:  "imports " + imp,
			Why:   t.Why,
			Fix:   fmt.Sprintf("use what %v offers instead", t.Homes),
		}}
	}
	return []Violation{{
		Where: pkg,
		What:  "imports " + imp + ", which has no home",
		Why:   "every dependency is a decision, and has one place where it is known",
		Fix:   "do without it, or add it to Technologies in test/layers/table.go with the reason",
	}}
}

// IsPure reports whether the table calls the package, by its path relative to
// the module, pure.
func IsPure(pkg string) bool {
	at, known := locate(Lines, pkg)
	return known && at.entry.Pure
}
