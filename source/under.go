package source

import "strings"

// under stands between a claim's path and the name of what its .gitmodules names. Nothing that is
// listed has a blank in its path.
const under = " > "

// MaxUnder is how deep submodules of submodules are followed.
const MaxUnder = 5

// Under is the path of a submodule, by the path of what names it and the name of its upstream.
func Under(path, name string) string { return path + under + name }

// Above is the path of what names a submodule; false for what is listed itself.
func Above(path string) (string, bool) {
	i := strings.LastIndex(path, under)
	return path[:max(i, 0)], i >= 0
}

// Top is the path of what is listed, of a submodule however deep; false for what is listed itself.
func Top(path string) (string, bool) {
	top, _, is := strings.Cut(path, under)
	return top, is
}

// IsUnder tells whether a path is of a submodule of what has that other path, however deep.
func IsUnder(path, above string) bool {
	return len(path) > len(above)+len(under) && path[:len(above)] == above && strings.HasPrefix(path[len(above):], under)
}

// Depth is how deep a submodule is: 0 for what is listed itself.
func Depth(path string) int { return strings.Count(path, under) }
