package gogit

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"gitmirror/internal/gitflaw"
	"gitmirror/internal/gitfsck"
	"gitmirror/mirror/failure"
)

// looker looks at objects by git's rules, and notes what they lead to.
type looker struct {
	rules bool                 // look for flaws
	taken func(id string) bool // flaws that are taken
	links links                // what they lead to; nil where nobody wants to know, or it is too much
	most  int64                // of them
	gitfsck.Special
}

// links are what objects lead to, and of which kind each has to be.
type links map[plumbing.Hash]plumbing.ObjectType

// linkBytes is about what is held for one of them.
const linkBytes = 64

// taking are the flaws of a list, as looker has them.
func taking(list []string) func(string) bool {
	return func(id string) bool { return slices.Contains(list, id) }
}

func (l *looker) look(id plumbing.Hash, kind plumbing.ObjectType, data []byte) error {
	var err error
	if l.links != nil && kind != plumbing.BlobObject {
		gitfsck.Links(kind.String(), data, func(to [20]byte, name string) {
			of, _ := plumbing.ParseObjectType(name)
			if before, known := l.links[to]; known && before != of {
				err = corrupt("object %s is to be a %s and a %s", plumbing.Hash(to), before, of)
			}
			l.links[to] = of
		})
		if int64(len(l.links)) > l.most {
			l.links = nil // a walk has to find out what is missing
		}
	}
	if err != nil || !l.rules {
		return err
	}
	switch kind {
	case plumbing.CommitObject:
		err = gitfsck.Commit(data, l.taken)
	case plumbing.TreeObject:
		err = gitfsck.Tree(data, &l.Special, l.taken)
	case plumbing.TagObject:
		err = gitfsck.Tag(data, l.taken)
	}
	return flawOf(id, err)
}

// flawOf names the object that has a flaw as git does, see gitflaw.Reported.
func flawOf(id plumbing.Hash, err error) error {
	if err == nil {
		return nil
	}
	return failure.New(failure.Corrupt, fmt.Sprintf("object %s: %s", id, err), err)
}

// files looks at the files that git reads by itself, which the trees have that were looked at.
// Where the paths of submodules are of no matter, carriage is empty.
func (l *looker) files(r *reader, carriage string) error {
	for _, f := range []struct {
		ids                   [][20]byte
		kind                  string
		most                  int64
		missing, other, large string
		look                  func([]byte) error
	}{
		{l.Modules, ".gitmodules", gitfsck.MostModules, "gitmodulesMissing", "gitmodulesBlob", "gitmodulesLarge", func(data []byte) error { return gitfsck.Modules(data, carriage, l.taken) }},
		{l.Attributes, ".gitattributes", gitfsck.MostAttributes, "gitattributesMissing", "gitattributesBlob", "gitattributesLarge", func(data []byte) error { return gitfsck.Attributes(data, l.taken) }},
	} {
		seen := map[plumbing.Hash]bool{}
		for _, id := range f.ids {
			if seen[id] {
				continue
			}
			seen[id] = true
			flaw, detail := "", ""
			o, err := r.find(id)
			switch {
			case isMissing(err):
				flaw, detail = f.missing, "there is none"
			case err != nil:
				return failed(err)
			case o.Type() != plumbing.BlobObject:
				flaw, detail = f.other, "it is a "+o.Type().String()
			case o.Size() > f.most:
				flaw, detail = f.large, fmt.Sprintf("it has %d bytes", o.Size())
			}
			if flaw != "" {
				if l.taken == nil || !l.taken(flaw) {
					return flawOf(id, gitfsck.Flaw{ID: flaw, Detail: "a " + f.kind + ": " + detail})
				}
				continue
			}
			data, err := content(o)
			if err != nil {
				return failed(err)
			}
			if err := f.look(data); err != nil {
				return flawOf(id, err)
			}
		}
	}
	return nil
}

// acceptable is the id of the flaw that an error reports, empty where it can not be accepted.
func acceptable(err error) string {
	if flaw := (gitfsck.Flaw{}); errors.As(err, &flaw) && slices.Contains(gitflaw.Acceptable, flaw.ID) {
		return flaw.ID
	}
	return ""
}
