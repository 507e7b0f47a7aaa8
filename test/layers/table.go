package layers

// Module is the path of the module that the table describes.
const Module = "github.com/dee2748c/baton"

// Entry is one package, or one tree of packages, in the table.
type Entry struct {
	// Path is relative to the module; "." is the root package and a trailing
	// "/..." takes in everything beneath, whose members may import each other.
	Path string
	// Pure packages hold decisions only: values in, values out.
	Pure bool
	// Kit marks a suite or harness for tests: it may import test libraries, and
	// production code may not import it.
	Kit bool
	// Open marks a tree that proves things about the whole product and may
	// therefore import any package and any technology.
	Open bool
}

// Lines is the layer table, top first. A package imports only packages on
// lines above its own.
var Lines = [][]Entry{
	{{Path: "messages", Pure: true}, {Path: "inject"}},
	{{Path: "cluster/ring", Pure: true}},
	{{Path: "cluster/topology", Pure: true}},
	{{Path: "store"}},
	{{Path: "store/storetest", Kit: true}},
	{{Path: "vnode", Pure: true}, {Path: "handoff", Pure: true}, {Path: "replica", Pure: true}},
	{{Path: "handoff/session"}, {Path: "handoff/history"}},
	{{Path: "kv/bucket", Pure: true}, {Path: "kv/hashtree", Pure: true}},
	{{Path: "kv", Pure: true}, {Path: "pipe", Pure: true}},
	{{Path: "pipe/mapreduce/query", Pure: true}},
	{{Path: "pipe/mapreduce"}},
	{{Path: "pipe/mapreduce/js"}, {Path: "pipe/mapreduce/wasm"}},
	{{Path: "cluster"}},
	{{Path: "cluster/clustertest", Kit: true}, {Path: "cluster/consul/consultest", Kit: true}},
	{{Path: "actors"}},
	{{Path: "api/riakhttp"}, {Path: "api/riakpb"}, {Path: "api/admin"}, {Path: "api/dashboard"}},
	{
		{Path: "store/memory"},
		{Path: "store/pebble"},
		{Path: "cluster/memory"},
		{Path: "cluster/port"},
		{Path: "cluster/swim"},
		{Path: "cluster/raft"},
		{Path: "cluster/consul"},
	},
	{{Path: "api/admin/admintest", Kit: true}},
	{{Path: "."}},
	{{Path: "batontest", Kit: true}},
	{
		{Path: "cmd/node/..."},
		{Path: "examples/..."},
		{Path: "test/...", Open: true},
		{Path: "tools/...", Open: true},
	},
}

// Ban keeps some packages away from others.
type Ban struct {
	// From names the packages that are held to the ban, as in Entry.Path.
	From []string
	// To names what they must not import.
	To []string
	// Why is the reason, printed with each violation.
	Why string
}

// Bans are the rules that the order of the lines alone does not give.
var Bans = []Ban{
	{
		From: []string{"api/..."},
		To:   []string{"actors"},
		Why:  "the rim asks through small interfaces that it declares, so that it can be tested without a cluster",
	},
	{
		From: []string{"cmd/node/..."},
		To:   []string{"actors", "store/memory", "store/pebble", "cluster/port", "cluster/swim", "cluster/raft", "cluster/consul"},
		Why:  "the command is flags and output; wiring is the root package's",
	},
	{
		From: []string{"examples/..."},
		To:   []string{"actors", "handoff/...", "store/memory", "store/pebble", "cluster/memory", "cluster/raft", "cluster/consul", "messages"},
		Why:  "an example shows what a user writes, and a user imports the public packages only",
	},
}

// Technology is a third-party module (or a family of them) and its home.
type Technology struct {
	// Prefixes match import paths: the path itself or anything beneath it.
	Prefixes []string
	// Homes are the packages that may import it, as in Entry.Path.
	Homes []string
	// Why is the reason, printed with each violation.
	Why string
}

