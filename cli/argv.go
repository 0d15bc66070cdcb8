package cli

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	urfave "github.com/urfave/cli/v2"
)

// invocation is a command line as the command tree reads it.
type invocation struct {
	path  string   // "gitmirror repo add", as far as it is known
	args  []string // program, command path, flags, "--", positional arguments
	json  bool     // errors are wanted as JSON
	group bool     // a command without its verb: there is only help to show
}

// verbs are other words for the ones we document.
var verbs = map[string]string{"list": "ls", "get": "show", "create": "add", "remove": "rm", "delete": "rm"}

// arrange puts flags before positional arguments, wherever they were given:
// the flag package stops at the first word that is not a flag, and would take
// the flags behind it for arguments. It refuses words that are no command and
// flags that the command does not have, naming what is nearest.
func arrange(app *urfave.App, args []string) (invocation, error) {
	for i, word := range args {
		if !utf8.ValidString(word) { // it would be sent as something else
			return invocation{path: app.Name, args: args[:1]}, usagef("", "word %d of the command line, %q, is not UTF-8", i, word)
		}
	}
	words, flags, err := split(app, args[1:])
	line := invocation{path: app.Name, args: []string{app.Name}}
	for _, f := range flags {
		line.json = line.json || (f.is("output", "o") && f.value == "json")
	}
	if err != nil {
		return line, err
	}

	var command *urfave.Command // nil: the program itself
	children, help := app.Commands, false
	for len(children) > 0 && len(words) > 0 && !words[0].literal {
		word := words[0].text
		words = words[1:]
		if word == "help" {
			help = true
			continue
		}
		next := child(children, word)
		if next == nil {
			return line, unknownCommand(command, children, word)
		}
		command, children = next, next.Subcommands
		line.args = append(line.args, command.Name)
		line.path += " " + command.Name
	}
	for _, f := range flags {
		help = help || f.is("help", "h")
		if command == nil && len(words) == 0 && f.is("version", "v") {
			line.args = append(line.args, "version")
			return line, nil
		}
	}
	switch line.group = len(children) > 0; {
	case help:
		line.group = false
		line.args = append(line.args, "--help")
		return line, nil
	case line.group && len(words) > 0:
		return line, unknownCommand(command, children, words[0].text)
	case line.group:
		if command == nil && len(flags) > 0 && !flags[0].known {
			return line, unknownFlag("gitmirror", nil, flags[0])
		}
		line.args = append(line.args, "--help")
		return line, nil
	}
	for _, f := range flags {
		if !f.known || !hasFlag(command, f.name) {
			return line, unknownFlag(line.path, command, f)
		}
		line.args = append(line.args, f.tokens...)
	}
	if err := contradiction(line.path, command, flags); err != nil {
		return line, err
	}
	line.args = append(line.args, "--")
	for _, w := range words {
		line.args = append(line.args, w.text)
	}
	return line, nil
}

// contradiction refuses a flag that has one value and is given two, and a list of flags in which
// one key has two: the last would win, and nobody be told. flags are the command's.
func contradiction(path string, command *urfave.Command, flags []givenFlag) error {
	said := map[string]string{} // by flag, or flag and key
	for _, f := range flags {
		at := slices.IndexFunc(command.Flags, func(own urfave.Flag) bool { return slices.Contains(own.Names(), f.name) })
		name, pairs := command.Flags[at].Names()[0], map[string]string{}
		switch command.Flags[at].(type) {
		case *urfave.StringSliceFlag:
			if !keyed[name] {
				continue
			}
			for _, text := range strings.Split(f.value, ",") {
				key, _, ok := strings.Cut(text, "=")
				if !ok {
					key = strings.TrimSuffix(text, "-")
				}
				if was, twice := pairs[key]; twice && was != text {
					return usagef(path+" --help", "--%s says two things of %s: %s and %s", name, key, was, text)
				}
				pairs[key] = text
			}
		case *urfave.BoolFlag:
			if pairs[""] = f.value; !strings.Contains(f.tokens[0], "=") {
				pairs[""] = "true"
			}
		default:
			pairs[""] = f.value
		}
		for key, value := range pairs {
			was, twice := said[name+"="+key]
			switch {
			case twice && was != value && key == "" && !alike(command.Flags[at], name, was, value):
				return usagef(path+" --help", "--%s has one value, and is given two: %s and %s", name, was, value)
			case twice && was != value && key != "":
				return usagef(path+" --help", "--%s says two things of %s: %s and %s", name, key, was, value)
			}
			said[name+"="+key] = value
		}
	}
	return nil
}

// alike tells whether two texts are one value of a flag, as 60s and 1m are. What does not parse is
// only like itself.
func alike(flag urfave.Flag, name, a, b string) bool {
	switch flag.(type) {
	case *urfave.DurationFlag:
		return same(time.ParseDuration, a, b)
	case *urfave.IntFlag:
		return same(strconv.Atoi, a, b)
	case *urfave.Float64Flag:
		return same(func(text string) (float64, error) { return strconv.ParseFloat(text, 64) }, a, b)
	case *urfave.BoolFlag:
		return same(strconv.ParseBool, a, b)
	}
	switch {
	case name == "interval":
		return strings.EqualFold(a, b) || same(time.ParseDuration, a, b)
	case sizes[name]:
		return same(humanize.ParseBytes, a, b)
	}
	return false
}

