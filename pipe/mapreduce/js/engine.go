package js

import (
	"errors"
	"fmt"
	"strings"
	"time"

	_ "embed" // for the built-ins

	"github.com/dop251/goja"

	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

// Errors of functions in JavaScript.
var (
	// ErrSource: the source is not one function, or the name is not known.
	ErrSource = errors.New("not a JavaScript function")
	// ErrTime: a call took longer than it may.
	ErrTime = errors.New("JavaScript took too long")
	// ErrMemory: memory grew too much while a call ran, or it returned too much.
	ErrMemory = errors.New("JavaScript took too much memory")
)

// Options bounds functions.
type Options struct {
	// CallTime is how long one call may take. Default 10 s.
	CallTime time.Duration
	// CallMemory is by how many bytes the process's memory may grow while a call
	// runs; whoever else makes it grow counts too. Default 512 MiB.
	CallMemory int
	// CallOutput is how many bytes of values one call may return, about. Default
	// 32 MiB.
	CallOutput int
	// Stack is how deep calls may be nested. Default 1,000.
	Stack int
}

func (o Options) withDefaults() Options {
	if o.CallTime == 0 {
		o.CallTime = 10 * time.Second
	}
	if o.CallMemory == 0 {
		o.CallMemory = 512 << 20
	}
	if o.CallOutput == 0 {
		o.CallOutput = 32 << 20
	}
	if o.Stack == 0 {
		o.Stack = 1000
	}
	return o
}

//go:embed builtins.js
var builtinsSource string

// Engine makes functions of JavaScript. It is safe for concurrent use.
type Engine struct {
	opt      Options
	builtins *goja.Program
	names    map[string]bool // of the built-in functions
}

var _ mapreduce.Engine = (*Engine)(nil)

// New returns an engine.
func New(o Options) *Engine {
	e := &Engine{opt: o.withDefaults(), builtins: goja.MustCompile("builtins.js", builtinsSource, false), names: make(map[string]bool)}
	vm := goja.New()
	if _, err := vm.RunProgram(e.builtins); err != nil {
		panic(err) // the built-ins are constant
	}
	for _, name := range vm.Get(builtinObject).ToObject(vm).Keys() {
		e.names[builtinObject+"."+name] = true
	}
	return e
}

const builtinObject = "Riak"

// Language returns "javascript".
func (e *Engine) Language() string { return query.LanguageJavaScript }

// Open returns a function of its source or of the name of a built-in one. Its
// interpreter is made at its first call. It fails with ErrSource.
func (e *Engine) Open(f query.Function) (mapreduce.Code, error) {
	source, name := f.Source, "source"
	if f.Name != "" {
		if !e.names[f.Name] {
			return nil, fmt.Errorf("%q: %w", f.Name, ErrSource)
		}
		source, name = f.Name, f.Name
	}
	// In parentheses a function needs no name; ECMAScript 5 would refuse it
	// otherwise.
	program, err := goja.Compile(name, "("+strings.TrimRight(source, "; \t\r\n")+"\n)", false)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	return &code{engine: e, program: program}, nil
}

// Error is what JavaScript threw.
type Error struct {
	Message string
	Stack   string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Trace returns the stack where it was thrown.
func (e *Error) Trace() string { return e.Stack }

var _ mapreduce.Trace = (*Error)(nil)

// errorOf makes a typed error of what the interpreter says.
func errorOf(err error) error {
	if i, ok := errors.AsType[*goja.InterruptedError](err); ok {
		if cause, ok := i.Value().(error); ok {
			return cause
		}
	}
	if x, ok := errors.AsType[*goja.Exception](err); ok {
		message, stack, _ := strings.Cut(x.String(), "\n")
		if v := x.Value(); v != nil {
			message = v.String()
		}
		return &Error{Message: message, Stack: strings.TrimSpace(stack)}
	}
	return err
}
