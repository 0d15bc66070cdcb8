package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gitmirror/api"
	"gitmirror/cli/render"
	"gitmirror/internal/refusal"

	"github.com/dustin/go-humanize"
	urfave "github.com/urfave/cli/v2"
)

func repoURLCommand() command {
	return command{
		path: "repo url", args: "NAME", usage: "print the address to clone a repository from", min: 1, max: 1,
		about: `NAME is as for gitmirror repo show, or a namespace, like github.com/acme/: all repositories whose
names begin so. With --insteadof the lines of a git configuration are
printed with which git asks the mirror wherever it would ask an upstream: git fetch, clone and
submodules in scripts need no change. Pushes still go to upstream.`,
		examples: []string{"git clone $(gitmirror repo url github.com/acme/big)", "gitmirror repo url big --insteadof >> ~/.gitconfig", "gitmirror repo url upstream/ --insteadof"},
		flags:    []urfave.Flag{&urfave.BoolFlag{Name: "insteadof", Usage: "print lines for a git configuration", DisableDefaultText: true}},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return repoURL(ctx, s, c.Args().First(), c.Bool("insteadof"))
		},
	}
}

// addresses is the form of them in JSON.
type addresses struct {
	URL       string   `json:"url"`
	InsteadOf []string `json:"instead_of"` // the upstreams that it stands for
	retired   bool
	servesOf  string // another upstream
}

func repoURL(ctx context.Context, s *session, name string, instead bool) error {
	list, namespace, err := s.addresses(ctx, name)
	if err != nil {
		return err
	}
	retired := 0
	if instead && namespace {
		// Clients of what is not followed any more would never see anything new.
		all := len(list)
		list = slices.DeleteFunc(list, func(at addresses) bool { return at.retired })
		if retired = all - len(list); len(list) == 0 {
			return &Failure{What: fmt.Sprintf("all %d that are called so are retired: they are not followed any more", retired), Code: string(refusal.NotFound), Exit: exitNotFound, Try: s.command("repo ls --state retired")}
		}
	}
	strange := 0
	if instead {
		all := len(list)
		was := list[0]
		list = slices.DeleteFunc(list, func(at addresses) bool { return at.servesOf != "" })
		if strange = all - len(list); len(list) == 0 {
			return &Failure{What: fmt.Sprintf("%s serves what %s had: nothing of %s is served yet", name, was.servesOf, was.InsteadOf[0]), Code: string(refusal.NotFound), Exit: exitNotFound, Try: s.command("repo show %s", redact(name))}
		}
	}
	var lines []string
	for _, at := range list {
		if instead {
			lines = append(lines, insteadOf(at))
		} else {
			lines = append(lines, at.URL)
		}
	}
	if instead && namespace {
		lines = append(lines, fences(list)...)
		s.remark("Lines for %s repositories. Git replaces what an address begins with.", humanize.Comma(int64(len(list))))
		if strange > 0 {
			s.remark("%s that serve what another address had are left out: their own is held, or fails", humanize.Comma(int64(strange)))
		}
		if retired > 0 {
			s.remark("%s that are retired, and not followed any more, are left out: %s", humanize.Comma(int64(retired)), s.command("repo ls --state retired"))
		}
	} else if instead {
		s.remark("Git replaces what an address begins with: what begins with %s asks here too, and is not here unless it is mirrored.", strings.TrimSuffix(list[0].InsteadOf[0], ".git"))
	}
	var out any = list
	if !namespace {
		out = list[0]
	}
	return s.show(out, func(p render.Printer) error {
		_, err := fmt.Fprintln(p.Out, strings.Join(lines, "\n"))
		return err
	})
}

// addresses are those of a repository, or of all whose names begin with that of a namespace.
func (s *session) addresses(ctx context.Context, name string) (list []addresses, namespace bool, err error) {
	var none error
	if !strings.HasSuffix(name, "/") {
		var r *api.Repo
		if r, none = s.find(ctx, name); none == nil {
			return []addresses{{URL: render.CloneURL(s.base(ctx), r.Name), InsteadOf: r.URLs, servesOf: r.ServesOf}}, false, nil
		}
		var p *api.Problem
		if !errors.As(none, &p) || !is(p, refusal.NotFound) {
			return nil, false, none
		}
	}
	all, err := s.repos(ctx, repoLsOptions{})
	if err != nil {
		return nil, true, err
	}
	prefix := strings.ToLower(strings.TrimRight(name, "/")) + "/"
	for _, r := range all.Repos {
		for _, called := range append([]string{r.Name}, r.Aliases...) {
			if strings.HasPrefix(strings.ToLower(called), prefix) {
				list = append(list, addresses{URL: render.CloneURL(s.base(ctx), called), InsteadOf: r.URLs, retired: r.RetiredAt != nil, servesOf: r.ServesOf})
				break
			}
		}
	}
	if len(list) == 0 && none == nil {
		none = &Failure{What: "no repository has a name that begins with " + redact(name), Code: string(refusal.NotFound), Exit: exitNotFound, Try: s.command("repo ls")}
	}
	if len(list) == 0 {
		return nil, true, none
	}
	return list, true, nil
}

// insteadOf are the lines of a git configuration. A pushInsteadOf that leads nowhere else keeps
// pushes with upstream.
func insteadOf(at addresses) string {
	var b strings.Builder
	b.WriteString("[url \"" + at.URL + "\"]\n")
	for _, u := range at.InsteadOf {
		b.WriteString("\tinsteadOf = " + strings.TrimSuffix(u, ".git") + "\n")
	}
	for _, u := range at.InsteadOf {
		bare := strings.TrimSuffix(u, ".git")
		b.WriteString("[url \"" + bare + "\"]\n\tpushInsteadOf = " + bare + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// fences keep addresses to themselves that would be taken for another mirror's: where a mirror is called as
// another with something behind it, but has not the same behind its upstream's address, what has that
// address, mirrored or not, is none of ours. Git takes the longest line that fits.
func fences(list []addresses) (lines []string) {
	bare := func(u string) string { return strings.TrimSuffix(u, ".git") }
	stands := map[string]bool{}
	for _, at := range list {
		for _, u := range at.InsteadOf {
			stands[bare(u)] = true
		}
	}
	sorted := slices.SortedFunc(slices.Values(list), func(a, b addresses) int { return strings.Compare(a.URL, b.URL) })
	for i, at := range sorted {
		for _, longer := range sorted[i+1:] {
			end, is := strings.CutPrefix(longer.URL, at.URL)
			if !is {
				break
			}
			for _, u := range at.InsteadOf {
				if other := bare(u) + end; !stands[other] {
					stands[other] = true
					lines = append(lines, "[url \""+other+"\"]\n\tinsteadOf = "+other)
				}
			}
		}
	}
	return lines
}
