package gitfsck_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gitmirror/internal/gitflaw"
	"gitmirror/internal/gitfsck"
)

// mentioned are flaws that git mentions and lets through.
var mentioned = []string{"badFilemode", "gitmodulesParse", "gitignoreSymlink", "gitattributesSymlink", "mailmapSymlink"}

// loose is a repository into which objects are put as they are.
type loose string

func (dir loose) put(t *testing.T, kind string, data []byte) string {
	t.Helper()
	whole := append(fmt.Appendf(nil, "%s %d\x00", kind, len(data)), data...)
	id := fmt.Sprintf("%x", sha1.Sum(whole))
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, err := z.Write(whole)
	path := filepath.Join(string(dir), "objects", id[:2], id[2:])
	if err := errors.Join(err, z.Close(), os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, packed.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	return id
}

func raw(id string) string {
	b, _ := hex.DecodeString(id)
	return string(b)
}

var saidOf = regexp.MustCompile(`(?m)^(?:error|warning) in \w+ ([0-9a-f]{40}): (\w+): |^error: ([0-9a-f]{40}): object could not be parsed`)

// verdicts are the flaws that git finds, by object; "" is what it cannot read at all.
func (dir loose) verdicts(t *testing.T) map[string][]string {
	t.Helper()
	args := []string{"-C", string(dir)}
	for _, id := range gitflaw.Cosmetic {
		args = append(args, "-c", "fsck."+id+"=warn")
	}
	cmd := exec.Command("git", append(args, "fsck", "--no-dangling", "--strict")...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	out, _ := cmd.CombinedOutput() // which ends with errors
	found := map[string][]string{}
	for _, m := range saidOf.FindAllStringSubmatch(string(out), -1) {
		id := m[1] + m[3]
		if flaw := m[2]; !slices.Contains(gitflaw.Cosmetic, flaw) && !slices.Contains(mentioned, flaw) {
			found[id] = append(found[id], flaw)
		}
	}
	if len(found) == 0 {
		t.Fatalf("git finds nothing:\n%s", out)
	}
	return found
}

// spoiler makes objects that are nearly right.
type spoiler struct{ *rand.Rand }

func (s spoiler) one(list ...string) string { return list[s.IntN(len(list))] }

// often is the first, most of the time.
func (s spoiler) often(list ...string) string {
	if s.IntN(4) > 0 {
		return list[0]
	}
	return s.one(list...)
}

func (s spoiler) person() string {
	return s.often("A U Thor ", "A ", "", "A", "A>B ", "A<B ") + s.often("<a@x>", "<a@x", "a@x>", "<a@<x>", "<>", "", "<a>b>") + s.often(" 1700000000", "1700000000", " 01700000000", " x", " 99999999999999999999", "") + s.often(" +0000", "+0000", " 0000", " +00", " +00000", "")
}

func (s spoiler) id() string {
	return s.often(strings.Repeat("1", 40), strings.Repeat("1", 39), strings.Repeat("1", 41), strings.Repeat("g", 40), strings.Repeat("A", 40), "")
}

func (s spoiler) lines(list ...string) []byte {
	var b strings.Builder
	for _, l := range list {
		switch s.IntN(40) {
		case 0: // it is missing
		case 1:
			b.WriteString(l + l)
		case 2:
			b.WriteString(strings.TrimSuffix(l, "\n"))
		case 3:
			b.WriteString(strings.Replace(l, " ", s.one("\x00", "  ", "\t", "\n"), 1))
		default:
			b.WriteString(l)
		}
	}
	return []byte(b.String())
}

func (s spoiler) commit() []byte {
	list := []string{"tree " + s.id() + "\n"}
	for range s.IntN(3) {
		list = append(list, "parent "+s.id()+"\n")
	}
	list = append(list, "author "+s.person()+"\n", "committer "+s.person()+"\n", s.often("", "gpgsig x\n y\n", "x"), "\n", s.often("words\n", "", "wo\x00rds"))
	return s.lines(list...)
}

func (s spoiler) tag() []byte {
	return s.lines("object "+s.id()+"\n", "type "+s.often("commit", "tree", "x", "")+"\n", "tag "+s.often("v1", "a b", "")+"\n", s.often("tagger "+s.person()+"\n", ""), "\n", "words\n")
}

func (s spoiler) tree(modules []string) []byte {
	var b []byte
	names := []string{"a", "b", "c", "a.b", "a-b", "a/b", ".", "..", ".git", ".GIT", ".git.", ".git ...", ".git:x", "git~1", "GIT~1 .", "git~2", ".g\u200cit", "x\\.git", "x\\git~1\\y", ".gitmodules", ".GITmodules ", ".gitm\u200dodules",
		"gitmod~1", "GITMOD~4", "gitmod~5", "gi7eba~1", "GI7EB~10", "gi7eba~0", "g~123456", "gi7d29~9", ".gitattributes", "gitatt~1", ".gitignore", ".mailmap", "x\\.gitmodules", "\xff.git", ".gi\xfft", "gi~100000", ".gitmodules:$x"}
	list := []string{}
	for range 1 + s.IntN(3) {
		list = append(list, s.one(names...))
	}
	if s.IntN(4) > 0 {
		slices.Sort(list)
	}
	for _, name := range list {
		id := strings.Repeat("1", 40)
		if strings.Contains(strings.ToLower(name), "mod") || s.IntN(3) == 0 {
			id = s.one(modules...)
		}
		if s.IntN(40) == 0 {
			id = strings.Repeat("0", 40)
		}
		b = append(b, s.often("100644", "40000", "120000", "160000", "0100644", "100664", "777", "1x0644", "")+" "+name+"\x00"+raw(id)...)
	}
	if s.IntN(40) == 0 {
		b = b[:len(b)-s.IntN(len(b))]
	}
	return b
}

func (s spoiler) modules() []byte {
	return []byte(s.often("", "x = y\n", "# words\n", "[core]\nx=y\n") +
		s.often("[submodule \"x\"]\n", "[submodule \"..\"]\n", "[submodule \"a/../b\"]\n", "[submodule \"\"]\n", "[submodule]\n", "[submodule.x]\n", "[Submodule \"a\\\"b\"]", "[submodule \"x]\n", "[submodule x]\n", "[submodule \"a\\\\..\"] ", "[submodule \"x\" ]\n", "[submodule\t \"x..\"]\r\n") +
		s.often("\tpath = x\n", "path=-x\n", "path = \"-x\"\n", "path = \\\n-x\n", "path\n", "path = x ; -x\n", "path = \"\n", "PATH = -y\n", "path = a\\qb\n", "p_ath = -x\n", "path -x\n", "path = \"\"-x\n", "path = \\t-x\n") +
		s.often("\turl = https://x.y/z\n", "url = -x\n", "url = https://x/%0ay\n", "url = ../x\n", "url = ../:x\n", "url = ..//x\n", "url = ./%0a\n", "url = https:///x\n", "url = http::https://x%0a\n", "url = git://x/%0A\n", "url = ssh://x/%0a\n", "url = x/%0a\n", "url = \"https://x/\"y\n", "url = ./../:x", "url = https::x\n", "url = ftp://x\n") +
		s.often("", "update = !x\n", "update = checkout\n", "update = \"!x\"\n", "[x]\nupdate = !x\n", "update = !x"))
}

// What is found in objects is what git finds in them.
func TestAsGitFinds(t *testing.T) {
	dir := loose(filepath.Join(t.TempDir(), "x.git"))
	if out, err := exec.Command("git", "init", "--quiet", "--bare", string(dir)).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := spoiler{rand.New(rand.NewPCG(1, 2))}
	objects := map[string]object{}
	put := func(kind string, data []byte) string {
		id := dir.put(t, kind, data)
		objects[id] = object{kind, data}
		return id
	}
	var modules []string
	for range 300 {
		id := put("blob", s.modules())
		modules = append(modules, id)
		put("tree", []byte("100644 .gitmodules\x00"+raw(id)))
	}
	for range 300 {
		put("commit", s.commit())
		put("tag", s.tag())
		put("tree", s.tree(modules))
	}
	put("blob", nil)
	long := put("blob", bytes.Repeat([]byte("x"), 2048))
	short := put("blob", bytes.Repeat([]byte("x"), 2047))
	put("tree", []byte("100644 .gitattributes\x00"+raw(long)))
	put("tree", []byte("100644 gitatt~1\x00"+raw(short)))
	theirs := dir.verdicts(t)
	var special gitfsck.Special
	for _, o := range objects {
		if o.kind == "tree" {
			_ = gitfsck.Tree(o.data, &special, nil)
		}
	}
	bad := map[string]int{}
	for id, o := range objects {
		err := o.look(id, special)
		flaws, found := theirs[id]
		// What leads to what is not there, or to another kind, is not looked at here.
		flaws = slices.DeleteFunc(flaws, func(f string) bool { return strings.HasSuffix(f, "Missing") || strings.HasSuffix(f, "Blob") })
		var mine gitfsck.Flaw
		switch errors.As(err, &mine); {
		case err == nil && len(flaws) > 0 && flaws[0] != "":
			t.Errorf("%s %q: git finds %v", o.kind, o.data, flaws)
		case err != nil && !found:
			t.Errorf("%s %q: %v, and git finds nothing", o.kind, o.data, err)
		case err != nil && !slices.Contains(flaws, mine.ID) && !slices.Contains(flaws, ""):
			t.Errorf("%s %q: %v, and git finds %v", o.kind, o.data, err, flaws)
		}
		if err != nil {
			bad[mine.ID]++
		}
	}
	for _, id := range []string{"badEmail", "badName", "badTree", "badTreeSha1", "badParentSha1", "badObjectSha1", "badType", "fullPathname", "gitattributesLineLength", "gitmodulesName", "gitmodulesPath", "gitmodulesSymlink", "gitmodulesUpdate", "gitmodulesUrl",
		"hasDot", "hasDotdot", "hasDotgit", "missingAuthor", "missingCommitter", "missingObject", "missingTagEntry", "missingTree", "missingTypeEntry", "multipleAuthors", "nulInCommit", "nulInHeader", "nullSha1", "treeNotSorted", "unterminatedHeader"} {
		if bad[id] == 0 {
			t.Errorf("no object had the flaw %s", id)
		}
	}
	t.Log(bad)
}

type object struct {
	kind string
	data []byte
}

func (o object) look(id string, special gitfsck.Special) error {
	of := func(list [][20]byte) bool {
		return slices.ContainsFunc(list, func(x [20]byte) bool { return hex.EncodeToString(x[:]) == id })
	}
	switch {
	case o.kind == "commit":
		return gitfsck.Commit(o.data, nil)
	case o.kind == "tag":
		return gitfsck.Tag(o.data, nil)
	case o.kind == "tree":
		return gitfsck.Tree(o.data, &gitfsck.Special{}, nil)
	case of(special.Modules):
		if err := gitfsck.Modules(o.data, "", nil); err != nil {
			return err
		}
	}
	if of(special.Attributes) {
		return gitfsck.Attributes(o.data, nil)
	}
	return nil
}
