//go:build !inject

package inject

// At does nothing in this build.
func At(Point) {}

// Err returns nil in this build.
func Err(Point) error { return nil }
