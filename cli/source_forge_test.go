package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"gitmirror/api"
)

func TestSourceOfAForge(t *testing.T) {
	is := api.Source{Name: "acme", Kind: "github", Account: "acme", Selection: &api.Selection{Match: "^svc-", SkipForks: true, Visibility: []string{"public"}, Template: "{name}"}}
	f := fakeNode(t, func(_ int, r request) any { return is })
	r := run(t, "source", "add", "github", "acme", "--skip-forks", "--topic", "go", "--topic", "rust", "--max-repo-size", "2GiB", "--wiki", "--base-url", "https://ghe.example", "--name", "ghe").want(t, exitOK)
	contains(t, "stdout", r.out, "Added the source acme")
	var a api.AddSource
	if err := json.Unmarshal([]byte(f.requests()[0].body), &a); err != nil || a.Kind != "github" || a.Account != "acme" || a.BaseURL != "https://ghe.example" || a.Name != "ghe" ||
		!a.Selection.SkipForks || len(a.Selection.Topics) != 2 || a.Selection.MaxRepoSize != 2<<30 || !a.Selection.Wiki || a.URL != "" {
		t.Errorf("%v: %s", err, f.requests()[0].body)
	}
	// What is not said stays as it is.
	run(t, "source", "set", "acme", "--skip-forks=false", "--exclude", "old").want(t, exitOK)
	last := f.requests()[len(f.requests())-1]
	var set api.SetSource
	if err := json.Unmarshal([]byte(last.body), &set); err != nil || set.Selection == nil || set.Selection.Match != "^svc-" || set.Selection.SkipForks || set.Selection.Exclude != "old" || set.Selection.Template != "{name}" {
		t.Errorf("%v: %s", err, last.body)
	}
	asked := len(f.requests())
	for _, bad := range []string{"source add github acme --ref main", "source add github acme --namespace x", "source add index https://h/a --match x", "source add index https://h/a --base-url https://h", "source add index https://h/a --dry-run", "source add gitbucket acme",
		"source add github a/b", "source add github acme --match (", "source add gitea acme --base-url ftp://h", "source set acme --template x", "source set acme", "source add github acme --clone-over ssh"} {
		run(t, strings.Fields(bad)...).want(t, exitUsage)
	}
	if n := len(f.requests()); n != asked {
		t.Errorf("%d requests for what cannot be", n-asked)
	}
	for line, try := range map[string]string{"source add forgejo tools": "gitmirror source add gitea tools", "source add GitHub acme": "gitmirror source add github acme", "source add svn x": "gitmirror source add index URL"} {
		contains(t, "stderr", run(t, strings.Fields(line)...).want(t, exitUsage).err, try)
	}
	contains(t, "stderr", run(t, "import", "forgejo", "tools").want(t, exitUsage).err, "say gitea")
	is.State = api.SourcePaused
	contains(t, "stderr", run(t, "source", "sync", "acme").want(t, exitOK).err, "the forge is not asked until it is resumed")
	is.Selection, is.Kind = nil, "index"
	contains(t, "stderr", run(t, "source", "sync", "acme").want(t, exitOK).err, "its index is asked")
	run(t, "source", "set", "acme", "--match", "x").want(t, exitUsage)
}

func TestTokensOfSources(t *testing.T) {
	files, err := tokensOf([]string{"acme=/etc/a.token", "tools=b=c", "own@git.example:3000=/etc/o"})
	if err != nil || files["own@git.example:3000"] == "" || files["acme"] != "/etc/a.token" || !strings.HasSuffix(files["tools"], "/b=c") {
		t.Errorf("%v, %v", files, err)
	}
	for _, bad := range [][]string{{"acme"}, {"=x"}, {"acme="}, {"a/b=x"}, {"acme=x", "ACME=y"}, {"acme=x", "ACME@git.example=y"}, {"acme@=x"}, {"@h=x"}, {"acme@https://h=x"}} {
		if files, err := tokensOf(bad); err == nil {
			t.Errorf("%v is taken as %v", bad, files)
		}
	}
}
