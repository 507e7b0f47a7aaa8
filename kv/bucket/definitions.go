package bucket

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Limits of single properties.
const (
	// MaxHooks bounds the hooks of a bucket before a write, and those after it.
	MaxHooks = 16
	// MaxHookName bounds the name of a hook, in bytes, and the parts of a ModFun.
	MaxHookName = 255
	// MaxTTL bounds an expiry.
	MaxTTL = 100 * 365 * 24 * time.Hour
)

// A definition is one property as JSON knows it.
type definition struct {
	name string
	// get returns what stands for the value in canonical JSON.
	get func(*Properties) any
	// set takes a value that is not null; what it returns is the remedy.
	set func(*Properties, json.RawMessage) (remedy string)
	// count is set for numbers of copies, least is the least of them.
	count func(*Properties) Quorum
	least int
}

// definitions are all properties, in the order of their names.
var definitions = []definition{
	boolean("allow_mult", func(p *Properties) *bool { return &p.AllowMult }),
	boolean("basic_quorum", func(p *Properties) *bool { return &p.BasicQuorum }),
	number("big_vclock", math.MaxInt32, func(p *Properties) *int { return &p.BigVclock }),
	{name: "chash_keyfun", get: getKeyFun, set: setKeyFun},
	quorum("dw", 0, func(p *Properties) *Quorum { return &p.DW }),
	boolean("last_write_wins", func(p *Properties) *bool { return &p.LastWriteWins }),
	{name: "linkfun", get: func(p *Properties) any { return p.LinkFun }, set: setLinkFun},
	number("n_val", MaxN, func(p *Properties) *int { return &p.NVal }),
	confirms(),
	boolean("notfound_ok", func(p *Properties) *bool { return &p.NotFoundOK }),
	number("old_vclock", math.MaxInt32, func(p *Properties) *int { return &p.OldVclock }),
	hooks("postcommit", func(p *Properties) *[]string { return &p.Postcommit }),
	quorum("pr", 0, func(p *Properties) *Quorum { return &p.PR }),
	hooks("precommit", func(p *Properties) *[]string { return &p.Precommit }),
	quorum("pw", 0, func(p *Properties) *Quorum { return &p.PW }),
	quorum("r", 1, func(p *Properties) *Quorum { return &p.R }),
	quorum("rw", 1, func(p *Properties) *Quorum { return &p.RW }),
	boolean("serve_frozen", func(p *Properties) *bool { return &p.ServeFrozen }),
	boolean("sloppy_quorum", func(p *Properties) *bool { return &p.Sloppy }),
	number("small_vclock", math.MaxInt32, func(p *Properties) *int { return &p.SmallVclock }),
	{name: "ttl", get: func(p *Properties) any { return p.TTL.String() }, set: setTTL},
	quorum("w", 1, func(p *Properties) *Quorum { return &p.W }),
	boolean("write_once", func(p *Properties) *bool { return &p.WriteOnce }),
	number("young_vclock", math.MaxInt32, func(p *Properties) *int { return &p.YoungVclock }),
}

// absent are properties of Riak that this product does not have. A client that
// writes back what it has read may say the neutral value, which is dropped.
var absent = map[string]struct{ neutral, why string }{
	"backend":       {"", "there is one store: leave it out"},
	"consistent":    {"false", "strongly consistent buckets do not exist: leave it out, or ask for pr and pw"},
	"datatype":      {"", "data types do not exist yet: leave it out, and settle siblings in the client"},
	"dvv_enabled":   {"true", "clocks are always dotted version vectors: leave it out"},
	"hll_precision": {"", "data types do not exist yet: leave it out"},
	"name":          {"", "a bucket keeps its name: leave it out"},
	"repl":          {"false", "replication between clusters does not exist: leave it out"},
	"search":        {"false", "search does not exist: leave it out"},
	"search_index":  {"", "search does not exist: leave it out"},
	"sync_on_write": {`"backend"`, "ask for dw, the number of durable answers, instead"},
	"active":        {"", "activate the bucket type instead"},
	"claimant":      {"", "the record has no claimant: leave it out"},
}

// define returns the definition of a property, or the error that names the
// nearest one.
func define(name string, value json.RawMessage) (*definition, error) {
	i, ok := slices.BinarySearchFunc(definitions, name, func(d definition, name string) int { return strings.Compare(d.name, name) })
	if ok {
		return &definitions[i], nil
	}
	if a, known := absent[name]; known {
		if a.neutral != "" && string(bytes.TrimSpace(value)) == a.neutral {
			return nil, nil
		}
		return nil, &PropertyError{name, short(value), a.why}
	}
	remedy := "there is no such property"
	if near := nearest(name); near != "" {
		remedy += ": did you mean " + near + "?"
	}
	return nil, &PropertyError{short([]byte(name)), short(value), remedy}
}

// nearest returns the property that a name most likely misspells, or "".
func nearest(name string) string {
	name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	best, least := "", max(1, min(len(name)/3, 3))+1
	for i := range definitions {
		if d := distance(name, definitions[i].name); d < least {
			best, least = definitions[i].name, d
		}
	}
	return best
}

