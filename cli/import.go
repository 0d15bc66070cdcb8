package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"gitmirror/api"
	"gitmirror/cli/render"
	"gitmirror/internal/network"
	"gitmirror/internal/refusal"
	"gitmirror/source/forge"
	"gitmirror/source/forge/client"

	urfave "github.com/urfave/cli/v2"
)

type importOptions struct {
	repoImportOptions // what is asked for of each, and dry
	account           forge.Account
	selection         forge.Selection
	token             string
}

func importCommand() command {
	return command{
		path: "import", args: "KIND ACCOUNT", usage: "mirror what an account of a forge has, once", min: 2, max: 2,
		about: `KIND is github, gitlab, gitea (also for Forgejo) or gitee; ACCOUNT an organisation, a group with
all below it, or a user. What is mirrored already stays as it is, so that an account can be imported
again; gitmirror source add follows it instead.

The forge is asked from here, with the token in $GITHUB_TOKEN (of a company's GitHub
$GH_ENTERPRISE_TOKEN), $GITLAB_TOKEN, $GITEA_TOKEN or $GITEE_TOKEN, where there is one. A forge with
another --base-url gets it only where $GH_HOST, $GITLAB_HOST, $GITEA_HOST or $GITEE_HOST is its host, and
by https. It is not sent to nodes: they clone as anybody may.`,
		examples: []string{"gitmirror import github acme --skip-archived --skip-forks --dry-run", "gitmirror import gitlab acme/tools --base-url https://git.example.org --template 'tools/{name}'"},
		flags: append(append([]urfave.Flag{
			&urfave.StringFlag{Name: "base-url", Usage: "`URL` of a forge of your own, as in a browser", DefaultText: "the kind's own"},
			&urfave.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "say what would be done, and do nothing", DisableDefaultText: true},
			cloneOverFlag(),
			labelFlag(""),
		}, selectionFlags()...), newPolicyFlags()...),
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			var o importOptions
			var err error
			if o.account, err = account(c.Args().Get(0), c.Args().Get(1), c.String("base-url")); err != nil {
				return err
			}
			if o.selection, err = selectionOf(c); err != nil {
				return err
			}
			if o.ask, o.same, err = askedOf(c); err != nil {
				return err
			}
			o.dry, o.token = c.Bool("dry-run"), tokenOf(o.account)
			return importForge(ctx, s, o)
		},
	}
}

// account is whose repositories are meant.
func account(kind, name, base string) (forge.Account, error) {
	a, err := forge.Account{Kind: forge.Kind(kind), Name: name, Base: base}.Admit()
	return a, refusedInput(err)
}

// refusedInput is a refusal of what was typed, as of what a node was sent.
func refusedInput(err error) error {
	if r := refusal.Of(err); r != nil {
		return api.ProblemOf(r)
	}
	return err
}

// tokenOf is the user's own token. That for the kind's own forge goes nowhere else, and to another forge one
// goes only where the user says which host it is for: who gives another address may have got it from somebody.
func tokenOf(a forge.Account) string {
	from := map[forge.Kind]struct{ home, elsewhere, host string }{
		forge.GitHub: {"GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GH_HOST"},
		forge.GitLab: {"GITLAB_TOKEN", "GITLAB_TOKEN", "GITLAB_HOST"},
		forge.Gitea:  {"GITEA_TOKEN", "GITEA_TOKEN", "GITEA_HOST"},
		forge.Gitee:  {"GITEE_TOKEN", "GITEE_TOKEN", "GITEE_HOST"},
	}[a.Kind]
	name := from.home
	if !a.Home() {
		host := strings.TrimRight(strings.TrimPrefix(strings.TrimSpace(os.Getenv(from.host)), "https://"), "/") // some write it as an address
		if name = from.elsewhere; !a.At(host) {
			return ""
		}
	}
	return strings.TrimSpace(os.Getenv(name))
}

