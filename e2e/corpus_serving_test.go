package e2e

import (
	"strings"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
)

// servingRows are what git clients do.
var servingRows = []row{
	{id: "G01", name: "a push", run: func(c *corpus) {
		dir := c.clones("good")
		out, err := gittest.Try(c, dir, "push", c.node.gitURL("good"), "HEAD:refs/heads/pushed")
		if err == nil || !strings.Contains(out, "read-only mirror") || !strings.Contains(out, c.up.URL("good")) {
			c.Errorf("%v: %s", err, out)
		}
	}},
	{id: "G02", name: "refs that are hidden", run: func(c *corpus) {
		c.up.sample("g02")
		name := c.mirror("g02")
		c.becomes(name, "ready")
		lost := c.tip("g02", "side")
		c.up.edit("g02", func(e *upstream.Edit) {
			e.Rewrite("side")
			e.Commit("side", "anew", map[string]string{"z": "z"})
		})
		_, _, _ = c.ask(c.node, "POST", "/api/v1/repos/"+name+":sync?wait=4s", "")
		for _, version := range []string{"0", "2"} {
			out := gittest.Run(c, c.TempDir(), "-c", "protocol.version="+version, "ls-remote", c.node.gitURL(name), "refs/gitmirror/*", "refs/heads/*")
			if strings.Contains(out, "gitmirror") || strings.Contains(out, lost) || !strings.Contains(out, "refs/heads/side") {
				c.Errorf("version %s shows:\n%s", version, out)
			}
			if out, err := gittest.Try(c, c.TempDir(), "-c", "protocol.version="+version, "clone", "--quiet", "-b", "refs/gitmirror/kept", c.node.gitURL(name), "x"); err == nil {
				c.Errorf("version %s clones a hidden ref: %s", version, out)
			}
		}
	}},
	{id: "G05", name: "clients that hardly read", tested: "e2e TestStrangersDoNotTakeTheNode"},
	{id: "G06", name: "a clone while the copy goes", tested: "mirror/serve TestASlowClientHoldsUpNobody"},
	{id: "G07", name: "a copy that is behind", tested: "server TestAnOlderCopyIsBetterThanNone"},
	{id: "G08", name: "the dumb protocol", run: func(c *corpus) {
		for _, path := range []string{"config", "objects/info/packs", "HEAD", "info/refs", "packed-refs", "repo.json", "objects/pack/", "hooks/post-update"} {
			if status, _, body := c.ask(c.node, "GET", "/git/good/"+path, ""); status != 404 {
				c.Errorf("%s: %d %.100s", path, status, body)
			}
			if status, _, body := c.ask(c.node, "GET", "/git/good.git/"+path, ""); status != 404 {
				c.Errorf("%s: %d %.100s", path, status, body)
			}
		}
	}},
	{id: "G09", name: "a pack that breaks off", tested: "mirror/serve TestAPackThatBreaksOffEndsWithAnError"},
	{id: "G10", name: "a holder that breaks off", tested: "server TestAHolderThatBreaksOffIsTold"},
	{id: "G13", name: "a node that stops in the middle of a clone", tested: "node TestAStoppingNodeTellsWhomItAnswers"},
	{id: "G11", name: "requests that are no git", run: func(c *corpus) {
		for want, do := range map[int][]string{
			400: {"rubbish", "Content-Type", "application/x-git-upload-pack-request", "Git-Protocol", "version=2"},
			415: {"0000", "Content-Type", "text/plain"},
		} {
			if status, _, body := c.ask(c.node, "POST", "/git/good/git-upload-pack", do[0], do[1:]...); status != want {
				c.Errorf("%v: %d %.100s", do, status, body)
			}
		}
	}},
	{id: "G12", name: "an object that is not there", run: func(c *corpus) {
		dir := c.TempDir()
		gittest.Run(c, dir, "init", "--quiet", ".")
		if out, err := gittest.Try(c, dir, "fetch", c.node.gitURL("good"), strings.Repeat("1", 40)); err == nil || strings.Contains(out, "curl") {
			c.Errorf("%v: %s", err, out)
		}
	}},
}
