package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
)

func TestOnlyThePolicysRefsAreMirrored(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	for _, ref := range []string{"refs/pull/1/head", "refs/merge-requests/2/head", "refs/keep-around/x"} {
		if _, err := r.Git("update-ref", ref, "refs/heads/main"); err != nil {
			t.Fatal(err)
		}
	}
	b := newBook()
	n := startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	arrives(t, n, "repox", 1)
	if out := lsRemote(t, n.http.URL+"/repox"); strings.Contains(out, "refs/pull") || strings.Contains(out, "refs/keep") || !strings.Contains(out, "refs/tags/v1") {
		t.Errorf("mirrored:\n%s", out)
	}
}

func TestPrivateNamespaceOfAnUpstreamIsNotMirrored(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	for _, ref := range []string{"refs/pull/1/head", "refs/gitmirror/kept/1/heads/x"} {
		if _, err := r.Git("update-ref", ref, "refs/heads/main"); err != nil {
			t.Fatal(err)
		}
	}
	b := newBook()
	n := startNode(t, b, t.TempDir())
	b.add("repoall", up.URL("x.git"))
	row := b.rows["repoall"]
	row.Policy.RefPrefixes = []string{"refs/"}
	b.rows["repoall"] = row
	n.roles["repoall"] = mirror.Owner
	b.tell()
	arrives(t, n, "repoall", 1)
	c, err := n.engine.Open("repoall", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Table().Find("refs/pull/1/head"); !ok {
		t.Error("refs/pull was asked for and is not there")
	}
	for _, ref := range c.Table().Refs {
		if !ref.Public() {
			t.Errorf("%s was taken from an upstream", ref.Name)
		}
	}
}

func TestNextURLWhereTheFirstFails(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "second.git")
	b := newBook()
	n := startNode(t, b, t.TempDir())
	b.add("repox", up.URL("first.git"))
	row := b.rows["repox"]
	row.URLs = append(row.URLs, up.URL("second.git"))
	b.rows["repox"] = row
	n.roles["repox"] = mirror.Owner
	b.tell()
	arrives(t, n, "repox", 1)
	if s, _ := n.engine.Status("repox"); s.Failure != nil || !same(t, n, "repox", up, "second.git") {
		t.Errorf("%v", s.Failure)
	}
}

