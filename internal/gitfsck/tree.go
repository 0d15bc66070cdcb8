package gitfsck

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
)

// Entry is one of a tree.
type Entry struct {
	Mode uint32
	Name string
	ID   [20]byte
}

// The kinds of files that modes name.
const (
	kindMask = 0o170000
	kindDir  = 0o040000
	kindLink = 0o120000
	kindRepo = 0o160000 // a submodule: the commit is in another repository
)

// IsTree and IsSubmodule tell what an entry is.
func (e Entry) IsTree() bool      { return e.Mode&kindMask == kindDir }
func (e Entry) IsSubmodule() bool { return e.Mode&kindMask == kindRepo }

var errTree = errors.New("it cannot be read as a tree")

// Entries reads a tree, and hands over its entries one after the other until each returns an
// error.
func Entries(data []byte, each func(Entry) error) error {
	for len(data) > 0 {
		var e Entry
		at := 0
		for ; at < len(data) && data[at] >= '0' && data[at] <= '7'; at++ {
			e.Mode = e.Mode<<3 | uint32(data[at]-'0')
		}
		if at == 0 || at == len(data) || data[at] != ' ' {
			return errTree
		}
		data = data[at+1:]
		end := bytes.IndexByte(data, 0)
		if end <= 0 || len(data) < end+1+rawBytes {
			return errTree
		}
		e.Name = string(data[:end])
		copy(e.ID[:], data[end+1:])
		data = data[end+1+rawBytes:]
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

// Special are files that git reads by itself, wherever they are.
type Special struct {
	Modules    [][20]byte // .gitmodules
	Attributes [][20]byte // .gitattributes
}

// Tree looks at a tree, and adds the special files it has to special. See Commit.
func Tree(data []byte, special *Special, taken func(id string) bool) error {
	r := &report{taken: taken}
	var before Entry
	var null, slash, dot, dotdot, dotgit, unsorted bool
	first := true
	err := Entries(data, func(e Entry) error {
		null = null || e.ID == [20]byte{}
		slash = slash || strings.Contains(e.Name, "/")
		dot = dot || e.Name == "."
		dotdot = dotdot || e.Name == ".."
		dotgit = dotgit || isDotGit(e.Name)
		unsorted = unsorted || !first && !ordered(before, e)
		before, first = e, false
		r.special(e, special)
		return nil
	})
	if err != nil {
		return Flaw{"badTree", err.Error()}
	}
	for _, f := range []struct {
		is         bool
		id, detail string
	}{
		{null, "nullSha1", "an entry leads to the null id"},
		{slash, "fullPathname", "a name has a slash in it"},
		{dot, "hasDot", "a name is '.'"},
		{dotdot, "hasDotdot", "a name is '..'"},
		{dotgit, "hasDotgit", "a name is '.git', or what some file system takes for it"},
		{unsorted, "treeNotSorted", "its entries are in no order"},
	} {
		if f.is && !r.flaw(f.id, "%s", f.detail) {
			break
		}
	}
	return r.result()
}

// special notes what git reads by itself. A link in its place is refused: it may lead anywhere.
// On Windows a backslash is a slash.
func (r *report) special(e Entry, to *Special) {
	link := e.Mode&kindMask == kindLink
	for i, name := range tails(e.Name) {
		modules := isModules.ntfs(name) || i == 0 && isModules.hfs(name)
		switch {
		case !modules:
		case link:
			r.flaw("gitmodulesSymlink", ".gitmodules is a symbolic link")
		default:
			to.Modules = append(to.Modules, e.ID)
		}
		if i == 0 && !link && (isAttributes.ntfs(name) || isAttributes.hfs(name)) {
			to.Attributes = append(to.Attributes, e.ID)
		}
	}
}

// tails are a name and what is behind each of its backslashes.
func tails(name string) []string {
	list := []string{name}
	for i := range len(name) {
		if name[i] == '\\' {
			list = append(list, name[i+1:])
		}
	}
	return list
}

// ordered tells whether two entries may follow each other: a directory is sorted as if its name
// ended with a slash. Two of one name are taken from everybody (duplicateEntries).
func ordered(a, b Entry) bool {
	if a.Name == b.Name {
		return true
	}
	n, m := a.Name, b.Name
	if a.IsTree() {
		n += "/"
	}
	if b.IsTree() {
		m += "/"
	}
	return n <= m
}

// Links hands over the ids of the objects that one leads to, as they stand in it, with the kind
// that each has to be of; empty where that is not said. kind is "commit", "tree" or "tag"; a blob
// leads nowhere. What cannot be read leads nowhere either.
func Links(kind string, data []byte, each func(id [20]byte, kind string)) {
	of := func(line []byte, kind string) {
		var id [20]byte
		if n, err := hex.Decode(id[:], line); err == nil && n == len(id) {
			each(id, kind)
		}
	}
	switch kind {
	case "tree":
		_ = Entries(data, func(e Entry) error {
			switch {
			case e.IsTree():
				each(e.ID, "tree")
			case !e.IsSubmodule():
				each(e.ID, "blob")
			}
			return nil
		})
	case "commit":
		for {
			line, rest, _ := bytes.Cut(data, []byte("\n"))
			key, id, _ := bytes.Cut(line, []byte(" "))
			switch {
			case len(id) != hexBytes:
				return
			case string(key) == "tree":
				of(id, "tree")
			case string(key) == "parent":
				of(id, "commit")
			default:
				return
			}
			data = rest
		}
	case "tag":
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		typed, _, _ := bytes.Cut(rest, []byte("\n"))
		if id, ok := bytes.CutPrefix(line, []byte("object ")); ok && len(id) == hexBytes {
			kind, _ := bytes.CutPrefix(typed, []byte("type "))
			of(id, string(kind))
		}
	}
}
