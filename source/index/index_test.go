package index_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"

	"gitmirror/internal/giturl"
	"gitmirror/source"
	"gitmirror/source/index"
)

// tree is an index in memory, by path. A link's content begins with "->", a
// folder's that is too deep with "=>".
type tree struct {
	files map[string]string
	reads int
	fails error // of the last file
}

func (t *tree) Files() iter.Seq2[index.File, error] {
	return func(yield func(index.File, error) bool) {
		for path, data := range t.files {
			if !yield(index.File{Path: path, ID: data, Size: int64(len(data)), Link: strings.HasPrefix(data, "->"), Deep: strings.HasPrefix(data, "=>")}, nil) {
				return
			}
		}
		if t.fails != nil {
			yield(index.File{}, t.fails)
		}
	}
}

func (t *tree) Read(f index.File) ([]byte, error) {
	if f.Link || f.Deep {
		return nil, errors.New("object not found") // as of another repository's commit
	}
	t.reads++
	return []byte(t.files[f.Path]), nil
}

func read(t *testing.T, below string, files map[string]string) *source.Listing {
	t.Helper()
	l, err := new(index.Reader).Read(&tree{files: files}, below)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// lines are the entries of a listing, in short.
func lines(l *source.Listing) (out []string) {
	for _, e := range l.Entries {
		line := fmt.Sprintf("%s %s:%d %s", e.Path, e.File, e.Line, strings.Join(e.URLs, ","))
		if e.Asks.Replicas != 0 {
			line += fmt.Sprintf(" replicas=%d", e.Asks.Replicas)
		}
		if e.Asks.Interval != nil {
			line += fmt.Sprintf(" interval=%s", *e.Asks.Interval)
		}
		if len(e.Asks.RefPrefixes) > 0 {
			line += fmt.Sprint(" refs=", e.Asks.RefPrefixes)
		}
		if len(e.Asks.Labels) > 0 {
			line += fmt.Sprint(" labels=", e.Asks.Labels)
		}
		if e.Asks.Submodules {
			line += " submodules"
		}
		if e.Extra != "" {
			line += " " + e.Extra
		}
		out = append(out, line)
	}
	return out
}

func flaws(l *source.Listing) (out []string) {
	for _, f := range l.Flaws {
		out = append(out, f.String())
	}
	return out
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s: (-want +got)\n%s", what, d)
	}
}

func TestWhatAnIndexSays(t *testing.T) {
	l := read(t, "", map[string]string{
		"README.md":                  "# An index",
		"LICENSE":                    "MIT",
		".github/workflows/ci.yml":   "url: https://h/ci",
		"l/.ignore":                  "url: https://h/ignored",
		"erb_template":               "<%= no %>",
		"l/linux/linux":              "url: https://git.kernel.org/torvalds/linux.git\nsubmit:\n- command: testbox\n  branches:\n  - master\n",
		"l/linux/linux-next":         "url:\n- https://git.kernel.org/next.git\n- https://github.com/next/next\n- https://GITHUB.com/next/next/\n",
		"g/gitMirror/gitMirror.v1.0": "\ufeffurl: https://gitee.com/g/gitMirror\r\ninterval: 10m\r\nreplicas: 3\r\n",
		"g/DEFAULTS":                 "labels: {team: g}\nreplicas: 1\nurl: https://h/none\n",
		"g/gitMirror/DEFAULTS":       "replicas: 2\ninterval: auto\nemail: a@b\n",
		"many.yaml":                  "- https://github.com/a/b\n- url: https://github.com/a/c\n  name: renamed/c\n  submodules: true\n  refs: refs/heads/\n",
		"x/one.yaml":                 "url: https://h/one",
		"\u5185/gro\u0308\u00dfe":    "url: https://h/gr%C3%B6%C3%9Fe",
		"x/urls.txt":                 "# ours\nhttps://github.com/a/d  # that one\n\nhttps://github.com:8443/a/e.git\n",
		"x/later.yaml":               "",
		"x/none.yml":                 "# nothing yet\n",
		"merged":                     "base: &b {interval: 1h, replicas: 4}\n<<: *b\nreplicas: 5\nurl: https://h/merged\n",
	})
	equal(t, "entries", lines(l), []string{
		`g/gitMirror/gitMirror.v1.0 g/gitMirror/gitMirror.v1.0:1 https://gitee.com/g/gitMirror replicas=3 interval=10m0s labels=map[team:g] {"email":"a@b"}`,
		`github.com/a/b many.yaml:1 https://github.com/a/b`,
		`l/linux/linux l/linux/linux:1 https://git.kernel.org/torvalds/linux.git {"submit":[{"branches":["master"],"command":"testbox"}]}`,
		`l/linux/linux-next l/linux/linux-next:1 https://git.kernel.org/next.git,https://github.com/next/next`,
		`merged merged:1 https://h/merged replicas=5 interval=1h0m0s {"base":{"interval":"1h","replicas":4}}`,
		`renamed/c many.yaml:2 https://github.com/a/c refs=[refs/heads/] submodules`,
		`x/github.com+8443/a/e x/urls.txt:4 https://github.com:8443/a/e.git`,
		`x/github.com/a/d x/urls.txt:2 https://github.com/a/d`,
		`x/one.yaml x/one.yaml:1 https://h/one`,
		"\u5185/gr\u00f6\u00dfe \u5185/gro\u0308\u00dfe:1 https://h/gr%C3%B6%C3%9Fe",
	})
	equal(t, "flaws", flaws(l), nil)
	if len(l.Unknown) > 0 {
		t.Errorf("unknown: %q", l.Unknown)
	}
}