func TestMassDeletionIsHeldUntilItIsTakenBack(t *testing.T) {
	up := gittest.Upstream(t)
	r, err := up.Repo("x.git")
	if err != nil {
		t.Fatal(err)
	}
	gittest.Edit(t, r, func(e *upstream.Edit) {
		e.Commit("main", "one", map[string]string{"a": "a"})
		for i := range 14 {
			e.Branch(fmt.Sprintf("b%02d", i), "main")
		}
	})
	b := newBook()
	n := startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	arrives(t, n, "repox", 1)
	remove := func(from, to int) {
		for i := from; i < to; i++ {
			if _, err := r.Git("update-ref", "-d", fmt.Sprintf("refs/heads/b%02d", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	sync := func() mirror.SyncResult {
		t.Helper()
		res, err := n.engine.Sync(t.Context(), "repox")
		if err != nil || res.Failure != nil {
			t.Fatal(res.Failure, err)
		}
		return res
	}
	b.mu.Lock() // only the checks of this test
	row := b.rows["repox"]
	row.Policy.Interval = time.Hour
	b.rows["repox"] = row
	b.mu.Unlock()
	b.tell()
	sync()
	remove(0, 4) // 4 of 15: fewer than 5
	if res := sync(); res.Hold != nil || res.Generation != 2 {
		t.Errorf("a small deletion: %+v", res)
	}
	before := lsRemote(t, n.http.URL+"/repox")
	remove(4, 10) // 6 of 11
	res := sync()
	if res.Hold == nil || res.Hold.Reason != "mass_delete" || res.Hold.Observed.IsZero() || res.Hold.Lost == 0 {
		t.Fatalf("a mass deletion: %+v", res)
	}
	if again := sync(); again.Hold == nil || again.Hold.Observed != res.Hold.Observed {
		t.Errorf("looked at again: %+v", again.Hold)
	}
	if after := lsRemote(t, n.http.URL+"/repox"); after != before {
		t.Errorf("a held deletion changed what is served:\n%s", after)
	}
	gittest.Edit(t, r, func(e *upstream.Edit) {
		for i := 4; i < 10; i++ {
			e.Branch(fmt.Sprintf("b%02d", i), "main")
		}
	})
	if res := sync(); res.Hold != nil {
		t.Errorf("taken back: %+v", res)
	}
	if s, _ := n.engine.Status("repox"); s.Hold != nil {
		t.Errorf("still held: %+v", s.Hold)
	}
}

// What is asked for while a check runs is one more check, however often.
func TestRequestsShareOneRunningAndOneQueuedCheck(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	b := newBook()
	n := startNode(t, b, t.TempDir())
	b.add("repox", up.URL("x.git"))
	row := b.rows["repox"]
	row.Policy.Interval = time.Hour
	b.rows["repox"] = row
	n.roles["repox"] = mirror.Owner
	b.tell()
	arrives(t, n, "repox", 1)
	if _, err := n.engine.Sync(t.Context(), "repox"); err != nil {
		t.Fatal(err)
	}
	checks := up.Count("x.git", upstream.KindCheck)

	arrived, release := make(chan bool, 10), make(chan struct{})
	up.Intercept(func(_ http.ResponseWriter, r *http.Request) bool { arrived <- true; <-release; return false })
	results := make(chan mirror.SyncResult, 100)
	sync := func() {
		res, err := n.engine.Sync(t.Context(), "repox")
		if err != nil {
			t.Error(err)
		}
		results <- res
	}
	go sync()
	<-arrived
	for range 50 {
		if err := n.engine.Request("repox"); err != nil {
			t.Fatal(err)
		}
	}
	waiting := 0
	for range 49 {
		go sync()
		waiting++
	}
	up.Intercept(nil)
	close(release)
	for range waiting + 1 {
		if res := <-results; res.Failure != nil || res.Generation != 1 {
			t.Errorf("%+v", res)
		}
	}
	if n := up.Count("x.git", upstream.KindCheck) - checks; n < 2 || n > 4 {
		t.Errorf("100 requests made %d checks, want 2, or one or two more for those that came late", n)
	}

	// The outcome is that of a check that began after the request.
	for i := range 10 {
		gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "more", map[string]string{"n": fmt.Sprint(i)}) })
		res, err := n.engine.Sync(t.Context(), "repox")
		if err != nil || res.Failure != nil || len(res.Changes) != 1 || res.Generation != uint64(i+2) {
			t.Fatalf("%+v, %v", res, err)
		}
	}
}

func TestSyncOfWhatIsNotOwned(t *testing.T) {
	b := newBook()
	n := startNode(t, b, t.TempDir())
	if _, err := n.engine.Sync(t.Context(), "nothing"); !errors.Is(err, mirror.ErrNotOwner) {
		t.Errorf("%v, want ErrNotOwner", err)
	}
	b.add("repox", "http://127.0.0.1:1/x")
	n.roles["repox"] = mirror.Replica
	b.tell()
	if err := n.engine.Request("repox"); !errors.Is(err, mirror.ErrNotOwner) {
		t.Errorf("%v, want ErrNotOwner", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n.roles["repox"] = mirror.Owner
	b.tell()
	if _, err := n.engine.Sync(ctx, "repox"); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A damaged copy is thrown away, or replaced, and copied from a peer anew.
func TestDamagedCopyHeals(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	b := newBook()
	dirs := []string{t.TempDir(), t.TempDir()}
	owner, replica := startNode(t, b, dirs[0]), startNode(t, b, dirs[1])
	b.add("repox", up.URL("x.git"))
	owner.roles["repox"], replica.roles["repox"] = mirror.Owner, mirror.Replica
	b.tell()
	arrives(t, owner, "repox", 1)
	arrives(t, replica, "repox", 1)
	for name, change := range map[string]func([]byte) []byte{
		"header": func(data []byte) []byte { data[70] ^= 1; return data },
		"body":   func(data []byte) []byte { data[len(data)-3] ^= 1; return data },
		"empty":  func([]byte) []byte { return nil },
	} {
		for i, role := range []mirror.Role{mirror.Owner, mirror.Replica} {
			hurt := []*node{owner, replica}[i]
			path := filepath.Join(copyDir(t, hurt, "repox"), "packed-refs")
			hurt.stop()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, change(data), 0o644); err != nil {
				t.Fatal(err)
			}
			b.mu.Lock()
			b.nodes = []*node{[]*node{replica, owner}[i]}
			b.mu.Unlock()
			hurt = startNode(t, b, dirs[i])
			hurt.roles["repox"] = role
			if i == 0 {
				owner = hurt
			} else {
				replica = hurt
			}
			b.tell()
			testlog.Eventually(t, fmt.Sprintf("the %s's damaged %s to heal", role, name), func() bool {
				_, err := hurt.engine.Open("repox", false)
				return err == nil && same(t, hurt, "repox", up, "x.git")
			})
		}
	}
	gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "more", map[string]string{"d": "d"}) })
	for _, n := range []*node{owner, replica} {
		testlog.Eventually(t, "the next push", func() bool { return same(t, n, "repox", up, "x.git") })
	}
	if n := up.Count("x.git", upstream.KindClone); n != 1 {
		t.Errorf("upstream saw %d clones, want 1", n)
	}
}
