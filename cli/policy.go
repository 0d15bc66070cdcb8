package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

// policyField is one thing that can be said of how a repository is mirrored.
type policyField struct {
	flag urfave.Flag
	late urfave.Flag                               // the flag for what is there, where that has no default
	add  func(*urfave.Context, *api.AddRepo) error // says it of a new repository
	set  func(*urfave.Context, *api.SetRepo) error // says it of one that is there
	says func(api.SetRepo) bool                    // whether a change says something of it
	is   func(api.Policy) string                   // what it is
	own  func(api.Policy) string                   // likewise, in words; empty, or nil, where that is nothing of its own
}

var policyFields = []policyField{
	{
		flag: &urfave.IntFlag{Name: "replicas", Usage: "on how many nodes there shall be a copy, `N`", Value: 2},
		add: func(c *urfave.Context, a *api.AddRepo) error {
			if a.Replicas = c.Int("replicas"); a.Replicas < 1 {
				return usagef(c.Command.HelpName+" --help", "--replicas %d keeps no copy", a.Replicas)
			}
			return nil
		},
		late: &urfave.IntFlag{Name: "replicas", Usage: "on how many nodes there shall be a copy, `N`", DefaultText: "as before"},
		set: func(c *urfave.Context, s *api.SetRepo) error {
			n := c.Int("replicas")
			if s.Replicas = &n; n < 1 {
				return usagef(c.Command.HelpName+" --help", "--replicas %d keeps no copy", n)
			}
			return nil
		},
		says: func(s api.SetRepo) bool { return s.Replicas != nil },
		is:   func(p api.Policy) string { return strconv.Itoa(p.Replicas) },
	},
	{
		flag: &urfave.StringFlag{Name: "interval", Usage: "`DURATION` between two looks at upstream, from 1s up, or auto: learned from how often it changes", Value: api.Auto},
		add:  func(c *urfave.Context, a *api.AddRepo) (err error) { a.Interval, err = interval(c); return err },
		late: &urfave.StringFlag{Name: "interval", Usage: "`DURATION` between two looks at upstream, from 1s up, or auto: learned from how often it changes", DefaultText: "as before"},
		set: func(c *urfave.Context, s *api.SetRepo) (err error) {
			s.Interval, err = pointer(interval(c))
			return err
		},
		says: func(s api.SetRepo) bool { return s.Interval != nil },
		is: func(p api.Policy) string {
			if p.IntervalMS == 0 {
				return api.Auto
			}
			return plain(time.Duration(p.IntervalMS) * time.Millisecond)
		},
	},
	{
		flag: &urfave.StringFlag{Name: "max-size", Usage: "`SIZE` that the copy may have, like 200GiB (default: what the nodes were started with)"},
		add:  func(c *urfave.Context, a *api.AddRepo) (err error) { a.MaxSize, err = size(c, "max-size"); return err },
		set: func(c *urfave.Context, s *api.SetRepo) (err error) {
			s.MaxSize, err = pointer(size(c, "max-size"))
			return err
		},
		says: func(s api.SetRepo) bool { return s.MaxSize != nil },
		is:   func(p api.Policy) string { return cmp.Or(bytesOf("", p.MaxSize), "the nodes'") },
		own:  func(p api.Policy) string { return bytesOf("", p.MaxSize) },
	},
	{
		flag: &urfave.StringFlag{Name: "max-object-size", Usage: "`SIZE` that one object may have, like 4GiB (default: what the nodes were started with)"},
		add: func(c *urfave.Context, a *api.AddRepo) (err error) {
			a.MaxObjectSize, err = size(c, "max-object-size")
			return err
		},
		set: func(c *urfave.Context, s *api.SetRepo) (err error) {
			s.MaxObjectSize, err = pointer(size(c, "max-object-size"))
			return err
		},
		says: func(s api.SetRepo) bool { return s.MaxObjectSize != nil },
		is:   func(p api.Policy) string { return cmp.Or(bytesOf("", p.MaxObjectSize), "the nodes'") },
		own:  func(p api.Policy) string { return bytesOf("objects of ", p.MaxObjectSize) },
	},
	{
		flag: &urfave.StringFlag{Name: "accept-flaws", Usage: "`IDS` of flaws that git's fsck refuses objects for, with commas between: they are taken all the same (default: none)"},
		add:  func(c *urfave.Context, a *api.AddRepo) (err error) { a.AcceptFlaws, err = flaws(c); return err },
		set: func(c *urfave.Context, s *api.SetRepo) (err error) {
			s.AcceptFlaws, err = pointer(flaws(c))
			return err
		},
		says: func(s api.SetRepo) bool { return s.AcceptFlaws != nil },
		is:   func(p api.Policy) string { return orNone(p.AcceptFlaws) },
		own: func(p api.Policy) string {
			if len(p.AcceptFlaws) == 0 {
				return ""
			}
			return "objects with " + strings.Join(p.AcceptFlaws, ", ")
		},
	},
}