func TestAFolderOfAnIndex(t *testing.T) {
	l := read(t, "/l/linux/", map[string]string{
		"DEFAULTS":           "replicas: 1",
		"l/DEFAULTS":         "replicas: 2",
		"m/DEFAULTS":         "- not for us",
		"l/linux/linux":      "url: https://h/linux",
		"l/linux/sub/next":   "url: https://h/next",
		"l/linux/list.txt":   "https://h/listed",
		"l/linux2/elsewhere": "url: https://h/elsewhere",
		"bad":                "{",
	})
	equal(t, "entries", lines(l), []string{
		"h/listed l/linux/list.txt:1 https://h/listed replicas=2",
		"linux l/linux/linux:1 https://h/linux replicas=2",
		"sub/next l/linux/sub/next:1 https://h/next replicas=2",
	})
	equal(t, "flaws", flaws(l), nil)
}

func TestAFolderThatIsNotThere(t *testing.T) {
	for _, below := range []string{"no", "l/linux/no", "../../etc"} {
		if l, err := new(index.Reader).Read(&tree{files: map[string]string{"l/linux": "url: https://h/linux"}}, below); !errors.Is(err, index.ErrNoFolder) {
			t.Errorf("%s: %v, %v", below, l, err)
		}
	}
	// One that has nothing in it that is mirrored is there.
	if l := read(t, "l", map[string]string{"l/README": "x"}); len(l.Entries) > 0 {
		t.Errorf("%+v", l)
	}
}