// same tells whether two texts are read as one value.
func same[T comparable](read func(string) (T, error), a, b string) bool {
	of, err := read(strings.TrimSpace(a))
	if err != nil {
		return false
	}
	other, err := read(strings.TrimSpace(b))
	return err == nil && of == other
}

// sizes are the flags that are numbers of bytes.
var sizes = map[string]bool{"max-size": true, "max-object-size": true, "git-memory": true}

// keyed are the flags whose values are KEY=VALUE, of each key one.
var keyed = map[string]bool{"label": true, "hosts": true, "source-token": true}

type word struct {
	text    string
	literal bool // stood behind "--": never a command
}

type givenFlag struct {
	name   string
	value  string
	tokens []string // as given
	known  bool     // some command has it
}

func (f givenFlag) is(names ...string) bool {
	for _, n := range names {
		if f.name == n {
			return true
		}
	}
	return false
}

// split tells flags with their values from the other words. A flag has one
// meaning in the whole tree, so this does not need to know the command.
func split(app *urfave.App, args []string) (words []word, flags []givenFlag, err error) {
	takesValue := valuedFlags(app)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			for _, rest := range args[i+1:] {
				words = append(words, word{text: rest, literal: true})
			}
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			words = append(words, word{text: arg})
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		f := givenFlag{name: name, value: value, tokens: args[i : i+1]}
		var wants bool
		if wants, f.known = takesValue[name]; wants && !hasValue {
			if i++; i == len(args) {
				return words, flags, usagef("", "the flag %s needs a value", arg)
			}
			f.value, f.tokens = args[i], []string{arg, args[i]}
		}
		flags = append(flags, f)
	}
	return words, flags, nil
}

// valuedFlags tells of each name of a flag whether it takes a value.
func valuedFlags(app *urfave.App) map[string]bool {
	takesValue := map[string]bool{"help": false, "h": false, "version": false, "v": false}
	for f := range allFlags(app.Commands) {
		for _, name := range f.Names() {
			_, isBool := f.(*urfave.BoolFlag)
			takesValue[name] = !isBool
		}
	}
	return takesValue
}

func allFlags(commands []*urfave.Command) func(yield func(urfave.Flag) bool) {
	return func(yield func(urfave.Flag) bool) {
		for _, c := range commands {
			for _, f := range c.Flags {
				if !yield(f) {
					return
				}
			}
			for f := range allFlags(c.Subcommands) {
				if !yield(f) {
					return
				}
			}
		}
	}
}

func child(commands []*urfave.Command, name string) *urfave.Command {
	for _, n := range []string{name, verbs[name]} {
		for _, c := range commands {
			if c.Name == n {
				return c
			}
		}
	}
	return nil
}

func hasFlag(c *urfave.Command, name string) bool {
	for _, f := range c.Flags {
		for _, n := range f.Names() {
			if n == name {
				return true
			}
		}
	}
	return false
}

func unknownCommand(parent *urfave.Command, children []*urfave.Command, name string) error {
	path := "gitmirror"
	if parent != nil {
		path += " " + parent.Name
	}
	var names []string
	for _, c := range children {
		names = append(names, c.Name)
	}
	if near := nearest(name, names); near != "" {
		return usagef(path+" "+near+" --help", "%s has no command %q; did you mean %q?", path, name, near)
	}
	return usagef(path+" --help", "%s has no command %q", path, name)
}

func unknownFlag(path string, c *urfave.Command, f givenFlag) error {
	var names []string
	if c != nil {
		for _, flag := range c.Flags {
			names = append(names, visibleNames(flag)...)
		}
	}
	spelled, _, _ := strings.Cut(f.tokens[0], "=")
	if near := nearest(f.name, names); near != "" {
		return usagef(path+" --help", "%s has no flag %s; did you mean --%s?", path, spelled, near)
	}
	return usagef(path+" --help", "%s has no flag %s", path, spelled)
}

// visibleNames are the long names of a flag that help shows.
func visibleNames(f urfave.Flag) []string {
	if v, ok := f.(urfave.VisibleFlag); ok && !v.IsVisible() {
		return nil
	}
	return f.Names()[:1]
}

// usageError is what urfave calls where a flag's value does not parse.
func usageError(c *urfave.Context, err error, _ bool) error {
	help := "gitmirror --help"
	if c.Command != nil && c.Command.HelpName != "" {
		help = c.Command.HelpName + " --help"
	}
	what := strings.Replace(err.Error(), " for flag -", " for flag --", 1)
	what = strings.TrimSuffix(what, ": parse error")
	f := usagef(help, "%s", what)
	if c.Command != nil {
		for _, flag := range c.Command.Flags {
			if strings.HasSuffix(what, "--"+flag.Names()[0]) {
				f.Cause = expects(flag)
			}
		}
	}
	return f
}

func expects(f urfave.Flag) string {
	switch f.(type) {
	case *urfave.DurationFlag:
		return "a duration is wanted, like 90s, 5m or 1h30m"
	case *urfave.IntFlag:
		return "a whole number is wanted"
	case *urfave.BoolFlag:
		return "true or false is wanted"
	}
	return ""
}
