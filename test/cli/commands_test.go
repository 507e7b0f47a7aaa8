package cli_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// listen takes a loopback port for the rest of the script, and puts its number
// and the one before, which is free, into the variables that are named. Both are
// from below the range that the system gives out by itself, so that no other
// program gets them meanwhile.
func listen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: listen PORT BEFORE")
	}
	for range 100 {
		port := 10_000 + 2*rand.IntN(5_000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		before, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port-1))
		if err != nil {
			l.Close()
			continue
		}
		ts.Check(before.Close())
		ts.Defer(func() { l.Close() })
		ts.Setenv(args[0], strconv.Itoa(port))
		ts.Setenv(args[1], strconv.Itoa(port-1))
		return
	}
	ts.Fatalf("no two free ports in a row")
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
