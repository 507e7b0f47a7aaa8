//go:build !inject

package inject

// At does nothing in this build.
func At(Point) {}
