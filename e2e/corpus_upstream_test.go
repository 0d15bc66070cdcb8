package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
)

// ofCheck tells requests of a check from git's own.
func ofCheck(r *http.Request) bool { return strings.Contains(r.UserAgent(), "gitmirror") }

func pkts(lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%04x%s\n", len(l)+5, l)
	}
	return b.String() + "0000"
}

// claims has one repository of the forge show these refs; everything else it answers
// is true.
func (c *corpus) claims(path string, lines ...string) {
	c.up.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/"+path+"/") || r.Method != http.MethodPost || !ofCheck(r) {
			return false
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		_, _ = io.WriteString(w, pkts(lines...))
		return true
	})
}

// answers has one repository of the forge answer like that.
func (c *corpus) answers(path string, answer http.HandlerFunc) {
	c.up.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/"+path+"/") {
			return false
		}
		answer(w, r)
		return true
	})
}

func (c *corpus) tip(path, name string) string {
	c.Helper()
	oid, err := c.up.repos[path].Git("rev-parse", name)
	if err != nil {
		c.Fatal(err)
	}
	return oid
}

// object writes an object that git would not make.
func (c *corpus) object(path, kind, content string) string {
	c.Helper()
	cmd := exec.Command("git", "hash-object", "-t", kind, "--literally", "-w", "--stdin")
	cmd.Dir, cmd.Env, cmd.Stdin = c.up.repos[path].Dir, upstream.Environ(c.up.repos[path].Dir), strings.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		c.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func (c *corpus) ref(path, name, oid string) {
	c.Helper()
	if _, err := c.up.repos[path].Git("update-ref", name, oid); err != nil {
		c.Fatal(err)
	}
}

// entry is one of a tree.
func entry(mode, name, oid string) string {
	raw, _ := hex.DecodeString(oid)
	return mode + " " + name + "\x00" + string(raw)
}

func commitOf(tree, who string) string {
	return "tree " + tree + "\nauthor " + who + "\ncommitter " + who + "\n\nx\n"
}

const honestPerson = "A <a@example.invalid> 1700000000 +0000"

// skips wants a claimed list of refs to be mirrored but for those of the last names.
func (c *corpus) skips(path string, hostile ...string) {
	c.Helper()
	c.up.sample(path)
	main := c.tip(path, "main")
	lines := []string{main + " HEAD symref-target:refs/heads/main", main + " refs/heads/main"}
	for _, h := range hostile {
		lines = append(lines, main+" "+h)
	}
	c.claims(path, lines...)
	name := c.mirror(path)
	r := c.becomes(name, "ready")
	if r.Skipped == nil || r.Skipped.Count != len(hostile) || len(r.Skipped.First) == 0 || r.Skipped.First[0].Reason == "" {
		c.Errorf("skipped %+v, want %d with reasons", r.Skipped, len(hostile))
	}
	if got := gittest.LsRemote(c, c.node.gitURL(name)); strings.Count(got, main) != 2 {
		c.Errorf("shown:\n%s", got)
	}
	c.clones(name)
}

// upstreamRows are what upstreams show and do.
var upstreamRows = []row{
	{id: "R01", name: "refs that climb", run: func(c *corpus) {
		c.skips("r01", "refs/heads/../../config", "refs/heads/../../hooks/post-update")
		found, _ := filepath.Glob(filepath.Join(c.node.Dir, "repos", "*", "*", "hooks", "*"))
		if len(found) > 0 {
			c.Errorf("there is %v", found)
		}
	}},
	{id: "R02", name: "refs that git does not allow", run: func(c *corpus) {
		c.skips("r02", "refs/heads/foo.lock", "refs/heads/a..b", "refs/heads/a~b", "refs/heads/a^", "refs/heads/a:b", "refs/heads/a?", "refs/heads/a[", `refs/heads/a\b`, "refs/heads/a.", "refs/heads/@{x", "refs/heads/\x1b[31m", "refs/heads/"+strings.Repeat("x", 2000))
	}},
	{id: "R03", name: "refs like options", run: func(c *corpus) {
		c.up.sample("r03")
		main := c.tip("r03", "main")
		c.ref("r03", "refs/heads/--upload-pack=x", main)
		c.ref("r03", "refs/heads/-d", main)
		name := c.mirror("r03")
		c.becomes(name, "ready")
		if got := gittest.LsRemote(c, c.node.gitURL(name)); got != gittest.LsRemote(c, c.up.URL("r03")) {
			c.Errorf("shown:\n%s", got)
		}
		c.clones(name)
	}},
	{id: "R04", name: "a ref within a ref", run: func(c *corpus) { c.skips("r04", "refs/heads/main/b") }},
	{id: "R06", name: "names that differ in case or in composition", run: func(c *corpus) {
		c.up.sample("r06")
		for _, n := range []string{"Main", "\u00e9", "e\u0301"} {
			c.ref("r06", "refs/heads/"+n, c.tip("r06", "main"))
		}
		name := c.mirror("r06")
		c.becomes(name, "ready")
		if got := gittest.LsRemote(c, c.node.gitURL(name)); got != gittest.LsRemote(c, c.up.URL("r06")) {
			c.Errorf("shown:\n%s", got)
		}
	}},
	{id: "R09", name: "markup and escapes in names and messages", run: func(c *corpus) {
		c.up.sample("r09")
		c.ref("r09", "refs/heads/<script>alert(1)</script>", c.tip("r09", "main"))
		c.up.edit("r09", func(e *upstream.Edit) {
			e.Commit("main", "\x1b[31mred\r\nX-Injected: 1\n<script>", map[string]string{"a": "a"})
		})
		name := c.mirror("r09")
		c.becomes(name, "ready")
		c.clones(name)
		if log := c.node.tail(); strings.Contains(log, "\x1b[31m") {
			c.Error("the log has an escape sequence")
		}
	}},
	{id: "R11", name: "refs of a forge's own", run: func(c *corpus) {
		c.up.sample("r11")
		for _, n := range []string{"refs/pull/1/head", "refs/merge-requests/1/head", "refs/keep-around/x", "refs/changes/01/1/1"} {
			c.ref("r11", n, c.tip("r11", "main"))
		}
		name := c.mirror("r11")
		c.becomes(name, "ready")
		if got := gittest.LsRemote(c, c.node.gitURL(name)); strings.Contains(got, "pull") || strings.Contains(got, "keep-around") || !strings.Contains(got, "refs/heads/side") {
			c.Errorf("shown:\n%s", got)
		}
	}},
	{id: "R12", name: "HEAD that leads nowhere, out, or is not there", run: func(c *corpus) {
		c.up.sample("r12")
		main := c.tip("r12", "main")
		name := ""
		for _, head := range []string{main + " HEAD symref-target:refs/heads/missing", main + " HEAD symref-target:refs/heads/../x", "unborn HEAD symref-target:refs/heads/x", main + " HEAD", main + " HEAD symref-target:HEAD", ""} {
			lines := []string{main + " refs/heads/main"}
			if head != "" {
				lines = append([]string{head}, lines...)
			}
			c.claims("r12", lines...)
			if name == "" {
				name = c.mirror("r12")
				c.becomes(name, "ready")
			}
			if status, p, _ := c.ask(c.node, "POST", "/api/v1/repos/"+name+":sync?wait=4s", ""); status != 200 {
				c.Errorf("%q: %d %s", head, status, p.Detail)
			}
			gittest.Run(c, c.TempDir(), "clone", "--quiet", "--bare", c.node.gitURL(name), "c")
		}
	}},
	{id: "R14", name: "more refs than are mirrored", run: func(c *corpus) {
		c.up.sample("r14")
		main := c.tip("r14", "main")
		name := c.mirror("r14")
		before := c.becomes(name, "ready").RefsDigest
		var b strings.Builder
		for i := range 200_001 {
			line := fmt.Sprintf("%s refs/heads/%d", main, i)
			fmt.Fprintf(&b, "%04x%s\n", len(line)+5, line)
		}
		many := b.String() + "0000"
		c.answers("r14", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
				_, _ = io.WriteString(w, "001e# service=git-upload-pack\n0000000eversion 2\n000cls-refs\n000afetch\n0000")
				return
			}
			w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
			_, _ = io.WriteString(w, many)
		})
		if e := c.fails(c.node, name, "refused"); !strings.Contains(e.Message, "refs") {
			c.Error(e.Message)
		}
		if r := c.becomes(name, "failing"); r.RefsDigest != before {
			c.Error("what is served has changed")
		}
		c.clones(name)
	}},
	{id: "R15", name: "refs that are all gone", run: func(c *corpus) {
		c.up.sample("r15")
		name := c.mirror("r15")
		before := c.becomes(name, "ready")
		c.claims("r15")
		if r := c.becomes(name, "held"); r.Reason == "" || r.RefsDigest != before.RefsDigest {
			c.Errorf("held for %q", r.Reason)
		}
		c.clones(name)
	}},
	{id: "R16", name: "nearly all refs gone", run: func(c *corpus) {
		c.up.sample("r16")
		main := c.tip("r16", "main")
		for i := range 25 {
			c.ref("r16", fmt.Sprintf("refs/heads/b%d", i), main)
		}
		name := c.mirror("r16")
		before := c.becomes(name, "ready")
		c.claims("r16", main+" HEAD symref-target:refs/heads/main", main+" refs/heads/main")
		if r := c.becomes(name, "held"); r.Reason == "" || r.RefsDigest != before.RefsDigest {
			c.Errorf("held for %q", r.Reason)
		}
		c.clones(name)
	}},
	{id: "R17", name: "a repository made anew under its name", tested: "mirror TestRepositoryMadeAnewIsHeld"},
	{id: "R18", name: "losses that are held, approved, taken back", tested: "e2e TestTakenAwayHeldApprovedAndRestored"},
	{id: "R19", name: "refs to blobs, trees, tags of tags, and to nothing", run: func(c *corpus) {
		c.up.sample("r19")
		c.ref("r19", "refs/tags/blob", c.tip("r19", "main:a.txt"))
		c.ref("r19", "refs/tags/tree", c.tip("r19", "main^{tree}"))
		inner := c.object("r19", "tag", "object "+c.tip("r19", "main")+"\ntype commit\ntag in\ntagger "+honestPerson+"\n\nx\n")
		c.ref("r19", "refs/tags/outer", c.object("r19", "tag", "object "+inner+"\ntype tag\ntag out\ntagger "+honestPerson+"\n\nx\n"))
		name := c.mirror("r19")
		r := c.becomes(name, "ready")
		if got := gittest.LsRemote(c, c.node.gitURL(name)); got != gittest.LsRemote(c, c.up.URL("r19")) {
			c.Errorf("shown:\n%s", got)
		}
		c.clones(name)
		c.claims("r19", c.tip("r19", "main")+" refs/heads/main", strings.Repeat("1", 40)+" refs/heads/missing")
		c.fails(c.node, name, "protocol", "corrupt", "network")
		if now := c.becomes(name, "failing"); now.Generation != r.Generation {
			c.Error("a ref to nothing was published")
		}
	}},

	{id: "V01", name: "a connection that is taken, and no word", slow: true, run: func(c *corpus) {
		c.up.sample("v01")
		c.answers("v01", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		name := c.mirror("v01")
		testlog.EventuallyIn(c, time.Minute, "a time-out", func() bool {
			r, err := c.node.client.Repo(c.Context(), name)
			return err == nil && r.Error != nil && r.Error.Class == "timeout"
		})
	}},
	{id: "V02", name: "a byte a second, of refs and of a pack", slow: true, run: func(c *corpus) {
		drip := func(w http.ResponseWriter, r *http.Request, kind, begin string) {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-"+kind)
			_, _ = io.WriteString(w, begin)
			for pace := time.NewTicker(time.Second); r.Context().Err() == nil; <-pace.C {
				_, _ = io.WriteString(w, "0")
				_ = http.NewResponseController(w).Flush()
			}
		}
		c.up.sample("v02-refs")
		c.up.sample("v02-pack")
		c.up.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case strings.HasPrefix(r.URL.Path, "/v02-refs/"):
				drip(w, r, "advertisement", "")
			case strings.HasPrefix(r.URL.Path, "/v02-pack/") && r.Method == http.MethodPost && !ofCheck(r):
				drip(w, r, "result", "000dpackfile\nfff0\x01PACK")
			default:
				return false
			}
			return true
		})
		names := []string{c.mirror("v02-refs")}
		c.rows++
		names = append(names, c.mirror("v02-pack"))
		for _, name := range names {
			testlog.EventuallyIn(c, 100*time.Second, name+" to be given up", func() bool {
				r, err := c.node.client.Repo(c.Context(), name)
				if err == nil && r.Error != nil && r.Error.Class != "timeout" {
					c.Fatalf("%s: %s, %s", name, r.Error.Class, r.Error.Message)
				}
				return err == nil && r.Error != nil
			})
			c.nothingLeft(name)
		}
	}},
	{id: "V04", name: "a login page", run: func(c *corpus) {
		c.up.sample("v04")
		c.answers("v04", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>log in</html>")
		})
		if e := c.fails(c.node, c.mirror("v04"), "protocol"); !strings.Contains(e.Message, "not a git server") {
			c.Error(e.Message)
		}
	}},
	{id: "V05", name: "401, 403, 404, 410, 451", run: func(c *corpus) {
		c.up.sample("v05")
		name := c.mirror("v05")
		before := c.becomes(name, "ready")
		// One after another of another class: news of the same class is told once a minute.
		for _, want := range []struct {
			code        int
			class, says string
		}{{401, "auth", "wants credentials"}, {404, "not_found", "deleted, renamed"}, {403, "auth", "wants credentials"}, {410, "not_found", "deleted, renamed"}, {451, "refused", "451"}} {
			code := want.code
			c.answers("v05", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
			_, _, _ = c.ask(c.node, "POST", "/api/v1/repos/"+name+":sync?wait=4s", "")
			testlog.EventuallyIn(c, 20*time.Second, fmt.Sprintf("%d to be told", code), func() bool {
				r, err := c.node.client.Repo(c.Context(), name)
				return err == nil && r.Error != nil && r.Error.Class == want.class && strings.Contains(r.Error.Message, strconv.Itoa(code)) && strings.Contains(r.Error.Message, want.says)
			})
		}
		if r, err := c.node.client.Repo(c.Context(), name); err != nil || r.Generation != before.Generation {
			c.Errorf("%v", err)
		}
		c.clones(name)
	}},
	{id: "V06", name: "429, and when to come back", run: func(c *corpus) {
		c.up.sample("v06")
		name := c.mirror("v06")
		c.becomes(name, "ready")
		for _, after := range []string{"1", "3600", "1000000000000", "soon", "Fri, 01 Jan 1999 00:00:00 GMT"} {
			var asked atomic.Int32
			c.answers("v06", func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.Header().Set("Retry-After", after)
				w.WriteHeader(http.StatusTooManyRequests)
			})
			_, _, _ = c.ask(c.node, "POST", "/api/v1/repos/"+name+":sync?wait=4s", "")
			c.fails(c.node, name, "rate_limited")
			r, err := c.node.client.Repo(c.Context(), name)
			if err != nil || r.NextCheck == nil || time.Until(*r.NextCheck) > 65*time.Minute && len(after) > 4 && after[0] == '1' {
				c.Errorf("Retry-After %s: %v, next check %v", after, err, r.NextCheck)
			}
			if n := asked.Load(); n > 3 {
				c.Errorf("Retry-After %s: asked %d times", after, n)
			}
		}
	}},
	{id: "V07", name: "every second answer a 503", run: func(c *corpus) {
		c.up.sample("v07")
		var n atomic.Int64
		c.up.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			stumbles := strings.HasPrefix(r.URL.Path, "/v07/") && n.Add(1)%2 == 1
			if stumbles {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return stumbles
		})
		name := c.mirror("v07")
		r := c.becomes(name, "ready")
		c.up.push("v07", "more")
		testlog.EventuallyIn(c, 30*time.Second, "a push to arrive", func() bool {
			now, err := c.node.client.Repo(c.Context(), name)
			return err == nil && now.Generation > r.Generation
		})
	}},
	{id: "V08", name: "a redirect to the same host", run: func(c *corpus) {
		c.up.sample("v08.git")
		c.up.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			rest, mine := strings.CutPrefix(r.URL.RequestURI(), "/v08/")
			if mine {
				http.Redirect(w, r, "/v08.git/"+rest, http.StatusMovedPermanently)
			}
			return mine
		})
		name := c.mirror("v08")
		c.becomes(name, "ready")
		c.clones(name)
	}},
	{id: "V09", name: "redirects to where nobody may go", run: func(c *corpus) {
		for i, to := range []string{"http://169.254.169.254/latest", "file:///etc/passwd", "http://10.1.2.3/x"} {
			path := fmt.Sprintf("v09-%d", i)
			c.up.sample(path)
			c.answers(path, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to+"/info/refs", http.StatusFound) })
			c.fails(c.node, c.mirror(path), "refused", "network", "protocol")
			c.rows++
		}
	}},
	{id: "V12", name: "a certificate that nobody signed, expired, or another host's", run: func(c *corpus) {
		now := time.Now()
		for _, bad := range []struct {
			cert tls.Certificate
			says string
		}{
			{certificate(c, "127.0.0.1", now.Add(time.Hour)), "unknown authority"},
			{certificate(c, "127.0.0.1", now.Add(-time.Hour)), "expired"},
			{certificate(c, "127.0.0.2", now.Add(time.Hour)), "127.0.0.2"},
		} {
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			s.TLS = &tls.Config{Certificates: []tls.Certificate{bad.cert}}
			s.StartTLS()
			c.Cleanup(s.Close)
			if e := c.fails(c.node, c.mirrorURL(s.URL+"/x"), "tls_verify"); !strings.Contains(e.Message, bad.says) {
				c.Errorf("%q does not say %q", e.Message, bad.says)
			}
			c.rows++
		}
	}},
	{id: "V13", name: "a pack that is cut", run: func(c *corpus) {
		c.up.sample("v13")
		c.up.edit("v13", func(e *upstream.Edit) {
			e.Commit("main", "big", map[string]string{"f": strings.Repeat("0123456789abcdef", 20_000)})
		})
		for _, share := range []int{10, 50, 99} {
			name := c.mirrorURL(c.tampered("v13", func(b []byte) []byte { return b[:len(b)*share/100] }))
			c.fails(c.node, name, "network", "corrupt")
			c.nothingLeft(name)
			c.rows++
		}
	}},
	{id: "V14", name: "packs with flipped bits", run: func(c *corpus) {
		c.up.sample("v14")
		for _, at := range []int{20, 60, -7} { // in objects, and in the checksum at the end
			name := c.mirrorURL(c.tampered("v14", func(b []byte) []byte {
				pack := packBytes(b)
				b[pack[(at+len(pack))%len(pack)]] ^= 0x10
				return b
			}))
			c.fails(c.node, name, "network", "corrupt", "protocol")
			c.nothingLeft(name)
			c.rows++
		}
	}},
	{id: "V15", name: "four thousand million objects", run: func(c *corpus) {
		c.up.sample("v15")
		name := c.mirrorURL(c.tampered("v15", func(b []byte) []byte {
			i := bytes.Index(b, []byte("PACK"))
			copy(b[i+8:], "\xff\xff\xff\xff")
			return b
		}))
		c.fails(c.node, name, "network", "corrupt", "out_of_memory")
		c.nothingLeft(name)
	}},
	{id: "V18", name: "packets that are none", run: func(c *corpus) {
		for i, bad := range []string{"0003", "fffg", "fff1" + strings.Repeat("x", 70_000), "00ff# service"} {
			path := fmt.Sprintf("v18-%d", i)
			c.up.sample(path)
			c.answers(path, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
				_, _ = io.WriteString(w, bad)
			})
			c.fails(c.node, c.mirror(path), "protocol", "network")
			c.rows++
		}
	}},
	{id: "V19", name: "progress for ever, and escapes in it", tested: "mirror/fetch TestStalledFetchIsKilled"},
	{id: "V20", name: "shallow and SHA-256 upstreams", run: func(c *corpus) {
		c.up.sample("v20")
		c.up.push("v20", "more")
		gittest.Run(c, c.up.Root, "-c", "protocol.file.allow=always", "clone", "--quiet", "--bare", "--depth", "1", "file://"+filepath.Join(c.up.Root, "v20"), "v20-shallow")
		gittest.Run(c, c.up.Root, "init", "--quiet", "--bare", "--object-format=sha256", "v20-sha256")
		if e := c.fails(c.node, c.mirror("v20-shallow"), "shallow"); !strings.Contains(e.Message, "shallow clone") {
			c.Error(e.Message)
		}
		c.rows++
		if e := c.fails(c.node, c.mirror("v20-sha256"), "object_format"); !strings.Contains(e.Message, "sha256") {
			c.Error(e.Message)
		}
	}},
	{id: "V21", name: "a pack that lacks a blob", run: func(c *corpus) {
		c.up.sample("v21")
		blob := c.tip("v21", "main:a.txt")
		if err := os.Remove(filepath.Join(c.up.repos["v21"].Dir, "objects", blob[:2], blob[2:])); err != nil {
			// It is in a pack, as fast-import makes them.
			gittest.Run(c, c.up.repos["v21"].Dir, "config", "uploadpack.packObjectsHook", "")
			name := c.mirrorURL(c.tampered("v21", func(b []byte) []byte { return c.repacked("v21", blob) }))
			c.fails(c.node, name, "corrupt")
			c.nothingLeft(name)
			return
		}
		name := c.mirror("v21")
		c.fails(c.node, name, "corrupt")
		c.nothingLeft(name)
	}},
	{id: "V22", name: "objects that attack clients", run: func(c *corpus) {
		for i, evil := range []func(path string) string{
			func(path string) string { return entry("100644", ".git", c.object(path, "blob", "x")) },
			func(path string) string {
				return entry("100644", ".gitmodules", c.object(path, "blob", "[submodule \"x\"]\n\tpath = x\n\turl = --upload-pack=touch /tmp/x\n"))
			},
			func(path string) string { return entry("120000", ".gitmodules", c.object(path, "blob", "/etc/passwd")) },
			func(path string) string {
				return entry("100644", ".gitmodules", c.object(path, "blob", "[submodule \"x\"]\n\tpath = \"x\r\"\n\turl = https://example.org/x\n"))
			},
		} {
			path := fmt.Sprintf("v22-%d", i)
			c.up.sample(path)
			c.ref(path, "refs/heads/evil", c.object(path, "commit", commitOf(c.object(path, "tree", evil(path)), honestPerson)))
			name := c.mirror(path)
			e := c.fails(c.node, name, "corrupt")
			_, command, ok := strings.Cut(e.Message, "gitmirror repo set "+name+" --accept-flaws ")
			if !ok || !strings.Contains(e.Message, "object ") {
				c.Errorf("%d: no object and no way to accept it are named: %s", i, e.Message)
			}
			c.nothingLeft(name)
			accept := strings.Split(command, ",")
			if _, err := c.node.client.Set(c.Context(), name, api.SetRepo{AcceptFlaws: &accept}, ""); err != nil {
				c.Error(err)
			}
			c.becomes(name, "ready")
			c.rows++
		}
	}},
	{id: "V23", name: "old histories with harmless flaws", run: func(c *corpus) {
		c.up.sample("v23")
		blob := c.tip("v23", "main:a.txt")
		tree := c.object("v23", "tree", entry("100644", "a", blob))
		for i, who := range []string{"A <a@example.invalid> 1700000000 +07", "A <a@example.invalid>1700000000 +0000", "A <a@example.invalid> 0001700000000 +0000"} {
			c.ref("v23", fmt.Sprintf("refs/heads/old%d", i), c.object("v23", "commit", commitOf(tree, who)))
		}
		c.ref("v23", "refs/heads/modes", c.object("v23", "commit", commitOf(c.object("v23", "tree", entry("040000", "d", tree)), honestPerson)))
		c.becomes(c.mirror("v23"), "ready")
	}},
	{id: "V25", name: "more than a repository may have", run: func(c *corpus) {
		c.up.sample("v25")
		name := c.mirror("v25")
		r := c.becomes(name, "ready")
		before, most := gittest.LsRemote(c, c.node.gitURL(name)), int64(1<<20)
		if _, err := c.node.client.Set(c.Context(), name, api.SetRepo{MaxSize: &most}, ""); err != nil {
			c.Fatal(err)
		}
		noise := make([]byte, 3<<20)
		_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
		c.up.edit("v25", func(e *upstream.Edit) { e.Commit("main", "grown", map[string]string{"noise": string(noise)}) })
		if e := c.fails(c.node, name, "too_large"); !strings.Contains(e.Message, "1.0 MiB") || !strings.Contains(e.Message, "gitmirror repo set "+name+" --max-size") {
			c.Error(e.Message)
		}
		if now, err := c.node.client.Repo(c.Context(), name); err != nil || now.Generation != r.Generation || gittest.LsRemote(c, c.node.gitURL(name)) != before {
			c.Errorf("what is served has changed: %v, %v", now, err)
		}
		most = 0
		if _, err := c.node.client.Set(c.Context(), name, api.SetRepo{MaxSize: &most}, ""); err != nil {
			c.Fatal(err)
		}
		c.becomes(name, "ready")
	}},
	{id: "V26", name: "sections and filters that nobody asked for", tested: "mirror/fetch TestPackfileURIsAreNotFollowed"},
	{id: "V30", name: "other refs for each of our nodes", tested: "e2e TestAnUpstreamOfTwoMinds"},
}