func TestABadFileIsReportedForItself(t *testing.T) {
	deep := "url: https://h/x\nk: " + strings.Repeat("[", 100) + strings.Repeat("]", 100)
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 10), ","))
	}
	manyLabels := ""
	for i := range 33 {
		manyLabels += fmt.Sprintf("k%d: v,", i)
	}
	for name, tc := range map[string]struct{ file, data, flaw string }{
		"no YAML":             {"f", "url: https://h/x\n  a: b\n c", "f:2: this is not YAML"},
		"empty":               {"f", "", "f: it is empty"},
		"a text":              {"f", "hello", "f:1: this is not a mapping"},
		"a list":              {"f", "- https://h/x", "f:1: this is not a mapping"},
		"no url":              {"f", "replicas: 2", "f:1: there is no url"},
		"url is nothing":      {"f", "\nurl:", "f:2: there is no url"},
		"url of a mapping":    {"f", "url: {a: b}", "f:1: url is neither"},
		"a bad url":           {"f", "a: b\nurl: --upload-pack=x", "f:2: an upstream URL does not start with a dash"},
		"a bad fallback":      {"f", "url: [https://h/x, 'ext::sh -c x']", "f:1: "},
		"a key twice":         {"f", "url: https://h/x\nurl: https://h/y", `f:2: the key "url" is there twice`},
		"two documents":       {"f", "url: https://h/x\n---\nurl: https://h/y", "f:2: a second document begins"},
		"too deep":            {"f", deep, "f:2: it is nested deeper than 64"},
		"an alias bomb":       {"f", bomb + "url: https://h/x", "f:"},
		"itself":              {"f", "url: https://h/x\na: &a [*a]", "f:2: "},
		"merges itself":       {"f", "a: &a\n  <<: *a\nurl: https://h/x", "f:"},
		"large":               {"f", "# " + strings.Repeat("x", index.MaxFile), "f: it has 1048578 bytes, more than 1048576"},
		"no UTF-8":            {"f", "url: https://h/x\nk: \xff", "f:2: it is not UTF-8"},
		"much else":           {"f", "url: https://h/x\nk: " + strings.Repeat("x", 4096), "f:1: its other keys (k) have 4104 bytes"},
		"replicas":            {"f", "url: https://h/x\nreplicas: two", "f:2: replicas is not a number"},
		"many replicas":       {"f", "url: https://h/x\nreplicas: 21", "f:1: 21 replicas are not possible"},
		"interval":            {"f", "url: https://h/x\ninterval: 5", "f:2: interval is not a duration"},
		"no time at all":      {"f", "url: https://h/x\ninterval: -5m", `f:2: "-5m" is not a duration`},
		"short interval":      {"f", "url: https://h/x\ninterval: 5ms", "f:1: an interval of 5ms is not possible"},
		"refs":                {"f", "url: https://h/x\nrefs: heads", `f:2: "heads" is no prefix of refs`},
		"a pattern of refs":   {"f", "url: https://h/x\nrefs: [refs/tags/, \"refs/heads/*\"]", `f:2: "refs/heads/*" is no prefix of refs: it has a *`},
		"labels":              {"f", "url: https://h/x\nlabels: a", "f:2: labels is not a mapping"},
		"a label":             {"f", "url: https://h/x\nlabels: {a: [b]}", `f:2: the label "a" has no text`},
		"a strange label":     {"f", "url: https://h/x\nlabels: {\"a\\n\": b}", `f:2: label "a\n" is empty, longer than 200 bytes or has control characters`},
		"a strange value":     {"f", "url: https://h/x\nlabels: {a: \"x\\ny\"}", `f:2: label "a" is empty, longer`},
		"many labels":         {"f", "url: https://h/x\nlabels: {" + manyLabels + "}", "f:2: 33 labels are too many"},
		"on_rewrite":          {"f", "url: https://h/x\non_rewrite: follow", "f:2: on_rewrite: follow is not possible"},
		"submodules":          {"f", "url: https://h/x\nsubmodules: 1", "f:2: submodules is neither"},
		"a key of a mapping":  {"f", "url: https://h/x\n? {a: b}\n: c", "f:2: a key is not a text"},
		"a name that is none": {"f f", "url: https://h/x", `f f:1: "f f" cannot be a name`},
		"up":                  {"l.yaml", "- {url: https://h/x, name: ../../x}", `l.yaml:1: name "../../x" leads out of the folder of its file`},
		"one of many":         {"l.yaml", "- https://h/x\n- [a]\n- https://h/y", "l.yaml:2: this is not a mapping"},
		"a line of many":      {"l.txt", "https://h/x\nhttps://h/y https://h/z", "l.txt:2: there are 2 words"},
		"a link":              {"f", "->/etc/passwd", "f: it is a symbolic link, or a submodule"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"good": "url: https://h/good", tc.file: tc.data}
			l := read(t, "", files)
			if len(l.Flaws) == 0 || !strings.HasPrefix(l.Flaws[0].String(), tc.flaw) {
				t.Errorf("%q, want %q", flaws(l), tc.flaw)
			}
			if !l.Doubts(tc.file) || l.Doubts("good") {
				t.Errorf("what is not known: %q", l.Unknown)
			}
			if !slices.ContainsFunc(l.Entries, func(e source.Entry) bool { return e.Path == "good" }) {
				t.Errorf("the good one is not there: %q", lines(l))
			}
		})
	}
	l := read(t, "", map[string]string{"l.yaml": "- https://h/x\n- [a]\n- https://h/y"})
	equal(t, "the others of its file", lines(l), []string{"h/x l.yaml:1 https://h/x", "h/y l.yaml:3 https://h/y"})
}

