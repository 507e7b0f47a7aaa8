package layers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// Impurity is something that a pure package does not touch.
type Impurity struct {
	// Import is a standard library package, with everything beneath it.
	Import string
	// Names limits the ban to these identifiers of the package; empty means the
	// whole package.
	Names []string
	// Why is the reason, printed with each violation.
	Why string
}

// Impurities are the ways in which the outside world enters a machine.
var Impurities = []Impurity{
	{
		Import: "time",
		Names:  []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"},
		Why:    "a machine is told the time by an event; a clock makes its history unrepeatable",
	},
	{
		Import: "context",
		Names:  []string{"WithTimeout", "WithTimeoutCause", "WithDeadline", "WithDeadlineCause"},
		Why:    "a deadline is a clock; the shell owns it",
	},
	{Import: "net", Why: "a machine returns what is to be sent; the shell owns the socket"},
	{Import: "os", Why: "a machine returns what is to be stored; files and the environment belong to adapters and cmd"},
	{Import: "syscall", Why: "a machine has no operating system"},
	{Import: "sync", Why: "a machine is used by one goroutine at a time, which its shell guarantees"},
	{Import: "log", Why: "a machine returns actions; what deserves a line in the log is the shell's choice"},
	{Import: "math/rand", Why: "a decision that draws lots cannot be replayed; pass the choice in as an event"},
	{Import: "crypto/rand", Why: "a decision that draws lots cannot be replayed; pass the choice in as an event"},
}

// CheckSource parses one file and reports what it may not contain: init
// functions anywhere, and in a pure package every Impurity, goroutine, channel
// and select. Generated files are the caller's to leave out.
func CheckSource(name string, src []byte, pure bool) ([]Violation, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	c := &sourceCheck{fset: fset, pure: pure, imports: importNames(file)}
	if pure {
		c.checkWholeImports(file)
	}
	ast.Inspect(file, c.visit)
	return c.out, nil
}

// importNames maps the name by which a file knows a package to its path.
func importNames(file *ast.File) map[string]string {
	names := make(map[string]string)
	for _, imp := range file.Imports {
		path, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			continue
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		if imp.Name != nil {
			name = imp.Name.Name
		}
		names[name] = path
	}
	return names
}

type sourceCheck struct {
	fset    *token.FileSet
	pure    bool
	imports map[string]string
	out     []Violation
}

func (c *sourceCheck) report(pos token.Pos, what, why, fix string) {
	p := c.fset.Position(pos)
	c.out = append(c.out, Violation{Where: fmt.Sprintf("%s:%d", p.Filename, p.Line), What: what, Why: why, Fix: fix})
}

func (c *sourceCheck) checkWholeImports(file *ast.File) {
	for _, imp := range file.Imports {
		path, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			continue
		}
		for _, ban := range Impurities {
			if len(ban.Names) == 0 && under(ban.Import, path) {
				c.report(imp.Pos(), "a pure package imports "+path, ban.Why, "make it an event or an action, and let actors or an adapter do it")
			}
		}
	}
}

func (c *sourceCheck) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		if n.Recv == nil && n.Name.Name == "init" {
			c.report(n.Pos(), "declares init", "what a package does when it is imported cannot be tested, ordered or left out", "let the caller construct it")
		}
	case *ast.SelectorExpr:
		c.visitSelector(n)
	case *ast.GoStmt:
		c.impure(n.Pos(), "starts a goroutine", "every goroutine has one owner, and owners are shells")
	case *ast.SelectStmt:
		c.impure(n.Pos(), "selects", "a machine is stepped, it does not wait")
	case *ast.ChanType:
		c.impure(n.Pos(), "uses a channel", "a machine is stepped, it does not wait")
	}
	return true
}

func (c *sourceCheck) impure(pos token.Pos, what, why string) {
	if c.pure {
		c.report(pos, "a pure package "+what, why, "return an action, and let actors or handoff/session do it")
	}
}

func (c *sourceCheck) visitSelector(sel *ast.SelectorExpr) {
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return
	}
	path, imported := c.imports[id.Name]
	if !imported {
		return
	}
	if path == "time" && sel.Sel.Name == "Sleep" {
		c.report(sel.Pos(), "calls time.Sleep", "a sleep is a guess about another goroutine; it is too short on a busy machine and too long on every other", "wait for the condition: a channel, a callback, testing/synctest")
		return
	}
	if !c.pure {
		return
	}
	for _, ban := range Impurities {
		if ban.Import == path && slices.Contains(ban.Names, sel.Sel.Name) {
			c.report(sel.Pos(), "a pure package uses "+path+"."+sel.Sel.Name, ban.Why, "take it from the event that is being handled")
		}
	}
}