// newPolicyFlags say how new repositories are mirrored.
func newPolicyFlags() (flags []urfave.Flag) {
	for _, f := range policyFields {
		flags = append(flags, f.flag)
	}
	return flags
}

// addOf reads newPolicyFlags.
func addOf(c *urfave.Context) (ask api.AddRepo, err error) {
	for _, f := range policyFields {
		if err := f.add(c, &ask); err != nil {
			return ask, err
		}
	}
	return ask, nil
}

// setPolicyFlags say what shall become of a repository's policy.
func setPolicyFlags() (flags []urfave.Flag) {
	for _, f := range policyFields {
		if f.late != nil {
			flags = append(flags, f.late)
		} else {
			flags = append(flags, f.flag)
		}
	}
	return flags
}

// plain is a duration without what is 0 at its end.
func plain(d time.Duration) string {
	text := d.String()
	for _, end := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, end) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// setOf reads those of setPolicyFlags, or of newPolicyFlags, that are given.
func setOf(c *urfave.Context) (set api.SetRepo, err error) {
	for _, f := range policyFields {
		if !c.IsSet(f.flag.Names()[0]) {
			continue
		}
		if err := f.set(c, &set); err != nil {
			return set, err
		}
	}
	return set, nil
}

// ownPolicy says where a repository is mirrored otherwise than the nodes do by
// themselves; empty for nowhere.
func ownPolicy(p api.Policy) string {
	var own []string
	for _, f := range policyFields {
		if f.own == nil {
			continue
		}
		if words := f.own(p); words != "" {
			own = append(own, words)
		}
	}
	return strings.Join(own, ", ")
}

func pointer[T any](v T, err error) (*T, error) { return &v, err }

func bytesOf(of string, n int64) string {
	if n == 0 {
		return ""
	}
	return of + humanize.IBytes(uint64(n))
}

// flaws reads --accept-flaws: never nil, for it says what there shall be.
func flaws(c *urfave.Context) ([]string, error) {
	return listOrNone(c, "accept-flaws")
}

// listOrNone reads a flag that has words with commas between, or none alone; never nil.
func listOrNone(c *urfave.Context, flag string) ([]string, error) {
	list := strings.FieldsFunc(c.String(flag), func(r rune) bool { return r == ',' || r == ' ' })
	none := slices.ContainsFunc(list, func(word string) bool { return strings.EqualFold(word, "none") })
	switch {
	case len(list) == 0 && c.IsSet(flag):
		return nil, usagef(c.Command.HelpName+" --"+flag+" none", "--%s is empty", flag)
	case none && len(list) > 1:
		return nil, usagef(c.Command.HelpName+" --"+flag+" none", "--%s %s: none stands alone, and says that there shall be none", flag, c.String(flag))
	case none:
		return []string{}, nil
	}
	return append([]string{}, list...), nil
}

// interval reads --interval, as the API spells it.
func interval(c *urfave.Context) (string, error) {
	text := strings.TrimSpace(c.String("interval"))
	if strings.EqualFold(text, api.Auto) {
		return api.Auto, nil
	}
	switch d, err := time.ParseDuration(text); {
	case err != nil:
		return "", usagef(c.Command.HelpName+" --interval 5m", "--interval %q: a duration is wanted, like 90s, 5m or 1h30m, or auto", text)
	case d < time.Second:
		return "", usagef(c.Command.HelpName+" --interval 5m", "--interval %s is less than 1s", d)
	case d%time.Millisecond != 0:
		return "", usagef(c.Command.HelpName+" --interval 5m", "--interval %s is finer than a millisecond", d)
	default:
		return d.String(), nil
	}
}

// size reads a flag that is a number of bytes; empty is 0.
func size(c *urfave.Context, flag string) (int64, error) {
	text := strings.TrimSpace(c.String(flag))
	if text == "" && c.IsSet(flag) {
		return 0, usagef(c.Command.HelpName+" --"+flag+" 50GiB", "--%s is empty", flag)
	}
	if text == "" {
		return 0, nil
	}
	n, err := humanize.ParseBytes(text)
	if err != nil || n > 1<<62 {
		return 0, usagef(c.Command.HelpName+" --"+flag+" 50GiB", "--%s %q is no size", flag, text)
	}
	return int64(n), nil
}

func sorted(list []string) []string { slices.Sort(list); return list }
