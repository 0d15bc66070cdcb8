package cli

import (
	"context"
	"slices"
	"strings"

	"gitmirror/api"
	"gitmirror/internal/giturl"

	urfave "github.com/urfave/cli/v2"
)

func repoSetCommand() command {
	return command{
		path: "repo set", args: "NAME...", usage: "change how repositories are mirrored, and what they are called", min: 1, max: unlimited,
		about: `What is not named stays as it is. A repository that gets another name keeps its
copies; the name before leads to it too, for clones and commands, until --alias
says otherwise. One that has failed as too_large is tried again at once when it
may have more, and one that has failed as corrupt when other flaws are accepted;
0 is what the nodes were started with.`,
		examples: []string{
			"gitmirror repo set github.com/acme/big --max-size 200GiB --interval 5m",
			"gitmirror repo set github.com/acme/a github.com/acme/b --replicas 3 --label team=core --label old-",
			"gitmirror repo set github.com/acme/big --name big",
			"gitmirror repo set big --url https://gitlab.com/acme/big --url https://github.com/acme/big",
			"gitmirror repo set big --alias none",
			"gitmirror repo set github.com/acme/old --accept-flaws hasDotgit,badEmail",
		},
		flags: append(setPolicyFlags(),
			&urfave.StringFlag{Name: "name", Usage: "`NAME` of the mirror from now on"},
			&urfave.StringFlag{Name: "alias", Usage: "`NAMES` that lead to it besides its own, with commas between, or none"},
			&urfave.StringSliceFlag{Name: "url", Usage: "`URL` of the upstream from now on; repeated, those that are tried when the first does not answer"},
			labelFlag(", or KEY- for none")),
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			set, err := changeOf(c)
			if err != nil {
				return err
			}
			names := c.Args().Slice()
			if set.Empty() {
				return usagef("gitmirror repo set "+names[0]+" --max-size 200GiB", "nothing to change is named")
			}
			if len(names) > 1 && (set.Name != nil || set.Aliases != nil || set.URLs != nil) {
				return usagef("gitmirror repo set "+names[0]+" --name NAME", "--name, --alias and --url are of one repository, and there are %d names", len(names))
			}
			return repoSet(ctx, s, names, set, "changed", func(is *api.Repo) string { return is.Name + ": " + isNow(is, set) })
		},
	}
}

// changeOf reads all that is said of what repositories shall become.
func changeOf(c *urfave.Context) (api.SetRepo, error) {
	set, err := setOf(c)
	if err != nil {
		return set, err
	}
	for _, flag := range []string{"name", "alias"} {
		if c.IsSet(flag) && strings.TrimSpace(c.String(flag)) == "" {
			return set, usagef(c.Command.HelpName+" --help", "--%s is empty", flag)
		}
	}
	if c.IsSet("name") {
		name := c.String("name")
		set.Name = &name
	}
	if c.IsSet("alias") {
		names, err := listOrNone(c, "alias")
		if err != nil {
			return set, err
		}
		set.Aliases = &names
	}
	if c.IsSet("url") {
		urls := c.StringSlice("url")
		set.URLs = &urls
	}
	set.Labels, err = relabelOf(c)
	return set, err
}

// isNow says how what was set is by now.
func isNow(r *api.Repo, set api.SetRepo) string {
	var words []string
	for _, f := range policyFields {
		if f.says(set) {
			words = append(words, f.flag.Names()[0]+" "+f.is(r.Policy))
		}
	}
	if set.Name != nil || set.Aliases != nil {
		if len(r.Aliases) == 0 {
			words = append(words, "no other names")
		} else {
			words = append(words, "also called "+strings.Join(r.Aliases, ", "))
		}
	}
	if set.URLs != nil {
		words = append(words, "from "+strings.Join(r.URLs, " "))
	}
	if set.Labels != nil {
		var labels []string
		for key, value := range r.Labels {
			labels = append(labels, key+"="+value)
		}
		words = append(words, "labels "+orNone(sorted(labels)))
	}
	return strings.Join(words, ", ")
}

// notAsked are other names that a repository has though it was said which it shall have: those that sources give it.
func notAsked(row *api.Repo, set api.SetRepo) (names []string) {
	if set.Aliases == nil {
		return nil
	}
	for _, name := range row.Aliases {
		if !slices.ContainsFunc(*set.Aliases, func(n string) bool { return strings.EqualFold(giturl.NormalName(n), name) }) {
			names = append(names, name)
		}
	}
	return names
}

// repoSet changes one repository, or many; done says of one that it is.
func repoSet(ctx context.Context, s *session, names []string, set api.SetRepo, what string, done func(*api.Repo) string) error {
	if len(names) == 1 {
		var row *api.Repo
		err := s.write(ctx, func(ctx context.Context, key string) (err error) {
			row, err = s.client.Set(ctx, names[0], set, key)
			return err
		})
		if err = notFound(err, s.command("repo ls")); err != nil {
			return err
		}
		s.say("%s", done(row))
		if stay := notAsked(row, set); len(stay) > 0 {
			s.remark("It is called %s too: sources that want it call it so. Which they are: %s", strings.Join(stay, ", "), s.command("repo show %s", row.Name))
		}
		return s.showJSON(row)
	}
	var t tally
	out := api.RepoResults{Results: []api.RepoResult{}}
	err := inBatches(ctx, s, &t, names, itself, func(ctx context.Context, batch []string, key string) (*api.RepoResults, error) {
		var ask api.SetRepos
		for _, name := range batch {
			ask.Repos = append(ask.Repos, api.SetOne{Repo: name, SetRepo: set})
		}
		return s.client.SetMany(ctx, ask, key)
	}, func(r api.RepoResult) {
		out.Results = append(out.Results, r)
		if r.Problem != nil {
			t.fail(s, r.Name, r.Problem)
			return
		}
		t.ok++
		s.say("%s", done(r.Repo))
	})
	if err != nil {
		return err
	}
	if err := s.showJSON(out); err != nil {
		return err
	}
	return t.result("repositories", what)
}
