package foundingrace_test

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"

	"github.com/dee2748c/baton/pipe"
)

// dumper writes a value with everything reachable from it, unexported fields
// included, as bytes: two values have the same bytes only if they hold the
// same. Functions, and what is constant in the explorer, are left out, and so
// are buffers that only carry results of the last call.
type dumper struct {
	b    []byte
	seen map[uintptr]int
}

func dump(v any) string {
	d := dumper{seen: make(map[uintptr]int)}
	d.value(reflect.ValueOf(v))
	return string(d.b)
}

var (
	specs      = reflect.TypeFor[*pipe.Spec]()
	registries = reflect.TypeFor[*pipe.Registry]()
	buffers    = map[string]bool{"out": true, "given": true, "wire": true}
)

func (d *dumper) num(n uint64) { d.b = binary.AppendUvarint(d.b, n) }

func (d *dumper) text(s string) {
	d.num(uint64(len(s)))
	d.b = append(d.b, s...)
}

func (d *dumper) value(v reflect.Value) {
	if !v.IsValid() {
		d.b = append(d.b, 0)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		d.b = append(d.b, map[bool]byte{false: 0, true: 1}[v.Bool()])
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		d.num(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		d.num(v.Uint())
	case reflect.String:
		d.text(v.String())
	case reflect.Slice, reflect.Array:
		d.num(uint64(v.Len()))
		for i := range v.Len() {
			d.value(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !buffers[v.Type().Field(i).Name] {
				d.value(v.Field(i))
			}
		}
	case reflect.Map:
		d.mapping(v)
	case reflect.Pointer:
		d.pointer(v)
	case reflect.Interface:
		d.num(uint64(v.NumMethod()))
		if !v.IsNil() {
			d.text(v.Elem().Type().String())
		}
		d.value(v.Elem())
	case reflect.Func, reflect.Chan:
	default:
		panic(fmt.Sprintf("dump of %v", v.Type()))
	}
}

func (d *dumper) pointer(v reflect.Value) {
	switch n, again := d.seen[v.Pointer()]; {
	case v.IsNil():
		d.b = append(d.b, 0)
	case v.Type() == registries:
		d.b = append(d.b, 1)
	case v.Type() == specs: // one per pipe
		d.b = append(d.b, 1)
		d.value(v.Elem().FieldByName("ID"))
	case again:
		d.b = append(d.b, 2)
		d.num(uint64(n))
	default:
		d.seen[v.Pointer()] = len(d.seen)
		d.b = append(d.b, 3)
		d.value(v.Elem())
	}
}

// mapping writes a map in the order of its dumped keys.
func (d *dumper) mapping(v reflect.Value) {
	type entry struct {
		key   string
		value reflect.Value
	}
	var all []entry
	for it := v.MapRange(); it.Next(); {
		k := dumper{seen: make(map[uintptr]int)}
		k.value(it.Key())
		all = append(all, entry{string(k.b), it.Value()})
	}
	slices.SortFunc(all, func(a, b entry) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return 0
	})
	d.num(uint64(len(all)))
	for _, e := range all {
		d.text(e.key)
		d.value(e.value)
	}
}
