package bucket

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What is accepted, and what becomes of it; on top of the defaults of 3 copies.
func TestProperties_With(t *testing.T) {
	for _, c := range []struct {
		changes string
		want    func(*Properties)
	}{
		{`{}`, func(*Properties) {}},
		{`{"n_val": 5, "w": 5}`, func(p *Properties) { p.NVal, p.W = 5, 5 }},
		{`{"n_val": 1}`, func(p *Properties) { p.NVal = 1 }},
		{`{"r": "one", "w": "all", "dw": 0, "pr": "quorum", "pw": 0, "rw": 3}`, func(p *Properties) {
			p.R, p.W, p.DW, p.PR, p.PW, p.RW = One, All, None, Majority, None, 3
		}},
		{`{"r": "2"}`, func(p *Properties) { p.R = 2 }},
		{`{"r": "default", "n_val": null}`, func(*Properties) {}},
		{`{"w": 1, "dw": 3}`, func(p *Properties) { p.W, p.DW = 1, 3 }},
		{`{"allow_mult": false}`, func(p *Properties) { p.AllowMult = false }},
		{`{"last_write_wins": true}`, func(p *Properties) { p.LastWriteWins, p.AllowMult = true, false }},
		{`{"node_confirms": 3, "basic_quorum": true, "notfound_ok": false, "sloppy_quorum": false, "serve_frozen": true}`, func(p *Properties) {
			p.NodeConfirms, p.BasicQuorum, p.NotFoundOK, p.Sloppy, p.ServeFrozen = 3, true, false, false, true
		}},
		{`{"precommit": ["a", {"name": "b"}], "postcommit": [{"name": "c"}]}`, func(p *Properties) {
			p.Precommit, p.Postcommit = []string{"a", "b"}, []string{"c"}
		}},
		{`{"precommit": []}`, func(*Properties) {}},
		{`{"ttl": "36h"}`, func(p *Properties) { p.TTL = 36 * time.Hour }},
		{`{"ttl": 90}`, func(p *Properties) { p.TTL = 90 * time.Second }},
		{`{"ttl": 0}`, func(*Properties) {}},
		{`{"chash_keyfun": "bucketonly", "write_once": true}`, func(p *Properties) { p.BucketOnly, p.WriteOnce = true, true }},
		{`{"chash_keyfun": {"mod": "riak_core_util", "fun": "chash_bucketonly_keyfun"}}`, func(p *Properties) { p.BucketOnly = true }},
		{`{"chash_keyfun": {"mod": "riak_core_util", "fun": "chash_std_keyfun"}}`, func(*Properties) {}},
		{`{"linkfun": {"mod": "m", "fun": "f"}, "old_vclock": 1, "young_vclock": 2, "big_vclock": 3, "small_vclock": 4}`, func(p *Properties) {
			p.LinkFun, p.OldVclock, p.YoungVclock, p.BigVclock, p.SmallVclock = ModFun{"m", "f"}, 1, 2, 3, 4
		}},
		{`{"consistent": false, "search": false, "dvv_enabled": true, "sync_on_write": "backend"}`, func(*Properties) {}},
	} {
		want := Defaults(3)
		c.want(&want)
		changes, err := DecodeChanges([]byte(c.changes))
		if err != nil {
			t.Errorf("%s: %v", c.changes, err)
			continue
		}
		got, err := Defaults(3).With(changes)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", c.changes, err, diff)
		}
	}
}

