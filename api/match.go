package api

import (
	"path"
	"strings"
)

// Matches finds pattern, which is lower case, in name, or has it match as a glob where
// it is one.
func Matches(name, pattern string) bool {
	name = strings.ToLower(name)
	if strings.ContainsAny(pattern, "*?[") {
		ok, _ := path.Match(pattern, name)
		if !ok && !strings.Contains(pattern, "/") {
			ok, _ = path.Match(pattern, path.Base(name))
		}
		return ok
	}
	return strings.Contains(name, pattern)
}