// distance is how many bytes have to be put, taken or changed to make b of a;
// for names that are too long to be near anything it is the length.
func distance(a, b string) int {
	if len(a) > 2*len(b)+4 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func boolean(name string, field func(*Properties) *bool) definition {
	return definition{
		name: name,
		get:  func(p *Properties) any { return *field(p) },
		set: func(p *Properties, raw json.RawMessage) string {
			return remedy(json.Unmarshal(raw, field(p)), "use true or false")
		},
	}
}

func number(name string, most int, field func(*Properties) *int) definition {
	least := 0
	if name == "n_val" {
		least = 1
	}
	return definition{
		name: name,
		get:  func(p *Properties) any { return *field(p) },
		set: func(p *Properties, raw json.RawMessage) string {
			var n int
			if err := json.Unmarshal(raw, &n); err != nil || n < least || n > most {
				return fmt.Sprintf("use a number from %d to %d", least, most)
			}
			*field(p) = n
			return ""
		},
	}
}

func quorum(name string, least int, field func(*Properties) *Quorum) definition {
	return definition{
		name:  name,
		get:   func(p *Properties) any { return *field(p) },
		count: func(p *Properties) Quorum { return *field(p) },
		least: least,
		set: func(p *Properties, raw json.RawMessage) string {
			var q Quorum
			if err := json.Unmarshal(raw, &q); err != nil || q == None && least > 0 {
				return fmt.Sprintf("use a number from %d to %d, one, quorum, all or default", least, MaxN)
			}
			*field(p) = q
			return ""
		},
	}
}

func confirms() definition {
	d := number("node_confirms", MaxN, func(p *Properties) *int { return &p.NodeConfirms })
	d.count = func(p *Properties) Quorum {
		if p.NodeConfirms == 0 {
			return None
		}
		return Quorum(p.NodeConfirms)
	}
	return d
}

// hook is a hook's name as Riak writes it.
type hook struct {
	Name string `json:"name"`
}

func hooks(name string, field func(*Properties) *[]string) definition {
	return definition{
		name: name,
		get: func(p *Properties) any {
			all := make([]hook, 0, len(*field(p)))
			for _, name := range *field(p) {
				all = append(all, hook{name})
			}
			return all
		},
		set: func(p *Properties, raw json.RawMessage) (remedy string) {
			*field(p), remedy = readHooks(raw)
			return remedy
		},
	}
}

func readHooks(raw json.RawMessage) (names []string, remedy string) {
	var all []json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, `use a list of names of hooks: ["NAME"] or [{"name": "NAME"}]`
	}
	for _, one := range all {
		var name string
		if err := json.Unmarshal(one, &name); err != nil {
			var h hook
			if err := json.Unmarshal(one, &h); err != nil || h.Name == "" {
				return nil, `a hook is named as it is registered, "NAME" or {"name": "NAME"}: functions of a module do not exist here`
			}
			name = h.Name
		}
		switch {
		case name == "" || len(name) > MaxHookName:
			return nil, fmt.Sprintf("use names of hooks of 1 to %d bytes", MaxHookName)
		case slices.Contains(names, name):
			return nil, fmt.Sprintf("hook %q is named twice: name it once", name)
		case len(names) == MaxHooks:
			return nil, fmt.Sprintf("name at most %d hooks", MaxHooks)
		}
		names = append(names, name)
	}
	return names, ""
}

// The ways to place an object, as Riak names them.
var (
	keyFunStd        = ModFun{"riak_core_util", "chash_std_keyfun"}
	keyFunBucketOnly = ModFun{"riak_core_util", "chash_bucketonly_keyfun"}
)

func getKeyFun(p *Properties) any {
	if p.BucketOnly {
		return keyFunBucketOnly
	}
	return keyFunStd
}

func setKeyFun(p *Properties, raw json.RawMessage) string {
	var f ModFun
	if err := json.Unmarshal(raw, &f.Fun); err == nil {
		f.Mod = keyFunStd.Mod
		if f.Fun == "std" || f.Fun == "bucketonly" {
			f.Fun = "chash_" + f.Fun + "_keyfun"
		}
	} else if json.Unmarshal(raw, &f) != nil {
		f = ModFun{}
	}
	if f != keyFunStd && f != keyFunBucketOnly {
		return "use std, by bucket and key, or bucketonly"
	}
	p.BucketOnly = f == keyFunBucketOnly
	return ""
}

func setLinkFun(p *Properties, raw json.RawMessage) string {
	var f ModFun
	if err := json.Unmarshal(raw, &f); err != nil || f.Mod == "" || f.Fun == "" || max(len(f.Mod), len(f.Fun)) > MaxHookName {
		return `use {"mod": "MODULE", "fun": "FUNCTION"}`
	}
	p.LinkFun = f
	return ""
}

func setTTL(p *Properties, raw json.RawMessage) string {
	const use = `use a duration such as "36h" or a number of seconds, at least 1 s and at most 100 years; 0 is for ever`
	var ttl time.Duration
	var s string
	var seconds int64
	if err := json.Unmarshal(raw, &s); err == nil {
		if ttl, err = time.ParseDuration(s); err != nil {
			return use
		}
	} else if err := json.Unmarshal(raw, &seconds); err != nil || seconds < 0 || seconds > int64(MaxTTL/time.Second) {
		return use
	} else {
		ttl = time.Duration(seconds) * time.Second
	}
	if ttl != 0 && (ttl < time.Second || ttl > MaxTTL) {
		return use
	}
	p.TTL = ttl
	return ""
}

// remedy returns the text if there is an error.
func remedy(err error, text string) string {
	if err != nil {
		return text
	}
	return ""
}

// text returns the canonical JSON of a property's value.
func text(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return short(raw)
}

// short cuts a value for an error text.
func short(raw []byte) string {
	const most = 80
	if len(raw) > most {
		return strings.ToValidUTF8(string(raw[:most]), "") + "..."
	}
	return string(raw)
}