func TestBadDefaultsLeaveAllBelowAsItIs(t *testing.T) {
	l := read(t, "", map[string]string{
		"a/DEFAULTS":   "- x",
		"a/b/DEFAULTS": "replicas: 2",
		"a/one":        "url: https://h/one",
		"a/b/two":      "url: https://h/two",
		"ab":           "url: https://h/ab",
	})
	equal(t, "entries", lines(l), []string{"ab ab:1 https://h/ab"})
	equal(t, "flaws", flaws(l), []string{"a/DEFAULTS:1: this is not a mapping of keys to values"})
	if try := l.Flaws[0].Try; strings.Contains(try, "url") || !strings.Contains(try, "replicas: 3") {
		t.Errorf("%q is said of DEFAULTS", try)
	}
	for _, file := range []string{"a/one", "a/b/two", "a/gone"} {
		if !l.Doubts(file) {
			t.Errorf("%s is taken away", file)
		}
	}
	root := read(t, "", map[string]string{"DEFAULTS": "x", "a": "url: https://h/a", "b/c": "url: https://h/c"})
	if len(root.Entries) > 0 || !root.Doubts("a") || !root.Doubts("gone/file") {
		t.Errorf("%+v", root)
	}
	// A flaw in what is inherited is said once, where it stands.
	l = read(t, "", map[string]string{"DEFAULTS": "\ninterval: soon", "a": "url: https://h/a", "b": "url: https://h/b\ninterval: 1h", "c": "url: https://h/c", "d": "url: ssh://h/\n"})
	equal(t, "entries", lines(l), []string{"b b:1 https://h/b interval=1h0m0s"})
	said := flaws(l)
	if len(said) != 2 || said[0] != `DEFAULTS:2: "soon" is not a duration: so it is with 3 entries, nothing of which is changed` || !strings.HasPrefix(said[1], "d:1: ") {
		t.Errorf("%q", said)
	}
	for _, file := range []string{"a", "c", "d"} {
		if !l.Doubts(file) {
			t.Errorf("%s is taken away", file)
		}
	}
}

// urls are some whose order is none.
func urls(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("https://h/%d", (i*37)%101))
	}
	return list
}

func TestOneNameTwice(t *testing.T) {
	l := read(t, "", map[string]string{
		"a.txt":  "https://h/X/y\nhttps://h/b\n",
		"b.yaml": "- {url: https://h/z, name: h/x/Y}\n",
	})
	equal(t, "entries", lines(l), []string{"h/X/y a.txt:1 https://h/X/y", "h/b a.txt:2 https://h/b"})
	equal(t, "flaws", flaws(l), []string{"b.yaml:1: h/x/Y is in a.txt:1 already"})
	if !l.Doubts("b.yaml") {
		t.Error("what the file had is taken away")
	}
	// Whichever stands first stays, also in a line.
	for n := range 50 {
		l = read(t, "", map[string]string{"a.yaml": "[{url: https://h/a, name: a}, {url: https://h/b, name: a}]", "b.txt": strings.Join(urls(n), "\n")})
		if e := l.Find("a"); e == nil || e.URLs[0] != "https://h/a" || len(l.Flaws) != 1 {
			t.Errorf("beside %d others: %+v, %+v", n, e, l.Flaws)
		}
	}
	// The same url again leaves nothing open.
	l = read(t, "", map[string]string{"a.txt": "https://h/a\nhttps://h/b\nhttps://H/a/\n"})
	equal(t, "flaws", flaws(l), []string{"a.txt:3: h/a is in a.txt:1 already, and says the same"})
	if l.Doubts("a.txt") || len(l.Entries) != 2 || l.Flaws[0].Try != "leave one of them out" {
		t.Errorf("%q, %+v", l.Unknown, l.Flaws)
	}
	if l = read(t, "", map[string]string{"a.txt": "https://h/a\nhttps://h/A\n"}); len(l.Flaws) != 1 || !l.Doubts("a.txt") || !strings.Contains(l.Flaws[0].Try, ".yaml file, with a name") {
		t.Errorf("%q, %+v", l.Unknown, l.Flaws)
	}
	// Of what says something else under one name one is not followed.
	l = read(t, "", map[string]string{"a.yaml": "- {url: https://h/a, name: a}\n- {url: https://h/b, name: a}\n- {url: https://h/c, name: c}\n- {url: https://h/c, name: c, replicas: 3}\n"})
	if len(l.Flaws) != 2 || !l.Doubts("a.yaml") {
		t.Errorf("%q, %+v", l.Unknown, l.Flaws)
	}
	// What looks the same is told apart.
	l = read(t, "", map[string]string{"l/caf\u00e9": "url: https://h/a", "l/cafe\u0301": "url: https://h/b"})
	equal(t, "flaws", flaws(l), []string{"l/caf\u00e9:1: l/caf\u00e9 is in l/cafe\u0301:1 already: one is written \"l/caf\\u00e9\", the other \"l/cafe\\u0301\""})
}

