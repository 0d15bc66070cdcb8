package api

import "strings"

// Follow is the command line with which a repo is mirrored from where its upstream says that it is,
// among its other urls. An upstream has made the address up: it is quoted for a shell.
func (m Moved) Follow(name string, urls []string) string {
	line := "gitmirror repo set " + name
	for _, u := range urls {
		if u == m.From {
			u = m.To
		}
		line += " --url " + quoted(u)
	}
	return line
}

// quoted is a word as a shell takes it for one.
func quoted(word string) string {
	if strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/:.,_~%+@=-") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
