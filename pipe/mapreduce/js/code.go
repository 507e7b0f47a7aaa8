package js

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/dop251/goja"

	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

// code is one function in an interpreter of its own. It is not safe for
// concurrent use.
type code struct {
	engine   *Engine
	program  *goja.Program
	vm       *goja.Runtime
	function goja.Callable
	objectOf goja.Callable
	guard    *guard
}

func (c *code) start() error {
	if c.vm != nil {
		return nil
	}
	vm := goja.New()
	vm.SetMaxCallStackSize(c.engine.opt.Stack)
	g := newGuard(vm, c.engine.opt)
	last, err := vm.RunProgram(c.engine.builtins)
	if err != nil {
		return errorOf(err)
	}
	c.objectOf, _ = goja.AssertFunction(last)
	var v goja.Value
	// The source is an expression, which may do anything.
	err = g.call(context.Background(), func() (err error) {
		v, err = vm.RunProgram(c.program)
		return err
	})
	if err != nil {
		return errorOf(err)
	}
	var ok bool
	if c.function, ok = goja.AssertFunction(v); !ok {
		return fmt.Errorf("the source is %s: %w", v, ErrSource)
	}
	c.vm, c.guard = vm, g
	return nil
}

// Map calls the function with an object, what came with it, and the argument of
// the phase.
func (c *code) Map(ctx context.Context, o mapreduce.Object, arg any) ([]any, error) {
	if err := c.start(); err != nil {
		return nil, err
	}
	object, err := c.object(o)
	if err != nil {
		return nil, errorOf(err)
	}
	data := goja.Undefined()
	if o.Data != nil {
		data = c.value(o.Data)
	}
	return c.call(ctx, object, data, c.argument(arg))
}

// Reduce calls the function with a list of values and the argument of the phase.
func (c *code) Reduce(ctx context.Context, values []any, arg any) ([]any, error) {
	if err := c.start(); err != nil {
		return nil, err
	}
	return c.call(ctx, c.value(values), c.argument(arg))
}

func (c *code) argument(arg any) goja.Value {
	if arg == nil {
		return goja.Undefined()
	}
	return c.value(arg)
}

func (c *code) call(ctx context.Context, args ...goja.Value) ([]any, error) {
	var exported any
	err := c.guard.call(ctx, func() error {
		v, err := c.function(goja.Undefined(), args...)
		if err == nil {
			exported, err = c.export(v)
		}
		return err
	})
	if err != nil {
		return nil, errorOf(err)
	}
	list, ok := exported.([]any)
	if !ok {
		return nil, fmt.Errorf("the function returned %T and no array: %w", exported, query.ErrValue)
	}
	return list, nil
}

// export makes a value of what a function returned.
func (c *code) export(v goja.Value) (any, error) {
	if goja.IsUndefined(v) || goja.IsNull(v) {
		return nil, nil
	}
	return (&exporter{left: c.engine.opt.CallOutput}).value(v.Export(), 0)
}

// object is what a map function is given.
func (c *code) object(o mapreduce.Object) (goja.Value, error) {
	if !o.Found {
		return c.value(o.NotFound()), nil
	}
	contents := o.Contents()
	values := make([]any, len(contents))
	for i := range contents {
		v := c.vm.NewObject()
		_ = v.Set("metadata", c.value(mapreduce.Metadata(&o, &contents[i])))
		_ = v.Set("data", mapreduce.Text(contents[i].Value))
		values[i] = v
	}
	bucketType := o.Type
	if bucketType == "" {
		bucketType = "default"
	}
	return c.objectOf(goja.Undefined(),
		c.vm.ToValue(bucketType), c.vm.ToValue(o.Bucket), c.vm.ToValue(o.Key),
		c.vm.ToValue(base64.StdEncoding.EncodeToString([]byte(o.Context))), c.vm.NewArray(values...))
}

// value makes a value of package query one of the interpreter's own.
func (c *code) value(v any) goja.Value {
	switch v := v.(type) {
	case nil:
		return goja.Null()
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = c.value(x)
		}
		return c.vm.NewArray(list...)
	case map[string]any:
		o := c.vm.NewObject()
		for k, x := range v {
			_ = o.Set(k, c.value(x)) // fails for setters only
		}
		return o
	case query.NotFound:
		return c.value(v.Object())
	default:
		return c.vm.ToValue(v)
	}
}
