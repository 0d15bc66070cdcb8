package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gitmirror/cli/render"
	"gitmirror/node"

	urfave "github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v3"
)

func configShowCommand() command {
	return command{
		path: "config show", usage: "show the settings that a start would have",
		about: `They are shown as a config.yaml would have them. --origin says where each is from: a flag,
the environment, a line of the file, node.json, which keeps name and addresses, or nowhere,
so that the default holds.`,
		examples: []string{"gitmirror config show --data d1", "gitmirror config show --data d1 --origin", "gitmirror config show --data d1 -o json"},
		flags:    append(settingFlags(), &urfave.BoolFlag{Name: "origin", Usage: "say where each is from", DisableDefaultText: true}),
		local:    true,
		run: func(_ context.Context, s *session, c *urfave.Context) error {
			settings, err := configure(c, true)
			if err != nil {
				return err
			}
			shown, err := settings.shown()
			if err != nil {
				return err
			}
			return s.show(map[string]any{"data": settings.data, "config": settings.file, "settings": shown}, func(p render.Printer) error {
				return writeSettings(p.Out, shown, c.Bool("origin"))
			})
		},
	}
}

// shownSetting is a setting as it holds.
type shownSetting struct {
	Name   string `json:"name"`
	Value  any    `json:"value"` // a string, or a list of them
	Origin string `json:"origin"`
	yaml   string
}

// shown are all settings, name and addresses as node.json keeps them.
func (s *configured) shown() ([]shownSetting, error) {
	cfg, err := node.Check(s.config())
	if err != nil {
		return nil, stopped(err)
	}
	s.complete(cfg)
	var list []shownSetting
	for _, x := range s.list {
		values := s.texts(x)
		e := shownSetting{Name: x.name(), Origin: s.origins[x.name()], yaml: s.yaml(x)}
		if _, isList := x.flag.(*urfave.StringSliceFlag); isList {
			e.Value = append([]string{}, values...)
		} else {
			e.Value = values[0]
		}
		list = append(list, e)
	}
	return list, nil
}

// complete takes over name and addresses as a start would have them.
func (s *configured) complete(cfg node.Config) {
	kept := node.Kept(cfg.Dir)
	for name, p := range map[string]struct{ is, kept string }{
		"name": {cfg.Name, kept.Name}, "http": {cfg.HTTP, kept.HTTP}, "peer": {cfg.Peer, kept.Peer},
		"advertise": {cfg.Advertise, kept.Peer}, "advertise-http": {cfg.AdvertiseHTTP, kept.HTTP}, // kept with the address that is listened on
	} {
		_ = s.c.Set(name, p.is) // a string takes any
		switch {
		case s.origins[name] == fromFlag || p.kept == "":
		case p.is == "":
			s.origins[name] = fromDefault
		default:
			s.origins[name] = fromNode
		}
	}
}

func writeSettings(w io.Writer, list []shownSetting, origin bool) error {
	width := 0
	for _, e := range list {
		width = max(width, len(e.Name)+2+len(e.yaml))
	}
	for _, e := range list {
		line := e.Name + ": " + e.yaml
		if origin {
			line = fmt.Sprintf("%-*s  # %s", width, line, e.Origin)
		}
		if _, err := fmt.Fprintln(w, printable(line)); err != nil {
			return err
		}
	}
	return nil
}

// yaml is the value of a setting as a file would have it.
func (s *configured) yaml(x setting) string {
	var items []*yaml.Node
	_, isList := x.flag.(*urfave.StringSliceFlag)
	for _, v := range s.texts(x) {
		item := &yaml.Node{Kind: yaml.ScalarNode, Value: v}
		switch x.flag.(type) {
		case *urfave.StringFlag, *urfave.StringSliceFlag:
			item.SetString(v)
		}
		items = append(items, item)
	}
	value := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: items}
	if !isList {
		value = items[0]
	}
	out, err := yaml.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%q", s.texts(x)) // of what it can mean nothing is no YAML
	}
	return strings.TrimSpace(string(out))
}

// shortDuration is a duration without the zeros at its end.
func shortDuration(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"0s", "0m"} {
		if rest, found := strings.CutSuffix(text, zero); found && rest != "" && !slices.Contains([]byte("0123456789."), rest[len(rest)-1]) {
			text = rest
		}
	}
	return text
}
