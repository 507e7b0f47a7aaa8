package layers_test

import (
	"strings"
	"testing"

	"github.com/dee2748c/baton/test/layers"
)

// TestCheckSource shows each source rule going red in a pure package, and which
// of them also hold elsewhere.
func TestCheckSource(t *testing.T) {
	for _, tt := range []struct {
		name   string
		src    string
		pure   string // expected in a pure package
		impure string // expected in any other
	}{
		{"a duration is a value", "import \"time\"\nconst d = time.Second\nfunc f() time.Duration { return d }", "", ""},
		{"a clock", "import \"time\"\nfunc f() time.Time { return time.Now() }", "uses time.Now", ""},
		{"a clock under another name", "import clock \"time\"\nvar f = clock.Now", "uses time.Now", ""},
		{"a timer", "import \"time\"\nvar f = time.AfterFunc", "uses time.AfterFunc", ""},
		{"a sleep is banned everywhere", "import \"time\"\nfunc f() { time.Sleep(1) }", "calls time.Sleep", "calls time.Sleep"},
		{"a deadline", "import \"context\"\nvar f = context.WithTimeout", "uses context.WithTimeout", ""},
		{"a context is a value", "import \"context\"\nfunc f(ctx context.Context) error { return ctx.Err() }", "", ""},
		{"a socket", "import _ \"net/http\"", "imports net/http", ""},
		{"a lock", "import \"sync\"\nvar mu sync.Mutex", "imports sync", ""},
		{"an atomic", "import \"sync/atomic\"\nvar n atomic.Int64", "imports sync/atomic", ""},
		{"a log", "import \"log/slog\"\nvar l *slog.Logger", "imports log/slog", ""},
		{"a random source", "import \"math/rand/v2\"\nvar n = rand.Int()", "imports math/rand/v2", ""},
		{"plain arithmetic", "import \"math/bits\"\nvar n = bits.Len(8)", "", ""},
		{"the environment", "import \"os\"\nvar n = os.Args", "imports os", ""},
		{"a goroutine", "func f() { go f() }", "starts a goroutine", ""},
		{"a channel", "var c chan int", "uses a channel", ""},
		{"a select", "func f() { select {} }", "selects", ""},
		{"an init", "func init() {}", "declares init", "declares init"},
		{"a method may be called init", "type t int\nfunc (t) init() {}", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, pure := range []bool{true, false} {
				want := tt.impure
				if pure {
					want = tt.pure
				}
				got, err := layers.CheckSource("x.go", []byte("package x\n"+tt.src+"\n"), pure)
				if err != nil {
					t.Fatal(err)
				}
				expectOne(t, got, want)
			}
		})
	}
}

func TestCheckSource_unparsable(t *testing.T) {
	if _, err := layers.CheckSource("x.go", []byte("package"), true); err == nil {
		t.Error("a file that does not parse was accepted")
	}
}

// TestCheckHouse shows the text rules going red. The marks are put together
// here so that this file does not contain them.
func TestCheckHouse(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"a short clean file", "package x\n// All is well.\n", ""},
		{"a mark in a comment", "package x\n// TO" + "DO(me): the rest\n", "says \"to" + "do\""},
		{"a mark in a string", "package x\nvar s = \"not imple" + "mented\"\n", "says \"not imple" + "mented\""},
		{"a mark within a word is another word", "package x\n// mas" + "to" + "don\n", ""},
		{"an identifier of another library", "package x\nvar c = codes.Unimple" + "mented\n", ""},
		{"the longest file", "package x\n" + strings.Repeat("\n", layers.MaxLines-1), ""},
		{"a file too long", "package x\n" + strings.Repeat("\n", layers.MaxLines), "has 601 lines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expectOne(t, layers.CheckHouse("x.go", []byte(tt.src)), tt.want)
		})
	}
}

func TestCheckText(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"plain", "see docs/OPERATIONS.md", ""},
		{"a registry", "export GOPRO" + "XY=https://example.org", "is the builder's setting"},
		{"a home directory", "cd /home" + "/someone/baton", "a path of one machine"},
		{"the working copy", "cd /src/baton/store", "a path of one machine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expectOne(t, layers.CheckText("README.md", []byte(tt.text), "/src/baton"), tt.want)
		})
	}
}

func TestCheckDoc(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string][]byte
		want  string
	}{
		{"good", map[string][]byte{"doc.go": []byte("// Package x is a letter.\n// It comes late.\n// It is rare.\npackage x\n")}, ""},
		{"a command", map[string][]byte{"doc.go": []byte("// Command x is a letter.\n// It comes late.\n// It is rare.\npackage main\n")}, ""},
		{"missing", map[string][]byte{"x.go": []byte("package x\n")}, "has no doc.go"},
		{"silent", map[string][]byte{"doc.go": []byte("package x\n")}, "without a package comment"},
		{"about something else", map[string][]byte{"doc.go": []byte("// Package y\n// is\n// not.\npackage x\n")}, "does not begin with"},
		{"terse", map[string][]byte{"doc.go": []byte("// Package x is.\npackage x\n")}, "fewer than three lines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expectOne(t, layers.CheckDoc("x", tt.files), tt.want)
		})
	}
}
