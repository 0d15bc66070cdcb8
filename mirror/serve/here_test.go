package serve_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"gitmirror/internal/upstream"
	"gitmirror/mirror/gogit"
	"gitmirror/mirror/serve"
)

// A node without git sends peers what they ask for, and clients nothing.
func TestPeersAreServedWithoutGit(t *testing.T) {
	g := newRigWith(t, gogit.New(gogit.Config{}))
	g.publish(t, nil, sample)
	dir := t.TempDir()
	if out, err := try(t, dir, "clone", g.url, "c"); err == nil || !strings.Contains(out, "503") {
		t.Errorf("a client is served: %v\n%s", err, out)
	}
	g.mu.Lock()
	g.includePrivate = true
	g.mu.Unlock()
	run(t, dir, "clone", "--quiet", "--mirror", g.url, "c.git")
	run(t, dir+"/c.git", "fsck", "--strict")
	for _, what := range []string{"more", "and more"} {
		g.publish(t, nil, func(e *upstream.Edit) { e.Commit("main", what, map[string]string{"a.txt": what}) })
		run(t, dir+"/c.git", "fetch", "--quiet", "--prune", "origin")
		run(t, dir+"/c.git", "fsck", "--strict")
	}
	if got, want := run(t, dir+"/c.git", "for-each-ref"), run(t, g.upstream.Dir, "for-each-ref"); got != want {
		t.Errorf("the copy shows\n%s\nand upstream\n%s", got, want)
	}
	// Who has a long history that is nobody's here is asked for more of it, until that is all.
	other := t.TempDir()
	run(t, other, "init", "--quiet", "o")
	for range 40 {
		run(t, other+"/o", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "--allow-empty", "-m", "x")
	}
	run(t, other+"/o", "fetch", "--quiet", g.url, "refs/heads/main")
	run(t, other+"/o", "fsck", "--strict", "FETCH_HEAD")
	if out, err := try(t, dir, "clone", "--depth=1", g.url, "d"); err == nil {
		t.Errorf("a clone that is cut off was made\n%s", out)
	}
	if out, err := try(t, dir, "-c", "protocol.version=0", "clone", g.url, "d"); err == nil || !strings.Contains(out, "400") {
		t.Errorf("version 0: %v\n%s", err, out)
	}
}

// breaking is a sender that breaks off.
type breaking struct {
	serve.Sender
	after int
}

func (b breaking) Send(ctx context.Context, w io.Writer, dir string, wants, haves []string) error {
	var pack bytes.Buffer
	if err := b.Sender.Send(ctx, &pack, dir, wants, haves); err != nil {
		return err
	}
	_, _ = w.Write(pack.Bytes()[:b.after])
	return errors.New("it breaks off")
}

// What fails before a pack begins is answered by another copy; what breaks off ends with an error.
func TestPacksThatCannotBeMadeWithoutGit(t *testing.T) {
	for after, says := range map[int]string{0: "503", 500 << 10: "gitmirror: the pack of acme/x broke off"} {
		g := newRigWith(t, breaking{gogit.New(gogit.Config{}), after})
		g.publish(t, nil, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"noise": noise(0, 1<<20)}) })
		g.mu.Lock()
		g.includePrivate = true
		g.mu.Unlock()
		before := suspected.Load()
		if out, err := try(t, t.TempDir(), "clone", g.url, "c"); err == nil || !strings.Contains(out, says) {
			t.Errorf("after %d bytes of a pack: %v\n%s, want %q", after, err, out, says)
		}
		if suspected.Load() == before {
			t.Error("the copy is not suspected")
		}
	}
}
