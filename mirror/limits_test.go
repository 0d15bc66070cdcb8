package mirror_test

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/failure"
)

func noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return string(b)
}

// A repository that grows beyond its limit fails with a class of its own; what was
// published last is served, nothing is left in staging, and a larger limit mends it.
func TestARepositoryThatGrowsTooLarge(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	b := newBook()
	n := startNode(t, b, t.TempDir(), func(c *mirror.Config) { c.MaxSize, c.MaxObject = 2<<20, 64<<20 })
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	arrives(t, n, "repox", 1)
	before := lsRemote(t, n.http.URL+"/repox")
	gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "large", map[string]string{"l": noise(3 << 20)}) })
	s := failsAs(t, n, "repox", failure.TooLarge)
	if !strings.Contains(s.Failure.Message, "2.0 MiB") || !strings.Contains(s.Failure.Message, "gitmirror repo set up/repox --max-size") {
		t.Errorf("message %q", s.Failure.Message)
	}
	nothingStaged(t, n)
	if after := lsRemote(t, n.http.URL+"/repox"); after != before {
		t.Errorf("a refused generation changed what is served:\n%s", after)
	}
	b.policy("repox", func(p *mirror.Policy) { p.MaxSize = 10 << 20 })
	arrives(t, n, "repox", 2)
}

// A repository with a flawed object is taken as soon as the flaw is accepted, and not
// when it would have been tried again.
func TestAnAcceptedFlawIsTakenAtOnce(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	evil := "[submodule \"x\"]\n\tpath = x\n\turl = --upload-pack=touch /tmp/x\n"
	gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "evil", map[string]string{".gitmodules": evil}) })
	b := newBook()
	n := startNode(t, b, t.TempDir())
	b.add("repox", up.URL("x.git"))
	b.policy("repox", func(p *mirror.Policy) { p.Interval = time.Hour })
	b.mu.Lock()
	n.roles["repox"] = mirror.Owner
	b.mu.Unlock()
	b.tell()
	if s := failsAs(t, n, "repox", failure.Corrupt); !strings.Contains(s.Failure.Message, "gitmirror repo set up/repox --accept-flaws gitmodulesUrl") {
		t.Errorf("message %q", s.Failure.Message)
	}
	b.policy("repox", func(p *mirror.Policy) { p.Accept = []string{"gitmodulesUrl"} })
	arrives(t, n, "repox", 1)
}

// An upstream may send us elsewhere when we check; git goes where that ended, and is
// not led on from there.
func TestGitGoesWhereTheCheckEnded(t *testing.T) {
	up, front := gittest.Upstream(t), gittest.Upstream(t)
	sample(t, up, "x.git")
	var asked, led atomic.Int32
	front.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/git-upload-pack") || !strings.HasPrefix(r.UserAgent(), "git/gitmirror") {
			asked.Add(1)
		}
		http.Redirect(w, r, up.URL("x.git")+"/info/refs?service=git-upload-pack", http.StatusFound)
		return true
	})
	b := newBook()
	n := startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repox": front.URL("y.git")})
	arrives(t, n, "repox", 1)
	if k := asked.Load(); k > 0 {
		t.Errorf("git asked the front %d times", k)
	}
	elsewhere := gittest.Upstream(t)
	elsewhere.Intercept(func(http.ResponseWriter, *http.Request) bool { led.Add(1); return false })
	sample(t, elsewhere, "x.git")
	sample(t, up, "z.git")
	requestsFor(up, "z.git", func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost || strings.HasPrefix(r.UserAgent(), "git/gitmirror") {
			return false
		}
		http.Redirect(w, r, elsewhere.URL("x.git")+"/info/refs?service=git-upload-pack", http.StatusFound)
		return true
	})
	owned(t, b, n, map[string]string{"repoz": up.URL("z.git")})
	if s := failsAs(t, n, "repoz", failure.Refused); !strings.Contains(s.Failure.Message, "which is not where it is") {
		t.Errorf("message %q", s.Failure.Message)
	}
	if k := led.Load(); k > 0 {
		t.Errorf("another server was asked %d times", k)
	}
}