func TestAListingThatEndsEarlyIsNone(t *testing.T) {
	broken := errors.New("a tree is missing")
	if l, err := new(index.Reader).Read(&tree{files: map[string]string{"a": "url: https://h/a"}, fails: broken}, ""); !errors.Is(err, broken) || l != nil {
		t.Errorf("%v, %v", l, err)
	}
}

func TestWhatIsTheSameIsNotReadAgain(t *testing.T) {
	at, r := &tree{files: map[string]string{}}, new(index.Reader)
	for i := range 50 {
		at.files[fmt.Sprint("f", i)] = fmt.Sprintf("url: https://h/%d", i)
	}
	want := func(reads int) *source.Listing {
		t.Helper()
		at.reads = 0
		l, err := r.Read(at, "")
		if err != nil || at.reads != reads {
			t.Errorf("%d files were read, want %d; %v", at.reads, reads, err)
		}
		return l
	}
	first := want(50)
	if d := cmp.Diff(first, want(0)); d != "" {
		t.Error(d)
	}
	at.files["f7"] = "url: https://h/other"
	if l := want(1); l.Entries[slices.IndexFunc(l.Entries, func(e source.Entry) bool { return e.Path == "f7" })].URLs[0] != "https://h/other" {
		t.Errorf("%q", lines(l))
	}
	at.files["DEFAULTS"] = "replicas: 3" // reaches all of them, which are read again
	l := want(51)
	for _, e := range l.Entries {
		if e.Asks.Replicas != 3 {
			t.Errorf("%s has %d replicas", e.Path, e.Asks.Replicas)
		}
	}
	delete(at.files, "f7")
	want(0)
	at.files["f7"] = "url: https://h/other"
	want(1) // it was forgotten
	at.files["d/DEFAULTS"] = "replicas: 2"
	at.files["d/f"] = "url: https://h/d"
	want(2)
	// Another folder is another reading.
	at.reads = 0
	if l, err := r.Read(at, "d"); err != nil || len(l.Entries) != 1 || l.Entries[0].Path != "f" || l.Entries[0].Asks.Replicas != 2 || at.reads != 1 {
		t.Errorf("%v, %v, %d files were read", l, err, at.reads)
	}
	want(52 - 1)
}

