package layers

import (
	"fmt"
	"regexp"
	"strings"
)

// quoted matches a block of Go code in a document that says where it is from.
var quoted = regexp.MustCompile("(?s)<!-- from (\\S+) -->\n```go\n(.*?)```")

// CheckQuotes reports Go code in a document that is not what stands in the
// code, and Go code that does not say where it is from. read gives the text of
// a file by its name.
func CheckQuotes(name, text string, read func(string) (string, bool)) []Violation {
	broken := func(what, fix string) Violation {
		return Violation{Where: name, What: what, Why: "an example that is not compiled goes stale", Fix: fix}
	}
	var out []Violation
	blocks := quoted.FindAllStringSubmatch(text, -1)
	if all := strings.Count(text, "```go\n"); all > len(blocks) {
		out = append(out, broken(fmt.Sprintf("quotes Go code %d times without saying where it is from", all-len(blocks)), "put <!-- from FILE --> before the block"))
	}
	for _, b := range blocks {
		code, ok := read(b[1])
		switch {
		case !ok:
			out = append(out, broken("quotes "+b[1]+", which does not exist", "quote a file that does"))
		case !strings.Contains(code, b[2]):
			out = append(out, broken("quotes something that is not in "+b[1], "copy it from there again"))
		}
	}
	return out
}

// maked matches a call of make in a document.
var maked = regexp.MustCompile("(?m)(?:^ {4}|`)make ([a-z][a-z-]*)")

// CheckTargets reports targets that a document names and the Makefile lacks.
func CheckTargets(name, text, makefile string) []Violation {
	var out []Violation
	for _, m := range maked.FindAllStringSubmatch(text, -1) {
		if !strings.Contains("\n"+makefile, "\n"+m[1]+":") {
			out = append(out, Violation{
				Where: name, What: "names the target " + m[1] + ", which the Makefile lacks",
				Why: "a command in a document is copied and run", Fix: "name a target that `make` lists",
			})
		}
	}
	return out
}
