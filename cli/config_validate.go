package cli

import (
	"context"
	"fmt"
	"os"

	"gitmirror/node"

	urfave "github.com/urfave/cli/v2"
)

func configValidateCommand() command {
	return command{
		path: "config validate", usage: "tell whether a node could be started with these settings",
		about: `It reads flags, the environment and the file as "gitmirror start" does, and refuses what
that would refuse before it touches anything.`,
		examples: []string{"gitmirror config validate --data d1", "gitmirror config validate --config new.yaml"},
		flags:    settingFlags(),
		local:    true,
		run: func(_ context.Context, s *session, c *urfave.Context) error {
			settings, err := configure(c, true)
			if err != nil {
				return err
			}
			if _, err := node.Check(settings.config()); err != nil {
				return stopped(err)
			}
			for _, err := range node.UnusableTokens(settings.config()) {
				s.remark("A node starts with that, and does not list the source: %v", err)
			}
			for _, word := range misspelt(os.Environ()) {
				s.remark("%s", word)
			}
			given := 0
			for _, from := range settings.origins {
				if from != fromDefault {
					given++
				}
			}
			where := settings.file
			if !settings.present {
				where = fmt.Sprintf("there is no %s; what there is", settings.file)
			}
			s.say("%s is well: %d of %d settings are given", where, given, len(settings.list))
			return s.showJSON(map[string]any{"config": settings.file, "present": settings.present, "given": given})
		},
	}
}
