package query

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseError says what is wrong with the text of a job, in words for its author:
// Error is what a client gets.
type ParseError struct {
	Field string // "inputs", "query", or empty
	Text  string
}

// Error returns the words.
func (e *ParseError) Error() string {
	if e.Field == "" {
		return e.Text
	}
	return fmt.Sprintf("An error occurred parsing the %q field.\n%s", e.Field, e.Text)
}

const (
	fieldInputs = "inputs"
	fieldQuery  = "query"
)

func wrong(field, format string, args ...any) *ParseError {
	return &ParseError{Field: field, Text: fmt.Sprintf(format, args...)}
}

// Parse returns the job that a JSON text describes. The error is a *ParseError.
func Parse(text []byte) (*Query, error) {
	if len(text) > MaxBytes {
		return nil, wrong("", "The job has %d bytes; at most %d are allowed.", len(text), MaxBytes)
	}
	v, err := ParseValue(text)
	if err != nil {
		return nil, wrong("", "The POST body was not valid JSON.\nThe error from the parser was:\n%v\n", err)
	}
	job, ok := v.(map[string]any)
	if !ok {
		return nil, wrong("", "The POST body was not a JSON object.\n")
	}
	q := &Query{Timeout: timeoutOf(job["timeout"])}
	for _, field := range []string{fieldInputs, fieldQuery} {
		if _, ok := job[field]; !ok {
			return nil, wrong("", "The job has no %q field.\n", field)
		}
	}
	if problem := q.Inputs.parse(job[fieldInputs]); problem != nil {
		return nil, problem
	}
	phases, ok := job[fieldQuery].([]any)
	if !ok {
		return nil, wrong(fieldQuery, "It must be a list of phases, not %s.", show(job[fieldQuery]))
	}
	if len(phases) > MaxPhases {
		return nil, wrong(fieldQuery, "The job has %d phases; at most %d are allowed.", len(phases), MaxPhases)
	}
	for i, v := range phases {
		p, problem := parsePhase(v, i == len(phases)-1)
		if problem != "" {
			return nil, wrong(fieldQuery, "Phase %d: %s", i, problem)
		}
		q.Phases = append(q.Phases, p)
	}
	return q, nil
}

// maxTimeout keeps what a job says within what a Duration can hold.
const maxTimeout = 365 * 24 * time.Hour

// timeoutOf takes milliseconds; what is no positive number means the default.
func timeoutOf(v any) time.Duration {
	var ms float64
	switch v := v.(type) {
	case int64:
		ms = float64(v)
	case float64:
		ms = v
	}
	if ms <= 0 {
		return DefaultTimeout
	}
	return max(time.Duration(min(ms*float64(time.Millisecond), float64(maxTimeout))), 1)
}

// show is a value as an error quotes it.
func show(v any) string {
	text, err := AppendJSON(nil, v)
	if err != nil {
		return err.Error()
	}
	const most = 200
	if len(text) > most {
		return strings.ToValidUTF8(string(text[:most]), "") + "..."
	}
	return string(text)
}

func parsePhase(v any, last bool) (p Phase, problem string) {
	one, ok := v.(map[string]any)
	if !ok || len(one) != 1 {
		return p, fmt.Sprintf(`it must be an object with one field, "map", "reduce" or "link", not %s.`, show(v))
	}
	for kind, v := range one {
		spec, ok := v.(map[string]any)
		if !ok {
			return p, fmt.Sprintf("%q must be an object, not %s.", kind, show(v))
		}
		switch kind {
		case "map":
			p.Kind = Map
		case "reduce":
			p.Kind = Reduce
		case "link":
			p.Kind = Link
		default:
			return p, fmt.Sprintf(`%q is no kind of phase: use "map", "reduce" or "link".`, kind)
		}
		if p.Keep, ok = keepOf(spec, last); !ok {
			return p, fmt.Sprintf(`"keep" must be true or false, not %s.`, show(spec["keep"]))
		}
		if p.Kind == Link {
			return p, p.parseLink(spec)
		}
		if p.Function, problem = parseFunction(spec); problem == "" {
			p.Arg = spec["arg"]
			problem = p.parseKnobs()
		}
	}
	return p, problem
}