// forgeResult is what became of one repository of it.
type forgeResult struct {
	Repository string       `json:"repository"` // its path in the forge
	Size       int64        `json:"size"`       // bytes; 0 where that is not told
	Action     string       `json:"action"`     // add, exists, skip or error; added where it was
	Reason     string       `json:"reason"`
	Name       string       `json:"name,omitempty"` // here
	Problem    *api.Problem `json:"problem,omitempty"`
}

func importForge(ctx context.Context, s *session, o importOptions) error {
	o.plan = newImportPlan()
	s.patience *= importPatience
	// A forge is asked for much: where no node answers, that is known before.
	err := s.read(ctx, func(ctx context.Context) error {
		_, err := s.client.Status(ctx)
		return err
	})
	if err != nil {
		return err
	}
	found, plan, err := planOf(ctx, s, o)
	if err != nil {
		return err
	}
	results := make([]forgeResult, len(plan))
	var entries []importEntry
	has := map[string]string{} // which of them has an address, by its key: it is for one of them
	var t tally
	for i := range plan {
		p := &plan[i]
		results[i] = forgeResult{Repository: p.Path(), Size: p.Repo.Size, Action: "add", Name: p.Entry.Name}
		switch r := &results[i]; {
		case p.Flaw != nil:
			r.Action, r.Reason, r.Problem = "error", p.Flaw.Why, &api.Problem{Status: http.StatusBadRequest, Code: string(refusal.NameInvalid), Title: p.Flaw.Why, Detail: p.Flaw.Why, Hint: p.Flaw.Try}
			if !o.dry {
				t.fail(s, p.Path(), r.Problem)
			} else {
				t.failures = append(t.failures, explain(r.Problem, false))
			}
		case p.Skip != "":
			r.Action, r.Reason = "skip", p.Skip
		case has[p.Entry.Keys[0]] != "":
			r.Action, r.Reason, r.Name = "skip", "the same URL as "+has[p.Entry.Keys[0]], ""
		default:
			has[p.Entry.Keys[0]] = p.Path()
			entry := importEntry{line: i, url: p.Entry.URLs[0]} // found again by its line
			if o.selection.Template != "" || p.Wiki {
				entry.name = p.Entry.Name
			}
			entries = append(entries, entry)
		}
	}
	progress := newProgress(s)
	defer progress.end()
	done := 0
	for call := range addAll(ctx, s, entries, o.repoImportOptions) {
		if call.err != nil {
			progress.end()
			if maybeDone(call.err) {
				t.unknown += len(call.batch)
			}
			if done == 0 && t.unknown == 0 {
				return call.err
			}
			t.stop(call.err, len(entries)-done-t.unknown, "from "+results[call.batch[0].line].Repository+" on")
			break
		}
		for i := range call.results {
			done++
			judge(&results[call.batch[i].line], &call.results[i], s, o, &t)
		}
		progress.part(done, len(entries), "repositories")
	}
	progress.end()
	return o.tell(s, results, found, &t)
}

// judge says what became of one that is wanted.
func judge(r *forgeResult, came *importResult, s *session, o importOptions, t *tally) {
	switch {
	case came.Problem != nil && is(came.Problem, refusal.ConflictURL) && (came.was == nil || came.was.ServesOf == ""):
		if r.Action, r.Reason = "exists", "same URL"; came.Problem.Existing != r.Name {
			r.Reason = "as " + came.Problem.Existing
		}
		r.Name = came.Problem.Existing
		t.there++
	case came.Problem != nil:
		r.Action, r.Reason, r.Problem = "error", came.Problem.Detail, came.Problem
		if o.dry {
			t.failures = append(t.failures, explain(came.Problem, false))
		} else {
			t.fail(s, r.Repository, came.Problem)
		}
	case came.Repo != nil:
		r.Action, r.Name = "added", came.Repo.Name
		t.ok++
	default:
		r.Name = came.Would
		t.ok++
	}
}

