package world

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"gitmirror/mirror"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/tree"
)

// An index is the account of a forge in another guise: a repository with a file for each number, which says where it
// is. What becomes of the account is a commit of it.

// indexed are accounts that are indexes.
const indexed = "index"

// spells is what the file of a project says.
func (p *project) spells() string { return "url: " + p.url() + "\n" }

// publish pushes what an index has, where that is another than before. Nobody else does at that moment.
func (a *account) publish() {
	if a.kind != indexed {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	files := map[string]string{}
	for number, p := range a.has {
		files[fmt.Sprint(number)] = p.spells()
	}
	if a.index == nil {
		a.index = a.of.Upstream("indexes/" + a.name)
		a.index.mu.Lock()
		a.index.kept = true
		a.index.mu.Unlock()
	}
	if tip := a.index.Refs()["refs/heads/main"]; !maps.Equal(a.of.history.filesOf(tip), files) {
		a.index.Edit(func(names map[string]string) {
			next := a.of.history.commit(tip)
			a.of.history.hasFiles(next, files)
			names["refs/heads/main"] = next
		})
	}
}

// moods are how the upstream of an index answers, by how a forge would.
var indexMoods = map[accountMood]Mood{broken: Broken, flaky: Cuts, half: Cuts, stalled: Frozen, slow: Trickle, limiting: Limited, locked: Closed, vanished: Gone}

// commitFiles are the files of a commit, as a copy has them.
type commitFiles map[string]string

var _ mirror.Tree = commitFiles(nil)

// Tree reads the files of a commit that is in a copy.
func (o *objects) Tree(dir, tip string) (mirror.Tree, error) {
	have, err := in(dir)
	if err != nil {
		return nil, err
	}
	if tip = o.of.history.peel(tip); !have[tip] {
		return nil, failure.New(failure.Corrupt, "missing object "+tip, nil)
	}
	return commitFiles(o.of.history.filesOf(tip)), nil
}

func (c commitFiles) file(name string) tree.File {
	return tree.File{Path: name, ID: strings.TrimSpace(c[name]), Size: int64(len(c[name]))}
}

func (c commitFiles) Files() iter.Seq2[tree.File, error] {
	return func(yield func(tree.File, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(c)) {
			if !yield(c.file(name), nil) {
				return
			}
		}
	}
}

func (c commitFiles) Find(name string) (tree.File, bool, error) {
	_, there := c[name]
	return c.file(name), there, nil
}

func (c commitFiles) Read(f tree.File) ([]byte, error) { return []byte(c[f.Path]), nil }

func (c commitFiles) Close() error { return nil }