func keepOf(spec map[string]any, last bool) (keep, ok bool) {
	v, said := spec["keep"]
	if !said {
		return last, true
	}
	keep, ok = v.(bool)
	return keep, ok
}

func (p *Phase) parseLink(spec map[string]any) (problem string) {
	for name, into := range map[string]*string{"bucket": &p.Bucket, "tag": &p.Tag} {
		v, said := spec[name]
		s, ok := v.(string)
		if said && !ok {
			return fmt.Sprintf(`%q must be a string, not %s.`, name, show(v))
		}
		if s != "_" {
			*into = s
		}
	}
	return ""
}

// parseFunction takes language, and one of the three ways to name a function.
func parseFunction(spec map[string]any) (f Function, problem string) {
	language, ok := spec["language"].(string)
	if !ok || language == "" {
		return f, `"language" is missing: use "erlang" for functions that are registered on the nodes, or "javascript".`
	}
	f.Language = language
	text := func(name string) string {
		v, said := spec[name]
		s, ok := v.(string)
		if said && (!ok || s == "") && problem == "" {
			problem = fmt.Sprintf("%q must be a string that is not empty, not %s.", name, show(v))
		}
		return s
	}
	module, function, name := text("module"), text("function"), text("name")
	f.Source = text("source")
	f.Stored.Key = text("key")
	if v, said := spec["bucket"]; said {
		if f.Stored.Type, f.Stored.Bucket, ok = bucketOf(v); !ok && problem == "" {
			problem = fmt.Sprintf(`"bucket" must be a bucket or [type, bucket], not %s.`, show(v))
		}
	}
	if problem != "" {
		return f, problem
	}
	ways := 0
	named := "name"
	if language == LanguageNamed {
		if named = "module and function"; (module == "") != (function == "") {
			return f, `"module" and "function" must come together.`
		}
		if module != "" {
			f.Name = module + ":" + function
		}
		module, name = name, module // what does not belong here
	} else {
		f.Name = name
	}
	if module != "" || language != LanguageNamed && function != "" {
		return f, fmt.Sprintf("a function in %s is given by %s, source, or bucket and key.", language, named)
	}
	if (f.Stored.Key == "") != (f.Stored.Bucket == "") {
		return f, `"bucket" and "key" must come together.`
	}
	for _, given := range []string{f.Name, f.Source, f.Stored.Key} {
		if given != "" {
			ways++
		}
	}
	if ways != 1 {
		return f, fmt.Sprintf("a function in %s is given by exactly one of %s, source, or bucket and key.", language, named)
	}
	return f, ""
}

// parseKnobs takes what Riak hides in the argument.
func (p *Phase) parseKnobs() (problem string) {
	arg, ok := p.Arg.(map[string]any)
	if !ok {
		return ""
	}
	flag := func(name string, into *bool) {
		switch v := arg[name].(type) {
		case nil:
		case bool:
			*into = v
		default:
			problem = fmt.Sprintf("%q must be true or false, not %s.", name, show(v))
		}
	}
	if p.Kind == Map {
		flag("do_prereduce", &p.Prereduce)
		return problem
	}
	flag("reduce_phase_only_1", &p.OnlyOnce)
	if v, said := arg["reduce_phase_batch_size"]; said && problem == "" {
		n, ok := v.(int64)
		if !ok || n < 0 || n > 1<<30 {
			return fmt.Sprintf(`"reduce_phase_batch_size" must be a number from 0, not %s.`, show(v))
		}
		p.BatchSize = max(1, int(n)) // 0 is: each input at once
	}
	return problem
}

const inputForms = `Valid forms are:
  "bucket"
  ["type", "bucket"]
  [["bucket", "key"], ["bucket", "key", keydata], ["bucket", "key", keydata, "type"], ...]
  {"bucket": B, "key_filters": [[name, argument, ...], ...]}
  {"bucket": B, "index": "name_bin", "key": term}
  {"bucket": B, "index": "name_int", "start": first, "end": last}
  {"module": M, "function": F, "arg": A}
where B is "bucket" or ["type", "bucket"].
`

