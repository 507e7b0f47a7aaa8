package query

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// KeyFilter chooses keys: filters that are applied one after the other. A
// transform makes another value of the key for those behind it, a predicate lets
// it pass or not. The nil KeyFilter lets every key pass.
//
//	[["tokenize", "-", 3], ["string_to_int"], ["between", 2008, 2010, false]]
//
// A key that a transform can't be applied to does not pass.
type KeyFilter []filter

// filter is one step: exactly one of the two is set.
type filter struct {
	transform func(v any) (any, bool)
	predicate func(v any) bool
}

// Limits of key filters.
const (
	maxFilters      = 256 // all together
	maxPatternBytes = 1024
	maxSimilar      = 256 // bytes of a string that similar_to compares
)

// Pass reports whether the key passes.
func (f KeyFilter) Pass(key string) bool { return f.pass(key) }

func (f KeyFilter) pass(v any) bool {
	for _, step := range f {
		if step.predicate != nil {
			if !step.predicate(v) {
				return false
			}
			continue
		}
		var ok bool
		if v, ok = step.transform(v); !ok {
			return false
		}
	}
	return true
}

// ParseKeyFilter returns the filter that a value describes. It fails with
// ErrKeyFilter.
func ParseKeyFilter(v any) (KeyFilter, error) {
	left := maxFilters
	f, problem := parseFilters(v, &left)
	if problem != "" {
		return nil, fmt.Errorf("%w: %s", ErrKeyFilter, problem)
	}
	return f, nil
}

// ErrKeyFilter: what should describe a key filter does not.
var ErrKeyFilter = errors.New("key filters")

func parseFilters(v any, left *int) (f KeyFilter, problem string) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, fmt.Sprintf("they must be a list with at least one filter, not %s.", show(v))
	}
	for _, v := range list {
		if *left--; *left < 0 {
			return nil, fmt.Sprintf("there are more than %d.", maxFilters)
		}
		step, problem := parseFilter(v, left)
		if problem != "" {
			return nil, problem
		}
		f = append(f, step)
	}
	if f[len(f)-1].predicate == nil {
		return nil, fmt.Sprintf("%s ends with a transform, which lets no key pass: end with a predicate.", show(v))
	}
	return f, ""
}

// filterArgs are the arguments of one filter, which is where problems are found.
type filterArgs struct {
	name    string
	args    []any
	problem string
}

func (a *filterArgs) fail(format string, args ...any) {
	if a.problem == "" {
		a.problem = a.name + " " + fmt.Sprintf(format, args...)
	}
}

func (a *filterArgs) count(from, to int) bool {
	if len(a.args) < from || len(a.args) > to {
		a.fail("has %d arguments.", len(a.args))
		return false
	}
	return true
}

func (a *filterArgs) text(i int) string {
	if i >= len(a.args) {
		return ""
	}
	s, ok := a.args[i].(string)
	if !ok {
		a.fail("needs a string, not %s.", show(a.args[i]))
	}
	return s
}

func (a *filterArgs) number(i int) int {
	if i >= len(a.args) {
		return 0
	}
	n, ok := a.args[i].(int64)
	if !ok || n < 0 || n > 1<<20 {
		a.fail("needs a whole number from 0, not %s.", show(a.args[i]))
		return 0
	}
	return int(n)
}

func parseFilter(v any, left *int) (filter, string) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return filter{}, fmt.Sprintf("%s is no filter: use [name, argument, ...].", show(v))
	}
	name, ok := list[0].(string)
	if !ok {
		return filter{}, fmt.Sprintf("%s is no filter: use [name, argument, ...].", show(v))
	}
	a := &filterArgs{name: name, args: list[1:]}
	f := a.transform()
	if f.transform == nil {
		f = a.predicate()
	}
	if f.predicate == nil && f.transform == nil {
		f = a.logical(left)
	}
	if a.problem == "" && f.predicate == nil && f.transform == nil {
		a.problem = fmt.Sprintf("there is no filter %q.", name)
	}
	return f, a.problem
}

func (a *filterArgs) transform() filter {
	most := 0
	var f func(any) (any, bool)
	switch a.name {
	case "int_to_string":
		f = func(v any) (any, bool) {
			n, ok := v.(int64)
			return strconv.FormatInt(n, 10), ok
		}
	case "string_to_int":
		f = ofText(func(s string) (any, bool) {
			n, err := strconv.ParseInt(s, 10, 64)
			return n, err == nil
		})
	case "float_to_string":
		f = func(v any) (any, bool) {
			x, ok := v.(float64)
			text, _ := appendJSONFloat(nil, x)
			return string(text), ok && text != nil
		}
	case "string_to_float":
		f = ofText(func(s string) (any, bool) {
			x, err := strconv.ParseFloat(s, 64)
			return x, err == nil
		})
	case "to_upper":
		f = ofText(func(s string) (any, bool) { return strings.ToUpper(s), true })
	case "to_lower":
		f = ofText(func(s string) (any, bool) { return strings.ToLower(s), true })
	case "urldecode":
		f = ofText(unescape)
	case "tokenize":
		most = 2
		f = a.tokenize()
	default:
		return filter{}
	}
	a.count(most, most)
	return filter{transform: f}
}

