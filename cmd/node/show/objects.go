package show

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/kv"
)

// Text is a byte string for one line of a terminal: as it is, or quoted where
// that would write something else than it shows.
func Text[S ~string](s S) string {
	for _, r := range string(s) {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return strconv.Quote(string(s))
		}
	}
	return string(s)
}

// Object shows what is said about an object and its values, and each value that
// is there, the newest first.
func Object(o admin.Object) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-9s%s\n", "Object", Text(admin.Name{Type: string(o.Type), Bucket: string(o.Bucket), Key: string(o.Key)}.String()))
	fmt.Fprintf(&b, "%-9s%s\n", "Context", base64.StdEncoding.EncodeToString(o.Context))
	fmt.Fprintf(&b, "%-9s%s\n", "ETag", kv.Context(o.Context).ETag())
	for i, c := range o.Contents {
		content(&b, fmt.Sprintf("%d of %d", i+1, len(o.Contents)), c)
	}
	return b.String()
}

func content(b *strings.Builder, which string, c admin.Content) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(b, "%-9s%s\n", name, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
	b.WriteString("\n")
	size := max(c.Size, len(c.Value))
	if c.Deleted {
		line("Value", "%s, deleted", which)
	} else {
		line("Value", "%s, %s", which, Bytes(uint64(size)))
	}
	if !c.Modified.IsZero() {
		line("Modified", "%s", c.Modified.UTC().Format(time.RFC3339))
	}
	for _, x := range []struct {
		name string
		text admin.Text
	}{{"Type", c.ContentType}, {"Encoding", c.Encoding}, {"Charset", c.Charset}} {
		if x.text != "" {
			line(x.name, "%s", Text(x.text))
		}
	}
	for _, a := range c.Meta {
		line("Meta", "%s = %s", Text(a.Name), Text(a.Value))
	}
	for _, l := range c.Links {
		line("Link", "%s/%s %s", Text(l.Bucket), Text(l.Key), Text(l.Tag))
	}
	for _, i := range c.Indexes {
		if i.Int != nil {
			line("Index", "%s = %d", Text(i.Name), *i.Int)
		} else if i.Bin != nil {
			line("Index", "%s = %s", Text(i.Name), Text(*i.Bin))
		}
	}
	if len(c.Value) > 0 {
		fmt.Fprintf(b, "\n%s\n", value(c.Value))
	}
}

// value is a value for people: text as it is, anything else as its first bytes.
func value(v []byte) string {
	const shown = 64
	for _, r := range string(v) {
		if r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			if len(v) <= shown {
				return fmt.Sprintf("% x", v)
			}
			return fmt.Sprintf("% x ... %d bytes more", v[:shown], len(v)-shown)
		}
	}
	lines := strings.Split(strings.TrimRight(string(v), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRightFunc(lines[i], unicode.IsSpace)
	}
	return strings.Join(lines, "\n")
}

// Written says what a put made of an object.
func Written(name admin.Name, w admin.Written) string {
	if w.Siblings > 1 {
		return fmt.Sprintf("Written: %s has %d values now. Look at them: baton get --siblings\n", Text(name.String()), w.Siblings)
	}
	return fmt.Sprintf("Written: %s. Context: %s\n", Text(name.String()), base64.StdEncoding.EncodeToString(w.Context))
}

// Deleted says what a delete found and left; nothing when it found nothing.
func Deleted(name admin.Name, d admin.Deleted) string {
	switch {
	case !d.Existed:
		return ""
	case d.Siblings > 0:
		return fmt.Sprintf("Deleted what the context had seen: %s has %s left.\n", Text(name.String()), count(d.Siblings, "value"))
	}
	return fmt.Sprintf("Deleted: %s.\n", Text(name.String()))
}
