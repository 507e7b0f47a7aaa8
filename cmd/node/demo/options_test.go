package demo

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestOptions_validate checks that each bad option is an *OptionError that
// names the option, the value and a remedy (I1).
func TestOptions_validate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Options) // from the defaults
		option string         // empty: the options are good
		says   string
	}{
		{"defaults", func(*Options) {}, "", ""},
		{"one node", func(o *Options) { o.Nodes, o.Join = 1, 0 }, "", ""},
		{"all at once", func(o *Options) {
			o.Nodes, o.Join, o.Ring, o.Engine, o.Port = 2, 2, 8, "pebble", 65532
			o.Names = []string{"a", "b", "c", "d"}
		}, "", ""},
		{"no nodes", func(o *Options) { o.Nodes = 0 }, "nodes", "0 nodes"},
		{"a negative join", func(o *Options) { o.Join = -2 }, "join", "-2 nodes"},
		{"no power of two", func(o *Options) { o.Ring = 48 }, "ring-size", "48 partitions"},
		{"a ring too small", func(o *Options) { o.Ring = 4 }, "ring-size", "4 partitions"},
		{"a ring too large", func(o *Options) { o.Ring = 1 << 17 }, "ring-size", "131072 partitions"},
		{"more nodes than partitions", func(o *Options) { o.Nodes = 8; o.Join = 1; o.Ring = 8 }, "ring-size", "9 nodes"},
		{"an unknown job", func(o *Options) { o.Job = "sort" }, "job", `unknown job "sort"`},
		{"an unknown engine", func(o *Options) { o.Engine = "bolt" }, "engine", `unknown engine "bolt"`},
		{"no port left for the last node", func(o *Options) { o.Port = 65534 }, "port", "port 65534"},
		{"a negative port", func(o *Options) { o.Port = -1 }, "port", "port -1"},
		{"too few names", func(o *Options) { o.Names = []string{"a"} }, "names", "1 names for 4 nodes"},
		{"a name twice", func(o *Options) { o.Names = []string{"a", "b", "a", "c"} }, "names", `two nodes are named "a"`},
		{"an empty name", func(o *Options) { o.Names = []string{"a", "", "c", "d"} }, "names", "0 bytes"},
		{"a long name", func(o *Options) { o.Names = []string{"a", strings.Repeat("x", 256), "c", "d"} }, "names", "256 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := Defaults()
			tt.change(&o)
			err := o.Validate()
			if tt.option == "" {
				if err != nil {
					t.Errorf("good options refused: %v", err)
				}
				return
			}
			var bad *OptionError
			if !errors.As(err, &bad) {
				t.Fatalf("error is %v, want an *OptionError", err)
			}
			if bad.Option != tt.option || bad.Remedy == "" || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q, want one about --%s that says %q", err, tt.option, tt.says)
			}
		})
	}
}

func TestOptions_find(t *testing.T) {
	in, err := Options{}.find()
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Files) < 1000 {
		t.Errorf("found %d Go files in %s", len(in.Files), in.Root)
	}
	if i := slices.IndexFunc(in.Files, func(f File) bool { return !strings.HasSuffix(f.Name, ".go") }); i >= 0 {
		t.Errorf("took %s", in.Files[i].Name)
	}
}
