package cli

import (
	"context"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

func sourceAddCommand() command {
	return command{
		path: "source add", args: "index URL", usage: "mirror what an index repository lists, and follow it", min: 2, max: 2,
		about: `An index is a git repository whose files say what is to be mirrored. A file is YAML, with
url (one, or a list of which the others are asked where the first fails), and is named by its
path. Keys that may be beside it: interval, replicas, refs, labels. A file named DEFAULTS has keys
for all files below its folder. A file *.yaml that holds a list has many entries, a file *.txt a
url per line.

What the index does not list any more is served for seven days, and then goes to the trash. More
than a tenth of it within a day, or all of it, waits for gitmirror source approve.`,
		examples: []string{"gitmirror source add index https://github.com/acme/upstream-repos --namespace upstream", "gitmirror source add index https://gitee.com/acme/lists --name lists --ref main --path linux"},
		flags: []urfave.Flag{
			&urfave.StringFlag{Name: "name", Usage: "`NAME` of the source", DefaultText: "the last part of the URL"},
			&urfave.StringFlag{Name: "namespace", Usage: "`NAME` that stands before the names of what it lists", DefaultText: "none"},
			&urfave.StringFlag{Name: "ref", Usage: "`BRANCH` or tag that is read", DefaultText: "where HEAD is"},
			&urfave.StringFlag{Name: "path", Usage: "`FOLDER` that is read", DefaultText: "all of it"},
		},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			if kind := c.Args().First(); kind != "index" {
				return usagef("gitmirror source add index URL", "%q is no kind of source: index is", kind)
			}
			return sourceAdd(ctx, s, api.AddSource{Kind: "index", URL: c.Args().Get(1), Name: c.String("name"), Namespace: c.String("namespace"), Ref: c.String("ref"), Path: c.String("path")})
		},
	}
}

func sourceAdd(ctx context.Context, s *session, a api.AddSource) error {
	var src *api.Source
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		src, err = s.client.AddSource(ctx, a, key)
		return err
	})
	if err != nil {
		return err
	}
	s.say("Added the source %s", src.Name)
	s.remark("Its index is mirrored as %s. What comes of it: %s", src.Index, s.command("source show %s", src.Name))
	return s.showJSON(src)
}
