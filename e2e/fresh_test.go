package e2e

import (
	"net/http"
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/gittest"
)

// A CI that was told of a push clones it, from whichever node, though upstream would not be asked
// for a month; when upstream does not answer it is told so, and everybody else is served.
func TestWhoWasToldOfAPushClonesIt(t *testing.T) {
	f := newCluster(t, 3)
	up := newForge(t)
	up.sample("r")
	p := f.nodes[0]
	p.write(func() error {
		_, err := p.client.Add(t.Context(), api.AddRepo{URL: up.URL("r"), Name: "r", Replicas: 2, Interval: "720h"}, "add")
		return err
	})
	p.await("r", "its copies", readyOn(2))
	const told = "http.extraHeader=Gitmirror-Min-As-Of: now"
	for _, node := range f.nodes {
		up.push("r", "told of by "+node.Name)
		want := strings.Fields(gittest.Run(t, t.TempDir(), "ls-remote", up.URL("r"), "refs/heads/main"))[0]
		dir := t.TempDir()
		gittest.Run(t, dir, "-c", told, "clone", "--quiet", node.gitURL("r"), "c")
		if got := strings.TrimSpace(gittest.Run(t, dir+"/c", "rev-parse", "HEAD")); got != want {
			t.Errorf("from %s a clone has %s, upstream %s", node.Name, got, want)
		}
	}
	up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool { http.NotFound(w, nil); return true })
	if out, err := gittest.Try(t, t.TempDir(), "-c", told, "ls-remote", p.gitURL("r")); err == nil || !strings.Contains(out, "503") {
		t.Errorf("upstream is gone: %v\n%s", err, out)
	}
	gittest.Run(t, t.TempDir(), "ls-remote", p.gitURL("r"))
}