// tampered serves a repository of the forge with the answers that bring packs changed.
func (c *corpus) tampered(path string, change func([]byte) []byte) string {
	c.Helper()
	target, err := url.Parse(c.up.URL(""))
	if err != nil {
		c.Fatal(err)
	}
	s := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(resp *http.Response) error {
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			if bytes.Contains(body, []byte("PACK")) {
				body = change(body)
			}
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	})
	c.Cleanup(s.Close)
	return s.URL + "/" + path
}

// packBytes is where in an answer the bytes of its pack are.
func packBytes(answer []byte) (at []int) {
	begin := bytes.Index(answer, []byte("000dpackfile\n"))
	for begin >= 0 && begin+4 < len(answer) {
		n, err := strconv.ParseUint(string(answer[begin:begin+4]), 16, 16)
		if err != nil || n < 5 {
			break
		}
		for i := begin + 5; answer[begin+4] == 1 && i < begin+int(n); i++ {
			at = append(at, i)
		}
		begin += int(n)
	}
	return at
}

// repacked is an answer with all of a repository but one object.
func (c *corpus) repacked(path, without string) []byte {
	r := c.up.repos[path]
	all, err := r.Git("rev-list", "--objects", "--no-object-names", "--all")
	if err != nil {
		c.Error(err)
	}
	cmd := exec.Command("git", "pack-objects", "--stdout", "--quiet")
	cmd.Dir, cmd.Env, cmd.Stdin = r.Dir, upstream.Environ(r.Dir), strings.NewReader(strings.ReplaceAll(all+"\n", without+"\n", ""))
	pack, err := cmd.Output()
	if err != nil {
		c.Error(err)
	}
	return fmt.Appendf(nil, "000dpackfile\n%04x\x01%s0000", len(pack)+5, pack)
}

// nothingLeft wants nothing of a refused upstream to be served or kept.
func (c *corpus) nothingLeft(name string) {
	c.Helper()
	if r, err := c.node.client.Repo(c.Context(), name); err != nil || r.Generation != 0 {
		c.Errorf("%s was published: %v", name, err)
	}
	testlog.Eventually(c, "staging to be empty", func() bool {
		left, err := filepath.Glob(filepath.Join(c.node.Dir, "staging", "*", "*", "objects", "pack", "*"))
		return err == nil && len(left) == 0
	})
}
