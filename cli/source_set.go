package cli

import (
	"context"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

func sourceSetCommand() command {
	return command{
		path: "source set", args: "NAME", usage: "change which part of an index is read, or what of a forge is wanted", min: 1, max: 1,
		about: `Of a forge, what is not given stays as it is: --skip-forks=false takes forks too, --match '' all names, --topic '' any topics.
What is not wanted any more is treated as what is not there any more.`,
		examples: []string{"gitmirror source set upstream-repos --ref main", "gitmirror source set upstream-repos --path linux", "gitmirror source set acme --exclude '-old$' --skip-archived"},
		flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "ref", Usage: "`BRANCH` or tag of an index that is read; empty for where HEAD is", DefaultText: "as it is"},
			&urfave.StringFlag{Name: "path", Usage: "`FOLDER` of an index that is read; empty for all of it", DefaultText: "as it is"},
			cloneOverFlag(),
		}, selectionFlags()...),
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			var set api.SetSource
			for name, to := range map[string]**string{"ref": &set.Ref, "path": &set.Path} {
				if c.IsSet(name) {
					value := c.String(name)
					*to = &value
				}
			}
			_, said, err := reselected(c, api.Selection{})
			switch {
			case err != nil:
				return err
			case said:
				src, err := s.source(ctx, c.Args().First())
				if err != nil {
					return err
				}
				if src.Selection == nil {
					return usagef("gitmirror source set --help", "%s is an index: --ref and --path are for it", src.Name)
				}
				set.Selection, _, _ = reselected(c, *src.Selection)
			case set == (api.SetSource{}):
				return usagef("gitmirror source set --help", "nothing is to be changed: give --ref or --path, or what is wanted of a forge")
			}
			return sourceSet(ctx, s, c.Args().First(), set, "Changed")
		},
	}
}

func sourcePauseCommand() command {
	return command{
		path: "source pause", args: "NAME", usage: "have what a source lists change nothing for a while", min: 1, max: 1,
		examples: []string{"gitmirror source pause upstream-repos"},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return sourceSet(ctx, s, c.Args().First(), sourcePausing(true), "Paused")
		},
	}
}

func sourceResumeCommand() command {
	return command{
		path: "source resume", args: "NAME", usage: "follow a paused source again", min: 1, max: 1,
		examples: []string{"gitmirror source resume upstream-repos"},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return sourceSet(ctx, s, c.Args().First(), sourcePausing(false), "Resumed")
		},
	}
}

func sourcePausing(paused bool) api.SetSource { return api.SetSource{Paused: &paused} }

func sourceSet(ctx context.Context, s *session, name string, set api.SetSource, done string) error {
	return sourceWrite(ctx, s, func(ctx context.Context, key string) (*api.Source, error) {
		return s.client.SetSource(ctx, name, set, key)
	}, done)
}

// sourceWrite makes a change of a source, and says that it is done.
func sourceWrite(ctx context.Context, s *session, call func(ctx context.Context, key string) (*api.Source, error), done string) error {
	var src *api.Source
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		src, err = call(ctx, key)
		return err
	})
	if err != nil {
		return notFound(err, s.command("source ls"))
	}
	s.say("%s %s", done, src.Name)
	return s.showJSON(src)
}