// Each entry is handed over once, as it is kept: again when its file was read again.
func TestFreshEntries(t *testing.T) {
	at, r := &tree{files: map[string]string{"a": "url: https://h/a", "b.txt": "https://h/b\nhttps://h/c\n"}}, new(index.Reader)
	var shared string
	fresh := func(what string, want ...string) {
		t.Helper()
		l, err := r.Read(at, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range l.Entries {
			if shared != "" && e.Path == "a" && e.Extra != shared {
				t.Errorf("%s: what was shared of a is %q", what, e.Extra)
			}
		}
		var got []string
		r.Fresh(func(e *source.Entry) { got, e.Extra = append(got, e.Path), e.Path })
		slices.Sort(got)
		equal(t, what, got, want)
	}
	fresh("the first time", "a", "h/b", "h/c")
	shared = "a"
	fresh("again")
	at.files["b.txt"] = "https://h/b\nhttps://h/d\n"
	fresh("after an edit", "h/b", "h/d")
	at.files["DEFAULTS"], shared = "replicas: 2", ""
	fresh("after an edit of all", "a", "h/b", "h/d")
}

func TestHashes(t *testing.T) {
	hour, learned := time.Hour, time.Duration(0)
	base := source.Entry{Path: "p", File: "f", URLs: []string{"u"}, Keys: []string{"u"}}
	all := map[source.Hash]string{base.Hash(): "nothing"}
	for name, change := range map[string]func(*source.Entry){
		"file":       func(e *source.Entry) { e.File = "g" },
		"url":        func(e *source.Entry) { e.URLs = []string{"v"} },
		"urls":       func(e *source.Entry) { e.URLs = []string{"u", "v"} },
		"refs":       func(e *source.Entry) { e.Asks.RefPrefixes = []string{"v"} },
		"label":      func(e *source.Entry) { e.Asks.Labels = map[string]string{"u": "v"} },
		"replicas":   func(e *source.Entry) { e.Asks.Replicas = 1 },
		"interval":   func(e *source.Entry) { e.Asks.Interval = &hour },
		"auto":       func(e *source.Entry) { e.Asks.Interval = &learned },
		"submodules": func(e *source.Entry) { e.Asks.Submodules = true },
		"extra":      func(e *source.Entry) { e.Extra = "{}" },
	} {
		e := base
		change(&e)
		if other, there := all[e.Hash()]; there {
			t.Errorf("%s and %s have one hash", name, other)
		}
		all[e.Hash()] = name
	}
	e := base
	if e.Line, e.Path = 7, "q"; e.Hash() != base.Hash() {
		t.Error("where it stands counts")
	}
}

// Whatever a file has, reading it ends, it harms no other, and what is said of it can be followed.
func FuzzFiles(f *testing.F) {
	for _, data := range []string{"url: https://h/x", "- https://h/x\n- {url: [a], name: b}", "a: &a [*a]", "<<: {url: x}", "https://h/x # y", "? [a]\n: b", "!!binary x", "url: !!int 3", "--- >\n x", "{url: https://h/x, x: .nan, y: 0x1F, z: 1_000, t: 2001-01-01}"} {
		for _, file := range []string{"x", "x.yaml", "x.txt", "DEFAULTS"} {
			f.Add(file, []byte(data))
		}
	}
	f.Fuzz(func(t *testing.T, file string, data []byte) {
		if file == "good" || strings.HasPrefix(file, "/") || file == "" {
			return
		}
		files := map[string]string{"good": "url: https://h/good", file: string(data)}
		l, err := new(index.Reader).Read(&tree{files: files}, "")
		if err != nil {
			t.Fatal(err)
		}
		good := false
		for i, e := range l.Entries {
			good = good || e.Path == "good"
			if len(e.URLs) == 0 || len(e.URLs) != len(e.Keys) || e.File == "" || len(e.Extra) > 4<<10 {
				t.Errorf("%+v", e)
			}
			if i > 0 && l.Entries[i-1].Path >= e.Path {
				t.Errorf("%s is after %s", e.Path, l.Entries[i-1].Path)
			}
		}
		if !good && !l.Doubts("good") {
			t.Errorf("the good one is gone: %q %q", lines(l), flaws(l))
		}
		for _, flaw := range l.Flaws {
			if flaw.File == "" || flaw.Why == "" || !l.Doubts(flaw.File) {
				t.Errorf("%+v of %q", flaw, l.Unknown)
			}
		}
	})
}

// Whatever files, and the entries in them, are called: their mirrors can be called so, in one way, and no two
// are called the same, whatever the case. An entry is named in the folder of its file.
func FuzzNames(f *testing.F) {
	f.Fuzz(func(t *testing.T, file, name, below string) {
		quoted, err := json.Marshal(name)
		if err != nil || file == "" || strings.HasPrefix(file, "/") {
			return
		}
		files := map[string]string{
			file: "url: https://h/one", file + ".yaml": fmt.Sprintf("- {url: https://h/two, name: %s}\n- https://h/three", quoted),
			norm.NFD.String(file): "url: https://h/four", strings.ToUpper(file): "url: https://h/five", file + ".txt": "https://h/" + url.PathEscape(name),
		}
		l, err := new(index.Reader).Read(&tree{files: files}, below)
		if err != nil {
			if !errors.Is(err, index.ErrNoFolder) {
				t.Fatal(err)
			}
			return
		}
		seen := map[string]string{}
		for _, e := range l.Entries {
			if err := giturl.CheckName(e.Path); err != nil || giturl.NormalName(e.Path) != e.Path {
				t.Errorf("%s is called %q: %v", e.File, e.Path, err)
			}
			folded := strings.Map(func(c rune) rune {
				if 'A' <= c && c <= 'Z' {
					return c + 'a' - 'A'
				}
				return c
			}, e.Path)
			if other, taken := seen[folded]; taken {
				t.Errorf("%s and %s are both called %q", other, e.File, e.Path)
			}
			seen[folded] = e.File
			within := path.Dir(e.File)
			if top := strings.Trim(below, "/"); top != "" {
				within = strings.TrimPrefix(strings.TrimPrefix(within, top), "/")
			}
			if within = giturl.NormalName(path.Clean(within)); within != "." && !source.Inside(e.Path, within) {
				t.Errorf("%s names %q, which is not in its folder %q", e.File, e.Path, within)
			}
		}
	})
}
