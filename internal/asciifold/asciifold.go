// Package asciifold makes names comparable without regard to case. Only ASCII letters are folded: Unicode's
// tables grow with each Go release, and nodes of different releases must agree.
package asciifold

import "cmp"

// String folds a name.
func String(name string) string { return string(Append(nil, name)) }

// Append appends a name, folded.
func Append(b []byte, name string) []byte {
	for i := range len(name) {
		b = append(b, lower(name[i]))
	}
	return b
}

// Compare compares what String makes of two names, without making it.
func Compare(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		if x, y := lower(a[i]), lower(b[i]); x != y {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