// tokenize takes the n-th of the parts between the separators, counted from 1,
// as Riak does: the characters of the first argument are separators each, and
// there are no empty parts.
func (a *filterArgs) tokenize() func(any) (any, bool) {
	separators, n := a.text(0), a.number(1)
	if len(a.args) == 2 && (separators == "" || n == 0) {
		a.fail("needs separators and a number from 1.")
	}
	return ofText(func(s string) (any, bool) {
		parts := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(separators, r) })
		if n > len(parts) {
			return nil, false
		}
		return parts[n-1], true
	})
}

// unescape undoes the escaping of the query part of a URL.
func unescape(s string) (any, bool) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b = append(b, ' ')
		case c != '%':
			b = append(b, c)
		default:
			if i+2 >= len(s) {
				return nil, false
			}
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return nil, false
			}
			b = append(b, byte(n))
			i += 2
		}
	}
	return string(b), true
}

func ofText(f func(s string) (any, bool)) func(any) (any, bool) {
	return func(v any) (any, bool) {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		return f(s)
	}
}

// compareLoosely is Compare, but equal numbers of both kinds are equal.
func compareLoosely(a, b any) int {
	if n, ok := a.(int64); ok {
		if f, ok := b.(float64); ok && f == float64(n) {
			return 0
		}
	}
	if f, ok := a.(float64); ok {
		if n, ok := b.(int64); ok && f == float64(n) {
			return 0
		}
	}
	return Compare(a, b)
}

func (a *filterArgs) predicate() filter {
	against := func(want func(c int) bool) filter {
		if !a.count(1, 1) {
			return filter{predicate: func(any) bool { return false }}
		}
		x := a.args[0]
		return filter{predicate: func(v any) bool { return want(compareLoosely(v, x)) }}
	}
	ofTextAnd := func(f func(s, arg string) bool) filter {
		a.count(1, 1)
		arg := a.text(0)
		return filter{predicate: func(v any) bool {
			s, ok := v.(string)
			return ok && f(s, arg)
		}}
	}
	switch a.name {
	case "greater_than":
		return against(func(c int) bool { return c > 0 })
	case "less_than":
		return against(func(c int) bool { return c < 0 })
	case "greater_than_eq":
		return against(func(c int) bool { return c >= 0 })
	case "less_than_eq":
		return against(func(c int) bool { return c <= 0 })
	case "eq":
		return against(func(c int) bool { return c == 0 })
	case "neq":
		return against(func(c int) bool { return c != 0 })
	case "starts_with":
		return ofTextAnd(strings.HasPrefix)
	case "ends_with":
		return ofTextAnd(strings.HasSuffix)
	case "between":
		return a.between()
	case "set_member":
		return a.setMember()
	case "matches":
		return a.matches()
	case "similar_to":
		return a.similarTo()
	}
	return filter{}
}

func (a *filterArgs) between() filter {
	inclusive := true
	if a.count(2, 3) && len(a.args) == 3 {
		var ok bool
		if inclusive, ok = a.args[2].(bool); !ok {
			a.fail("needs true or false as its third argument, not %s.", show(a.args[2]))
		}
	}
	args := a.args
	return filter{predicate: func(v any) bool {
		low, high := compareLoosely(v, args[0]), compareLoosely(v, args[1])
		return inclusive && low >= 0 && high <= 0 || low > 0 && high < 0
	}}
}

func (a *filterArgs) setMember() filter {
	members := a.args
	if len(members) == 1 {
		if list, ok := members[0].([]any); ok {
			members = list
		}
	}
	return filter{predicate: func(v any) bool {
		for _, m := range members {
			if compareLoosely(v, m) == 0 {
				return true
			}
		}
		return false
	}}
}

func (a *filterArgs) matches() filter {
	a.count(1, 1)
	pattern := a.text(0)
	if len(pattern) > maxPatternBytes {
		a.fail("has a regular expression of %d bytes; at most %d are allowed.", len(pattern), maxPatternBytes)
		pattern = ""
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		a.fail("has no regular expression: %v.", err)
	}
	return filter{predicate: func(v any) bool {
		s, ok := v.(string)
		return ok && re.MatchString(s)
	}}
}

func (a *filterArgs) similarTo() filter {
	a.count(2, 2)
	to, most := a.text(0), a.number(1)
	if len(to) > maxSimilar {
		a.fail("compares with %d bytes; at most %d are allowed.", len(to), maxSimilar)
	}
	return filter{predicate: func(v any) bool {
		s, ok := v.(string)
		return ok && len(s) <= len(to)+4*most && len(s) <= 8*maxSimilar && distance([]rune(s), []rune(to)) <= most
	}}
}

// distance is Levenshtein's.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			d := diagonal
			if x != y {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// logical takes filters of filters.
func (a *filterArgs) logical(left *int) filter {
	most := maxFilters
	switch a.name {
	case "and", "or":
	case "not":
		most = 1
	default:
		return filter{}
	}
	if !a.count(1, most) {
		return filter{}
	}
	var parts []KeyFilter
	for _, v := range a.args {
		part, problem := parseFilters(v, left)
		if problem != "" {
			a.fail("%s", problem)
			return filter{}
		}
		parts = append(parts, part)
	}
	return filter{predicate: func(v any) bool {
		switch a.name {
		case "not":
			return !parts[0].pass(v)
		case "or":
			for _, p := range parts {
				if p.pass(v) {
					return true
				}
			}
			return false
		}
		for _, p := range parts {
			if !p.pass(v) {
				return false
			}
		}
		return true
	}}
}
