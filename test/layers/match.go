package layers

import "strings"

// covers reports whether the pattern (a path, or a tree ending in "/...")
// takes in the package path, both relative to the module.
func covers(pattern, path string) bool {
	tree, isTree := strings.CutSuffix(pattern, "/...")
	if !isTree {
		return pattern == path
	}
	return path == tree || strings.HasPrefix(path, tree+"/")
}

// coveredBy reports whether any of the patterns covers the path.
func coveredBy(patterns []string, path string) bool {
	for _, p := range patterns {
		if covers(p, path) {
			return true
		}
	}
	return false
}

// under reports whether an import path is the prefix or lies beneath it.
func under(prefix, importPath string) bool {
	return importPath == prefix || strings.HasPrefix(importPath, prefix+"/")
}

// matches reports whether the technology includes the import path. A major
// version suffix in the prefix's place ("pebble/v2") lies beneath the prefix.
func (t Technology) matches(importPath string) bool {
	for _, p := range t.Prefixes {
		if under(p, importPath) {
			return true
		}
	}
	return false
}

// relative turns an import path of this module into a table path, and reports
// false for any other import path.
func relative(importPath string) (string, bool) {
	if importPath == Module {
		return ".", true
	}
	return strings.CutPrefix(importPath, Module+"/")
}

// standard reports whether an import path belongs to the standard library:
// its first element has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}
