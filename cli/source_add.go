package cli

import (
	"context"
	"strings"

	"gitmirror/api"
	"gitmirror/internal/refusal"
	"gitmirror/source/forge"

	urfave "github.com/urfave/cli/v2"
)

func sourceAddCommand() command {
	return command{
		path: "source add", args: "KIND URL|ACCOUNT", usage: "mirror what an index repository lists, or an account of a forge has, and follow it", min: 2, max: 2,
		about: `KIND is index, with the URL of an index repository, or github, gitlab, gitea (also for Forgejo) or
gitee, with an organisation, a group with all below it, or a user of it.

An index is a git repository whose files say what is to be mirrored. A file is YAML, with
url (one, or a list of which the others are asked where the first fails), and is named by its
path. Keys that may be beside it: interval, replicas, refs, labels, submodules. A file named DEFAULTS
has keys for all files below its folder. A file *.yaml that holds a list has many entries, a file *.txt a
url per line.

A forge is listed about each hour, by a node that was started with --source-token NAME=FILE (of a forge
of your own NAME@HOST=FILE) for it or, where there is none, by any of them as anybody may. What is renamed there keeps its mirror.

What is not listed any more is served for seven days, and then goes to the trash. More
than a tenth of it within a day, or all of it, waits for gitmirror source approve.

With --dry-run a forge is asked from here, as by gitmirror import, with the token of the environment.

What is a source of that name already, as it is asked for, is no failure.`,
		examples: []string{"gitmirror source add index https://github.com/acme/upstream-repos --namespace upstream", "gitmirror source add index https://gitee.com/acme/lists --name lists --ref main --path linux",
			"gitmirror source add github acme --skip-archived --skip-forks --match '^svc-' --dry-run", "gitmirror source add gitea tools --base-url https://codeberg.org --template 'tools/{name}'"},
		flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "name", Usage: "`NAME` of the source", DefaultText: "the last part of the URL, or the account"},
			&urfave.StringFlag{Name: "namespace", Usage: "`NAME` that stands before the names of what an index lists", DefaultText: "none"},
			&urfave.StringFlag{Name: "ref", Usage: "`BRANCH` or tag of an index that is read", DefaultText: "where HEAD is"},
			&urfave.StringFlag{Name: "path", Usage: "`FOLDER` of an index that is read", DefaultText: "all of it"},
			&urfave.StringFlag{Name: "base-url", Usage: "`URL` of a forge of your own, as in a browser", DefaultText: "the kind's own"},
			&urfave.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "say what of a forge would be mirrored, and why the rest not, and do nothing", DisableDefaultText: true},
			cloneOverFlag(),
		}, selectionFlags()...),
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			a, err := sourceAsked(c)
			if err != nil {
				return err
			}
			if c.Bool("dry-run") {
				return sourceTried(ctx, s, c)
			}
			return sourceAdd(ctx, s, a)
		},
	}
}

// sourceAsked is what a command line asks to be a source.
func sourceAsked(c *urfave.Context) (a api.AddSource, err error) {
	kind, what := c.Args().First(), c.Args().Get(1)
	a = api.AddSource{Kind: kind, Name: c.String("name"), Namespace: c.String("namespace"), Ref: c.String("ref"), Path: c.String("path")}
	ofForge := append([]urfave.Flag{&urfave.StringFlag{Name: "base-url"}}, selectionFlags()...)
	if kind == api.SourceIndex {
		if c.Bool("dry-run") {
			return a, usagef("gitmirror source add index "+shellWord(what)+", and gitmirror source show", "--dry-run is for a forge: an index is mirrored before it is read")
		}
		for _, f := range ofForge {
			if name := f.Names()[0]; c.IsSet(name) {
				return a, usagef("gitmirror source add --help", "--%s is for a forge, not for an index", name)
			}
		}
		a.URL = what
		return a, nil
	}
	if _, err := forge.ParseKind(kind); err != nil {
		try := "gitmirror source add index URL"
		if r := refusal.Of(err); strings.HasPrefix(r.Hint, "say ") {
			try = "gitmirror source add " + strings.TrimPrefix(r.Hint, "say ") + " " + what
		}
		return a, usagef(try, "%q is no kind of source: index, github, gitlab, gitea (also for Forgejo) and gitee are", kind)
	}
	for _, name := range []string{"namespace", "ref", "path"} {
		if c.IsSet(name) {
			return a, usagef("gitmirror source add --help", "--%s is for an index, not for a forge", name)
		}
	}
	if _, err := account(kind, what, c.String("base-url")); err != nil {
		return a, err
	}
	selection, err := selectionOf(c)
	a.Account, a.BaseURL, a.Selection = what, c.String("base-url"), selectionAsked(selection)
	return a, err
}

// sourceTried says what would come of an account of a forge, as an import of it does.
func sourceTried(ctx context.Context, s *session, c *urfave.Context) (err error) {
	o := importOptions{repoImportOptions: repoImportOptions{dry: true}}
	if o.account, err = account(c.Args().Get(0), c.Args().Get(1), c.String("base-url")); err != nil {
		return err
	}
	if o.selection, err = selectionOf(c); err != nil {
		return err
	}
	o.token = tokenOf(o.account)
	return importForge(ctx, s, o)
}

func sourceAdd(ctx context.Context, s *session, a api.AddSource) error {
	var src *api.Source
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		src, err = s.client.AddSource(ctx, a, key)
		return err
	})
	said := "Added the source %s"
	if err != nil {
		if src, err = sourceThere(ctx, s, a, err); err != nil {
			return err
		}
		said = "Already there: the source %s"
	}
	s.say(said, src.Name)
	if src.Kind == api.SourceIndex {
		s.remark("Its index is mirrored as %s. What comes of it: %s", src.Index, s.command("source show %s", src.Name))
	} else {
		s.remark("%s is listed about each hour. What comes of it: %s", src.Account, s.command("source show %s", src.Name))
	}
	return s.showJSON(src)
}
