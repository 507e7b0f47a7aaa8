package settings

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Outside is what a Config reads beside the flags.
type Outside struct {
	// Environ is as os.Environ; ReadFile as os.ReadFile; Hostname is the default
	// name of the node.
	Environ  []string
	ReadFile func(string) ([]byte, error)
	Hostname string
}

// System is the process's own.
func System() Outside {
	host, _ := os.Hostname() // without one, a name has to be given
	return Outside{Environ: os.Environ(), ReadFile: os.ReadFile, Hostname: host}
}

// Load completes a Config whose flags were parsed: what no flag gives, the
// environment does, then the file. The error is an *Error.
func (c *Config) Load(f Flags, o Outside) error {
	env := map[string]string{}
	for _, kv := range o.Environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			env[k] = v
		}
	}
	if !f.Changed("config") {
		c.File = env["BATON_CONFIG"]
	}
	file, err := c.readFile(o)
	if err != nil {
		return err
	}
	for i := range c.entries {
		e := &c.entries[i]
		var value string
		fromEnv, inEnv := env[Variable(e.key)]
		inFile, ok := file[e.key]
		switch {
		case f.Changed(e.key):
			e.source = FromFlag
			continue
		case inEnv:
			e.source, value = FromEnvironment, fromEnv
		case ok:
			e.source, value = FromFile, inFile
		default:
			e.source = FromDefault
			continue
		}
		if err := f.Set(e.key, value); err != nil {
			if e.secret {
				value = ""
			}
			return &Error{e.key, e.source, value, "it can't be read: " + e.wants()}
		}
	}
	c.derive(o.Hostname)
	return c.Check()
}

// wants says what form a value has.
func (e entry) wants() string {
	switch e.value.(type) {
	case *int:
		return "use a whole number"
	case *bool:
		return "use true or false"
	case *[]string:
		return "use a list separated by commas"
	}
	return "use a duration, such as 30s"
}

// Variable returns the environment variable of a setting.
func Variable(key string) string {
	return "BATON_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

func (c *Config) readFile(o Outside) (map[string]string, error) {
	if c.File == "" {
		return nil, nil
	}
	text, err := o.ReadFile(c.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{"config", "", c.File, "the file does not exist: name another with --config or BATON_CONFIG"}
	}
	if err != nil {
		return nil, &Error{"config", "", c.File, err.Error()}
	}
	return c.parse(text)
}

// parse reads a file of settings.
func (c *Config) parse(text []byte) (map[string]string, error) {
	out := map[string]string{}
	scan := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimSpace(scan.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		at := fmt.Sprintf("%s:%d", c.File, n)
		key, value, ok := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok {
			return nil, &Error{line, at, "", "write key = value"}
		}
		if !c.has(key) {
			return nil, &Error{key, at, value, c.unknown(key)}
		}
		if _, twice := out[key]; twice {
			return nil, &Error{key, at, value, "it is set twice in this file"}
		}
		if strings.HasPrefix(value, `"`) {
			plain, err := strconv.Unquote(value)
			if err != nil {
				return nil, &Error{key, at, value, "close the double quotes"}
			}
			value = plain
		}
		out[key] = value
	}
	if err := scan.Err(); err != nil {
		return nil, &Error{"config", "", c.File, err.Error()}
	}
	return out, nil
}

func (c *Config) has(key string) bool {
	return slices.ContainsFunc(c.entries, func(e entry) bool { return e.key == key })
}

// unknown says what may have been meant.
func (c *Config) unknown(key string) string {
	if near := c.nearest(key); near != "" {
		return fmt.Sprintf("there is no such setting: did you mean %s?", near)
	}
	return "there is no such setting: `baton config show --effective` lists them"
}

// nearest returns the setting that a key most likely misspells, or "".
func (c *Config) nearest(key string) string {
	best, least := "", max(2, len(key)/3)+1
	for _, e := range c.entries {
		if d := distance(key, e.key); d < least {
			best, least = e.key, d
		}
	}
	return best
}

// distance is how many bytes have to be put, taken or changed to make b of a.
func distance(a, b string) int {
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

// Misspelled lists the variables of the environment that look like a setting but
// are none. They are no errors: others may have named them.
func (c *Config) Misspelled(environ []string) []string {
	var out []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		key := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "BATON_"), "_", "-"))
		if !strings.HasPrefix(name, "BATON_") || name == "BATON_CONFIG" || name == "BATON_ADMIN" || c.has(key) {
			continue
		}
		if near := c.nearest(key); near != "" {
			out = append(out, fmt.Sprintf("%s is not a setting: did you mean %s?", name, Variable(near)))
		}
	}
	slices.Sort(out)
	return out
}
