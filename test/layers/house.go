package layers

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"path"
	"strings"
)

// MaxLines is the length beyond which a Go file is no longer one concept.
const MaxLines = 600

// marks are words of unfinished work, lower case. They are written in two
// halves so that this file does not contain them.
var marks = []string{"to" + "do", "fix" + "me", "xx" + "x", "not imple" + "mented", "unimple" + "mented", "place" + "holder"}

// foreignTexts may stand in no file of the repository, with the reason.
var foreignTexts = []struct{ text, why string }{
	{"proxy.go" + "lang.org", registryWhy},
	{"sum.go" + "lang.org", registryWhy},
	{"registry.npm" + "js", registryWhy},
	{"pypi." + "org", registryWhy},
	{"GOPRO" + "XY=", registryWhy},
	{"GONO" + "SUMDB", registryWhy},
	{"/home" + "/", "a path of one machine is wrong on every other"},
	{"/ro" + "ot/", "a path of one machine is wrong on every other"},
}

const registryWhy = "where modules come from is the builder's setting; go.sum says what they must contain"

// CheckHouse reports what the text of one Go file breaks of the house rules:
// its length, marks of unfinished work and skipped tests without a reason.
func CheckHouse(name string, src []byte) []Violation {
	var out []Violation
	if n := bytes.Count(src, []byte{'\n'}); n > MaxLines {
		out = append(out, Violation{
			Where: name,
			What:  fmt.Sprintf("has %d lines, the limit is %d", n, MaxLines),
			Why:   "a file is one concept that a reader can hold",
			Fix:   "split it by concept, not by size",
		})
	}
	return append(out, checkTokens(name, src)...)
}

// checkTokens looks for marks in comments and string literals; identifiers of
// other libraries may contain them.
func checkTokens(name string, src []byte) []Violation {
	var out []Violation
	fset := token.NewFileSet()
	file := fset.AddFile(name, fset.Base(), len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, scanner.ScanComments)
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			return out
		}
		if tok != token.COMMENT && tok != token.STRING {
			continue
		}
		for _, m := range marks {
			if containsWord(strings.ToLower(lit), m) {
				out = append(out, Violation{
					Where: fmt.Sprintf("%s:%d", name, file.Line(pos)),
					What:  fmt.Sprintf("says %q", m),
					Why:   "unfinished work is finished, or is an issue; it is not a remark",
					Fix:   "finish it, or say what the code does today",
				})
			}
		}
	}
}

// containsWord reports whether text contains the word with no letter or digit
// at either side.
func containsWord(text, word string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(word)
		if (start == 0 || !alphanumeric(text[start-1])) && (end == len(text) || !alphanumeric(text[end])) {
			return true
		}
		from = end
	}
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
}

// CheckText reports texts that belong to one machine or to one builder. root
// is the directory of the module on this machine, or empty.
func CheckText(name string, src []byte, root string) []Violation {
	var out []Violation
	for _, f := range foreignTexts {
		if bytes.Contains(src, []byte(f.text)) {
			out = append(out, Violation{Where: name, What: fmt.Sprintf("contains %q", f.text), Why: f.why, Fix: "leave it out"})
		}
	}
	if root != "" && bytes.Contains(src, []byte(root+"/")) {
		out = append(out, Violation{Where: name, What: "contains the path of this working copy", Why: "a path of one machine is wrong on every other", Fix: "make it relative"})
	}
	return out
}

// CheckDoc reports a package directory whose doc.go is missing or says
// nothing. files maps the names of the directory's Go files to their source.
func CheckDoc(dir string, files map[string][]byte) []Violation {
	broken := func(what string) []Violation {
		return []Violation{{
			Where: dir,
			What:  what,
			Why:   "a reader asks first what a package is for and what it promises",
			Fix:   "write doc.go: what, the protocol as arrows, an example, invariants",
		}}
	}
	src, ok := files["doc.go"]
	if !ok {
		return broken("has no doc.go")
	}
	file, err := parser.ParseFile(token.NewFileSet(), path.Join(dir, "doc.go"), src, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil || file.Doc == nil {
		return broken("has a doc.go without a package comment")
	}
	text := file.Doc.Text()
	if !startsProperly(file, text) {
		return broken(fmt.Sprintf("has a package comment that does not begin with %q", docOpening(file)))
	}
	if strings.Count(text, "\n") < 3 {
		return broken("has a package comment of fewer than three lines")
	}
	return nil
}

func docOpening(file *ast.File) string {
	if file.Name.Name == "main" {
		return "Command"
	}
	return "Package " + strings.TrimSuffix(file.Name.Name, "_test")
}

func startsProperly(file *ast.File, text string) bool {
	return strings.HasPrefix(text, docOpening(file)+" ")
}
