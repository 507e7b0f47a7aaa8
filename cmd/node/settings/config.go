package settings

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dee2748c/baton/api/admin"
)

// Config is what `baton start` is told. Load fills it; its zero value is not of
// use.
type Config struct {
	File string

	Name          string
	DataDir       string
	ClusterAddr   string
	AdvertiseAddr string
	HTTPAddr      string
	PBAddr        string
	AdminAddr     string

	Bootstrap       bool
	BootstrapExpect int
	Join            []string
	Commit          bool

	Store  string
	Consul Consul

	RingSize int
	TargetN  int
	NVal     int
	Location string
	Weight   int
	Engine   string

	MemoryLimit string
	VnodeQueue  int
	JavaScript  bool

	LogLevel        string
	LogFormat       string
	ShutdownTimeout time.Duration

	entries []entry
}

// Consul says how a Consul server is reached.
type Consul struct {
	Address    string
	Datacenter string
	Token      string
	TokenFile  string
	Prefix     string
	CAFile     string
	CertFile   string
	KeyFile    string
	ServerName string
}

// Flags is what a Config needs of a set of command-line flags.
type Flags interface {
	StringVar(p *string, name, value, usage string)
	IntVar(p *int, name string, value int, usage string)
	BoolVar(p *bool, name string, value bool, usage string)
	StringSliceVar(p *[]string, name string, value []string, usage string)
	DurationVar(p *time.Duration, name string, value time.Duration, usage string)
	Changed(name string) bool
	Set(name, value string) error
}

// entry is one setting.
type entry struct {
	key    string
	secret bool
	value  any // a pointer into the Config
	source string
}

