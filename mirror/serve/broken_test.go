package serve_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	gogit "github.com/go-git/go-git/v5"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/serve"
)

// after has something happen once an answer has come to that many bytes.
type after struct {
	http.ResponseWriter
	bytes int
	then  func()
}

func (a *after) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *after) Write(b []byte) (int, error) {
	if a.bytes -= len(b); a.bytes < 0 && a.then != nil {
		a.then()
		a.then = nil
	}
	return a.ResponseWriter.Write(b)
}

// When the pack breaks off, git shows why, and takes what it has got for nothing; that
// it is not a network that failed shows in what curl does not say.
func TestAPackThatBreaksOffEndsWithAnError(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, func(e *upstream.Edit) {
		e.Commit("main", "one", map[string]string{"noise": noise(0, 4<<20)})
		e.Commit("main", "two", map[string]string{"more": noise(1, 4<<20)})
	})
	g.answers(func(w http.ResponseWriter) http.ResponseWriter {
		return &after{w, 2 << 20, func() {
			for _, pid := range uploadPacks(t, g.live.Dir()) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}}
	})
	each(t, func(t *testing.T, version string) {
		dir := t.TempDir()
		out, err := try(t, dir, "-c", version, "clone", "--progress", g.url, "c")
		if err == nil || !strings.Contains(out, "gitmirror: the pack of acme/x broke off") || strings.Contains(out, "curl") || strings.Contains(out, "hung up") {
			t.Errorf("%v\n%s", err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "c")); err == nil {
			t.Error("something was left as a clone")
		}
	})
	t.Run("go-git", func(t *testing.T) {
		if _, err := gogit.PlainCloneContext(t.Context(), t.TempDir(), true, &gogit.CloneOptions{URL: g.url}); err == nil || strings.Contains(err.Error(), "unexpected EOF") {
			t.Errorf("a clone by go-git: %v", err)
		}
	})
	g.answers(nil)
	run(t, t.TempDir(), "clone", g.url, "c")
}

// A node that stops says so to those it is in the middle of answering.
func TestAnAnswerThatIsEndedByUsSaysSo(t *testing.T) {
	g := newRig(t)
	table := g.publish(t, nil, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"noise": noise(0, 4<<20)}) })
	ctx, stop := context.WithCancelCause(t.Context())
	body := gittest.Packets("command=fetch", "0001", "want "+table.Refs[0].OID+"\n", "done\n", "0000")
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", request)
	r.Header.Set("Git-Protocol", "version=2")
	w := httptest.NewRecorder()
	err := g.server.UploadPack(&after{w, 1 << 20, sync.OnceFunc(func() { stop(errors.New("this node is stopping")) })}, r, serve.View{Repo: g.live, Table: table})
	if answer := w.Body.Bytes(); err != nil || !bytes.HasSuffix(answer, []byte("\x03gitmirror: this node is stopping")) || len(answer) > 3<<20 {
		_, _ = io.Copy(io.Discard, w.Body)
		t.Errorf("%v, %d bytes that end in %q", err, len(answer), answer[max(0, len(answer)-80):])
	}
}
