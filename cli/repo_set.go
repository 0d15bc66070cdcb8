package cli

import (
	"context"
	"strings"

	"github.com/dustin/go-humanize"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

func repoSetCommand() command {
	return command{
		path: "repo set", args: "NAME", usage: "change what a repository may have", min: 1, max: 1,
		about: `What is not named stays as it is; 0 is what the nodes were started with. A repository
that has failed as too_large is tried again at once when it gets more, and one that has
failed as corrupt when other flaws are accepted.`,
		examples: []string{
			"gitmirror repo set github.com/acme/big --max-size 200GiB",
			"gitmirror repo set github.com/acme/big --max-object-size 0",
			"gitmirror repo set github.com/acme/old --accept-flaws hasDotgit,badEmail",
			"gitmirror repo set github.com/acme/old --accept-flaws none",
		},
		flags: limitFlags(),
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			name := c.Args().First()
			var set api.SetRepo
			for flag, to := range map[string]**int64{"max-size": &set.MaxSize, "max-object-size": &set.MaxObjectSize} {
				if !c.IsSet(flag) {
					continue
				}
				n, err := size(c, flag)
				if err != nil {
					return err
				}
				*to = &n
			}
			if c.IsSet("accept-flaws") {
				accept := flaws(c)
				set.AcceptFlaws = &accept
			}
			if set == (api.SetRepo{}) {
				return usagef("gitmirror repo set "+name+" --max-size 200GiB", "nothing to change is named")
			}
			return repoSet(ctx, s, name, set)
		},
	}
}

func repoSet(ctx context.Context, s *session, name string, set api.SetRepo) error {
	var row *api.Repo
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		row, err = s.client.Set(ctx, name, set, key)
		return err
	})
	if err = notFound(err, s.command("repo ls")); err != nil {
		return err
	}
	s.say("%s may have %s, and objects of %s", row.Name, limit(row.MaxSize), limit(row.MaxObjectSize))
	if len(row.AcceptFlaws) > 0 {
		s.say("Objects with these flaws are taken: %s", strings.Join(row.AcceptFlaws, ", "))
	}
	return s.showJSON(row)
}

func limit(bytes int64) string {
	if bytes == 0 {
		return "what the nodes' limit is"
	}
	return humanize.IBytes(uint64(bytes))
}

// limitFlags are the limits of one repository.
func limitFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringFlag{Name: "max-size", Usage: "`SIZE` that the copy may have, like 200GiB (default: what the nodes were started with)"},
		&urfave.StringFlag{Name: "max-object-size", Usage: "`SIZE` that one object may have, like 4GiB (default: what the nodes were started with)"},
		&urfave.StringFlag{Name: "accept-flaws", Usage: "`IDS` of flaws that git's fsck refuses objects for, with commas between: they are taken all the same (default: none)"},
	}
}

// flaws reads --accept-flaws: never nil, for it says what there shall be.
func flaws(c *urfave.Context) []string {
	list := strings.FieldsFunc(c.String("accept-flaws"), func(r rune) bool { return r == ',' || r == ' ' })
	if len(list) == 1 && strings.EqualFold(list[0], "none") {
		return []string{}
	}
	return append([]string{}, list...)
}

// size reads a flag that is a number of bytes; empty is 0.
func size(c *urfave.Context, flag string) (int64, error) {
	text := strings.TrimSpace(c.String(flag))
	if text == "" {
		return 0, nil
	}
	n, err := humanize.ParseBytes(text)
	if err != nil || n > 1<<62 {
		return 0, usagef(c.Command.HelpName+" --"+flag+" 50GiB", "--%s %q is no size", flag, text)
	}
	return int64(n), nil
}
