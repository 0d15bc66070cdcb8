package index

import (
	"bytes"
	"path"
	"strings"
)

// kind is how a file is read.
type kind string

const (
	kindNothing  kind = ""         // it says nothing of what is mirrored
	kindEntry    kind = "entry"    // YAML of one entry
	kindMany     kind = "many"     // YAML of one entry or a list of them
	kindURLs     kind = "urls"     // a url per line
	kindDefaults kind = "defaults" // YAML of keys for others
)

// prose begin the names of files that are for readers, in upper case.
var prose = []string{"README", "LICENSE", "LICENCE", "COPYING", "CONTRIBUTING", "CHANGELOG", "MAINTAINERS", "CODEOWNERS", "AUTHORS"}

// kindOf says what a file is by its name.
func kindOf(f File) kind {
	name := path.Base(f.Path)
	for _, p := range prose {
		if name == p || strings.HasPrefix(name, p+".") {
			return kindNothing
		}
	}
	switch ext := path.Ext(name); {
	case name == "erb_template", name == "Makefile", ext == ".md":
		return kindNothing
	case f.Link:
		return kindEntry // which is a flaw of it
	case ext == ".yaml", ext == ".yml":
		return kindMany
	case ext == ".txt":
		return kindURLs
	}
	return kindEntry
}

// hidden tells whether a file, or a folder that it is in, is not to be seen.
func hidden(file string) bool {
	return strings.HasPrefix(file, ".") || strings.Contains(file, "/.")
}

// parse reads what a file says.
func (k kind) parse(data []byte) content {
	if line, bad := notUTF8(data); bad {
		return flawed(line, "it is not UTF-8", "save the file as UTF-8")
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // which editors put there
	if k == kindURLs {
		return parseURLs(data)
	}
	return parseYAML(data, k)
}
