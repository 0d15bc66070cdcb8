package fetch_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"gitmirror/internal/upstream"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/wire"
)

// section puts a section before the pack of an answer.
func section(lines ...string) func([]byte) []byte {
	return func(answer []byte) []byte {
		var b bytes.Buffer
		w := wire.NewWriter(&b)
		for _, l := range lines {
			w.Line("%s\n", l)
		}
		w.Delim()
		const pack = "000dpackfile\n"
		return bytes.Replace(answer, []byte(pack), append(b.Bytes(), pack...), 1)
	}
}

// git takes packfile-uris unasked, and loads a pack from wherever they say.
func TestPackfileURIsAreNotFollowed(t *testing.T) { both(t, testPackfileURIsAreNotFollowed) }

func testPackfileURIsAreNotFollowed(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "a"}) })
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); http.NotFound(w, r) }))
	defer elsewhere.Close()
	url := g.tampered(t, section("packfile-uris", strings.Repeat("1", 40)+" "+elsewhere.URL+"/x.pack"))
	f := g.refuses(t, url, failure.Protocol, g.tip(t, "main"))
	if n := asked.Load(); n > 0 {
		t.Errorf("another server was asked %d times", n)
	}
	if !strings.Contains(f.Message, "packfile-uris") {
		t.Errorf("message %q does not name the section", f.Message)
	}
}

// An upstream that calls a commit shallow would have us take a history without its
// beginning for a whole one.
func TestShallowAnswerIsRefused(t *testing.T) { both(t, testShallowAnswerIsRefused) }

func testShallowAnswerIsRefused(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) {
		e.Commit("main", "one", map[string]string{"a": "a"})
		e.Commit("main", "two", map[string]string{"a": "b"})
	})
	one, two := g.tip(t, "main~1"), g.tip(t, "main")
	for name, lines := range map[string][]string{
		"shallow":   {"shallow-info", "shallow " + two},
		"unshallow": {"shallow-info", "shallow " + two, "unshallow " + one},
		"wanted":    {"wanted-refs", two + " refs/heads/main"},
	} {
		t.Run(name, func(t *testing.T) {
			class := failure.Shallow
			if name == "wanted" {
				class = failure.Protocol
			}
			f := g.refuses(t, g.tampered(t, section(lines...)), class, two)
			if !strings.Contains(f.Message, lines[0]) {
				t.Errorf("message %q does not name the section", f.Message)
			}
		})
	}
}
