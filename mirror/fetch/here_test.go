package fetch_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
)

// shows makes a table that names those tips of the upstream the live one.
func (g *rig) shows(t *testing.T, generation uint64, names ...string) {
	t.Helper()
	table := &refs.Table{Generation: generation, Candidate: "c"}
	for _, n := range names {
		table.Refs = append(table.Refs, refs.Ref{Name: n, OID: g.tip(t, n)})
	}
	refs.Sort(table.Refs)
	if err := g.fetcher.Peel(t.Context(), g.live.Dir(), table.Refs); err != nil {
		t.Fatal(err)
	}
	err := g.live.Prepare(table, nil)
	if err == nil {
		_, err = g.live.Activate(generation, table.Digest())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// whole checks a copy by this engine and by git.
func (g *rig) whole(t *testing.T, tips ...string) {
	t.Helper()
	if err := g.fetcher.Verify(t.Context(), g.live.Dir(), tips); err != nil {
		t.Errorf("it finds the copy damaged: %v", err)
	}
	if err := g.fetcher.Check(t.Context(), g.live.Dir(), tips); err != nil {
		t.Errorf("it finds flaws: %v", err)
	}
	if out, err := exec.Command("git", append([]string{"-C", g.live.Dir(), "-c", "safe.directory=*", "fsck", "--full", "--strict"}, tips...)...).CombinedOutput(); err != nil {
		t.Errorf("git fsck: %v\n%s", err, out)
	}
	packs, err := filepath.Glob(filepath.Join(g.live.Dir(), "objects/pack/*.pack"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packs {
		gittest.Run(t, g.live.Dir(), "verify-pack", strings.TrimSuffix(p, ".pack")+".idx")
	}
}

// text is some of it that no two files share.
func text(lines int) string {
	var b strings.Builder
	for range lines {
		b.WriteString(strings.Repeat(string(rune('a'+rand.IntN(26))), 1+rand.IntN(9)) + "\n")
	}
	return b.String()
}

// What is here is not brought again: the other side is told, and sends differences to it, which
// are put together with it so that each pack can be read by itself.
func TestWhatIsHereIsBuiltUpon(t *testing.T) { both(t, testWhatIsHereIsBuiltUpon) }

func testWhatIsHereIsBuiltUpon(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	long := text(20_000)
	g.edit(t, func(e *upstream.Edit) {
		e.Commit("main", "one", map[string]string{"dir/a": long, "b": text(10)})
		e.Tag("v1", "main", "version")
	})
	if err := g.fetch(t, g.up.URL("x.git"), g.tip(t, "refs/tags/v1"), g.tip(t, "main")); err != nil {
		t.Fatal(err)
	}
	g.shows(t, 1, "refs/heads/main", "refs/tags/v1")
	var sent int
	url := g.tampered(t, inPack(t, func(pack []byte) []byte { sent = len(pack); return pack }))
	g.edit(t, func(e *upstream.Edit) {
		e.Branch("side", "main")
		e.Commit("main", "two", map[string]string{"dir/a": long + "more\n", "dir/c": "c"})
		e.Commit("side", "three", map[string]string{"dir/a": "less", "d": "d"})
		e.Commit("main", "four", map[string]string{"dir/a": long}, "side") // as it was
	})
	nested := g.object(t, "tag", "object "+g.tip(t, "refs/tags/v1")+"\ntype tag\ntag v2\ntagger "+honest+"\n\na tag of a tag\n")
	if _, err := g.repo.Git("update-ref", "refs/tags/v2", nested); err != nil {
		t.Fatal(err)
	}
	tips := []string{g.tip(t, "main"), g.tip(t, "side"), g.tip(t, "refs/tags/v2")}
	if err := g.fetch(t, url, tips...); err != nil {
		t.Fatal(err)
	}
	if sent == 0 || sent > 4000 {
		t.Errorf("%d bytes were sent for a few lines", sent)
	}
	g.whole(t, tips...)
	list := []refs.Ref{{Name: "refs/tags/v2", OID: tips[2]}}
	if err := g.fetcher.Peel(t.Context(), g.live.Dir(), list); err != nil || list[0].Peeled != g.tip(t, "v2^{}") {
		t.Errorf("the tag of a tag leads to %q, %v", list[0].Peeled, err)
	}
	missing, err := g.fetcher.Missing(t.Context(), g.live.Dir(), tips, []string{g.tip(t, "refs/tags/v1")})
	if err != nil || len(missing) > 0 {
		t.Errorf("missing %v, %v", missing, err)
	}
	// What the copy shows has been taken away, and what is new has nothing to do with it.
	g.shows(t, 2, "refs/heads/main", "refs/heads/side", "refs/tags/v2")
	g.edit(t, func(e *upstream.Edit) { e.Commit("anew", "another", map[string]string{"dir/a": long, "e": "e"}) })
	for _, args := range [][]string{{"symbolic-ref", "HEAD", "refs/heads/anew"}, {"branch", "-D", "main", "side"}, {"tag", "-d", "v1", "v2"}, {"reflog", "expire", "--expire=now", "--all"}, {"gc", "--quiet", "--prune=now"}} {
		if _, err := g.repo.Git(args...); err != nil {
			t.Fatal(err)
		}
	}
	// Some objects come again: they are in two packs from now on.
	if err := g.fetch(t, g.up.URL("x.git"), g.tip(t, "anew")); err != nil {
		t.Fatal(err)
	}
	g.whole(t, append(tips, g.tip(t, "anew"))...)
}

// A pack with deltas to what is not here cannot be put together.
func TestThinPacksWithoutTheirBases(t *testing.T) { both(t, testThinPacksWithoutTheirBases) }

func testThinPacksWithoutTheirBases(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	long := text(2000)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": long}) })
	old := g.tip(t, "main")
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "two", map[string]string{"a": long + "more\n"}) })
	tip := g.tip(t, "main")
	cmd := exec.Command("git", "pack-objects", "--stdout", "--thin", "--revs", "-q")
	cmd.Dir, cmd.Env, cmd.Stdin = g.repo.Dir, upstream.Environ(g.repo.Dir), strings.NewReader(tip+"\n^"+old+"\n")
	thin, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	g.refuses(t, g.answering(t, thin), failure.Corrupt, tip)
	if err := g.fetch(t, g.up.URL("x.git"), old); err != nil {
		t.Fatal(err)
	}
}

// Servers that do not speak protocol 2 are asked in version 0.
func TestServersOfVersion0(t *testing.T) { both(t, testServersOfVersion0) }

func testServersOfVersion0(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": text(100)}) })
	g.up.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Git-Protocol")
		return false
	})
	if err := g.fetch(t, g.up.URL("x.git"), g.tip(t, "main")); err != nil {
		t.Fatal(err)
	}
	g.shows(t, 1, "refs/heads/main")
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "two", map[string]string{"b": "b"}) })
	if err := g.fetch(t, g.up.URL("x.git"), g.tip(t, "main")); err != nil {
		t.Fatal(err)
	}
	g.whole(t, g.tip(t, "main"))
}

