package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gitmirror/api"
	"gitmirror/internal/testlog"
)

// inputRows are what people, and those who pass for people, send to the API.
var inputRows = []row{
	{id: "U01", name: "ext:: and other remote helpers", run: func(c *corpus) {
		file := filepath.Join(c.TempDir(), "pwn")
		c.urls("url_scheme", "ext::sh -c \"touch "+file+"\"", "ext::sh% -c% touch% "+file, "fd::17", "http::http://example.org/x")
		if _, err := os.Stat(file); err == nil {
			c.Error("the command was run")
		}
	}},
	{id: "U02", name: "an option as URL", run: func(c *corpus) { c.urls("url_invalid", "--upload-pack=touch /tmp/x", "--upload-pack=x") }},
	{id: "U03", name: "an option for ssh", run: func(c *corpus) { c.urls("url_invalid", "-oProxyCommand=id:x", "ssh://-oProxyCommand=id/x") }},
	{id: "U04", name: "files and paths", run: func(c *corpus) {
		c.urls("url_scheme", "file:///etc", "/etc/passwd", "./repo", `C:\repo`, "git@github.com:a/b", "git://example.org/x")
	}},
	{id: "U07", name: "loopback, the node's own port, localhost", run: func(c *corpus) {
		c.refused(c.closed, fields("url", "http://"+strings.TrimPrefix(c.closed.HTTP, "http://")+"/x"), 400, "address_denied")
		port, came := c.trap()
		c.refused(c.closed, fields("url", "http://127.0.0.1:"+port+"/x"), 400, "address_denied")
		if status, p, _ := c.ask(c.closed, "POST", "/api/v1/repos", fields("url", "http://localhost:"+port+"/x", "name", "localhost")); status == 201 {
			c.fails(c.closed, "localhost", "refused")
		} else if p.Code != "address_denied" {
			c.Errorf("localhost: %d %s", status, p.Code)
		}
		if came() > 0 {
			c.Error("somebody came to a loopback port")
		}
	}},
	{id: "U08", name: "other spellings of an address", run: func(c *corpus) {
		for _, host := range []string{"2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "10.1.2.3", "100.64.0.1", "[64:ff9b::7f00:1]", "[fd00::1]"} {
			c.refused(c.closed, fields("url", "http://"+host+"/x"), 400, "address_denied")
		}
	}},
	{id: "U12", name: "the metadata address", run: func(c *corpus) {
		c.refused(c.node, fields("url", "http://169.254.169.254/latest/meta-data/"), 400, "address_denied", "url_invalid")
		c.refused(c.node, fields("url", "http://169.254.169.254/latest/meta-data"), 400, "address_denied")
	}},
	{id: "U14", name: "no host", run: func(c *corpus) {
		c.urls("url_host", "https:///github.com/a/b", "https:a/b", "//host/x", "https://")
	}},
	{id: "U15", name: "a password in the URL", run: func(c *corpus) {
		u := "https://user:" + canary + "@example.invalid/x.git"
		c.refused(c.node, fields("url", u), 400, "url_userinfo")
		if _, p, _ := c.ask(c.node, "POST", "/api/v1/repos", fields("url", u)); !strings.Contains(p.Hint, "credentials") {
			c.Errorf("the hint does not say where credentials go: %q", p.Hint)
		}
	}},
	{id: "U17", name: "control characters, and escapes of them", run: func(c *corpus) {
		for _, bad := range []string{"exam\nple.com/x", "example.com%0a/x", "example.com/x%0d", "example.com/x%00", "example.com%00/x", "example.com/a\tb", "example.com/\x1b[31m"} {
			c.refused(c.node, fields("url", "https://"+bad), 400, "url_invalid", "url_host")
		}
	}},
	{id: "U19", name: "one upstream in two spellings", run: func(c *corpus) {
		c.up.sample("spelt")
		url := c.up.URL("spelt")
		c.mirrorURL(strings.Replace(url, "http:", "HTTP:", 1))
		for _, other := range []string{url, url + ".git", url + "/", strings.Replace(url, "spelt", "SPELT", 1)} {
			c.refused(c.node, fields("url", other, "name", "spelt-again"), 409, "conflict_url")
		}
	}},
	{id: "U21", name: "too long", run: func(c *corpus) {
		c.urls("url_too_long", "https://example.org/"+strings.Repeat("a", 9000), "https://"+strings.Repeat("a", 64)+".example/x", "https://"+strings.Repeat("a.", 150)+"example/x")
	}},
	{id: "U22", name: "ports that are none", run: func(c *corpus) {
		for _, port := range []string{"0", "65536", "443x", "-1"} {
			c.urls("url_port", "https://example.org:"+port+"/x")
		}
	}},
	{id: "U23", name: "a name that does not resolve", run: func(c *corpus) {
		e := c.fails(c.node, c.mirrorURL("https://nowhere.invalid/x"), "network")
		if !strings.Contains(e.Message, "does not resolve") {
			c.Error(e.Message)
		}
	}},
	{id: "U24", name: "a name with a public and a private address", tested: "internal/egress TestDialer"},
	{id: "U25", name: "a name that leads elsewhere for git", tested: "mirror TestGitIsNotReboundToADeniedAddress"},
	{id: "U28", name: "unknown and changed ssh host keys", notYet: "ssh upstreams are"},

	{id: "N01", name: "names that climb", run: func(c *corpus) {
		c.names("../../etc/x", "a/../../b", "/abs", "a//b", ".", "..", "a/")
		if status, _, _ := c.ask(c.node, "POST", "/api/v1/repos", `{"url":"","name":""}`); status != 400 {
			c.Errorf("nothing at all: %d", status)
		}
	}},
	{id: "N02", name: "names for a shell", run: func(c *corpus) { c.names("-rf", "--help", "a b", "a;id", "$(id)", "`id`") }},
	{id: "N03", name: "names of git's own files", run: func(c *corpus) {
		c.names("x.git", "x.lock", "x.git/config")
		c.up.sample("own")
		for i, name := range []string{"objects", "refs/heads"} { // names, like any other: no path is made of them
			if status, p, _ := c.ask(c.node, "POST", "/api/v1/repos", fields("url", c.up.URL("own")+fmt.Sprint(i), "name", name)); status != 201 && p.Code != "name_invalid" {
				c.Errorf("%s: %d %s", name, status, p.Code)
			}
			_ = c.node.client.Remove(c.Context(), name, "")
		}
	}},
	{id: "N04", name: "names that differ in case", run: func(c *corpus) {
		c.refused(c.node, fields("url", "https://example.invalid/other", "name", "GOOD"), 409, "conflict_name")
	}},
	{id: "N07", name: "long names", run: func(c *corpus) {
		c.names(strings.Repeat("a", 4096), strings.Repeat("a/", 499)+"a", strings.Repeat("a", 1000))
	}},
	{id: "N08", name: "clone paths that climb", run: func(c *corpus) {
		for _, path := range []string{"/git/..%2f..%2fetc/info/refs", "/git/%2e%2e%2fetc/info/refs", "/git/..%5c..%5cetc/info/refs", "/git/%252e%252e%252fetc/info/refs", "/..%2f..%2fetc/info/refs"} {
			if status, _, body := c.ask(c.node, "GET", path+"?service=git-upload-pack", ""); status != 404 {
				c.Errorf("%s: %d %.100s", path, status, body)
			}
		}
	}},
	{id: "N12", name: "one name added and removed by ten", run: func(c *corpus) {
		c.up.sample("busy")
		var wg sync.WaitGroup
		var added, removed atomic.Int32
		for range 10 {
			wg.Go(func() {
				for range 20 {
					if _, err := c.node.client.Add(c.Context(), api.AddRepo{URL: c.up.URL("busy"), Name: "busy", Interval: "1h"}, ""); err == nil {
						added.Add(1)
					}
					if err := c.node.client.Remove(c.Context(), "busy", ""); err == nil {
						removed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		list, err := c.node.client.Repos(c.Context(), api.Query{Pattern: "busy"})
		if err != nil {
			c.Fatal(err)
		}
		live := 0
		for _, r := range list.Repos {
			if r.State != "removing" {
				live++
			}
		}
		if added.Load() == 0 || int(added.Load()-removed.Load()) != live || live > 1 {
			c.Errorf("added %d, removed %d, and %d are there", added.Load(), removed.Load(), live)
		}
		testlog.EventuallyIn(c, 30*time.Second, "rows and copies of what was removed to go", func() bool {
			s, err := c.node.client.Status(c.Context())
			return err == nil && s.Repos.ByState[api.StateRemoving] == 0
		})
	}},

	{id: "A01", name: "tokens: none, wrong, expired", notYet: "tokens are"},
	{id: "A02", name: "a token that was revoked elsewhere", notYet: "tokens are"},
	{id: "A03", name: "JSON that means two things", run: func(c *corpus) {
		for name, body := range map[string]string{
			"unknown": `{"url":"https://example.invalid/x","colour":"red"}`, "twice": `{"url":"https://example.invalid/x","url":"https://example.invalid/y"}`,
			"another case": `{"URL":"https://example.invalid/x"}`, "trailing": `{"url":"https://example.invalid/x"}{}`, "BOM": "\ufeff" + `{"url":"https://example.invalid/x"}`,
			"NaN": `{"url":"https://example.invalid/x","replicas":NaN}`, "1e400": `{"url":"https://example.invalid/x","replicas":1e400}`,
			"no UTF-8": "{\"url\":\"https://example.invalid/\xff\"}", "deep": strings.Repeat(`{"url":`, 100_000), "deep list": strings.Repeat("[", 100_000),
		} {
			c.refused(c.node, body, 400, "json_invalid")
			if _, p, _ := c.ask(c.node, "POST", "/api/v1/repos", body); p.Hint == "" {
				c.Errorf("%s: no hint", name)
			}
		}
		if status, p, _ := c.ask(c.node, "POST", "/api/v1/repos", `{"url":"`+strings.Repeat("a", 5<<20)+`"}`); status != 413 || p.Code != "too_large" {
			c.Errorf("5 MiB: %d %s", status, p.Code)
		}
	}},
	{id: "A04", name: "a form, and a page of elsewhere", run: func(c *corpus) {
		for want, header := range map[int][]string{
			415: {"Content-Type", "text/plain"},
			403: {"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"},
			421: {"Host-Override", "evil.example"},
		} {
			body := fields("url", "https://example.invalid/form")
			if want == 421 {
				req, err := http.NewRequestWithContext(c.Context(), "POST", c.node.HTTP+"/api/v1/repos", strings.NewReader(body))
				if err != nil {
					c.Fatal(err)
				}
				req.Host = "evil.example"
				req.Header.Set("Content-Type", "application/json")
				resp, err := c.client.Do(req)
				if err != nil {
					c.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != want {
					c.Errorf("another Host: %d", resp.StatusCode)
				}
				continue
			}
			if status, p, _ := c.ask(c.node, "POST", "/api/v1/repos", body, header...); status != want || p.Code == "" {
				c.Errorf("%v: %d %s", header, status, p.Code)
			}
		}
	}},
	{id: "A05", name: "what nodes tell each other, told by a stranger", run: func(c *corpus) {
		status, p, _ := c.ask(c.node, "POST", "/api/v1/repos", fields("url", "nonsense"), "X-Gitmirror-Forwarded", "x", "X-Gitmirror-Cluster", "x")
		if status != 400 || p.Code != "url_scheme" {
			c.Errorf("%d %s", status, p.Code)
		}
	}},
	{id: "A06", name: "a method that is not there", run: func(c *corpus) {
		for _, path := range []string{"/api/v1/status", "/api/v1/repos", "/api/v1/repos/good", "/api/v1/nodes/n1"} {
			if status, p, _ := c.ask(c.node, "PUT", path, "{}"); status != 405 || p.Code != "method" || p.Hint == "" {
				c.Errorf("PUT %s: %d %+v", path, status, p)
			}
		}
	}},
	{id: "A07", name: "ten thousand at once, some bad, some twice, sent again", run: func(c *corpus) {
		f := &cluster{t: c.T}
		f.grow(1) // of its own, which has them until its end
		const all, batch = 10_000, 1000
		for round := range 2 {
			var good, bad, twice int
			for first := 0; first < all; first += batch {
				var list []api.AddRepo
				for i := first; i < first+batch; i++ {
					u := fmt.Sprintf("http://127.0.0.1:1/%d", i)
					switch {
					case i%20 == 3:
						u = "ext::sh"
					case i%50 == 7:
						u = fmt.Sprintf("http://127.0.0.1:1/%d", i-1)
					}
					list = append(list, api.AddRepo{URL: u, Name: fmt.Sprintf("bulk/%d", i), Interval: "720h"})
				}
				out, err := f.nodes[0].client.AddMany(c.Context(), api.AddRepos{Repos: list}, fmt.Sprintf("bulk %d", first))
				if err != nil {
					c.Fatal(err)
				}
				for i, r := range out.Results {
					switch {
					case r.Repo != nil && r.Repo.Name == list[i].Name:
						good++
					case r.Repo == nil && r.Problem.Code == "url_scheme" && i%20 == 3:
						bad++
					case r.Repo == nil && r.Problem.Code == "conflict_url" && i%50 == 7:
						twice++
					}
				}
			}
			if good != 9300 || bad != 500 || twice != 200 {
				c.Errorf("round %d: %d good, %d bad, %d twice", round, good, bad, twice)
			}
			if s, err := f.nodes[0].client.Status(c.Context()); err != nil || s.Repos.Total != 9300 {
				c.Errorf("round %d: %v are there, %v", round, s.Repos.Total, err)
			}
		}
	}},
	{id: "A08", name: "bulk work while leaders die", notYet: "bulk jobs are"},
	{id: "A11", name: "a change of an older version", notYet: "versions of settings in the API are"},
	{id: "A12", name: "limits and cursors that are none", run: func(c *corpus) {
		for _, q := range []string{"limit=-1", "limit=1000000000", "limit=x", "cursor=../../", "limit=1&limit=2", "state=happy", "q=[", "state=%zz"} {
			if status, p, _ := c.ask(c.node, "GET", "/api/v1/repos?"+q, ""); status != 400 || p.Code != "query_invalid" {
				c.Errorf("%s: %d %s", q, status, p.Code)
			}
		}
	}},
	{id: "A13", name: "markup in what is shown", notYet: "the dashboard is"},
	{id: "A14", name: "two that set contrary things in a partition", tested: "e2e TestContrarySettings"},
	{id: "A15", name: "a node in a minority", tested: "e2e TestOneOfThreeLeft"},
	{id: "A16", name: "debug pages, metrics, secrets", run: func(c *corpus) {
		for _, path := range []string{"/debug/pprof/", "/debug/vars", "/peer/v1/hello", "/peer/v1/pulse", "/peer/git/x/info/refs"} {
			if status, _, body := c.ask(c.node, "GET", path, ""); status != 404 {
				c.Errorf("%s: %d %.100s", path, status, body)
			}
		}
		// What there is of metrics names nothing that is mirrored, and no address of it.
		if status, p, _ := c.ask(c.node, "POST", "/api/v1/repos", fields("url", "http://127.0.0.1:1/metrics-name", "name", "metrics-name", "interval", "720h")); status != 201 {
			c.Fatalf("%d %s", status, p.Code)
		}
		if status, _, body := c.ask(c.node, "GET", "/metrics", ""); status != 200 || strings.Contains(body, "metrics-name") || strings.Contains(body, "127.0.0.1") {
			c.Errorf("/metrics: %d, of %d bytes", status, len(body))
		}
	}},
	{id: "A18", name: "a client that hangs up during a write", run: func(c *corpus) {
		for i := range 20 {
			name := fmt.Sprintf("hasty-%d", i)
			body := fields("url", "http://127.0.0.1:1/"+name, "name", name, "interval", "720h")
			ctx, cancel := context.WithTimeout(c.Context(), time.Duration(i)*500*time.Microsecond)
			req, err := http.NewRequestWithContext(ctx, "POST", c.node.HTTP+"/api/v1/repos", strings.NewReader(body))
			if err != nil {
				c.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Idempotency-Key", name)
			if resp, err := c.client.Do(req); err == nil {
				resp.Body.Close()
			}
			cancel()
			// The same request again says what it came to, and is done once.
			if status, p, _ := c.ask(c.node, "POST", "/api/v1/repos", body, "Idempotency-Key", name); status != 201 {
				c.Errorf("%s, again: %d %s", name, status, p.Code)
			}
			_ = c.node.client.Remove(c.Context(), name, "")
		}
	}},
	{id: "A19", name: "a request that comes a byte at a time", tested: "internal/bodylimit TestABodyThatTricklesEnds"},
	{id: "A20", name: "bytes that are no HTTP", run: func(c *corpus) {
		for _, bytes := range []string{"\x00\x01\x02\x03", "GET\r\n\r\n", "POST /api/v1/repos HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
			"POST /api/v1/repos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/status HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("a", 1<<20)} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(c.node.HTTP, "http://"))
			if err != nil {
				c.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = conn.Write([]byte(bytes))
			answer := make([]byte, 12)
			n, _ := conn.Read(answer)
			if s := string(answer[:n]); strings.HasPrefix(s, "HTTP/1.1 2") || strings.HasPrefix(s, "HTTP/1.1 5") && !strings.HasPrefix(s, "HTTP/1.1 50") {
				c.Errorf("%.40q: %s", bytes, s)
			}
			_ = conn.Close()
		}
	}},
}
