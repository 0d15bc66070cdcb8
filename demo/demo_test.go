package demo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/child"
	"gitmirror/internal/fleet"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/refs"
)

func testDemo(t *testing.T) *demo {
	t.Helper()
	d := &demo{teller: &teller{began: time.Now()}, dir: t.TempDir(), spawner: child.New(), abort: func(error) {}}
	t.Cleanup(d.spawner.Close)
	return d
}

// The samples are what they say: otherwise the demo shows less than it claims.
func TestSamples(t *testing.T) {
	d := testDemo(t)
	forge, err := upstream.Serve(t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = forge.Close() })
	d.forge = forge
	list := samples()
	if len(list) != 12 {
		t.Errorf("%d samples, want a dozen", len(list))
	}
	for _, s := range list {
		m, err := d.sampleMirror(s)
		if err != nil {
			t.Fatal(err)
		}
		d.mirrors = append(d.mirrors, m)
		truth, err := d.truth(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := d.lsRemote(t.Context(), m.url)
		if err != nil {
			t.Fatal(err)
		}
		if found := differ(truth, shown); len(found) > 0 {
			t.Errorf("%s is served otherwise than it is: %v", s.name, found)
		}
		switch s.name {
		case "many-refs":
			if n := len(truth.refs); n != 2000 {
				t.Errorf("%s has %d refs", s.name, n)
			}
		case "empty":
			if len(truth.refs) != 0 {
				t.Errorf("%s has refs", s.name)
			}
		case "trunk":
			if truth.head != "ref: refs/heads/trunk" {
				t.Errorf("HEAD of %s is %s", s.name, truth.head)
			}
		case "large":
			if size := treeSize(t, m.repo.Dir); size < 20<<20 || size > 25<<20 {
				t.Errorf("%s has %d bytes", s.name, size)
			}
		case "tags":
			kind, err := m.repo.Git("cat-file", "-t", "refs/tags/v1.0.0")
			if err != nil || kind != "tag" {
				t.Errorf("v1.0.0 is a %s, %v", kind, err)
			}
		}
	}
	for _, c := range changes() {
		m := d.mirror("demo/" + c.repo)
		before, err := d.truth(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.do(m.repo); err != nil {
			t.Fatal(err)
		}
		after, err := d.truth(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if len(differ(before, after)) == 0 {
			t.Errorf("%s in %s changes nothing", c.what, c.repo)
		}
	}
}

func treeSize(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		size += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func TestDiffer(t *testing.T) {
	want := showing{"ref: refs/heads/main", map[string]string{"refs/heads/main": "1", "refs/heads/gone": "2", "refs/heads/moved": "3"}}
	got := showing{"ref: refs/heads/other", map[string]string{"refs/heads/main": "1", "refs/heads/moved": "4", "refs/gitmirror/kept/x": "5"}}
	found := (&demo{}).located(differ(want, got), &mirrored{name: "a/b"}, &process{Node: fleet.Node{Name: "n2"}})
	text := found.Error()
	for _, line := range []string{
		"a/b on n2: HEAD is ref: refs/heads/other, upstream has ref: refs/heads/main",
		"a/b on n2: refs/heads/gone is missing, upstream has 2",
		"a/b on n2: refs/heads/moved is 4, upstream has 3",
		"a/b on n2: refs/gitmirror/kept/x is 5, upstream has no such ref",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
	if len(found) != 4 || len(differ(want, want)) != 0 {
		t.Errorf("%d differences", len(found))
	}
	want.head = ""
	if found := differ(want, showing{"ref: x", want.refs}); len(found) != 0 {
		t.Errorf("a HEAD that nobody told differs: %v", found)
	}
}

func TestManyDifferencesAreCounted(t *testing.T) {
	text := make(Differences, 25).Error()
	if strings.Count(text, "\n") != namedDifferences || !strings.HasSuffix(text, "and 5 more") {
		t.Errorf("%s", text)
	}
}

func TestDropRefLeavesAWholeTable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "repos", "01", "01ABC.git", "packed-refs")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	oid := strings.Repeat("ab", 20)
	before := &refs.Table{Generation: 4, Candidate: "C", Head: "ref: refs/heads/a", Refs: []refs.Ref{{Name: "refs/heads/a", OID: oid}, {Name: "refs/heads/b", OID: oid}}}
	if err := os.WriteFile(path, before.Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
	name, err := dropRef(dir, "01ABC")
	if err != nil || name != "refs/heads/b" {
		t.Fatalf("%q, %v", name, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after, err := refs.Decode(data)
	if err != nil || len(after.Refs) != 1 || after.Generation != 4 || after.Head != before.Head {
		t.Errorf("%+v, %v", after, err)
	}
	if name, err := dropRef(dir, "01ABC"); err != nil || name != "refs/heads/a" {
		t.Errorf("of the only one left: %q, %v", name, err)
	}
	if _, err := dropRef(dir, "01ABC"); err == nil {
		t.Error("it dropped a ref from an empty table")
	}
}

func TestAwait(t *testing.T) {
	n := 0
	if err := await(t.Context(), time.Minute, "three", func(context.Context) (bool, error) { n++; return n == 3, nil }); err != nil {
		t.Error(err)
	}
	reason := errors.New("not yet")
	err := await(t.Context(), 2*lookEvery, "never", func(context.Context) (bool, error) { return false, reason })
	if !errors.Is(err, reason) || !strings.Contains(err.Error(), "for never") {
		t.Errorf("%v", err)
	}
}
