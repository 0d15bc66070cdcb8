package serve_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/serve"
)

const (
	request = "application/x-git-upload-pack-request"
	agent   = "agent=x"
)

func post(t *testing.T, url, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/git-upload-pack", strings.NewReader(body))
	must(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(answer)
}

func TestOddRequests(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, sample)
	v2 := []string{"Content-Type", request, "Git-Protocol", "version=2"}
	lsRefs := gittest.Packets("command=ls-refs\n", agent, "0001", "0000")
	for _, tc := range []struct {
		name    string
		body    string
		headers []string
		status  int
	}{
		{"ls-refs", lsRefs, v2, 200},
		{"another content type", lsRefs, []string{"Content-Type", "text/plain", "Git-Protocol", "version=2"}, 415},
		{"form", lsRefs, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"unknown encoding", lsRefs, append(v2, "Content-Encoding", "br"), 400},
		{"not gzip", lsRefs, append(v2, "Content-Encoding", "gzip"), 400},
		{"empty", "", v2, 400},
		{"rubbish", "GET / HTTP/1.0", v2, 400},
		{"a flush", "0000", v2, 400},
		{"no command", gittest.Packets(agent, "0001", "0000"), v2, 400},
		{"capabilities without end", strings.Repeat(gittest.Packets(agent), 1000), v2, 400},
		{"ls-refs without end", gittest.Packets("command=ls-refs\n", "0001", "peel"), v2, 400},
	} {
		if status, _, answer := post(t, g.url, tc.body, tc.headers...); status != tc.status {
			t.Errorf("%s: %d, want %d: %.200s", tc.name, status, tc.status, answer)
		}
	}
	_, headers, _ := post(t, g.url, lsRefs, v2...)
	if ct, cc := headers.Get("Content-Type"), headers.Get("Cache-Control"); ct != "application/x-git-upload-pack-result" || !strings.Contains(cc, "no-cache") {
		t.Errorf("content type %q, cache control %q", ct, cc)
	}
}

// Capabilities may stand before the command: git's own ls-refs must not answer
// in our place, with what we hide.
func TestCommandBehindCapabilities(t *testing.T) {
	g := newRig(t)
	must(t, g.upstream.Edit(sample))
	lost, err := g.upstream.Git("rev-parse", "side")
	must(t, err)
	g.publish(t, []refs.Ref{{Name: "refs/gitmirror/kept/1700000000/heads/x", OID: lost}}, nil)
	for _, body := range []string{
		gittest.Packets("command=ls-refs\n", agent, "0001", "0000"),
		gittest.Packets(agent, "command=ls-refs\n", "0001", "0000"),
		gittest.Packets(agent, "object-format=sha1", "command=ls-refs", "0001", "symrefs", "peel", "0000"),
	} {
		status, _, answer := post(t, g.url, body, "Content-Type", request, "Git-Protocol", "version=2")
		if status != 200 || !strings.Contains(answer, "refs/heads/main") || strings.Contains(answer, "gitmirror") {
			t.Errorf("%q: %d %s", body, status, answer)
		}
	}
}

func TestUnpackedRequestsAreBounded(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, sample)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = io.WriteString(z, gittest.Packets("command=ls-refs\n", "0001"))
	prefix := strings.Repeat(gittest.Packets("ref-prefix "+strings.Repeat("x", 1000)), 1000)
	for range 80 { // about 80 MB
		_, _ = io.WriteString(z, prefix)
	}
	_, _ = io.WriteString(z, "0000")
	must(t, z.Close())
	status, _, answer := post(t, g.url, bomb.String(), "Content-Type", request, "Git-Protocol", "version=2", "Content-Encoding", "gzip")
	if status != 413 {
		t.Errorf("%d %.100s", status, answer)
	}
}

// All refs of a repository with very many can be asked for at once, and what makes git
// walk through the history again and again cannot.
func TestRequestsOfManyLines(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, sample)
	tip, err := g.upstream.Git("rev-parse", "main")
	must(t, err)
	headers := []string{"Content-Type", request, "Git-Protocol", "version=2"}
	wants := gittest.Packets("command=fetch", "0001") + strings.Repeat(gittest.Packets("want "+tip+"\n"), 200_000)
	status, _, answer := post(t, g.url, wants+gittest.Packets("done\n", "0000"), headers...)
	if status != 200 || !strings.Contains(answer, "PACK") {
		t.Errorf("10 MiB of wants: %d %.200q", status, answer)
	}
	body := gittest.Packets("command=fetch", "0001", "want "+tip+"\n") + strings.Repeat(gittest.Packets("deepen-not refs/heads/side\n"), 1000) + gittest.Packets("done\n", "0000")
	if status, _, answer := post(t, g.url, body, headers...); status != 400 || !strings.Contains(answer, "arguments") {
		t.Errorf("a thousand deepen-nots: %d %.200q", status, answer)
	}
	body = gittest.Packets("command=fetch", "0001", "want "+tip+"\n") + strings.Repeat(gittest.Packets("shallow "+strings.Repeat("1", 40)+"\n"), 60_000) + gittest.Packets("deepen 1\n", "done\n", "0000")
	if status, _, answer := post(t, g.url, body, headers...); status != 400 || !strings.Contains(answer, "shallow lines") {
		t.Errorf("sixty thousand shallows: %d %.200q", status, answer)
	}
}

