package cli_test

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// listen takes a free loopback port for the rest of the script, and puts its
// number and the one before into the variables that are named.
func listen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: listen PORT BEFORE")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	port := l.Addr().(*net.TCPAddr).Port
	ts.Setenv(args[0], strconv.Itoa(port))
	ts.Setenv(args[1], strconv.Itoa(port-1))
}

// nothing fails if anything was left in the directory for temporary files.
func nothing(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: nothing")
	}
	left, err := os.ReadDir(ts.Getenv("TMPDIR"))
	if err != nil && !os.IsNotExist(err) {
		ts.Check(err)
	}
	for _, entry := range left {
		ts.Fatalf("left behind: %s", filepath.Join(ts.Getenv("TMPDIR"), entry.Name()))
	}
}

// jsonKeys fails unless every line of a file is one JSON object, each but the
// last names its event, and the last has exactly the keys that follow, in order.
func jsonKeys(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: jsonkeys FILE KEYS...")
	}
	var last string
	lines := bufio.NewScanner(strings.NewReader(ts.ReadFile(args[0])))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if last != "" && !strings.HasPrefix(last, `{"event":`) {
			ts.Fatalf("a line before the last does not name its event: %s", last)
		}
		last = lines.Text()
		if !json.Valid([]byte(last)) || !strings.HasPrefix(last, "{") {
			ts.Fatalf("not a JSON object: %s", last)
		}
	}
	ts.Check(lines.Err())
	if got := strings.Join(keysOf(ts, last), " "); got != strings.Join(args[1:], " ") {
		ts.Fatalf("the last object has the keys %s", got)
	}
}

// keysOf gives the keys of a flat JSON object in the order in which they stand.
func keysOf(ts *testscript.TestScript, object string) []string {
	dec := json.NewDecoder(strings.NewReader(object))
	var keys []string
	for i := -1; dec.More() || i < 0; i++ {
		token, err := dec.Token()
		ts.Check(err)
		if key, ok := token.(string); ok && i >= 0 && i%2 == 0 {
			keys = append(keys, key)
		}
	}
	return keys
}
