package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gitmirror/api"
	"gitmirror/cli/render"
	"gitmirror/internal/refusal"

	urfave "github.com/urfave/cli/v2"
)

type repoAddOptions struct {
	urls []string
	ask  api.AddRepo // of each, but for its URL
	same api.SetRepo // what is said of it: a repository that is there already has to be so
	said string      // that, as flags
	wait bool
}

func repoAddCommand() command {
	return command{
		path: "repo add", args: "URL...", usage: "mirror repositories", min: 1, max: unlimited,
		about: `Each URL is a repository of its own, named by host and path unless --name says
otherwise. With --wait it returns when each is ready: cloned, with all its copies.
What is mirrored already, as it is asked for, is no failure.`,
		examples: []string{
			"gitmirror repo add https://github.com/acme/big --wait",
			"gitmirror repo add https://github.com/acme/big --name big --replicas 3 --interval 5m",
		},
		flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "name", Usage: "`NAME` of the mirror (default: host and path of the URL)"},
			&urfave.BoolFlag{Name: "wait", Usage: "return when it is ready, at the latest after --timeout", DisableDefaultText: true},
			labelFlag(""),
		}, newPolicyFlags()...),
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			o := repoAddOptions{urls: c.Args().Slice(), wait: c.Bool("wait")}
			name := c.String("name")
			if name == "" && c.IsSet("name") {
				return usagef("gitmirror repo add --help", "--name is empty")
			}
			if name != "" && len(o.urls) > 1 {
				return usagef("gitmirror repo add "+redact(o.urls[0])+" --name "+name, "--name names one repository, and there are %d URLs", len(o.urls))
			}
			var err error
			if o.ask, o.same, err = askedOf(c); err != nil {
				return err
			}
			o.ask.Name, o.said = name, saidOf(c)
			return repoAdd(ctx, s, o)
		},
	}
}

func repoAdd(ctx context.Context, s *session, o repoAddOptions) error {
	if o.wait {
		var cancel context.CancelFunc
		ctx, cancel = s.whole(ctx)
		defer cancel()
	}
	if len(o.urls) == 1 {
		return repoAddOne(ctx, s, o)
	}
	return repoAddMany(ctx, s, o)
}

func repoAddOne(ctx context.Context, s *session, o repoAddOptions) error {
	ask := o.ask
	ask.URL = o.urls[0]
	var row *api.Repo
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		row, err = s.client.Add(ctx, ask, key)
		return err
	})
	if err == nil {
		added(s, row)
	} else if row, err = there(ctx, s, o, err); err != nil {
		return err
	}
	if o.wait {
		rows, err := ready.waitFor(ctx, s, []string{row.Name})
		if err != nil {
			return err
		}
		row = rows[0]
	}
	s.say("  clone: %s", render.CloneCommand(s.base(ctx), row.Name))
	return s.showJSON(row)
}

func repoAddMany(ctx context.Context, s *session, o repoAddOptions) error {
	var ask api.AddRepos
	for _, u := range o.urls {
		one := o.ask
		one.URL = u
		ask.Repos = append(ask.Repos, one)
	}
	var results *api.AddResults
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		results, err = s.client.AddMany(ctx, ask, key)
		return err
	})
	if err != nil {
		return err
	}
	var t tally
	var names []string
	for i, r := range results.Results {
		if r.Problem != nil && r.There != nil && is(r.Problem, refusal.ConflictURL) {
			if err := asAsked(s, o, r.There, r.Problem); err != nil {
				t.fail(s, redact(o.urls[min(i, len(o.urls)-1)]), err)
				continue
			}
			t.there++
			results.Results[i] = api.AddResult{Repo: r.There}
			names = append(names, r.There.Name)
			continue
		}
		if r.Problem != nil {
			t.fail(s, redact(o.urls[min(i, len(o.urls)-1)]), r.Problem)
			continue
		}
		t.ok++
		if r.Repo != nil {
			added(s, r.Repo)
			names = append(names, r.Repo.Name)
		}
	}
	if o.wait && len(names) > 0 {
		rows, err := ready.waitFor(ctx, s, names)
		if err != nil {
			return err
		}
		for i, j := 0, 0; i < len(results.Results); i++ {
			if results.Results[i].Repo != nil {
				results.Results[i].Repo, j = rows[j], j+1
			}
		}
	}
	for _, name := range names {
		s.say("  clone: %s", render.CloneCommand(s.base(ctx), name))
	}
	if err := s.showJSON(results); err != nil {
		return err
	}
	return t.result("URLs", "added")
}

