package settings_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/settings"
)

// load reads settings as `baton start` does. An empty file stands for none.
func load(t *testing.T, args, environ []string, file string) (*settings.Config, error) {
	t.Helper()
	c := &settings.Config{}
	var err error
	cmd := &cobra.Command{Use: "start", SilenceErrors: true, SilenceUsage: true, RunE: func(cmd *cobra.Command, _ []string) error {
		err = c.Load(cmd.Flags(), settings.Outside{Environ: environ, Hostname: "host", ReadFile: func(name string) ([]byte, error) {
			if name != "baton.conf" {
				return nil, fs.ErrNotExist
			}
			return []byte(file), nil
		}})
		return nil
	}}
	c.Bind(cmd.Flags())
	cmd.SetArgs(args)
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	return c, err
}

// TestLoad_precedence sets one setting of each form in all three places, and
// takes the strongest away one by one (I1).
func TestLoad_precedence(t *testing.T) {
	const file = "# a node\nring-size = 8\n\nname=\"from file\"\njoin = a:1, b:2\nbootstrap=false\nshutdown-timeout = 8s\n"
	config := []string{"BATON_CONFIG=baton.conf"}
	env := append([]string{"BATON_RING_SIZE=16", "BATON_NAME=env", "BATON_JOIN=c:3", "BATON_SHUTDOWN_TIMEOUT=16s"}, config...)
	flags := []string{"--ring-size", "32", "--name=flag", "--join", "d:4", "--join", "e:5", "--shutdown-timeout", "32s"}
	type got struct {
		Ring    int
		Name    string
		Join    []string
		Timeout string
		Source  string
	}
	for _, tt := range []struct {
		name string
		args []string
		env  []string
		want got
	}{
		{"flag", flags, env, got{32, "flag", []string{"d:4", "e:5"}, "32s", "flag"}},
		{"environment", nil, env, got{16, "env", []string{"c:3"}, "16s", "environment"}},
		{"file", nil, config, got{8, "from file", []string{"a:1", "b:2"}, "8s", "file"}},
		{"file by flag", []string{"--config", "baton.conf"}, nil, got{8, "from file", []string{"a:1", "b:2"}, "8s", "file"}},
		{"default", nil, nil, got{0, "host", nil, "30s", "default"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.args, tt.env, file)
			if err != nil {
				t.Fatal(err)
			}
			all := c.Settings(true)
			i := slices.IndexFunc(all, func(s admin.Setting) bool { return s.Name == "ring-size" })
			if diff := cmp.Diff(tt.want, got{c.RingSize, c.Name, c.Join, c.ShutdownTimeout.String(), all[i].Source}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestLoad_refuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		env  []string
		file string
		want string
	}{
		{"an unknown key", nil, nil, "rign-size = 8", `setting rign-size "8" (baton.conf:1): there is no such setting: did you mean ring-size?`},
		{"a key like no other", nil, nil, "\nvoodoo = 8", `(baton.conf:2): there is no such setting: ` + "`baton config show --effective` lists them"},
		{"no value", nil, nil, "name", "write key = value"},
		{"twice", nil, nil, "name=a\nname=b", "baton.conf:2): it is set twice"},
		{"open quotes", nil, nil, `name="a`, "close the double quotes"},
		{"a word for a number", nil, []string{"BATON_RING_SIZE=many"}, "", `setting ring-size "many" (environment): it can't be read: use a whole number`},
		{"a word for a truth", nil, nil, "bootstrap = perhaps", "use true or false"},
		{"a limit of memory that is none", []string{"--engine=memory", "--memory-limit=2GB"}, nil, "", "512MiB"},
		{"a limit of memory that is too large", []string{"--engine=memory", "--memory-limit=9999999999GiB"}, nil, "", "512MiB"},
		{"a limit of memory for a disk", []string{"--memory-limit=2GiB"}, nil, "", "--engine memory"},
		{"a queue without room", []string{"--vnode-queue=0"}, nil, "", "-1 for no limit"},
		{"a word for a duration", nil, nil, "shutdown-timeout = soon", "use a duration"},
		{"no such file", []string{"--config", "nowhere"}, nil, "", "does not exist"},
		{"no such store", []string{"--store", "etcd"}, nil, "", "use raft or consul"},
		{"no such engine", []string{"--engine", "bolt"}, nil, "", "use pebble or memory"},
		{"create and join", []string{"--bootstrap", "--join", "a:1"}, nil, "", "leave out --bootstrap or --join"},
		{"create and expect", []string{"--bootstrap", "--bootstrap-expect", "3"}, nil, "", "leave out --bootstrap"},
		{"expect nobody", []string{"--bootstrap-expect", "3"}, nil, "", "name all nodes that are to meet"},
		{"commit nothing", []string{"--commit"}, nil, "", "it goes with --join"},
		{"an address without a port", []string{"--admin-addr", "localhost"}, nil, "", "use HOST:PORT"},
		{"a member without a port", []string{"--join", "a"}, nil, "", "use HOST:PORT"},
		{"no admin address", []string{"--admin-addr", ""}, nil, "", "use HOST:PORT"},
		{"a level that is none", []string{"--log-level", "loud"}, nil, "", "use debug, info, warn or error"},
		{"half a certificate", []string{"--consul-cert-file", "x"}, nil, "", "go together"},
		{"two tokens", []string{"--consul-token-file", "x"}, []string{"BATON_CONSUL_TOKEN=secret"}, "", "not both"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.file != "" {
				tt.args = append(tt.args, "--config", "baton.conf")
			}
			_, err := load(t, tt.args, tt.env, tt.file)
			var bad *settings.Error
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that says %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("a secret is shown: %v", err)
			}
		})
	}
}

// TestSettings_masksSecrets (I3).
func TestSettings_masksSecrets(t *testing.T) {
	c, err := load(t, []string{"--store", "consul", "--consul-token", "s3cret"}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if c.Consul.Token != "s3cret" {
		t.Error("the token was lost")
	}
	want := []admin.Setting{{Name: "store", Value: "consul", Source: "flag"}, {Name: "consul-token", Value: "********", Source: "flag"}}
	if diff := cmp.Diff(want, c.Settings(false)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLoad_derives(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "baton-data/host"},
		{[]string{"--name", "n7"}, "baton-data/n7"},
		{[]string{"--data-dir", "/d"}, "/d"},
		{[]string{"--engine", "memory"}, ""},
		{[]string{"--engine", "memory", "--data-dir", "/d"}, "/d"},
	} {
		c, err := load(t, tt.args, nil, "")
		if err != nil || c.DataDir != tt.want {
			t.Errorf("%v: data directory %q, %v, want %q", tt.args, c.DataDir, err, tt.want)
		}
	}
}

func TestMisspelled(t *testing.T) {
	c, err := load(t, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	got := c.Misspelled([]string{"BATON_RINGSIZE=1", "BATON_ADMIN=x", "BATON_NAME=x", "BATON_PORT_8099_TCP_PROTO=tcp", "HOME=/"})
	if diff := cmp.Diff([]string{"BATON_RINGSIZE is not a setting: did you mean BATON_RING_SIZE?"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("name = a\n# x\njoin=b:1,c:2\n")
	f.Add("name = \"\\u00\n=\n==\x00")
	f.Fuzz(func(t *testing.T, file string) {
		_, err := load(t, []string{"--config", "baton.conf"}, nil, file)
		var bad *settings.Error
		if err != nil && !errors.As(err, &bad) {
			t.Errorf("an error of another kind: %v", err)
		}
	})
}