// Bind declares a flag for each setting, with its default.
func (c *Config) Bind(f Flags) {
	f.StringVar(&c.File, "config", "", "file of settings (BATON_CONFIG)")
	text := func(p *string, key, value, usage string) {
		f.StringVar(p, key, value, usage)
		c.entries = append(c.entries, entry{key: key, value: p})
	}
	number := func(p *int, key string, value int, usage string) {
		f.IntVar(p, key, value, usage)
		c.entries = append(c.entries, entry{key: key, value: p})
	}
	yes := func(p *bool, key, usage string) {
		f.BoolVar(p, key, false, usage)
		c.entries = append(c.entries, entry{key: key, value: p})
	}
	text(&c.Name, "name", "", "name of the node, unique in the cluster (default: the host's name)")
	text(&c.DataDir, "data-dir", "", "directory of the node's data (default: baton-data/NAME, none with --engine memory)")
	text(&c.ClusterAddr, "cluster-addr", "127.0.0.1:8099", "where other nodes reach this one")
	text(&c.AdvertiseAddr, "advertise-addr", "", "what other nodes are told, when it differs from --cluster-addr")
	text(&c.HTTPAddr, "http-addr", "127.0.0.1:8098", "HTTP address; reads of the admin API too")
	text(&c.PBAddr, "pb-addr", "", "protocol buffers address; not served by this version")
	text(&c.AdminAddr, "admin-addr", "127.0.0.1:8097", "admin address, the only one that takes changes; keep it private")
	yes(&c.Bootstrap, "bootstrap", "create a new cluster with this node")
	number(&c.BootstrapExpect, "bootstrap-expect", 0, "create a cluster once so many nodes have met, all named with --join; the same on each of them")
	f.StringSliceVar(&c.Join, "join", nil, "cluster addresses of members to join through, comma separated")
	c.entries = append(c.entries, entry{key: "join", value: &c.Join})
	yes(&c.Commit, "commit", "with --join: plan and commit the join too, data moves at once")
	text(&c.Store, "store", "raft", "where the record is agreed: raft or consul")
	text(&c.Consul.Address, "consul-address", "127.0.0.1:8500", "address of the Consul server, http:// or https:// before it")
	text(&c.Consul.Datacenter, "consul-datacenter", "", "Consul datacenter (default: the server's)")
	text(&c.Consul.Token, "consul-token", "", "Consul ACL token; better in a file")
	c.entries[len(c.entries)-1].secret = true
	text(&c.Consul.TokenFile, "consul-token-file", "", "file with the Consul ACL token")
	text(&c.Consul.Prefix, "consul-prefix", "baton", "prefix of the cluster's keys in Consul")
	text(&c.Consul.CAFile, "consul-ca-file", "", "certificates that Consul's is checked against")
	text(&c.Consul.CertFile, "consul-cert-file", "", "certificate of this node for Consul")
	text(&c.Consul.KeyFile, "consul-key-file", "", "key of --consul-cert-file")
	text(&c.Consul.ServerName, "consul-server-name", "", "name that Consul's certificate must have")
	number(&c.RingSize, "ring-size", 0, "partitions of a new cluster, a power of two (default: 64, or the cluster's)")
	number(&c.TargetN, "target-n", 0, "consecutive partitions of a new cluster that are kept on distinct nodes (default 4)")
	number(&c.NVal, "n-val", 0, "copies of a key in a new cluster, where its bucket does not say otherwise (default 3)")
	text(&c.Location, "location", "", "rack or zone of the node")
	number(&c.Weight, "weight", 1, "relative share of partitions")
	text(&c.Engine, "engine", "pebble", "where partitions are kept: pebble or memory")
	text(&c.MemoryLimit, "memory-limit", "", "with --engine memory: bytes that all partitions may take, such as 2GiB (default: no limit)")
	number(&c.VnodeQueue, "vnode-queue", 10000, "requests that may wait for one vnode, more are refused; below 0 for no limit")
	yes(&c.JavaScript, "javascript", "run functions in JavaScript that come with jobs; only for clients that are trusted")
	text(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	text(&c.LogFormat, "log-format", "text", "text or json")
	f.DurationVar(&c.ShutdownTimeout, "shutdown-timeout", 30*time.Second, "how long an orderly stop may take")
	c.entries = append(c.entries, entry{key: "shutdown-timeout", value: &c.ShutdownTimeout})
}

// Sources of a value.
const (
	FromFlag        = "flag"
	FromEnvironment = "environment"
	FromFile        = "file"
	FromDefault     = "default"
)

// Settings returns the settings in the order of their declaration: all of them,
// or those that somebody set. Secrets are masked.
func (c *Config) Settings(all bool) []admin.Setting {
	out := []admin.Setting{}
	for _, e := range c.entries {
		if all || e.source != FromDefault {
			out = append(out, admin.Setting{Name: e.key, Value: e.text(), Source: e.source})
		}
	}
	return out
}

// text is the value as it would be written in a file; a secret is masked.
func (e entry) text() string {
	var s string
	switch v := e.value.(type) {
	case *string:
		s = *v
	case *int:
		s = strconv.Itoa(*v)
	case *bool:
		s = strconv.FormatBool(*v)
	case *[]string:
		s = strings.Join(*v, ",")
	case *time.Duration:
		s = v.String()
	}
	if e.secret && s != "" {
		return "********"
	}
	return s
}

// Error says which setting can't be used, where it came from, and what to do.
type Error struct {
	// Setting is the key; Source where it was set.
	Setting string
	Source  string
	Value   string
	Remedy  string
}

// Error names the setting, its value and source, and the remedy.
func (e *Error) Error() string {
	source := ""
	if e.Source != "" && e.Source != FromFlag {
		source = " (" + e.Source + ")"
	}
	return fmt.Sprintf("setting %s %q%s: %s", e.Setting, e.Value, source, e.Remedy)
}

// Check reports what is wrong with the settings together, as an *Error.
func (c *Config) Check() error {
	bad := func(key, remedy string) error {
		i := slices.IndexFunc(c.entries, func(e entry) bool { return e.key == key })
		return &Error{key, c.entries[i].source, c.entries[i].text(), remedy}
	}
	switch {
	case c.Name == "":
		return bad("name", "give the node a name")
	case c.Store != "raft" && c.Store != "consul":
		return bad("store", "use raft or consul")
	case c.Engine != "pebble" && c.Engine != "memory":
		return bad("engine", "use pebble or memory")
	case c.MemoryLimit != "" && c.MemoryBytes() == 0:
		return bad("memory-limit", "use a number of bytes, such as 512MiB or 2GiB")
	case c.MemoryLimit != "" && c.Engine != "memory":
		return bad("memory-limit", "it goes with --engine memory")
	case c.VnodeQueue == 0:
		return bad("vnode-queue", "use a positive number, or -1 for no limit")
	case c.Bootstrap && len(c.Join) > 0:
		return bad("join", "a node creates a cluster or joins one: leave out --bootstrap or --join")
	case c.Bootstrap && c.BootstrapExpect > 0:
		return bad("bootstrap-expect", "leave out --bootstrap: the nodes agree who creates the cluster")
	case c.BootstrapExpect < 0 || c.BootstrapExpect > 0 && len(c.Join) == 0:
		return bad("bootstrap-expect", "name all nodes that are to meet, this one too, with --join")
	case c.Commit && len(c.Join) == 0:
		return bad("commit", "it goes with --join")
	case !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel):
		return bad("log-level", "use debug, info, warn or error")
	case c.LogFormat != "text" && c.LogFormat != "json":
		return bad("log-format", "use text or json")
	case c.ShutdownTimeout <= 0:
		return bad("shutdown-timeout", "use a positive duration, such as 30s")
	case c.Consul.Token != "" && c.Consul.TokenFile != "":
		return bad("consul-token-file", "give the token or the file, not both")
	case (c.Consul.CertFile == "") != (c.Consul.KeyFile == ""):
		return bad("consul-cert-file", "a certificate and its key go together")
	}
	for _, a := range []struct {
		key, addr string
		optional  bool
	}{
		{"cluster-addr", c.ClusterAddr, false},
		{"advertise-addr", c.AdvertiseAddr, true},
		{"http-addr", c.HTTPAddr, true},
		{"pb-addr", c.PBAddr, true},
		{"admin-addr", c.AdminAddr, false},
	} {
		if _, _, err := net.SplitHostPort(a.addr); err != nil && (a.addr != "" || !a.optional) {
			return bad(a.key, "use HOST:PORT")
		}
	}
	for _, addr := range c.Join {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return bad("join", "use HOST:PORT of members' cluster addresses")
		}
	}
	return nil
}

// derive fills in the defaults that depend on other settings.
func (c *Config) derive(hostname string) {
	if c.Name == "" {
		c.Name = hostname
	}
	if c.DataDir == "" && c.Engine != "memory" {
		c.DataDir = filepath.Join("baton-data", c.Name)
	}
	for i := range c.Join {
		c.Join[i] = strings.TrimSpace(c.Join[i])
	}
}
