package index_test

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gitmirror/source"
	"gitmirror/source/index"
)

// Whatever else is broken: what is broken, and all that is below a DEFAULTS that is, stays as it was.
func TestWhatIsBrokenStaysAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		folders := []string{"", "a/", "a/b/", "a/b/c/", "b/", "ab/", "a.b/"}
		files := map[string]string{}
		for _, folder := range folders {
			for _, name := range []string{"DEFAULTS", "x", "y", "z.yaml", "0.txt"} {
				file := folder + name
				if !rapid.Bool().Draw(t, file) {
					continue
				}
				if files[file] = fmt.Sprintf("url: https://h/%d", len(files)); name == "DEFAULTS" {
					files[file] = fmt.Sprintf("replicas: %d", 1+len(files)%5)
				} else if name == "0.txt" {
					files[file] = fmt.Sprintf("https://h/%d", len(files))
				}
			}
		}
		below := rapid.SampledFrom([]string{"", "a", "a/b"}).Draw(t, "below")
		r := new(index.Reader)
		l, err := r.Read(&tree{files: files}, below)
		if err != nil {
			t.Skip("the folder has nothing")
		}
		was := map[string]source.Entry{}
		var claims []source.Claim
		for _, e := range l.Entries {
			was[e.Path] = e
			claims = append(claims, source.Claim{Path: e.Path, File: e.File, Keys: e.Keys, Hash: e.Hash()})
		}
		next := maps.Clone(files)
		var bad []string // files, and folders with a slash at the end
		for _, file := range slices.Sorted(maps.Keys(files)) {
			switch what := rapid.SampledFrom([]string{"", "", "bad", "link", "gone"}).Draw(t, "then "+file); {
			case what == "":
				continue
			case what == "gone":
				delete(next, file)
				continue
			case what == "link":
				next[file] = "->replicas: 1"
			default:
				next[file] = "{"
			}
			if bad = append(bad, file); path.Base(file) == "DEFAULTS" {
				bad = append(bad, strings.TrimSuffix(file, "DEFAULTS"))
			}
		}
		l, err = r.Read(&tree{files: next}, below)
		if errors.Is(err, index.ErrNoFolder) {
			return // all of it is gone, which changes nothing
		}
		if err != nil {
			t.Fatal(err)
		}
		stays := func(file string) bool {
			return slices.ContainsFunc(bad, func(b string) bool {
				return file == b || (b == "" || strings.HasSuffix(b, "/")) && strings.HasPrefix(file, b)
			})
		}
		c := source.Compare(l, slices.Values(claims), nil)
		for _, gone := range c.Gone {
			if stays(was[gone].File) {
				t.Errorf("%s of %s is taken away: broken are %q", gone, was[gone].File, bad)
			}
		}
		for _, i := range slices.Concat(c.Added, c.Changed) {
			if e := l.Entries[i]; stays(e.File) {
				t.Errorf("%s of %s is new, or changes: broken are %q", e.Path, e.File, bad)
			}
		}
	})
}

// The whole of it: two DEFAULTS and a file between them.
func TestABrokenFileTakesNothingFromBelowABrokenDefaults(t *testing.T) {
	l := read(t, "", map[string]string{"c": "oops", "d/DEFAULTS": "- oops", "d/app": "url: https://h/app"})
	if len(l.Entries) > 0 || !l.Doubts("d/app") {
		t.Errorf("%q, what is not known: %q", lines(l), l.Unknown)
	}
}

// Another repository's commit has no content here, and what a link says is a path.
func TestALinkIsReadByNobody(t *testing.T) {
	at := &tree{files: map[string]string{"DEFAULTS": "replicas: 2", "a/DEFAULTS": "->replicas: 1", "a/x": "url: https://h/a", "y": "url: https://h/y", "tools": "->", "README": "->"}}
	l, err := new(index.Reader).Read(at, "")
	if err != nil || at.reads != 2 {
		t.Fatalf("%v, %d files were read", err, at.reads)
	}
	equal(t, "entries", lines(l), []string{"y y:1 https://h/y replicas=2"})
	equal(t, "flaws", flaws(l), []string{"a/DEFAULTS: it is a symbolic link, or a submodule", "tools: it is a symbolic link, or a submodule"})
	for _, file := range []string{"a/x", "tools", "tools/of/a/folder"} {
		if !l.Doubts(file) {
			t.Errorf("%s is taken away", file)
		}
	}
	if l.Doubts("toolsx") || l.Doubts("y") {
		t.Errorf("what is not known: %q", l.Unknown)
	}
}

// Of a folder that is nested too deep nothing is known, and all else is.
func TestAFolderThatIsTooDeep(t *testing.T) {
	l := read(t, "", map[string]string{"x": "url: https://h/x", "d/deep": "=>", "d/DEFAULTS": "replicas: 2", "d/README": "=>"})
	equal(t, "entries", lines(l), []string{"x x:1 https://h/x"})
	equal(t, "flaws", flaws(l), []string{"d/README: this folder is nested too deep: what is in it is not read", "d/deep: this folder is nested too deep: what is in it is not read"})
	if !l.Doubts("d/deep/er/y") || !l.Doubts("d/README/y") || l.Doubts("d/y") || l.Doubts("x") {
		t.Errorf("what is not known: %q", l.Unknown)
	}
}

// A file with many flaws hides those of no other.
func TestANoisyFile(t *testing.T) {
	l := read(t, "", map[string]string{"a.txt": strings.Repeat("x y\n", 5000), "b.txt": strings.Repeat("x y\n", 5000), "c": "url: ["})
	of := map[string]int{}
	for _, f := range l.Flaws {
		of[f.File]++
	}
	if of["c"] != 2 || of["a.txt"] < 400 || of["b.txt"] < 400 || len(l.Flaws) != 1001 { // the last says how many more
		t.Errorf("%v", of)
	}
}