// What is refused, and the text that says why.
func TestProperties_With_refused(t *testing.T) {
	for _, c := range []struct{ changes, text string }{
		{`{"n_val": 0}`, `property n_val 0: use a number from 1 to 16`},
		{`{"n_val": 17}`, `property n_val 17: use a number from 1 to 16`},
		{`{"n_val": 2.5}`, `property n_val 2.5: use a number from 1 to 16`},
		{`{"n_val": "3"}`, `property n_val "3": use a number from 1 to 16`},
		{`{"w": 4}`, `property w 4: there are 3 copies (n_val): use at most as many, or more copies`},
		{`{"n_val": 2, "pr": 3}`, `property pr 3: there are 2 copies (n_val): use at most as many, or more copies`},
		{`{"n_val": 2, "node_confirms": 3}`, `property node_confirms 3: there are 2 copies (n_val): use at most as many, or more copies`},
		{`{"node_confirms": -1}`, `property node_confirms -1: use a number from 0 to 16`},
		{`{"r": 0}`, `property r 0: use a number from 1 to 16, one, quorum, all or default`},
		{`{"w": 0}`, `property w 0: use a number from 1 to 16, one, quorum, all or default`},
		{`{"dw": -3}`, `property dw -3: use a number from 0 to 16, one, quorum, all or default`},
		{`{"r": "most"}`, `property r "most": use a number from 1 to 16, one, quorum, all or default`},
		{`{"r": {"x": 1}}`, `property r {"x":1}: use a number from 1 to 16, one, quorum, all or default`},
		{`{"allow_mult": 1}`, `property allow_mult 1: use true or false`},
		{`{"allow_mult": true, "last_write_wins": true}`, `property allow_mult true: last_write_wins keeps no siblings: set it to false with allow_mult, or leave allow_mult false`},
		{`{"precommit": "a"}`, `property precommit "a": use a list of names of hooks: ["NAME"] or [{"name": "NAME"}]`},
		{`{"precommit": [{"mod": "m", "fun": "f"}]}`, `property precommit [{"mod":"m","fun":"f"}]: a hook is named as it is registered, "NAME" or {"name": "NAME"}: functions of a module do not exist here`},
		{`{"precommit": ["a", "a"]}`, `property precommit ["a","a"]: hook "a" is named twice: name it once`},
		{`{"postcommit": [""]}`, `property postcommit [""]: use names of hooks of 1 to 255 bytes`},
		{`{"postcommit": ["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o","p","q"]}`, `property postcommit ["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o","p","q"]: name at most 16 hooks`},
		{`{"ttl": "soon"}`, `property ttl "soon": use a duration such as "36h" or a number of seconds, at least 1 s and at most 100 years; 0 is for ever`},
		{`{"ttl": "5ms"}`, `property ttl "5ms": use a duration such as "36h" or a number of seconds, at least 1 s and at most 100 years; 0 is for ever`},
		{`{"ttl": -1}`, `property ttl -1: use a duration such as "36h" or a number of seconds, at least 1 s and at most 100 years; 0 is for ever`},
		{`{"ttl": 9999999999}`, `property ttl 9999999999: use a duration such as "36h" or a number of seconds, at least 1 s and at most 100 years; 0 is for ever`},
		{`{"chash_keyfun": "random"}`, `property chash_keyfun "random": use std, by bucket and key, or bucketonly`},
		{`{"linkfun": "f"}`, `property linkfun "f": use {"mod": "MODULE", "fun": "FUNCTION"}`},
		{`{"datatype": "map"}`, `property datatype "map": data types do not exist yet: leave it out, and settle siblings in the client`},
		{`{"consistent": true}`, `property consistent true: strongly consistent buckets do not exist: leave it out, or ask for pr and pw`},
		{`{"name": "b"}`, `property name "b": a bucket keeps its name: leave it out`},
		{`{"nval": 3}`, `property nval 3: there is no such property: did you mean n_val?`},
		{`{"n-val": 3}`, `property n-val 3: there is no such property: did you mean n_val?`},
		{`{"alow_mult": true}`, `property alow_mult true: there is no such property: did you mean allow_mult?`},
		{`{"color": "red"}`, `property color "red": there is no such property`},
		{`[]`, `properties: not a JSON object: json: cannot unmarshal array into Go value of type map[string]json.RawMessage` + "\n" + `malformed properties`},
		{`{} {}`, `properties: more than one JSON object: malformed properties`},
		{`null`, `properties: not a JSON object: malformed properties`},
	} {
		changes, err := DecodeChanges([]byte(c.changes))
		if err == nil {
			_, err = Defaults(3).With(changes)
		}
		if err == nil || err.Error() != c.text {
			t.Errorf("%s:\n got %v\nwant %s", c.changes, err, c.text)
		}
		var p *PropertyError
		if c.changes[0] == '{' && c.changes != `{} {}` && !errors.As(err, &p) {
			t.Errorf("%s: %T is no *PropertyError", c.changes, err)
		}
	}
}

// Go code may say changes as Go values.
func TestProperties_With_values(t *testing.T) {
	got, err := Defaults(3).With(Changes{"n_val": 2, "r": One, "precommit": []string{"a"}, "ttl": "1h", "linkfun": ModFun{"m", "f"}, "w": nil})
	want := Defaults(3)
	want.NVal, want.R, want.Precommit, want.TTL, want.LinkFun = 2, One, []string{"a"}, time.Hour, ModFun{"m", "f"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := Defaults(3).With(Changes{"n_val": func() {}}); err == nil {
		t.Error("a function was taken for a number")
	}
}

// The names and default values are those that Riak's clients compare.
func TestProperties_MarshalJSON(t *testing.T) {
	got, err := json.Marshal(Defaults(0))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"allow_mult":true,"basic_quorum":false,"big_vclock":50,"chash_keyfun":{"mod":"riak_core_util","fun":"chash_std_keyfun"},` +
		`"dw":"quorum","last_write_wins":false,"linkfun":{"mod":"riak_kv_wm_link_walker","fun":"mapreduce_linkfun"},"n_val":3,"node_confirms":0,` +
		`"notfound_ok":true,"old_vclock":86400,"postcommit":[],"pr":0,"precommit":[],"pw":0,"r":"quorum","rw":"quorum","serve_frozen":false,` +
		`"sloppy_quorum":true,"small_vclock":50,"ttl":"0s","w":"quorum","write_once":false,"young_vclock":20}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestDefinitions_sorted(t *testing.T) {
	if !slices.IsSortedFunc(definitions, func(a, b definition) int { return strings.Compare(a.name, b.name) }) {
		t.Error("definitions are looked up by binary search: keep them in order")
	}
}

func TestQuorum(t *testing.T) {
	for _, c := range []struct {
		q    Quorum
		text string
		of   [4]int // of 1, 2, 3, 5 copies
	}{
		{Default, "default", [4]int{1, 2, 2, 3}},
		{One, "one", [4]int{1, 1, 1, 1}},
		{Majority, "quorum", [4]int{1, 2, 2, 3}},
		{All, "all", [4]int{1, 2, 3, 5}},
		{None, "0", [4]int{}},
		{4, "4", [4]int{1, 2, 3, 4}},
		{-9, "-9", [4]int{}},
	} {
		if c.q.String() != c.text {
			t.Errorf("%d is %q, want %q", c.q, c.q.String(), c.text)
		}
		for i, n := range []int{1, 2, 3, 5} {
			if got := c.q.Resolve(n); got != c.of[i] {
				t.Errorf("%v of %d: got %d, want %d", c.q, n, got, c.of[i])
			}
		}
		if back, err := ParseQuorum(c.text); c.q >= None && (back != c.q || err != nil) {
			t.Errorf("%q parses as %v, %v", c.text, back, err)
		}
	}
	if Default.Or(All) != All || One.Or(All) != One {
		t.Error("a request's quorum goes before its bucket's, unless it is Default")
	}
	for _, s := range []string{"", "-1", "17", "many", "1.5"} {
		if q, err := ParseQuorum(s); err == nil {
			t.Errorf("%q parses as %v", s, q)
		}
	}
}
