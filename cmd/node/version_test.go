package main

import (
	"bytes"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVersionOf(t *testing.T) {
	build := &debug.BuildInfo{
		GoVersion: "go1.26.8",
		Main:      debug.Module{Path: "github.com/dee2748c/baton", Version: "v0.1.0"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "0123abcd"},
			{Key: "vcs.modified", Value: "true"},
		},
	}
	for _, tt := range []struct {
		name  string
		build *debug.BuildInfo
		text  string
		json  string
	}{
		{
			"recorded", build,
			"baton v0.1.0\nmodule github.com/dee2748c/baton\ncommit 0123abcd (modified)\nbuilt with go1.26.8\n",
			`{"module":"github.com/dee2748c/baton","version":"v0.1.0","commit":"0123abcd","modified":true,"go":"go1.26.8"}` + "\n",
		},
		{
			"nothing recorded", nil,
			"baton unknown\nmodule unknown\ncommit unknown\nbuilt with unknown\n",
			`{"module":"unknown","version":"unknown","commit":"unknown","modified":false,"go":"unknown"}` + "\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for asJSON, want := range map[bool]string{false: tt.text, true: tt.json} {
				var b bytes.Buffer
				if err := printVersion(&b, versionOf(tt.build), asJSON); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, b.String()); diff != "" {
					t.Errorf("json=%t (-want +got):\n%s", asJSON, diff)
				}
			}
		})
	}
}
