// Package index reads index repositories: git repositories whose files say what is to be mirrored.
//
// A file without a meaning of its own is YAML and one entry, named by its path: url, a string or
// a list, and keys of ours, all optional (interval, replicas, refs, labels, on_rewrite,
// submodules); any other key is kept for who looks at it later. DEFAULTS has keys for all files
// below its folder: those nearer to a file win, and its own do. A file *.yaml or *.yml that holds
// a list has many entries, a file *.txt a url per line. What is documentation is passed over.
//
// A file that cannot be understood is a flaw, with its line, and leaves what it had as it was;
// so does DEFAULTS with all below it. Nothing of a strange file is ever run, and what reading one
// takes is bounded.
package index

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"gitmirror/source"
)

// File is one file of an index.
type File struct {
	Path string // from the root, with slashes
	ID   string // equal for equal contents
	Size int64  // bytes
	Link bool   // a symbolic link, or another repository's commit
	Deep bool   // a folder that is nested too deep: nothing in it is told
}

// Tree is an index at one commit. Its files come in any order. An error of it is an error of the
// whole reading: what is not all there says nothing.
type Tree interface {
	Files() iter.Seq2[File, error]
	Read(File) ([]byte, error)
}

// Bounds of an index.
const (
	MaxFile    = 1 << 20 // bytes of a file
	maxFiles   = 1 << 20
	maxEntries = 1 << 20
	maxFlaws   = 1000 // that are told
)

// ErrNoFolder says that an index does not have the folder that is to be read.
var ErrNoFolder = errors.New("there is no such folder in the index")

// ErrTooMany says that an index has more than is ever read of one.
var ErrTooMany = errors.New("the index is too large")

// Reader reads indexes, and remembers what the files of the last one said: of one that is the same, below the
// same DEFAULTS, nothing is read again. It is for one goroutine at a time.
type Reader struct {
	known  map[string]known   // by path
	above  map[string]content // of DEFAULTS, by File.ID
	below  string             // the folder that was asked for
	within bool               // the last index had something in it
}

// known is what a file said, and what that depends on besides its path and the folder that is asked for.
type known struct {
	id, above string // its own, and those of the DEFAULTS
	link      bool
	entries   []source.Entry
	flaws     []source.Flaw
	fresh     bool // Fresh has not had it yet
}

// content is what a file says, by itself.
type content struct {
	items []item
	flaws []source.Flaw // their File is not set
}

// item is one entry of a file, before DEFAULTS.
type item struct {
	name string // of it in its file; empty for what is named by the file
	line int
	keys mapping
}

// Fresh calls fn with each entry that is kept, until its file is read anew, and was not handed to it so far: fn may have
// its texts share the memory of equal ones.
func (r *Reader) Fresh(fn func(*source.Entry)) {
	for path, k := range r.known {
		if !k.fresh {
			continue
		}
		for i := range k.entries {
			fn(&k.entries[i])
		}
		k.fresh = false
		r.known[path] = k
	}
}

// entries counts those of what was read last.
func (r *Reader) entries() (n int) {
	for _, k := range r.known {
		n += len(k.entries)
	}
	return n
}

