//go:build !crashpoint

package crashpoint

// Hit does nothing in a product build.
func Hit(string) {}