// there is what is mirrored already, where it is as it is asked for, and else what is wrong.
func there(ctx context.Context, s *session, o repoAddOptions, err error) (*api.Repo, error) {
	var p *api.Problem
	if !errors.As(err, &p) || !is(p, refusal.ConflictURL) {
		return nil, err
	}
	r, failed := s.repo(ctx, p.Existing)
	if failed != nil {
		return nil, err
	}
	return r, asAsked(s, o, r, p)
}

func is(p *api.Problem, code refusal.Code) bool { return p.Code == string(code) }

// asAsked tells that a repository is there already; an error where it is otherwise than it is
// asked for.
func asAsked(s *session, o repoAddOptions, r *api.Repo, p *api.Problem) error {
	if r.ServesOf != "" {
		return &Failure{What: fmt.Sprintf("%s is to follow that URL, and serves still what %s had", r.Name, r.ServesOf), Code: p.Code, Exit: exitConflict, Try: s.command("repo show %s", r.Name)}
	}
	if !calledSo(r, o.ask.Name) {
		return p
	}
	if list := differences(r, o.same); len(list) > 0 {
		return &Failure{What: r.Name + " is mirrored already, with other settings", Cause: strings.Join(list, ", "), Code: p.Code, Exit: exitConflict,
			Try: s.command("repo set %s %s", r.Name, o.said)}
	}
	s.say("Already there: %s", placed(r))
	return nil
}

// askedOf reads what is said of repositories that are to be there: what a new one shall be, and
// what one that is there has to be.
func askedOf(c *urfave.Context) (ask api.AddRepo, same api.SetRepo, err error) {
	if ask, err = addOf(c); err != nil {
		return ask, same, err
	}
	if same, err = setOf(c); err != nil {
		return ask, same, err
	}
	if ask.Labels, err = labelsOf(c); err != nil {
		return ask, same, err
	}
	for key, value := range ask.Labels {
		if same.Labels == nil {
			same.Labels = map[string]*string{}
		}
		same.Labels[key] = &value
	}
	return ask, same, nil
}

// saidOf is what askedOf has read, as it is written for gitmirror repo set.
func saidOf(c *urfave.Context) string {
	var words []string
	for _, f := range policyFields {
		if name := f.flag.Names()[0]; c.IsSet(name) {
			words = append(words, "--"+name, shellWord(fmt.Sprint(c.Value(name))))
		}
	}
	for _, label := range c.StringSlice("label") {
		words = append(words, "--label", shellWord(label))
	}
	return strings.Join(words, " ")
}

func added(s *session, r *api.Repo) { s.say("Added %s", placed(r)) }

// placed names a repository and where it is.
func placed(r *api.Repo) string {
	owner := "owner not chosen yet"
	if r.Owner != "" {
		owner = "owner " + r.Owner
	}
	var nodes []string
	for _, c := range r.Copies {
		nodes = append(nodes, c.Node)
	}
	if len(nodes) > 0 {
		owner += ", copies on " + render.And(nodes)
		if r.Policy.Replicas > len(nodes) {
			owner += fmt.Sprintf(" (of %d that were asked for: more are made when there are nodes for them)", r.Policy.Replicas)
		}
	}
	return r.Name + ": " + owner
}