// planOf asks the forge, and says what becomes of each repository.
func planOf(ctx context.Context, s *session, o importOptions) (*client.Result, []forge.Planned, error) {
	selector, err := o.selection.Read()
	if err != nil {
		return nil, nil, refusedInput(err)
	}
	on := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: network.Host.DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute}
	defer on.CloseIdleConnections()
	agent := "gitmirror/" + readBuild().Version
	found, err := client.List(ctx, client.Config{Account: o.account, Transport: on, Token: o.token, Agent: agent})
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, nil, &Failure{What: fmt.Sprintf("nothing is imported: %s has not been told within --timeout", o.account), Try: "the same command with a longer --timeout, or without one", Code: codeTimeout, Exit: exitTimeout}
	}
	if err != nil {
		return nil, nil, unlisted(err)
	}
	for _, v := range o.selection.Visibility {
		if v != forge.Public {
			s.remark("Nodes clone as anybody may: what is %s there cannot be cloned yet.", v)
		}
	}
	if found.Told > 0 {
		s.remark("%s tells of %d repositories at least, and shows %d: list it again in a while.", o.account, found.Told, len(found.Repos))
	}
	plan := selector.Plan(o.account, found.Repos, nil, func(*forge.Repo) bool { return true })
	return found, client.WithoutEmptyWikis(plan, func(p *forge.Planned) bool { return client.Serves(ctx, on, agent, p.Entry.URLs[0]) }), nil
}

// unlisted says why a forge could not be listed.
func unlisted(err error) error {
	e := (*client.Error)(nil)
	if !errors.As(err, &e) {
		return err
	}
	f := &Failure{What: "nothing is imported: " + e.Why, Try: e.Try, Code: codeForge + strings.ReplaceAll(string(e.Class), " ", "_"), Exit: exitFailed}
	switch e.Class {
	case client.NotFound:
		f.Exit = exitNotFound
	case client.Auth:
		f.Exit = exitForbidden
	case client.Limited:
		format := "15:04:05"
		if time.Until(e.Until) > 12*time.Hour {
			format = "2006-01-02 15:04"
		}
		f.Cause = "it may be asked again at " + e.Until.Local().Format(format)
	}
	return f
}

// tell says what was done, or would be.
func (o importOptions) tell(s *session, results []forgeResult, found *client.Result, t *tally) error {
	skipped, bytes := 0, int64(0)
	rows := make([]render.Imported, len(results))
	for i, r := range results {
		rows[i] = render.Imported{Repository: r.Repository, Size: r.Size, Action: r.Action, Reason: r.Reason}
		if r.Action == "skip" {
			skipped++
		}
		if r.Action == "add" || r.Action == "added" {
			bytes += r.Size
		}
	}
	if s.json {
		err := writeJSON(s.Out, struct {
			Results []forgeResult `json:"results"`
			DryRun  bool          `json:"dry_run"` // what follows would have been
			Added   int           `json:"added"`
			There   int           `json:"there"` // mirrored before; they stay as they are
			Skipped int           `json:"skipped"`
			Failed  int           `json:"failed"`
			Unknown int           `json:"unknown"` // may or may not have been added
		}{results, o.dry, t.ok, t.there, skipped, len(t.failures), t.unknown})
		if err != nil {
			return err
		}
		return t.imported("repositories", o.dry)
	}
	size := ""
	if bytes > 0 {
		size = " (" + humanize.IBytes(uint64(bytes)) + ")"
	}
	if !o.dry {
		s.say("Added %d%s%s, skipped %d, refused %d%s", t.ok, size, t.known(), skipped, len(t.failures), t.rest())
		return t.imported("repositories", false)
	}
	if !s.quiet {
		if err := s.show(nil, func(p render.Printer) error { return p.Imported(rows) }); err != nil {
			return err
		}
	}
	quota := ""
	if q := found.Quota; !q.Resets.IsZero() {
		quota = fmt.Sprintf(" API quota left %s, resets %s.", humanize.Comma(int64(q.Left)), q.Resets.Local().Format("15:04"))
	}
	s.say("Would add %d of %d%s.%s Run again without --dry-run.", t.ok, len(results), size, quota)
	return t.imported("repositories", true)
}
