package cli

import (
	"regexp"
	"strings"
	"unicode"

	urfave "github.com/urfave/cli/v2"
)

// mention is where a text speaks of us.
var mention = regexp.MustCompile(`\bgitmirror `)

// located has the commands in an advice, which may stand in prose, ask the node that this command
// has asked: what is wrong is wrong there. A line that says itself where to ask stays as it is.
func (s *session) located(advice string) string {
	where := s.where()
	if where == "" {
		return advice
	}
	app := program{}.app()
	lines := strings.Split(advice, "\n")
	for i, line := range lines {
		if strings.Contains(line, "--addr ") || strings.Contains(line, "--data ") || strings.Contains(line, "--help") {
			continue
		}
		mentions := mention.FindAllStringIndex(line, -1)
		for j := len(mentions) - 1; j >= 0; j-- { // from behind: what is put in moves what follows
			if end := commandEnd(app, line, mentions[j][1]-1); end > 0 {
				line = line[:end] + where + line[end:]
			}
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

// commandWord is a word of a command line that stands in a text. Two spaces part a command from
// what is said of it.
var commandWord = regexp.MustCompile(`^ (?:'[^']*'|[^ '])+`)

// commandEnd is where the command line ends that begins with the words behind at, one that asks a
// node; 0 where there is none. In prose nobody can tell for certain where arguments end: those that
// the command needs are counted, and what looks like more of them.
func commandEnd(app *urfave.App, text string, at int) (end int) {
	var command *urfave.Command
	children, valued, needed := app.Commands, valuedFlags(app), 0
	for value := false; ; {
		word := commandWord.FindString(text[at:])
		bare := strings.TrimRight(word, ",;:.)`")
		if len(bare) < 2 {
			break
		}
		switch name := bare[1:]; {
		case len(children) > 0:
			if command = child(children, name); command == nil {
				return 0
			}
			if children = command.Subcommands; len(children) == 0 {
				needed = neededArgs(command)
			}
		case value:
			value = false
		case name[0] == '-':
			flag, _, hasValue := strings.Cut(strings.TrimLeft(name, "-"), "=")
			value = valued[flag] && !hasValue
		case needed > 0:
			needed--
		case !strings.Contains(command.ArgsUsage, "...") || !looksNamed(name):
			word = ""
		}
		if word == "" {
			break
		}
		end = at + len(bare)
		if at += len(word); bare != word {
			break
		}
	}
	if command == nil || len(children) > 0 || !asksNode(command) {
		return 0
	}
	return end
}

// neededArgs is how many arguments a command does not go without.
func neededArgs(c *urfave.Command) (n int) {
	for _, arg := range strings.Fields(c.ArgsUsage) {
		if arg[0] != '[' {
			n++
		}
	}
	return n
}

// looksNamed tells names, URLs and what stands for them from words of prose.
func looksNamed(word string) bool {
	return strings.ContainsAny(word, "/.:'") || strings.ContainsFunc(word, unicode.IsUpper)
}

// asksNode tells whether a command does: of others the flags that say where are not shown.
func asksNode(c *urfave.Command) bool {
	for _, f := range c.Flags {
		if f.Names()[0] == "addr" {
			return len(visibleNames(f)) > 0
		}
	}
	return false
}
