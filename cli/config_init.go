package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"
)

func configInitCommand() command {
	return command{
		path: "config init", usage: "write a config.yaml to fill in, with what the flags say",
		about: `It has a line for each setting, with what it means and what holds without it; those that
a flag or the environment says are filled in. A file that is there is left as it is.`,
		examples: []string{
			"gitmirror config init --data d1",
			"gitmirror config init --data /var/lib/gitmirror --replace-after 30m --insecure-peers",
		},
		flags: settingFlags(),
		local: true,
		run: func(_ context.Context, s *session, c *urfave.Context) error {
			settings, err := configure(c, false)
			if err != nil {
				return err
			}
			if err := settings.write(); err != nil {
				return err
			}
			s.say("%s is written; gitmirror config validate --data %s looks whether it will do", settings.file, settings.data)
			return s.showJSON(map[string]string{"config": settings.file})
		},
	}
}

// write makes the file, and the data directory where that is missing.
func (s *configured) write() error {
	failed := func(err error) error {
		f := usagef("choose another place with --data or --config, or mend its permissions", "cannot write %s", s.file)
		f.Cause, f.Code, f.Exit = err.Error(), codeFailed, exitFailed
		return f
	}
	if err := os.MkdirAll(filepath.Dir(s.file), 0o700); err != nil {
		return failed(err)
	}
	f, err := os.OpenFile(s.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &Failure{What: s.file + " is there already", Code: codeRefused, Exit: exitConflict, Try: "gitmirror config show --origin --data " + s.data}
	}
	if err != nil {
		return failed(err)
	}
	_, err = f.WriteString(s.template())
	if err = errors.Join(err, f.Close()); err != nil {
		return failed(errors.Join(err, os.Remove(s.file)))
	}
	return nil
}

const templateHead = `# Settings of a gitmirror node. A flag of "gitmirror start" goes before $GITMIRROR_<SETTING>, and
# that before this file.
#
#   gitmirror config validate --data DIR        is it well?
#   gitmirror config show --origin --data DIR   what holds, and where that is from
`

// template is a file with all settings, those that hold by default as comments.
func (s *configured) template() string {
	var b strings.Builder
	b.WriteString(templateHead)
	group := ""
	for _, x := range s.list {
		f := x.flag.(urfave.DocGenerationFlag)
		if g := x.flag.(urfave.CategorizableFlag).GetCategory(); g != group {
			group = g
			fmt.Fprintf(&b, "\n## %s\n", group)
			if group == groupPlace {
				b.WriteString("# Read at the first start. Later a flag changes it, and this does not.\n")
			}
		}
		b.WriteString("\n# " + strings.ReplaceAll(f.GetUsage(), "`", ""))
		if d := strings.Trim(f.GetDefaultText(), `"`); d != "" && d != "false" {
			b.WriteString(" (default: " + strings.TrimPrefix(d, "as before; at first ") + ")")
		}
		comment := "# "
		if s.origins[x.name()] != fromDefault {
			comment = ""
		}
		fmt.Fprintf(&b, "\n%s%s: %s\n", comment, x.name(), s.yaml(x))
	}
	return b.String()
}

// texts are the values of a setting, one unless it is a list.
func (s *configured) texts(x setting) []string {
	name := x.name()
	switch x.flag.(type) {
	case *urfave.StringSliceFlag:
		return slices.Clone(s.c.StringSlice(name))
	case *urfave.DurationFlag:
		return []string{shortDuration(s.c.Duration(name))}
	}
	return []string{fmt.Sprint(s.c.Value(name))}
}