// Read lists what an index wants, of the folder below or, where that is empty, of all. It blocks for
// the tree. An error says that nothing is known.
func (r *Reader) Read(t Tree, below string) (*source.Listing, error) {
	below = strings.Trim(below, "/")
	files, defaults, err := r.files(t, below)
	if err != nil {
		return nil, err
	}
	if below != "" && !r.within {
		return nil, fmt.Errorf("%w: %s", ErrNoFolder, below)
	}
	read := func(f File, as kind) (content, error) {
		if f.Link { // whatever it leads to, it is not what was to be read
			return flawed(0, "it is a symbolic link, or a submodule", "put the file itself there"), nil
		}
		if f.Deep {
			return flawed(0, "this folder is nested too deep: what is in it is not read", "move it up"), nil
		}
		if f.Size > MaxFile {
			return content{flaws: []source.Flaw{{Why: fmt.Sprintf("it has %d bytes, more than %d", f.Size, MaxFile), Try: "divide it"}}}, nil
		}
		data, err := t.Read(f)
		if err != nil {
			return content{}, fmt.Errorf("read %s: %w", f.Path, err)
		}
		return as.parse(data), nil
	}
	l := &source.Listing{}
	if n := r.entries(); n > 0 {
		l.Entries = make([]source.Entry, 0, n+n/16) // hardly any edit is of more
	}
	above, said := inherited{}, make(map[string]content, len(defaults))
	for _, f := range defaults { // those nearer to the root come first
		c, found := r.above[f.ID]
		if !found || f.Link {
			if c, err = read(f, kindDefaults); err != nil {
				return nil, err
			}
		}
		if !f.Link {
			said[f.ID] = c
		}
		if len(c.flaws) > 0 {
			l.Unknown = append(l.Unknown, folder(f.Path))
			l.Flaws = append(l.Flaws, at(f.Path, c.flaws)...)
		}
		above.add(f, c)
	}
	shared := map[source.Flaw]int{} // of DEFAULTS, by how many entries have them from there
	was, next := r.known, make(map[string]known, len(files))
	if below != r.below {
		was = nil
	}
	for _, f := range files {
		up := above.above(f.Path)
		if up.bad {
			continue // said once, of its DEFAULTS
		}
		k, found := was[f.Path]
		if !found || k.id != f.ID || k.above != up.id || k.link != f.Link {
			c, err := read(f, kindOf(f))
			if err != nil {
				return nil, err
			}
			k = known{id: f.ID, above: up.id, link: f.Link, flaws: at(f.Path, c.flaws), fresh: true}
			k.entries = make([]source.Entry, 0, len(c.items)) // kept as long as the file is the same
			for _, it := range c.items {
				e, why := entry(f, it, up.keys, below)
				if k.flaws = append(k.flaws, why...); len(why) == 0 {
					k.entries = append(k.entries, e)
				}
			}
		}
		next[f.Path] = k
		l.Entries = append(l.Entries, k.entries...)
		if len(k.flaws) > 0 {
			l.Unknown = append(l.Unknown, f.Path)
		}
		if f.Link || f.Deep { // it may be in the place of a folder, or is one
			l.Unknown = append(l.Unknown, f.Path+"/")
		}
		for _, flaw := range k.flaws {
			if flaw.File == f.Path {
				l.Flaws = append(l.Flaws, flaw)
			} else {
				shared[flaw]++
			}
		}
		if len(l.Entries) > maxEntries {
			return nil, fmt.Errorf("%w: more than %d entries", ErrTooMany, maxEntries)
		}
	}
	for flaw, n := range shared {
		flaw.Why += fmt.Sprintf(": so it is with %s, nothing of which is changed", entries(n))
		l.Flaws = append(l.Flaws, flaw)
	}
	l.Sort()
	if n := len(l.Flaws); n > maxFlaws {
		last := l.Flaws[n-1].File
		l.Flaws = append(source.Some(l.Flaws, maxFlaws), source.Flaw{File: last, Why: fmt.Sprintf("and %d more like these", n-maxFlaws)})
	}
	r.known, r.above, r.below = next, said, below
	return l, nil
}

func entries(n int) string {
	if n == 1 {
		return "one entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// files are those that say something, by path, and the DEFAULTS, by depth; also those above the
// folder that is asked for.
func (r *Reader) files(t Tree, below string) (files, defaults []File, err error) {
	n := 0
	r.within = false
	for f, err := range t.Files() {
		if err != nil {
			return nil, nil, err
		}
		if n++; n > maxFiles {
			return nil, nil, fmt.Errorf("%w: more than %d files", ErrTooMany, maxFiles)
		}
		r.within = r.within || source.Inside(f.Path, below)
		switch {
		case hidden(f.Path):
		case path.Base(f.Path) == "DEFAULTS" && !f.Deep && (source.Inside(f.Path, below) || source.Inside(below, strings.TrimSuffix(folder(f.Path), "/"))):
			defaults = append(defaults, f)
		case !source.Inside(f.Path, below) || kindOf(f) == kindNothing && !f.Deep:
		default:
			files = append(files, f)
		}
	}
	byPath := func(a, b File) int { return strings.Compare(a.Path, b.Path) }
	slices.SortFunc(files, byPath)
	slices.SortFunc(defaults, func(a, b File) int {
		if d := strings.Count(a.Path, "/") - strings.Count(b.Path, "/"); d != 0 {
			return d
		}
		return byPath(a, b)
	})
	return files, defaults, nil
}

// folder is where a file is, with a slash at the end: "/" for the root.
func folder(file string) string {
	return file[:strings.LastIndexByte(file, '/')+1] + root(file)
}

func root(file string) string {
	if strings.Contains(file, "/") {
		return ""
	}
	return "/"
}

func at(file string, flaws []source.Flaw) []source.Flaw {
	out := slices.Clone(flaws)
	for i := range out {
		out[i].File = file
	}
	return out
}

// notUTF8 is the line, from 1, where data stops being UTF-8.
func notUTF8(data []byte) (line int, bad bool) {
	for l := range bytes.Lines(data) {
		if line++; !utf8.Valid(l) {
			return line, true
		}
	}
	return 0, false
}