func (in *Inputs) parse(v any) *ParseError {
	switch v := v.(type) {
	case string:
		if v != "" {
			in.Kind, in.Bucket = InputBucket, v
			return nil
		}
	case []any:
		return in.parseList(v)
	case map[string]any:
		return in.parseObject(v)
	}
	return wrong(fieldInputs, "%s names no inputs. %s", show(v), inputForms)
}

func (in *Inputs) parseList(list []any) *ParseError {
	if len(list) == 0 {
		return wrong(fieldInputs, "No inputs were given.")
	}
	if len(list) > MaxKeys {
		return wrong(fieldInputs, "The job names %d keys; at most %d are allowed.", len(list), MaxKeys)
	}
	if bucketType, bucket, ok := bucketOf(list); ok {
		in.Kind, in.Type, in.Bucket = InputBucket, bucketType, bucket
		return nil
	}
	in.Kind, in.Keys = InputKeys, make([]Key, 0, len(list))
	for i, v := range list {
		k, ok := KeyOf(v)
		if !ok {
			return wrong(fieldInputs, "Input %d, %s, names no object. %s", i, show(v), inputForms)
		}
		in.Keys = append(in.Keys, k)
	}
	return nil
}

// parseObject takes the forms with names; where they overlap the first one counts.
func (in *Inputs) parseObject(v map[string]any) *ParseError {
	if _, said := v["module"]; said {
		return in.parseFunction(v)
	}
	if _, said := v["query"]; said {
		return wrong(fieldInputs, "Search is not enabled.")
	}
	var ok bool
	if in.Type, in.Bucket, ok = bucketOf(v["bucket"]); !ok {
		return wrong(fieldInputs, "%s names no inputs. %s", show(v), inputForms)
	}
	if _, said := v["index"]; said {
		return in.parseIndex(v)
	}
	filters, said := v["key_filters"]
	if !said {
		return wrong(fieldInputs, "%s names no inputs. %s", show(v), inputForms)
	}
	if _, err := ParseKeyFilter(filters); err != nil {
		return wrong(fieldInputs, "%v", err)
	}
	in.Kind, in.Filters = InputBucket, filters.([]any)
	return nil
}

func (in *Inputs) parseFunction(v map[string]any) *ParseError {
	module, ok := v["module"].(string)
	function, fok := v["function"].(string)
	if !ok || !fok || module == "" || function == "" {
		return wrong(fieldInputs, `"module" and "function" must be strings that are not empty.`)
	}
	in.Kind, in.Function, in.Arg = InputFunction, Function{Language: LanguageNamed, Name: module + ":" + function}, v["arg"]
	return nil
}

func (in *Inputs) parseIndex(v map[string]any) *ParseError {
	index, ok := v["index"].(string)
	if !ok || index == "" {
		return wrong(fieldInputs, `"index" must be the name of an index, not %s.`, show(v["index"]))
	}
	in.Kind, in.Index = InputIndex, index
	term := func(name string) (string, *ParseError) {
		switch t := v[name].(type) {
		case string:
			return t, nil
		case int64:
			return strconv.FormatInt(t, 10), nil
		}
		return "", wrong(fieldInputs, "%q must be a term of the index %s, a string or a whole number, not %s.", name, index, show(v[name]))
	}
	var problem *ParseError
	if _, said := v["key"]; said {
		in.Exact = true
		in.From, problem = term("key")
		return problem
	}
	if _, said := v["start"]; !said {
		return wrong(fieldInputs, `An index needs a "key", or a "start" and an "end".`)
	}
	if in.From, problem = term("start"); problem != nil {
		return problem
	}
	if in.To, problem = term("end"); problem != nil {
		return problem
	}
	if in.From == in.To {
		in.Exact, in.To = true, ""
	}
	return nil
}

// MarshalJSON returns the key as a job names it.
func (k Key) MarshalJSON() ([]byte, error) { return AppendJSON(nil, k.Value()) }

var _ json.Marshaler = Key{}
