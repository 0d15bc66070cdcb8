// Package submodules reads what a repository has in .gitmodules: which upstreams its submodules have.
package submodules

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/config"

	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
	"gitmirror/source"
)

// File is where git has them.
const File = ".gitmodules"

// Bounds of what is read.
const (
	MaxFile    = 1 << 20 // bytes
	maxModules = 1000
)

// Read lists what .gitmodules names, of a repository whose upstream is base. An entry's path is its
// upstream's name: a submodule that gets another folder stays what it is. What is not understood is
// a flaw, and makes all of the file Unknown: nothing is taken away then.
func Read(data []byte, base string) *source.Listing {
	l := &source.Listing{}
	flaw := func(why, try string) {
		l.Flaws, l.Unknown = append(l.Flaws, source.Flaw{File: File, Why: why, Try: try}), []string{File}
	}
	if len(data) > MaxFile {
		flaw(fmt.Sprintf("it has more than %d bytes", MaxFile), "")
		return l
	}
	modules := config.NewModules()
	if err := modules.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff"))); err != nil {
		flaw(fmt.Sprintf("%s cannot be read, at line %v", File, err), "")
		return l
	}
	names := slices.Sorted(maps.Keys(modules.Submodules))
	if len(names) > maxModules {
		flaw(fmt.Sprintf("it has %d submodules, more than %d", len(names), maxModules), "")
		return l
	}
	seen := map[string]bool{}
	for _, name := range names {
		url, err := Resolve(base, modules.Submodules[name].URL)
		if err == nil {
			err = giturl.CheckName(url.Name())
		}
		if err != nil {
			try := ""
			if r := refusal.Of(err); r != nil {
				try = r.Hint
			}
			flaw(fmt.Sprintf("submodule %.100q: %v", name, err), try)
			continue
		}
		if key := url.Key(); !seen[key] {
			seen[key] = true
			l.Entries = append(l.Entries, source.Entry{Path: url.Name(), File: File, URLs: []string{url.String()}, Keys: []string{key}})
		}
	}
	l.Sort()
	return l
}

// Resolve is where a submodule's url leads, in a repository whose upstream is base. One that begins
// with ./ or ../ is relative to that, as git has it; those of ssh and of git's own protocol are asked
// by https, at the same host and path.
func Resolve(base, url string) (giturl.URL, error) {
	url = strings.TrimSpace(url)
	if strings.HasPrefix(url, "./") || strings.HasPrefix(url, "../") || url == ".." || url == "." {
		scheme, rest, _ := strings.Cut(base, "://")
		host, below, _ := strings.Cut(rest, "/")
		below = strings.TrimRight(below, "/")
		for {
			if after, is := strings.CutPrefix(url, "../"); is {
				if below == "" {
					return giturl.URL{}, refusal.New(refusal.URLInvalid, "%.100q leads out of its host", url)
				}
				below, url = strings.TrimSuffix(path.Dir(below), "."), after
			} else if after, is := strings.CutPrefix(url, "./"); is {
				url = after
			} else {
				break
			}
		}
		return giturl.Parse(scheme + "://" + host + "/" + strings.TrimPrefix(strings.TrimRight(below, "/")+"/"+url, "/"))
	}
	return giturl.Parse(byHTTPS(url))
}

// byHTTPS is an address of ssh or git as one of https.
func byHTTPS(url string) string {
	for _, scheme := range []string{"ssh://", "git+ssh://", "ssh+git://", "git://"} {
		rest, is := strings.CutPrefix(url, scheme)
		if !is {
			continue
		}
		host, path, _ := strings.Cut(rest, "/")
		if _, after, user := strings.Cut(host, "@"); user {
			host = after
		}
		host, _, _ = strings.Cut(host, ":") // the port is of another protocol
		return "https://" + host + "/" + strings.TrimLeft(path, "/")
	}
	if strings.Contains(url, "://") {
		return url
	}
	host, path, is := strings.Cut(url, ":") // git@host:path
	if user, after, found := strings.Cut(host, "@"); is && found && user != "" && !strings.ContainsAny(host, "/") && !strings.HasPrefix(path, ":") {
		return "https://" + after + "/" + strings.TrimLeft(path, "/")
	}
	return url
}
