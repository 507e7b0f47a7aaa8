package show

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dee2748c/baton/api/admin"
)

// Properties are properties by name, one a line.
func Properties(p admin.Properties) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%-16s %s\n", name, strings.Trim(string(p[name]), `"`))
	}
	return b.String()
}

// BucketTypes is a table of bucket types.
func BucketTypes(types []admin.BucketType) string {
	var b strings.Builder
	rows := [][]string{{"Type", "State", "N", "Siblings"}}
	for _, t := range types {
		rows = append(rows, []string{Text(t.Name), state(t), string(t.Properties["n_val"]), string(t.Properties["allow_mult"])})
	}
	table(&b, rows)
	return b.String()
}

func state(t admin.BucketType) string {
	switch {
	case t.Problem != "":
		return t.Problem
	case t.Active:
		return "active"
	}
	return "created"
}

// BucketType is one type with its properties.
func BucketType(t admin.BucketType) string {
	text := fmt.Sprintf("%s is %s\n", Text(t.Name), state(t))
	if !t.Active && t.Problem == "" {
		text += "Let it be used with: baton bucket-type activate " + t.Name + "\n"
	}
	return text + "\n" + Properties(t.Properties)
}
