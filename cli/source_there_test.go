package cli

import (
	"net/http"
	"strings"
	"testing"

	"gitmirror/api"
)

// What is a source already, as it is asked for, is no failure; where it is otherwise, that is said, with the command
// that makes it so.
func TestASourceThatIsThere(t *testing.T) {
	index := api.Source{Name: "lists", Kind: api.SourceIndex, URL: "https://h/acme/lists", Namespace: "up", Ref: "main", State: api.SourceListed}
	account := api.Source{Name: "acme", Kind: "github", URL: "https://github.com", Account: "Acme", State: api.SourceListed,
		Selection: &api.Selection{SkipForks: true, Topics: []string{"go", "rust"}, Visibility: []string{"public"}, Template: "{owner}/{name}"}}
	removing := account
	removing.State = api.SourceRemoving
	for line, c := range map[string]struct {
		is     api.Source
		exit   int
		wanted string
	}{
		"index https://h/acme/lists.git/ --namespace /up/ --ref main":               {index, exitOK, "Already there: the source lists"},
		"index https://h/acme/lists --namespace up":                                 {index, exitConflict, "gitmirror source set lists --ref ''"},
		"index https://h/acme/lists --namespace up --ref main --path a/b":           {index, exitConflict, "path none -> a/b"},
		"index https://h/acme/lists --ref main":                                     {index, exitConflict, "namespace up -> none"},
		"index https://elsewhere/acme/lists --namespace up --ref main":              {index, exitConflict, "the server's"},
		"github acme --skip-forks --topic rust --topic go --visibility public":      {account, exitOK, "Already there: the source acme"},
		"github acme --topic rust --topic go":                                       {account, exitConflict, "gitmirror source set acme --skip-forks=false"},
		"github acme --skip-forks --match ^svc- --max-repo-size 2KB":                {account, exitConflict, "gitmirror source set acme --match '^svc-' --topic '' --max-repo-size 2000"},
		"github acme --skip-forks --topic go --topic rust --base-url https://ghe.h": {account, exitConflict, "the server's"},
		"gitlab acme --skip-forks --topic go --topic rust":                          {account, exitConflict, "the server's"},
		"github acme --skip-forks --topic go --topic rust --visibility public":      {removing, exitConflict, "the server's"},
	} {
		is := c.is
		if is.Kind != api.SourceIndex && is.Selection.Template == "{owner}/{name}" {
			line += " --template {owner}/{name}"
		}
		fakeNode(t, func(_ int, r request) any {
			if strings.HasPrefix(r.line, "POST") {
				return &api.Problem{Status: http.StatusConflict, Code: "conflict_name", Detail: "there is a source", Hint: "the server's", Existing: is.Name}
			}
			return is
		})
		r := run(t, append([]string{"source", "add"}, strings.Fields(line)...)...)
		if r.want(t, c.exit); !strings.Contains(r.out+r.err, c.wanted) {
			t.Errorf("%s:\n%s%s\nwant %s", line, r.out, r.err, c.wanted)
		}
		if strings.Contains(r.err, "another name") {
			t.Errorf("%s: %s", line, r.err)
		}
	}
}