// A repository whose objects are named by SHA-256 is refused, by both.
func TestSHA256IsRefused(t *testing.T) { both(t, testSHA256IsRefused) }

func testSHA256IsRefused(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	gittest.Run(t, g.up.Root, "init", "--quiet", "--bare", "--object-format=sha256", "y.git")
	f := g.refuses(t, g.up.URL("y.git"), with(of, failure.Network, failure.Format), strings.Repeat("1", 40))
	t.Log(f.Message)
}

// What is no pack at all, and packs that lie about what is in them.
func TestNonsenseIsRefused(t *testing.T) { both(t, testNonsenseIsRefused) }

func testNonsenseIsRefused(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "a"}) })
	blob, tree := g.tip(t, "main:a"), g.tip(t, "main^{tree}")
	plain := func(kind byte, content string) string {
		var b bytes.Buffer
		b.WriteByte(kind<<4 | byte(len(content)&15) | 0x80)
		b.WriteByte(byte(len(content) >> 4))
		z := zlib.NewWriter(&b)
		_, _ = z.Write([]byte(content))
		_ = z.Close()
		return b.String()
	}
	pack := func(objects ...string) []byte {
		p := append([]byte("PACK\x00\x00\x00\x02\x00\x00\x00"), byte(len(objects)))
		p = append(p, strings.Join(objects, "")...)
		sum := sha1.Sum(p)
		return append(p, sum[:]...)
	}
	g.edit(t, func(e *upstream.Edit) { e.Commit("other", "two", map[string]string{"b": "b"}) })
	packOf := func(ref string) []byte {
		cmd := exec.Command("git", "pack-objects", "--stdout", "--revs", "-q")
		cmd.Dir, cmd.Env, cmd.Stdin = g.repo.Dir, upstream.Environ(g.repo.Dir), strings.NewReader(ref+"\n")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	whole, other := packOf("main"), packOf("other")
	content := commit(blob, honest) // a blob is no tree
	tip := g.object(t, "commit", content)
	raw, _ := hex.DecodeString(tree)
	delta := plain(7, string(raw)) // to a tree that is not there; its content is no delta
	for name, c := range map[string]struct {
		pack  []byte
		class failure.Class
	}{
		"words":                {[]byte("this is no pack, whatever it is"), failure.Protocol},
		"nothing":              {nil, failure.Protocol},
		"twice":                {pack(plain(3, "a"), plain(3, "a"), plain(1, content)), failure.Corrupt},
		"a blob as a tree":     {pack(plain(3, "a"), plain(1, content)), failure.Corrupt},
		"a kind that is none":  {pack(plain(5, "a")), failure.Corrupt},
		"a delta to nothing":   {pack(delta), failure.Corrupt},
		"more than it says":    {append(slices.Clone(whole), "behind its end"...), with(of, failure.Network, failure.Corrupt)},
		"its checksum again":   {append(slices.Clone(whole), whole[len(whole)-sha1.Size:]...), with(of, failure.Network, failure.Corrupt)},
		"a byte more":          {append(slices.Clone(whole), 0x8f), with(of, failure.Network, failure.Corrupt)},
		"another commit":       {other, failure.Corrupt},
		"a size that is wrong": {pack(strings.Replace(plain(3, "aaaa"), "\xb4", "\xb5", 1)), failure.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			asked := tip
			if bytes.HasPrefix(c.pack, whole) || bytes.Equal(c.pack, other) {
				asked = g.tip(t, "main")
			}
			g.refuses(t, g.answering(t, c.pack), c.class, asked)
		})
	}
}
