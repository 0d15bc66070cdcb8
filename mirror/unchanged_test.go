package mirror_test

import (
	"net/http"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
)

// An answer that was dealt with once is not dealt with for ever: another owner
// has published something else meanwhile, and upstream shows it again.
func TestUnchangedDoesNotOutliveAChangeOfOwner(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	first, err := r.Git("rev-parse", "refs/heads/main")
	if err != nil {
		t.Fatal(err)
	}
	b := newBook()
	one, two := startNode(t, b, t.TempDir()), startNode(t, b, t.TempDir())
	b.add("repox", up.URL("x.git"))
	hand := func(to, from *node) {
		b.mu.Lock()
		to.roles["repox"], from.roles["repox"] = mirror.Owner, mirror.Replica
		row := b.rows["repox"]
		row.Epoch++
		b.rows["repox"] = row
		b.mu.Unlock()
		b.tell()
	}
	hand(one, two)
	arrives(t, one, "repox", 1)
	arrives(t, two, "repox", 1)
	if _, err := one.engine.Sync(t.Context(), "repox"); err != nil {
		t.Fatal(err)
	}
	hand(two, one)
	gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "more", map[string]string{"d": "d"}) })
	arrives(t, one, "repox", 2)
	hand(one, two)
	if _, err := r.Git("update-ref", "refs/heads/main", first[:40]); err != nil {
		t.Fatal(err)
	}
	testlog.Eventually(t, "what upstream shows again", func() bool { return same(t, one, "repox", up, "x.git") })
}

// The first url shows what it showed before, but what is live came from the
// second.
func TestUnchangedDoesNotOutliveAFallback(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "first.git")
	r := sample(t, up, "second.git")
	gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "of the second", map[string]string{"s": "s"}) })
	b := newBook()
	n := startNode(t, b, t.TempDir())
	b.add("repox", up.URL("first.git"))
	row := b.rows["repox"]
	row.URLs = append(row.URLs, up.URL("second.git"))
	b.rows["repox"] = row
	n.roles["repox"] = mirror.Owner
	b.tell()
	arrives(t, n, "repox", 1)
	if _, err := n.engine.Sync(t.Context(), "repox"); err != nil {
		t.Fatal(err)
	}
	requestsFor(up, "first.git", func(w http.ResponseWriter, _ *http.Request) bool { http.NotFound(w, nil); return true })
	sync := func() {
		t.Helper()
		if _, err := n.engine.Sync(t.Context(), "repox"); err != nil { // asks all, and the others when they have failed for longer
			t.Fatal(err)
		}
	}
	sync()
	testlog.Eventually(t, "the second's state", func() bool { return same(t, n, "repox", up, "second.git") })
	up.Intercept(nil)
	sync()
	testlog.Eventually(t, "the first's state", func() bool { return same(t, n, "repox", up, "first.git") })
}

// Other prefixes ask another question, even where the answer is the same: a
// server of protocol 0 always sends everything.
func TestUnchangedIsOfOneSetOfPrefixes(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	up.Intercept(func(_ http.ResponseWriter, r *http.Request) bool { r.Header.Del("Git-Protocol"); return false })
	b := newBook()
	n := startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	arrives(t, n, "repox", 1)
	if _, err := n.engine.Sync(t.Context(), "repox"); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	row := b.rows["repox"]
	row.Policy.RefPrefixes = []string{"refs/heads/"}
	b.rows["repox"] = row
	b.mu.Unlock()
	b.tell()
	arrives(t, n, "repox", 2)
}

// An owner that is behind has not what was published, whatever upstream shows.
func TestUnchangedIsNoAnswerForWhoIsBehind(t *testing.T) {
	_, b, n := mirrored(t)
	if _, err := n.engine.Sync(t.Context(), "repox"); err != nil { // from now on upstream is known
		t.Fatal(err)
	}
	b.mu.Lock()
	row := b.rows["repox"]
	row.Generation, row.Digest, row.Epoch = 2, refs.Digest{2}, 3 // another has published it, and is gone
	b.rows["repox"] = row
	b.mu.Unlock()
	b.tell()
	arrives(t, n, "repox", 3)
}
