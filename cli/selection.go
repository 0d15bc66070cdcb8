package cli

import (
	"slices"
	"strings"

	"gitmirror/api"
	"gitmirror/source/forge"

	urfave "github.com/urfave/cli/v2"
)

// selectionFlags say which repositories of a forge's account are wanted, and what they are called.
func selectionFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringFlag{Name: "match", Usage: "`REGEXP` that what is mirrored matches: its name, or its path below the account", DefaultText: "all"},
		&urfave.StringFlag{Name: "exclude", Usage: "`REGEXP` of what is left out", DefaultText: "nothing"},
		&urfave.StringSliceFlag{Name: "topic", Usage: "`TOPIC` that it has; repeatable: one of them", DefaultText: "any"},
		&urfave.StringSliceFlag{Name: "visibility", Usage: "`WHO` may see it: public, internal or private; repeatable. Nodes cannot clone what is not public yet", DefaultText: "public"},
		&urfave.BoolFlag{Name: "skip-archived", Usage: "leave out what is archived", DisableDefaultText: true},
		&urfave.BoolFlag{Name: "skip-forks", Usage: "leave out forks", DisableDefaultText: true},
		&urfave.StringFlag{Name: "max-repo-size", Usage: "`SIZE` above which it is left out, like 2GiB, where the forge tells it", DefaultText: "none"},
		&urfave.BoolFlag{Name: "wiki", Usage: "mirror wikis too, as NAME.wiki", DisableDefaultText: true},
		&urfave.StringFlag{Name: "template", Usage: "`TEMPLATE` of names, with {host}, {owner} and {name}", DefaultText: forge.DefaultTemplate},
	}
}

// cloneOverFlag is there for what comes: ssh.
func cloneOverFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "clone-over", Usage: "`HOW` it is cloned: https", Value: "https"}
}

// selectionOf reads them.
func selectionOf(c *urfave.Context) (forge.Selection, error) {
	s := forge.Selection{Match: c.String("match"), Exclude: c.String("exclude"), Topics: slices.DeleteFunc(c.StringSlice("topic"), func(t string) bool { return t == "" }), Visibility: c.StringSlice("visibility"),
		SkipArchived: c.Bool("skip-archived"), SkipForks: c.Bool("skip-forks"), Wiki: c.Bool("wiki"), Template: strings.TrimSpace(c.String("template"))}
	var err error
	if s.MaxSize, err = size(c, "max-repo-size"); err != nil {
		return s, err
	}
	if how := c.String("clone-over"); how != "https" {
		return s, usagef(c.Command.HelpName+" --help", "--clone-over %q is not possible: https is", how)
	}
	_, err = s.Read()
	return s, refusedInput(err)
}

// selectionAsked is a selection in the words of the API.
func selectionAsked(s forge.Selection) *api.Selection {
	return &api.Selection{Match: s.Match, Exclude: s.Exclude, Topics: s.Topics, Visibility: s.Visibility, SkipArchived: s.SkipArchived, SkipForks: s.SkipForks, MaxRepoSize: s.MaxSize, Wiki: s.Wiki, Template: s.Template}
}

// reselected is a selection as the flags that are given have it, and else as it is; said tells whether one is.
func reselected(c *urfave.Context, is api.Selection) (to *api.Selection, said bool, err error) {
	asked, err := selectionOf(c)
	if err != nil {
		return nil, false, err
	}
	new := *selectionAsked(asked)
	for name, take := range map[string]func(){
		"match": func() { is.Match = new.Match }, "exclude": func() { is.Exclude = new.Exclude }, "topic": func() { is.Topics = new.Topics }, "visibility": func() { is.Visibility = new.Visibility },
		"skip-archived": func() { is.SkipArchived = new.SkipArchived }, "skip-forks": func() { is.SkipForks = new.SkipForks }, "max-repo-size": func() { is.MaxRepoSize = new.MaxRepoSize },
		"wiki": func() { is.Wiki = new.Wiki }, "template": func() { is.Template = new.Template },
	} {
		if c.IsSet(name) {
			said = true
			take()
		}
	}
	return &is, said, nil
}
