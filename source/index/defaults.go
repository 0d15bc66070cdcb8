package index

import (
	"maps"
	"strings"
)

// mapping is what a file says, by key.
type mapping map[string]field

// field is what is said of a key.
type field struct {
	value any // string, bool, int64, float64, nil, []any or map[string]any
	file  string
	line  int
}

// inherited are the keys that files have from DEFAULTS, by folder with a slash at the end.
type inherited map[string]defaults

type defaults struct {
	keys mapping
	bad  bool
	id   string // of all files that say so
}

// add takes a DEFAULTS, of which those above it are there already.
func (in inherited) add(f File, c content) {
	up := in.above(f.Path)
	keys := maps.Clone(up.keys)
	if keys == nil {
		keys = mapping{}
	}
	for _, it := range c.items {
		for name, value := range it.keys {
			value.file = f.Path
			keys[name] = value
		}
	}
	in[folder(f.Path)] = defaults{keys, up.bad || len(c.flaws) > 0, up.id + f.Path + "\x00" + f.ID + "\x00"}
}

// above is what a file has from folders above it, nearest first.
func (in inherited) above(file string) defaults {
	for dir := file; ; {
		i := strings.LastIndexByte(dir, '/')
		if i < 0 {
			return in["/"]
		}
		dir = dir[:i]
		if d, found := in[dir+"/"]; found {
			return d
		}
	}
}