// Technologies gives every third-party import its home. A module that is not
// listed has no home yet, which is a violation as well.
var Technologies = []Technology{
	{
		Prefixes: []string{"github.com/asynkron/protoactor-go"},
		Homes:    []string{"actors"},
		Why:      "only actors knows the actor library: above it everything is a typed event",
	},
	{
		Prefixes: []string{"google.golang.org/grpc"},
		Homes:    []string{"actors"},
		Why:      "node-to-node traffic passes through one Transport, and status codes end at that edge",
	},
	{
		Prefixes: []string{"google.golang.org/protobuf"},
		Homes:    []string{"messages", "actors", "api/riakpb"},
		Why:      "one definition for each wire type; pure packages take decoded values",
	},
	{
		Prefixes: []string{"github.com/cockroachdb/pebble"},
		Homes:    []string{"store/pebble"},
		Why:      "an engine is replaced by writing another adapter, not by editing its users",
	},
	{
		Prefixes: []string{"github.com/tidwall/btree"},
		Homes:    []string{"store/memory"},
		Why:      "the ordered map is a detail of the memory engine",
	},
	{
		Prefixes: []string{"github.com/zeebo/xxh3"},
		Homes:    []string{"store", "handoff", "kv", "kv/hashtree", "pipe", "pipe/mapreduce"},
		Why:      "hashes that are compared between nodes are defined in few places",
	},
	{
		Prefixes: []string{"github.com/hashicorp/raft", "github.com/hashicorp/raft-wal", "github.com/hashicorp/go-hclog"},
		Homes:    []string{"cluster/raft"},
		Why:      "agreement is behind cluster.Store; only its adapter knows how it is reached",
	},
	{
		Prefixes: []string{"github.com/hashicorp/memberlist", "github.com/hashicorp/go-msgpack"},
		Homes:    []string{"cluster/swim"},
		Why:      "liveness is advisory and belongs to the adapter that needs it",
	},
	{
		Prefixes: []string{"github.com/hashicorp/consul/api"},
		Homes:    []string{"cluster/consul"},
		Why:      "agreement is behind cluster.Store; only its adapter knows how it is reached",
	},
	{
		Prefixes: []string{"github.com/dop251/goja"},
		Homes:    []string{"pipe/mapreduce/js"},
		Why:      "a language for user functions is one subpackage of that name",
	},
	{
		Prefixes: []string{"github.com/tetratelabs/wazero"},
		Homes:    []string{"pipe/mapreduce/wasm"},
		Why:      "a language for user functions is one subpackage of that name",
	},
	{
		Prefixes: []string{"github.com/prometheus/client_golang"},
		Homes:    []string{"api/admin"},
		Why:      "metrics are read from Stats snapshots at the rim, never counted in the middle",
	},
	{
		Prefixes: []string{"github.com/spf13/cobra", "golang.org/x/term"},
		Homes:    []string{"cmd/node/..."},
		Why:      "flags and terminals exist in the command only",
	},
	{
		Prefixes: []string{"golang.org/x/sync"},
		Homes:    []string{"handoff/session", "actors", "cluster", "store/...", "cluster/...", ".", "batontest", "cmd/node/..."},
		Why:      "concurrency is for shells, adapters and wiring",
	},
}

// TestLibraries may be imported by test files and by kits only.
var TestLibraries = Technology{
	Prefixes: []string{
		"testing",
		"github.com/google/go-cmp",
		"pgregory.net/rapid",
		"go.uber.org/goleak",
		"github.com/cockroachdb/datadriven",
		"github.com/rogpeppe/go-internal",
		"github.com/anishathalye/porcupine",
	},
	Why: "a test library in production code is linked into every node",
}

// BannedNames are words that say nothing about what a package is for.
var BannedNames = []string{
	"util", "utils", "common", "helper", "helpers", "manager", "managers",
	"type", "types", "pkg", "misc", "shared", "lib", "base",
}