func TestUnknownObjectIsSaid(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, sample)
	each(t, func(t *testing.T, version string) {
		dir := t.TempDir()
		run(t, dir, "init", "--quiet", ".")
		if out, err := try(t, dir, "-c", version, "fetch", g.url, strings.Repeat("1", 40)); err == nil || !strings.Contains(out, "not our ref") && !strings.Contains(out, "unadvertised object") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// A repository that is taken away is an error that a client shows, not an
// empty clone.
func TestTrashedRepository(t *testing.T) {
	g := newRig(t)
	table := g.publish(t, nil, sample)
	must(t, g.store.Trash("01JREPO1", fixedTime))
	status, _, answer := post(t, g.url, gittest.Packets("command=fetch", "0001", "want "+table.Refs[0].OID+"\n", "done\n", "0000"), "Content-Type", request, "Git-Protocol", "version=2")
	if status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", status, answer)
	}
	if out, err := try(t, t.TempDir(), "clone", g.url, "x"); err == nil {
		t.Errorf("cloned what is gone: %s", out)
	}
}

// noise is what nothing compresses.
func noise(seed byte, size int) string {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return string(b)
}

// slowly asks for everything, and reads only the beginning of the answer. plain asks in
// version 0, and without sidebands.
func (g *rig) slowly(t *testing.T, plain bool) io.Reader {
	t.Helper()
	want := "want " + g.table.Refs[0].OID + "\n"
	body := gittest.Packets("command=fetch", "0001", want, "done\n", "0000")
	if plain {
		body = gittest.Packets(want, "0000", "done\n")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/git-upload-pack", strings.NewReader(body))
	must(t, err)
	req.Header.Set("Content-Type", request)
	if !plain {
		req.Header.Set("Git-Protocol", "version=2")
	}
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	_, err = io.ReadFull(resp.Body, make([]byte, 64<<10))
	must(t, err)
	return resp.Body
}

// A client that takes its time gets all of what it asked for, and a copy that is
// damaged or has to leave does not wait for it.
func TestASlowClientHoldsUpNobody(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": noise(1, 12<<20)}) })
	g.publish(t, nil, func(e *upstream.Edit) { e.Commit("main", "two", map[string]string{"b": noise(2, 12<<20)}) })
	rest := g.slowly(t, false)
	must(t, g.store.Trash("01JREPO1", fixedTime))
	_, err := g.store.Ensure("01JREPO1", "acme/x") // another takes its place on the disk
	must(t, err)
	answer, err := io.ReadAll(rest)
	must(t, err)
	if len(answer) < 24<<20-64<<10 || !bytes.HasSuffix(answer, []byte("0000")) {
		t.Errorf("the answer ended early, after %d bytes more", len(answer))
	}
}

// dawdler is a client that takes its time over one write.
type dawdler struct {
	*httptest.ResponseRecorder
	takes chan struct{} // closed when it goes on
}

func (d *dawdler) Write(b []byte) (int, error) {
	<-d.takes
	return d.ResponseRecorder.Write(b)
}

// git ends as soon as the last of a pack is in a pipe: a client that takes longer over
// that than a process may take to end is no failure, and no reason to doubt the copy.
func TestAClientMayTakeItsTimeOverTheEnd(t *testing.T) {
	g := newRig(t)
	table := g.publish(t, nil, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"noise": noise(0, 60_000)}) })
	before := suspected.Load()
	body := gittest.Packets("command=fetch", "0001", "want "+table.Refs[0].OID+"\n", "done\n", "0000")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", request)
	r.Header.Set("Git-Protocol", "version=2")
	w := &dawdler{ResponseRecorder: httptest.NewRecorder(), takes: make(chan struct{})}
	ended := make(chan any, 1)
	go func() {
		var how any
		defer func() {
			if cut := recover(); cut != nil {
				how = cut
			}
			ended <- how
		}()
		if err := g.server.UploadPack(w, r, serve.View{Repo: g.live, Table: table}); err != nil {
			how = err
		}
	}()
	select {
	case how := <-ended:
		t.Fatalf("the answer ended before the client had taken it: %v", how)
	case <-time.After(6 * time.Second): // a process that was told to end has five
	}
	close(w.takes)
	if how := <-ended; how != nil {
		t.Errorf("the answer ended with %v", how)
	}
	if answer := w.Body.Bytes(); len(answer) < 60_000 || !bytes.HasSuffix(answer, []byte("0000")) {
		t.Errorf("the answer ended early, with %d bytes", len(answer))
	}
	if suspected.Load() != before {
		t.Error("the copy is suspected")
	}
}

// A pack that git did not finish does not end like one that is whole: without
// sidebands, the connection is cut.
func TestKilledGitCutsTheConnection(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"noise": noise(0, 12<<20)}) })
	rest := g.slowly(t, true)
	for _, pid := range uploadPacks(t, g.live.Dir()) {
		must(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	if n, err := io.Copy(io.Discard, rest); err == nil {
		t.Errorf("%d bytes that end as if they were all", n)
	}
}

// uploadPacks finds the git processes that serve a repository.
func uploadPacks(t *testing.T, dir string) (pids []int) {
	t.Helper()
	cwds, err := filepath.Glob("/proc/[0-9]*/cwd")
	must(t, err)
	for _, link := range cwds {
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
		if cwd, err := os.Readlink(link); err == nil && cwd == dir && strings.Contains(string(cmdline), "upload-pack") {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			must(t, err)
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		t.Fatal("no git serves the repository")
	}
	return pids
}

func TestDamagedPackIsNoSuccess(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, sample)
	packs, err := filepath.Glob(filepath.Join(g.live.Dir(), "objects/pack/*.pack"))
	must(t, err)
	for _, p := range packs {
		damage(t, p)
	}
	each(t, func(t *testing.T, version string) {
		if out, err := try(t, t.TempDir(), "-c", version, "clone", "--mirror", g.url, "m"); err == nil {
			t.Errorf("a clone of a damaged repository succeeds:\n%s", out)
		}
	})
}
